"""The same table as Markdown, LaTeX, CSV and JSON, and the command that writes them."""

from __future__ import annotations

import io
import json
import math
import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stepbench.reporting import Report, write_report
from stepbench.reporting.latex import _COMMANDS, escaped, latex_text
from stepbench.reporting.long_form import csv_text, json_text
from stepbench.reporting.markdown import markdown_text, plain


def test_csv_has_every_number_in_full(report: Report) -> None:
    table = pd.read_csv(io.StringIO(csv_text(report)), keep_default_na=False, na_values=[""])
    means = table[table.kind == "mean"].reset_index(drop=True)
    assert len(means) == len(report.rows)
    for row, (_, read) in zip(report.rows, means.iterrows(), strict=True):
        assert (read["metric_id"], read["n"]) == (row.metric_id, row.n_units)
        assert (row.mean is None and math.isnan(read["value"])) or read["value"] == row.mean
    differences = table[(table.kind == "difference") & (table.cut == "all")]
    assert list(differences.value) == [row.difference for pair in report.pairings for row in pair.differences]


def test_json_is_everything_but_the_clips(report: Report) -> None:
    text = json_text(report)
    record = json.loads(text, parse_constant=lambda name: pytest.fail(f"{name} is no JSON"))
    assert "base64" not in text
    assert len(record["rows"]) == len(report.rows)
    assert record["runs"][0]["suite_hash"] == report.runs[0].suite_hash
    assert record["examples"][0]["examples"][0]["sides"][0]["values"].keys() == {"shine@1:native", "wobble@1:native"}


def cells(line: str) -> list[str]:
    """Cells of a Markdown table row, with escapes undone."""
    inner = re.split(r"(?<!\\)\|", line)[1:-1]
    return [re.sub(r"\\(.)", r"\1", cell.strip()) for cell in inner]


def test_markdown_tables_are_whole(report: Report, nasty: tuple[str, str]) -> None:
    text = markdown_text(report)
    tables = re.findall(r"(?:^\|.*\n)+", text, flags=re.MULTILINE)
    assert len(tables) == 4
    for table in tables:
        lines = table.splitlines()
        assert len({len(cells(line)) for line in lines}) == 1
    names = {cells(line)[1] for line in tables[0].splitlines()[2:]}
    assert names == {"toy:base", "toy:better", nasty[1]}
    assert "<script" not in re.sub(r"\\.", "", text.partition("```")[0])
    assert "stepbench run -M toy:base" in text


@given(st.text(max_size=60))
def test_markdown_escapes_lose_nothing(text: str) -> None:
    assert re.sub(r"\\(.)", r"\1", plain(text)) == " ".join(text.split())


@given(st.text(alphabet=[*_COMMANDS, "a", " ", "é"], max_size=40))
def test_latex_escapes_lose_nothing(text: str) -> None:
    back = {code: character for character, code in _COMMANDS.items()}
    pattern = "|".join(map(re.escape, sorted(back, key=len, reverse=True)))
    assert re.sub(pattern, lambda found: back[found[0]], escaped(text)) == " ".join(text.split())


def test_latex_holds_intervals_and_the_recipe(report: Report) -> None:
    text = latex_text(report)
    assert text.count(r"\toprule") == text.count(r"\bottomrule") == 3
    row = next(row for row in report.overall() if (row.run, row.metric) == ("better", "shine"))
    assert row.low is not None
    assert f"{{[}}{row.low:.2f}, " in text
    for fact in (report.runs[0].suite_hash[:12], "seeds 0, 1", r"shine@1:native", "frames=4"):
        assert fact in text
    for table in re.findall(r"\\begin{tabular}.*?\\end{tabular}", text, flags=re.DOTALL):
        columns = len(re.search(r"@\{\}([rl]+)@\{\}", table)[1])  # type: ignore[index]
        rows = [line for line in table.splitlines() if line.endswith(r"\\")]
        assert all(len(re.split(r"(?<!\\)&", line)) == columns for line in rows)


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("pdflatex") is None, reason="no LaTeX is installed")
def test_latex_compiles(report: Report, tmp_path: Path) -> None:
    (tmp_path / "table.tex").write_text(latex_text(report), encoding="utf-8")
    packages = r"\usepackage[T1]{fontenc}\usepackage{booktabs}"
    page = rf"\documentclass{{article}}{packages}\begin{{document}}\input{{table}}\end{{document}}"
    (tmp_path / "page.tex").write_text(page, encoding="utf-8")
    command = ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", "page.tex"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, errors="replace", check=False)
    assert done.returncode == 0, done.stdout[-2000:]
    assert (tmp_path / "page.pdf").is_file()


def test_several_files_and_formats_in_one_call(
    runs: dict[str, Path], stepbench: Callable[..., Any], tmp_path: Path
) -> None:
    ended = stepbench(
        *("report", runs["base"], runs["better"], "-o", "out/r.html", "-o", "r.csv"),
        *("-m", "shine", "--examples", 1, "--json"),
    )
    assert ended.code == 0, ended.err
    (record,) = ended.records()
    assert record["summary"][1] == "toy:better is better than toy:base on shine."
    assert "toy:better is better than toy:base on shine." in ended.err
    assert Path("out/r.html").read_text(encoding="utf-8").startswith("<!DOCTYPE html>")
    assert "wobble" not in Path("r.csv").read_text(encoding="utf-8")


def test_exit_codes_of_the_command(runs: dict[str, Path], stepbench: Callable[..., Any]) -> None:
    refused = stepbench("report", runs["base"], runs["other"], "-o", "r.html")
    assert (refused.code, Path("r.html").exists()) == (4, False)
    assert "seeds: [0, 1] against [0, 5]" in refused.err
    forced = stepbench("report", runs["base"], runs["other"], "-o", "r.md", "--allow-incomparable", "a seed was lost")
    assert forced.code == 0
    assert "a seed was lost" in forced.err
    assert "a seed was lost" in Path("r.md").read_text(encoding="utf-8")
    assert stepbench("report", runs["bare"], "-o", "r.html").code == 5
    assert stepbench("report", runs["base"], "-o", "r.pdf").code == 2
    assert stepbench("report", "nowhere", "-o", "r.html").code == 2
    assert stepbench("report", runs["base"]).code == 2
    named = stepbench("report", runs["base"], "-o", "table.txt", "--format", "md")
    assert named.code == 0
    assert Path("table.txt").read_text(encoding="utf-8").startswith("# toy:base on toys")


def test_an_unfinished_run_ends_with_3(runs: dict[str, Path], stepbench: Callable[..., Any], workplace: Path) -> None:
    from board_runs import rewrite

    shutil.copytree(runs["base"], workplace / "cut")
    rewrite(workplace / "cut", status="partial")
    ended = stepbench("report", "cut", "-o", "r.json")
    assert ended.code == 3
    assert "is not finished (partial)" in ended.err
    assert Path("r.json").is_file()


def test_a_file_that_cannot_be_written_is_code_3(runs: dict[str, Path], tmp_path: Path) -> None:
    from stepbench.errors import IncompleteError

    (tmp_path / "file").write_text("in the way", encoding="utf-8")
    with pytest.raises(IncompleteError, match="file"):
        write_report([runs["base"]], tmp_path / "file" / "r.md")
