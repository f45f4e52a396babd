"""Rows into a suite: safe and unique ids, languages, and checks that hold for every format."""

from __future__ import annotations

import unicodedata
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

from stepbench.canonical import sha256_json
from stepbench.records import Prompt, Suite, SuiteCard
from stepbench.suites.importers.report import ImportedSuite, ImportReport
from stepbench.suites.importers.rows import UNCATEGORISED, ParsedPrompts, PromptRow, has_han, is_safe, slug
from stepbench.suites.importers.source import refuse_problems


def assemble(parsed: ParsedPrompts, path: Path, *, format_name: str, detected: str, sha256: str) -> ImportedSuite:
    """The suite of all rows, or no suite.

    The version of the suite is a hash over its prompts, so the same prompts give the same suite whatever the file's
    line ends, encoding or name.

    Raises:
        SuiteError: No row at all, or rows that cannot be kept, each with file and line.
    """
    refuse_problems(path, [f"{path}:1: no prompts"] if not parsed.rows else _text_problems(parsed.rows))
    ids = [_prompt_id(row, number, parsed) for number, row in enumerate(parsed.rows, start=1)]
    refuse_problems(path, _duplicate_ids(ids, parsed.rows))
    prompts = tuple(_prompt(row, prompt_id) for row, prompt_id in zip(parsed.rows, ids, strict=True))
    languages = Counter(prompt.language for prompt in prompts)
    card = SuiteCard(
        name=parsed.origin.name,
        version=f"sha256-{sha256_json([prompt.to_json() for prompt in prompts])[:12]}",
        title=parsed.origin.title,
        licence=parsed.origin.licence,
        languages=tuple(languages),
        source=parsed.origin.source,
        citation=parsed.origin.citation,
        description=f"Imported from {path.name}, read as {format_name}.",
    )
    report = ImportReport(
        source=str(path),
        sha256=sha256,
        format=format_name,
        detected=detected,
        n_rows=len(parsed.rows) + len(parsed.merged),
        n_prompts=len(prompts),
        languages=dict(languages),
        categories=dict(Counter(prompt.category for prompt in prompts)),
        n_guessed_languages=sum(row.language is None for row in parsed.rows),
        merged=dict(parsed.merged),
        same_text=_groups(prompts, lambda prompt: prompt.text),
        look_alikes=_look_alikes(prompts),
        renamed={
            row.id: prompt_id
            for row, prompt_id in zip(parsed.rows, ids, strict=True)
            if row.id is not None and row.id != prompt_id
        },
        ignored_keys=parsed.ignored_keys,
        notes=parsed.notes,
    )
    return ImportedSuite(suite=Suite(card=card, prompts=prompts), report=report)


def _text_problems(rows: tuple[PromptRow, ...]) -> list[str]:
    problems = []
    for row in rows:
        if not row.text.strip():
            problems.append(f"{row.where}: empty prompt")
        if any("\ud800" <= char <= "\udfff" for char in row.text):
            problems.append(f"{row.where}: half a surrogate pair in {row.text!r}; it cannot be sent or written")
        if row.language is not None and len(row.language) < 2:
            problems.append(f"{row.where}: language {row.language!r} is no language code such as en or zh")
        if row.split not in (None, "train", "test"):
            problems.append(f"{row.where}: split {row.split!r} is neither train nor test")
    return problems


def _prompt_id(row: PromptRow, number: int, parsed: ParsedPrompts) -> str:
    if row.id is not None and is_safe(row.id):
        return row.id
    width = max(4, len(str(len(parsed.rows))))
    words = slug(row.text)
    return f"{parsed.id_prefix}{number:0{width}d}" + (f"-{words}" if words else "")


def _duplicate_ids(ids: list[str], rows: tuple[PromptRow, ...]) -> list[str]:
    first: dict[str, PromptRow] = {}
    problems = []
    for prompt_id, row in zip(ids, rows, strict=True):
        # Ids become file names; on a case-insensitive disk `a` and `A` are one file.
        for name in {prompt_id.casefold(), (row.id or prompt_id).casefold()}:
            earlier = first.setdefault(name, row)
            if earlier is not row:
                problems.append(f"{row.where}: duplicate id {row.id or prompt_id!r}, first used at {earlier.where}")
    return problems


def _prompt(row: PromptRow, prompt_id: str) -> Prompt:
    return Prompt(
        id=prompt_id,
        text=row.text,
        language=row.language or ("zh" if has_han(row.text) else "en"),
        category=row.category or UNCATEGORISED,
        # An unsafe id of the file's own stays findable.
        tags=row.tags + ((f"id:{row.id}",) if row.id is not None and row.id != prompt_id else ()),
        pair_id=row.pair_id,
        split=row.split,
        ground_truth=row.ground_truth or None,
    )


def _look_alikes(prompts: tuple[Prompt, ...]) -> tuple[tuple[str, ...], ...]:
    # One prompt per text, so that repeated texts do not count as look-alikes of themselves.
    distinct = tuple({prompt.text: prompt for prompt in reversed(prompts)}.values())[::-1]
    return _groups(distinct, lambda prompt: unicodedata.normalize("NFC", prompt.text).casefold())


def _groups(prompts: tuple[Prompt, ...], key: Callable[[Prompt], Any]) -> tuple[tuple[str, ...], ...]:
    groups: dict[Any, list[str]] = {}
    for prompt in prompts:
        groups.setdefault(key(prompt), []).append(prompt.id)
    return tuple(tuple(ids) for ids in groups.values() if len(ids) > 1)
