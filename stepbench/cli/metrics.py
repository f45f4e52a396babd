"""`stepbench metrics`: is the ruler straight, does it predict human votes, and the final score of VBench."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from cyclopts import App

from stepbench.cli.options import Json, Metrics, split_names
from stepbench.cli.output import note, number, print_records, print_table
from stepbench.errors import ExitCode, NothingSelectedError, UsageError

if TYPE_CHECKING:
    from stepbench.validity.selftest import Answer

metrics_command = App(
    name="metrics", help="Check metrics on clips that are wrong in a known way and on votes; VBench's final score."
)
metrics_command.command("stepbench.cli.metrics_agree:agree", name="agree", help="Which metric predicts human votes?")


@metrics_command.command
def selftest(*, metrics: Metrics = None, clips: int = 6, json: Json = False) -> int:
    """Damage built-in clips in growing amounts and look whether every metric answers as it promises.

    Exit code 12 says that one of them does not, on this machine.

    Args:
        metrics: Only these; else all that can be loaded here.
        clips: How many clips, at least 3.
    """
    from stepbench.validity.table import LEGEND, rows_of

    if clips < 3:
        raise UsageError(f"a self-test needs at least 3 clips, one per level of the world, got {clips}")
    answers = _answers(split_names(metrics), clips)
    if not answers:
        raise NothingSelectedError("no metric is asked for", hint="name some, or leave --metrics out for all of them")
    if json:
        print_records({**asdict(answer), "verdict": answer.verdict} for answer in answers)
    else:
        rows = rows_of(answers)
        print_table(rows, list(rows[0]) if rows else ["metric"])
        note(LEGEND)
    failed = sorted({answer.metric for answer in answers if answer.verdict == "failed"})
    if failed:
        note(f"not as promised: {', '.join(failed)}")
        return ExitCode.ENVIRONMENT
    return ExitCode.OK


def _answers(names: list[str] | None, count: int) -> list[Answer]:
    from metrics.errors import MetricError
    from metrics.registry import METRICS, OFFLINE, build, find
    from stepbench.progress import track
    from stepbench.validity.graded import built_in_clips
    from stepbench.validity.selftest import answers_of

    clips = built_in_clips(count)
    answers: list[Answer] = []
    asked = list(METRICS) if names is None else names
    wanted = [one for name in asked for one in (OFFLINE if name == "offline" else [name])]
    for name in track(wanted, total=len(wanted), description="metrics"):
        try:
            run_options = getattr(find(name).load(), "options_of_a_run", ())
            prompts = {"distractors": sorted({clip.prompt for clip in clips})} if "distractors" in run_options else {}
            metric = build(name, **prompts)
        except MetricError as error:
            if names is not None:
                raise UsageError(error.message, hint=error.hint) from error
            note(f"left out: {error.message}")
            continue
        answers.extend(answers_of(metric, clips))
    return answers


@metrics_command.command
def vbench(source: Path, /, *, json: Json = False) -> int:
    """VBench's quality, semantic and total score from a run or a file of dimension values.

    A score that needs an absent dimension is absent, and the exit code is 3.

    Args:
        source: Run folder, VBench's results file, or a JSON file such as {"dynamic_degree": 0.4}.
    """
    from stepbench.vbench_score import OF_METRIC, read_values, table, vbench_score

    values = read_values(source)
    if not values:
        raise NothingSelectedError(
            f"{source} has no value of a VBench dimension",
            hint=f"score the run with {', '.join(OF_METRIC)}, or aesthetic_quality(profile=vbench)",
        )
    score = vbench_score(values)
    if json:
        print_records([asdict(score)])
    else:
        rows = table(values, score)
        print_table(rows, list(rows[0]))
        for name in ("quality", "semantic", "total"):
            print(f"{name}: {number(getattr(score, name)) or 'absent'}")
    if score.absent:
        note(f"{len(score.absent)} dimensions are absent, none of which counts as 0: {', '.join(score.absent)}")
        return ExitCode.INCOMPLETE
    return ExitCode.OK
