"""`stepbench prefs ...`: preference studies."""

from __future__ import annotations

from cyclopts import App

prefs_command = App(name="prefs", help="Preference studies: blind votes on pairs of clips, and what becomes of them.")
prefs_command.command("stepbench.cli.prefs_rate:rate", name="rate")
prefs_command.command("stepbench.cli.prefs_exchange:export", name="export")
prefs_command.command("stepbench.cli.prefs_exchange:import_", name="import")
