"""Ways to make a suite, to change the files of a run, and to sum them up anew as a cheat would."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from stepbench.canonical import sha256_file
from stepbench.records import Prompt
from stepbench.runs.finish import finish, write_checksums
from stepbench.runs.folder import RunFolder
from stepbench.runs.run import Run


def pack_suite(folder: Path, texts: Sequence[str]) -> Path:
    """A suite folder of English prompts."""
    folder.mkdir(parents=True)
    facts = {"name": folder.name, "version": "1", "title": "Mini", "licence": "CC0-1.0", "source": "made for tests"}
    lines = [f"{name} = {json.dumps(value)}" for name, value in {**facts, "citation": "none"}.items()]
    (folder / "suite.toml").write_text("\n".join([*lines, 'languages = ["en"]', ""]), encoding="utf-8")
    prompts = [Prompt(id=f"p{n}", text=text, language="en", category="animals") for n, text in enumerate(texts)]
    text = "".join(json.dumps(prompt.to_json()) + "\n" for prompt in prompts)
    (folder / "prompts.jsonl").write_text(text, encoding="utf-8")
    return folder


def change_json(path: Path, change: Callable[[dict[str, Any]], None]) -> None:
    """Change a JSON file in place."""
    value = json.loads(path.read_text(encoding="utf-8"))
    change(value)
    path.write_text(json.dumps(value), encoding="utf-8")


def change_rows(path: Path, change: Callable[[dict[str, Any]], None], *, first_only: bool = True) -> None:
    """Change the first row of a JSONL file, or all."""
    rows = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    for row in rows[:1] if first_only else rows:
        change(row)
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")


def sum_up(run: Path) -> None:
    """Make table, summary and sums follow from the changed rows, with the project's own code."""
    files, opened = RunFolder(run), Run(run)
    made = files.read_samples()
    finish(files, opened.planned, made, opened.metric_cards)
    write_checksums(files, made)


def resum(run: Path, name: str) -> None:
    """Put the present hash of one file into SHA256SUMS."""
    sums = run / "SHA256SUMS"
    lines = [line for line in sums.read_text(encoding="utf-8").splitlines() if not line.endswith(f"  {name}")]
    sums.write_text("\n".join([*lines, f"{sha256_file(run / name)}  {name}", ""]), encoding="utf-8")


def results(verdict: Any) -> dict[str, str]:
    """Check -> result."""
    return {check.name: check.result for check in verdict.checks}


def detail(verdict: Any, name: str) -> str:
    """What a check said."""
    return next(check.detail for check in verdict.checks if check.name == name)
