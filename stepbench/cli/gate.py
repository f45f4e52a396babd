"""`stepbench gate runs/CANDIDATE --baseline runs/BASELINE --policy gate.toml --junit gate.xml --markdown gate.md`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from cyclopts import Parameter

from stepbench.cli.options import Json
from stepbench.cli.output import note, print_records, print_table
from stepbench.errors import StepbenchError

if TYPE_CHECKING:
    from stepbench.gate import GateResult


def gate_command(
    candidate: Path,
    /,
    *,
    baseline: Path,
    policy: Path,
    anchor: Path | None = None,
    junit: Path | None = None,
    markdown: Path | None = None,
    out: Annotated[Path | None, Parameter(name=["--out", "-o"])] = None,
    explain: Annotated[bool, Parameter(negative="")] = False,
    inconclusive: Literal["fail", "warn", "pass"] = "fail",
    allow_incomparable: str | None = None,
    json: Json = False,
) -> int:
    """Say whether a run lost more than a policy allows: exit 0 pass, 10 regression, 11 inconclusive, 3 scores missing.

    Args:
        candidate: Run folder under test.
        baseline: Run folder that it must not fall behind; keep it fixed.
        policy: TOML file with a margin per metric; docs/gate.md lists its keys.
        anchor: Run folder of long ago, against slow drift: it must hold the same margins against that as well.
        junit: File for JUnit XML.
        markdown: File for a pull request comment; $GITHUB_STEP_SUMMARY is added to.
        out: File for everything as JSON, to be kept over time.
        explain: Say in words what was tested, why, and what would change the verdict.
        inconclusive: `warn` and `pass` end with 0 when nothing is proven; JUnit then says skipped, or passed.
        allow_incomparable: Compare runs that differ in a deciding field all the same, for this reason.
    """
    from stepbench.gate import check
    from stepbench.gate.explain import explain as explained
    from stepbench.gate.write import write_refusal, write_reports

    try:
        result = check(candidate, baseline, policy, anchor=anchor, allow_incomparable=allow_incomparable)
    except StepbenchError as error:
        write_refusal(error, junit=junit, markdown=markdown)
        raise
    if json:
        print_records([result.to_json()])
    else:
        _print_result(result)
    for line in explained(result) if explain else ():
        (note if json else print)(line)
    write_reports(result, junit=junit, markdown=markdown, out=out, inconclusive=inconclusive)
    if result.verdict == "inconclusive" and inconclusive == "warn":
        note("WARNING: nothing is proven either way; --inconclusive warn lets it through")
    return result.exit_code(inconclusive)


def _print_result(result: GateResult) -> None:
    from stepbench.gate.wording import cautions, gate_rows, headline, one_line, short, sides

    rows = gate_rows(result)
    print_table(rows, list(rows[0]), title=one_line(sides(result)), whole=["allowed"])
    for caution in cautions(result):
        note(one_line(caution))
    for one in result.metrics:
        if one.verdict == "pass":
            continue
        note(f"{one.metric} against the {one.against}: {one.verdict}")
        for reason in one.reasons:
            note(f"  because {one_line(reason)}")
        for prompt in one.fell:
            note(f"  {prompt.prompt_id}: {prompt.reference:.4g} -> {prompt.candidate:.4g}  {short(prompt.text)}")
    note(headline(result))
