"""A gate as Markdown for a pull request or a job summary; prompts and names in it are data, never markup."""

from __future__ import annotations

import re

from stepbench.errors import StepbenchError
from stepbench.gate.result import GateResult, MetricResult
from stepbench.gate.wording import cautions, digits, gate_rows, headline, level, one_line, short, sides

_MARKUP = re.compile(r"[&<>|`*~\[\]\\@#$]|(?<=www)\.|:(?=/)", re.IGNORECASE)
_EMPHASIS = re.compile(r"(?<![A-Za-z0-9])_|_(?![A-Za-z0-9])")
"""An underscore inside a word is plain text, and most metrics have one."""


def markdown(result: GateResult) -> str:
    """The report: headline, table, the prompts that fell most, why, and what was compared."""
    parts = [f"### stepbench gate: {literal(headline(result))}", f"Compared: {literal(sides(result))}."]
    parts += [f"> {literal(caution)}" for caution in cautions(result)]
    rows = gate_rows(result)
    parts.append(_table(tuple(rows[0]), [tuple(row.values()) for row in rows]))
    for one in result.metrics:
        if one.verdict != "pass":
            parts += _details(one, several=result.anchor is not None)
    suite = result.suite
    recipe = "; ".join(
        [
            f"suite {suite['name']} {suite['version']} ({suite['hash'][:8]})",
            f"{level(result.policy.alpha)} intervals, Holm over {len(result.metrics)} tests",
            *dict.fromkeys(one.metric_id for one in result.metrics if one.metric_id),
        ]
    )
    parts.append(f"<sub>{literal(recipe)}</sub>")
    return "\n\n".join(parts) + "\n"


def markdown_refusal(error: StepbenchError) -> str:
    """The report of a gate that could not be held: why, and the way out."""
    lines = [literal(line) for line in str(error).splitlines()]
    return "### stepbench gate: no verdict\n\n" + "\n".join(f"> {line}  " for line in lines) + "\n"


def literal(text: str) -> str:
    """Text that shows as it is: what Markdown, HTML or a finder of links and names could take for its own is coded."""
    line = _MARKUP.sub(lambda found: f"&#{ord(found[0])};", one_line(text))
    return _EMPHASIS.sub("&#95;", line)


def _details(one: MetricResult, *, several: bool) -> list[str]:
    title = f"{one.metric} against the {one.against}" if several else one.metric
    parts = [f"**{literal(f'{title}: {one.verdict}')}**", "\n".join(f"- {literal(reason)}" for reason in one.reasons)]
    if one.fell:
        rows = [
            # Inside <code> nobody is notified by an @name in a prompt.
            (prompt.prompt_id, digits(prompt.reference), digits(prompt.candidate), prompt.text)
            for prompt in one.fell
        ]
        parts.append(_table(("prompt", str(one.against), "candidate", "text"), rows, code=True))
    return parts


def _table(columns: tuple[str, ...], rows: list[tuple[str, ...]], *, code: bool = False) -> str:
    lines = [columns, tuple("---" for _ in columns)]
    for row in rows:
        *cells, last = (literal(cell) for cell in row)
        if code:
            cells[0], last = f"<code>{cells[0]}</code>", f"<code>{literal(short(row[-1]))}</code>"
        lines.append((*cells, last))
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)
