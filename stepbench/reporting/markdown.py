"""A report as Markdown for a README or a pull request: verdict, tables, recipe."""

from __future__ import annotations

import re

from stepbench.reporting.model import Report
from stepbench.reporting.recipe_words import recipe_sentences
from stepbench.reporting.run_tables import cost_table, failure_table, set_table
from stepbench.reporting.tables import Table, difference_table, metric_table

MOST_FAILURES = 20


def markdown_text(report: Report) -> str:
    """Sections with headings of the second level. Names and prompts appear as they are, never as markup."""
    blocks = [f"# {plain(report.title)}", *(plain(text) for text in report.summary)]
    if report.warnings:
        blocks.append("\n".join(f"> **Note:** {plain(text)}.  " for text in report.warnings))
    blocks += ["## Metrics", *_table(metric_table(report))]
    compared = [pairing for pairing in report.pairings if pairing.differences]
    if compared:
        blocks += ["## Against the baseline", *_table(difference_table(report, compared))]
    if report.sets:
        blocks += ["## Metrics of all clips together", *_table(set_table(report.sets))]
    blocks += ["## Cost", *_table(cost_table(report.costs))]
    if report.failures:
        blocks += ["## Missing samples and scores", *_table(failure_table(report.failures, MOST_FAILURES))]
    recipe = "\n".join(f"- {plain(sentence)}" for sentence in recipe_sentences(report))
    commands = "\n".join(line for run in report.runs for line in run.commands)
    blocks += ["## Recipe", recipe, _fenced(f"{commands}\n{report.command}")]
    return "\n\n".join(blocks) + "\n"


def _table(table: Table) -> list[str]:
    head = "| " + " | ".join(map(plain, table.columns)) + " |"
    rule = "|" + "|".join("---:" if column in table.numeric else "---" for column in table.columns) + "|"
    rows = ["| " + " | ".join(map(plain, row)) + " |" for row in table.rows]
    text = "\n".join([head, rule, *rows])
    return [text, f"*{plain(table.note)}*"] if table.note else [text]


def plain(text: str) -> str:
    """`text` on one line, so that no character of it is read as markup."""
    return re.sub(r"([\\`*_\[\]<>#|~$&!])", r"\\\1", " ".join(text.split()))


def _fenced(text: str) -> str:
    """A code block whose fence is longer than any that the text holds."""
    longest = max((len(found) for found in re.findall(r"`+", text)), default=0)
    fence = "`" * max(3, longest + 1)
    return f"{fence}sh\n{text}\n{fence}"
