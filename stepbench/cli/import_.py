"""`stepbench import clips/ --layout vbench -t VBench_full_info.json --name my-model`, and prompt files."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from stepbench.cli.options import Json, Metrics, Out, Workers, split_names
from stepbench.cli.output import note, print_records
from stepbench.cli.report_run import report_run
from stepbench.errors import ExitCode, UsageError

SUITES = Path("suites")


def import_command(
    source: Path | None = None,
    /,
    *,
    layout: str,
    suite: Annotated[str | None, Parameter(name=["--suite", "-t"])] = None,
    name: str | None = None,
    samples: int | None = None,
    from_: Annotated[Path | None, Parameter(name="--from")] = None,
    dry_run: Annotated[bool, Parameter(negative="")] = False,
    metrics: Metrics = None,
    no_score: Annotated[bool, Parameter(negative="")] = False,
    out: Out = Path("runs"),
    run_id: str | None = None,
    workers: Workers = 1,
    json: Json = False,
) -> int:
    """Bring in a folder of clips as a run (with -t), or a prompt file as a suite (without).

    Exit code 3 when clips are missing, corrupt, too short, or there twice with other content. What cannot be scored
    stays in the plan, so coverage shows it.

    Args:
        source: Folder of clips, or prompt file. Without it, step-video-eval is downloaded.
        layout: For clips vbench, evalcrafter, compbench, step-video, manifest; for prompts step-video-eval, vbench,
            evalcrafter, compbench, csv, jsonl, text.
        suite: The suite the clips were made for: name, folder or prompt file.
        name: Name of the model that made the clips; for prompts, of the suite folder below ./suites.
        samples: Clips per prompt; found out unless given.
        from_: A local copy of the prompt file, instead of a download.
        no_score: Bring in only.
        dry_run: Report what is found, missing, duplicate, corrupt or too short, and write nothing.
    """
    if suite is None:
        return _import_prompts(from_ or source, layout, name, dry_run=dry_run, json=json)
    if source is None:
        raise UsageError("need the folder of clips", hint="stepbench import DIR --layout vbench -t SUITE")
    from stepbench.clip_import import import_clips, scan_clips
    from stepbench.suites import load_suite

    loaded = load_suite(suite)
    report = scan_clips(source, layout, loaded, samples=samples)
    if dry_run and json:
        print_records([report.to_json()])
    else:
        note(report.text())
    if dry_run:
        return ExitCode.OK if report.complete else ExitCode.INCOMPLETE
    run = import_clips(
        report,
        loaded,
        name=name or source.resolve().name,
        out=out,
        run_id=run_id,
        metrics=[] if no_score else split_names(metrics),
        workers=workers,
    )
    code = report_run(run, json=json)
    return code if report.complete else max(code, ExitCode.INCOMPLETE)


def _import_prompts(source: Path | None, layout: str, name: str | None, *, dry_run: bool, json: bool) -> ExitCode:
    from stepbench.suites.importers import fetch_step_video_eval, read_prompt_file, write_imported_suite

    if source is None and layout == "step-video-eval":
        source = fetch_step_video_eval(SUITES / "downloads" / "Step-Video-T2V-Eval.txt")
    if source is None:
        raise UsageError("need a prompt file, or clips and -t SUITE", hint="stepbench import FILE --layout csv")
    imported = read_prompt_file(source, layout=layout)
    if json:
        print_records([imported.report.to_json()])
    else:
        note(imported.report.text())
    if not dry_run:
        folder = write_imported_suite(imported, SUITES / (name or imported.suite.name))
        note(f"written to {folder}: use it as -t {folder}")
    return ExitCode.OK
