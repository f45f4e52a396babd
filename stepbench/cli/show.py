"""`stepbench show runs/RUN`, `stepbench show runs/RUN PROMPT-ID-sSEED` and `stepbench show CLIP.mkv`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from stepbench.cli.options import Json
from stepbench.cli.output import note, print_records, print_table
from stepbench.errors import ExitCode, UsageError


def show_command(run: Path, sample: str | None = None, /, *, json: Json = False) -> int:
    """Show a run: how it stands, its aggregates and failures; or one sample with its scores; or where a clip is from.

    Args:
        run: Run folder, or a clip file.
        sample: Sample key (its beginning is enough), or PROMPT-ID-sSEED.
    """
    from stepbench.cli.report_run import report_run
    from stepbench.runs.run import open_run

    if run.is_file():
        return _show_clip(run, sample, json=json)
    opened = open_run(run)
    if sample is not None:
        record = _sample(opened, sample)
        if json:
            print_records([record])
        else:
            scores = record.pop("scores")
            print_table([{"field": name, "value": str(value)} for name, value in record.items()], ["field", "value"])
            print_table(scores, ["metric", "value", "status", "error"])
        return ExitCode.OK
    info = opened.info
    if not json:
        facts = {
            "run": opened.name,
            "status": info["status"],
            "generator": f"{info['generator']['name']} @ {info['generator']['revision']}",
            "suite": f"{info['suite']['name']} {info['suite']['version']} ({info['suite']['hash'][:12]})",
            "settings": info["settings"],
            "seeds": info["seeds"],
            "samples": info["n_planned"],
            "made": f"{info['created_at']} to {info.get('updated_at', '')}",
        }
        for name, value in facts.items():
            print(f"{name:10} {value}")
    if info["status"] in ("complete", "incomplete"):
        report_run(opened, json=json)
    else:
        outcomes = opened.samples().outcome.value_counts(dropna=False)
        counts = {str(name) if isinstance(name, str) else "missing": int(count) for name, count in outcomes.items()}
        if json:
            print_records([{"run": str(run), "status": info["status"], "samples": counts}])
        note(", ".join(f"{count} {name}" for name, count in counts.items()) + "; run the same command again to go on")
    return ExitCode.OK


def _show_clip(file: Path, sample: str | None, *, json: bool) -> int:
    from stepbench.runs.clip_lookup import describe_clip

    if sample is not None:
        raise UsageError(f"{file} is a clip, so there is no sample {sample!r} in it", hint="give the run's folder")
    clip = describe_clip(file)
    recorded = clip["recorded"] or {}
    if json:
        print_records([clip])
    else:
        rows = [{"field": name, "value": clip[name]} for name in ("file", "sha256")]
        for says, facts in (("the file says", clip["origin"] or {}), ("its run says", recorded)):
            rows += [{"field": f"{says}: {name}", "value": str(value)} for name, value in facts.items()]
        print_table(rows, ["field", "value"])
    if recorded.get("unchanged") is False:
        note(f"the file has changed since run {recorded['run_id']} recorded it")
        return ExitCode.INCOMPLETE
    return ExitCode.OK


def _sample(run: Any, wanted: str) -> dict[str, Any]:
    samples = run.samples()
    named = samples.prompt_id + "-s" + samples.seed.astype(str)
    found = samples[(named == wanted) | samples.sample_key.str.startswith(wanted)]
    if len(found) != 1:
        raise UsageError(
            f"{len(found)} samples of {run.name} answer to {wanted!r}",
            hint="give PROMPT-ID-sSEED, such as p001-s0, or more of the sample key",
        )
    record = found.iloc[0].dropna().to_dict()
    scores = run.scores()
    own = scores[(scores.sample_key == record["sample_key"]) & (scores.prompt_id == record["prompt_id"])]
    return record | {"scores": own[["metric", "metric_id", "value", "status", "error"]].to_dict("records")}
