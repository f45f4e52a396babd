"""`stepbench prefs export STUDY --to dpo -o PATH`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from cyclopts import Parameter

from stepbench.cli.options import Json
from stepbench.cli.output import note, print_records
from stepbench.errors import ExitCode, UsageError

Format = Literal["dpo", "trl", "videoalign", "arena", "labelstudio", "argilla", "csv", "parquet"]
ForTraining = Parameter(group="Preferences for training (dpo, trl)")


def export(
    study: str,
    /,
    *,
    to: Format,
    out: Annotated[Path, Parameter(name=["--out", "-o"])],
    url_prefix: str = "",
    dimension: Annotated[str, ForTraining] = "overall",
    min_votes: Annotated[int, ForTraining] = 1,
    min_margin: Annotated[float, ForTraining] = 0.0,
    max_pairs_per_prompt: Annotated[int | None, ForTraining] = None,
    same_generator: Annotated[Literal["any", "prefer", "require"], ForTraining] = "any",
    people_only: Annotated[bool, ForTraining, Parameter(negative="")] = False,
    val: Annotated[float, ForTraining] = 0.1,
    test: Annotated[float, ForTraining] = 0.1,
    evaluation_suite: Annotated[list[str] | None, ForTraining, Parameter(negative="")] = None,
    runs: Annotated[list[Path] | None, ForTraining, Parameter(negative="")] = None,
    copy_clips: Annotated[bool, ForTraining, Parameter(negative="")] = False,
    json: Json = False,
) -> int:
    """Write the votes of a study in the form of another tool, or as preferences to train on.

    dpo and trl write pairs that most votes agree on, divided by prompt; a prompt of an evaluation suite stops them.
    csv and parquet hold every judgement that stands; arena and videoalign those that count.

    Args:
        study: Folder, SQLite file or URL of a study, or a file of votes (.csv, .parquet).
        out: File, or of dpo and trl a folder (of dpo also FILE.jsonl).
        url_prefix: Of labelstudio and argilla: put before the paths of clips, such as /data/local-files/?d=
        dimension: Whose votes decide.
        min_votes: Votes that a pair needs.
        min_margin: Votes for the winner minus votes for the loser, as a share of all votes of the pair.
        max_pairs_per_prompt: Keep the clearest so many.
        same_generator: Whether both clips should be of one generator.
        people_only: Leave out votes of simulated annotators.
        val: Share of prompt families held out for looking at while training.
        test: Share held out to the end.
        evaluation_suite: Suites whose prompts must not be trained on; every installed one unless given.
        runs: Folders of runs whose lossless clips are taken instead of the study's compressed ones; ./runs by default.
        copy_clips: Copy the clips into the folder, so that it can travel; trl always does.
    """
    from stepbench.preferences.study_tables import read_tables
    from stepbench.runs.journal import saving

    for folder in runs or []:
        if not folder.is_dir():
            raise UsageError(f"--runs {folder} is no folder", hint="a folder of runs, or one run")
    tables = read_tables(study)
    if to not in ("dpo", "trl"):
        from stepbench.preferences.formats.exchange import write_votes

        with saving(out):
            written = write_votes(tables, out, to, url_prefix=url_prefix)
        if json:
            facts = {"judgements": written.judgements, "of": written.of, "simulated": written.simulated}
            print_records([{"file": str(out)} | facts])
        for text in written.notes:
            note(text)
        note(f"{out}: {written.judgements} of {written.of} judgements")
        return ExitCode.OK
    from stepbench.preferences.dpo.clip_files import ClipFinder
    from stepbench.preferences.dpo.export_preferences import PreferenceSource, export_preferences
    from stepbench.preferences.dpo.leaks import evaluation_texts
    from stepbench.preferences.dpo.rules import PairRules
    from stepbench.preferences.dpo.splits import SplitShares

    with saving(out):
        exported = export_preferences(
            PreferenceSource(
                votes=tables.votes, facts=tables.facts, clips=ClipFinder(tables.folder, runs or [Path("runs")])
            ),
            out,
            rules=PairRules(
                dimension=dimension,
                min_votes=min_votes,
                min_margin=min_margin,
                max_pairs_per_prompt=max_pairs_per_prompt,
                same_generator=same_generator,
                people_only=people_only,
            ),
            shares=SplitShares(val=val, test=test),
            evaluation=evaluation_texts(evaluation_suite),
            copy=copy_clips or to == "trl",
            dataset_card=to == "trl",
        )
    if json:
        print_records([exported.content])
    for text in exported.lines():
        note(text)
    return ExitCode.OK
