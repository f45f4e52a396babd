"""`stepbench prefs`: preference studies. Each group of its commands has a file of its own."""

from __future__ import annotations

from cyclopts import App

prefs_command = App(name="prefs", help="Preference studies: plan pairs, collect blind votes, look at their quality.")

prefs_command.command("stepbench.cli.prefs_new:new", name="new", help="Make a study and freeze its protocol.")
prefs_command.command("stepbench.cli.prefs_plan:plan", name="plan", help="Plan the pairs of runs to be judged.")
prefs_command.command("stepbench.cli.prefs_status:status", name="status", help="Progress, agreement and quality.")
prefs_command.command("stepbench.cli.prefs_vote:vote", name="vote", help="Give one scripted vote.")
prefs_command.command("stepbench.cli.prefs_vote:forget", name="forget", help="Forget an annotator's name and comments.")
prefs_command.command(
    "stepbench.cli.prefs_simulate:simulate", name="simulate", help="Let simulated annotators vote, labelled as such."
)
prefs_command.command(
    "stepbench.cli.prefs_rate:rate", name="rate", help="Ratings with intervals, head-to-head tables, agreement."
)
prefs_command.command(
    "stepbench.cli.prefs_export:export", name="export", help="Votes for other tools, or preferences to train on."
)
prefs_command.command(
    "stepbench.cli.prefs_import:import_", name="import", help="Bring in votes from a file of any export."
)
prefs_command.command(
    "stepbench.cli.prefs_serve:serve", name="serve", help="Serve the voting pages of a study in the browser."
)
prefs_command.command(
    "stepbench.cli.invite:invite_to_study", name="invite", help="Make, list or withdraw invitations to a study."
)
