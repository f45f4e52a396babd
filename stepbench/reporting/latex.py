"""A report as LaTeX tables with intervals, in booktabs' style; the recipe stands below the table it belongs to."""

from __future__ import annotations

import re

from stepbench.reporting.model import Report
from stepbench.reporting.recipe_words import recipe_sentences
from stepbench.reporting.tables import METRIC_NOTE, Table, difference_table, metric_table, metric_title_of

_COMMANDS = {
    "\\": r"\textbackslash{}",
    "{": r"\{",
    "}": r"\}",
    "$": r"\$",
    "&": r"\&",
    "#": r"\#",
    "%": r"\%",
    "_": r"\_",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
    '"': r"\textquotedbl{}",
    "`": r"\textasciigrave{}",
    "'": r"\textquotesingle{}",
    "↑": r"$\uparrow$",
    "↓": r"$\downarrow$",
    "–": "--",
    "·": r"$\cdot$",
    "×": r"$\times$",
    "[": "{[}",
    "]": "{]}",
}


def latex_text(report: Report) -> str:
    """A table of means and one per comparison, to be read with `\\input`; needs the package booktabs."""
    first = metric_table(report, units=False)
    parts = [
        "% Needs \\usepackage{booktabs} and \\usepackage[T1]{fontenc}. Made by stepbench:",
        f"% {_comment(report.command)}",
        _table(first, report.title, "tab:stepbench-metrics", [_units(report), METRIC_NOTE, *recipe_sentences(report)]),
    ]
    for number, pairing in enumerate((one for one in report.pairings if one.differences), start=1):
        # A printed page is narrow, and the means stand in the first table.
        table = difference_table(report, [pairing]).without("Baseline", "Run mean", "p")
        parts.append(_table(table, table.caption, f"tab:stepbench-difference-{number}", [table.note]))
    return "\n".join(parts) + "\n"


def _units(report: Report) -> str:
    units = [f"{metric_title_of(report, key)}: {card['unit']}" for key, card in report.cards.items() if card["unit"]]
    return f"Units: {'; '.join(units)}." if units else "No metric has a unit."


def _table(table: Table, caption: str, label: str, notes: list[str]) -> str:
    columns = "".join("r" if column in table.numeric else "l" for column in table.columns)
    lines = [
        r"\begin{table}[tbp]",
        r"\centering",
        f"\\caption{{{escaped(caption)}}}",
        f"\\label{{{label}}}",
        r"\footnotesize",
        r"\setlength{\tabcolsep}{3pt}",
        f"\\begin{{tabular}}{{@{{}}{columns}@{{}}}}",
        r"\toprule",
        " & ".join(map(escaped, table.columns)) + r" \\",
        r"\midrule",
    ]
    before: str | None = None
    for row in table.rows:
        repeated = table.grouped and row[0] == before
        if table.grouped and before is not None and not repeated:
            lines.append(r"\addlinespace")
        lines.append(" & ".join(["" if repeated else escaped(row[0]), *map(escaped, row[1:])]) + r" \\")
        before = row[0]
    lines += [r"\bottomrule", r"\end{tabular}", r"\par\smallskip", r"\begin{minipage}{\linewidth}\scriptsize"]
    lines += [escaped(note) for note in notes]
    return "\n".join([*lines, r"\end{minipage}", r"\end{table}"])


def escaped(text: str) -> str:
    """`text` on one line, so that LaTeX sets it as it is."""
    return "".join(_COMMANDS.get(character, character) for character in " ".join(text.split()))


def _comment(text: str) -> str:
    # A comment ends with its line, and control characters end nothing but trouble.
    return re.sub(r"\s+", " ", text)
