"""VBench and VBench-2.0 `full_info` JSON: a list of {prompt_en, dimension, auxiliary_info}."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from stepbench.suites.importers.rows import Origin, ParsedPrompts, PromptRow
from stepbench.suites.importers.source import numbered_entries, parse_json, read_text, refuse_problems

DIMENSION_TAG = "dimension:"
ORIGIN = Origin(
    name="vbench",
    title="VBench prompt suite",
    licence="Apache-2.0",
    source="https://github.com/Vchitect/VBench",
    citation="Huang et al., VBench: Comprehensive Benchmark Suite for Video Generative Models, CVPR 2024, "
    "arXiv 2311.17982",
)
_KNOWN = {"prompt_en", "prompt_cn", "dimension", "auxiliary_info"}
_LISTING = {"video_list"}
"""Written by VBench itself into the copies it saves beside its results."""


def read(path: Path) -> ParsedPrompts:
    """Rows of a `full_info` file.

    Entries of the very same text are one prompt with the union of their dimensions, since VBench names clips by text
    and so cannot tell them apart. Texts that differ in case stay two prompts. `auxiliary_info` and `prompt_cn` are kept
    in the ground truth.

    Raises:
        SuiteError: Not a list, or entries without text or dimension, each with its line.
    """
    text = read_text(path)
    if not isinstance(parse_json(text, path), list):
        refuse_problems(path, [f"{path}:1: a full_info file is a JSON list"])
    problems: list[str] = []
    entries: dict[str, list[tuple[str, dict[str, Any]]]] = {}
    ignored: set[str] = set()
    for line, entry in numbered_entries(text):
        where = f"{path}:{line}"
        problem = _problem(entry)
        if problem:
            problems.append(f"{where}: {problem}")
            continue
        entries.setdefault(entry["prompt_en"], []).append((where, entry))
        ignored |= entry.keys() - _KNOWN - _LISTING
    refuse_problems(path, problems)
    return ParsedPrompts(
        rows=tuple(_row(same_text) for same_text in entries.values()),
        origin=ORIGIN,
        id_prefix="vbench-",
        merged={where: group[0][0] for group in entries.values() for where, _ in group[1:]},
        ignored_keys=tuple(sorted(ignored)),
    )


def dimensions_of(tags: tuple[str, ...]) -> list[str]:
    """The VBench dimensions among a prompt's tags, in order."""
    return [tag.removeprefix(DIMENSION_TAG) for tag in tags if tag.startswith(DIMENSION_TAG)]


def _problem(entry: Any) -> str:
    if not isinstance(entry, dict):
        return f"an entry is an object, got {entry!r:.80}"
    if not isinstance(entry.get("prompt_en"), str):
        return f"prompt_en must be text, got {entry.get('prompt_en')!r:.80}"
    dimensions = _dimensions(entry)
    if not dimensions or not all(isinstance(name, str) and name for name in dimensions):
        return f"dimension must be a list of names, got {entry.get('dimension')!r:.80}"
    if not isinstance(entry.get("prompt_cn", ""), str):
        return f"prompt_cn must be text, got {entry['prompt_cn']!r:.80}"
    return ""


def _dimensions(entry: dict[str, Any]) -> list[Any]:
    given = entry.get("dimension")
    return [given] if isinstance(given, str) else given if isinstance(given, list) else []


def _row(group: list[tuple[str, dict[str, Any]]]) -> PromptRow:
    where, first = group[0]
    dimensions = list(dict.fromkeys(name for _, entry in group for name in _dimensions(entry)))
    return PromptRow(
        where=where,
        text=first["prompt_en"],
        language="en",
        category=dimensions[0],
        tags=tuple(f"{DIMENSION_TAG}{name}" for name in dimensions),
        ground_truth=_ground_truth([entry for _, entry in group]),
    )


def _ground_truth(entries: list[dict[str, Any]]) -> dict[str, Any]:
    truth: dict[str, Any] = {}
    for entry in entries:
        info = entry.get("auxiliary_info")
        known = truth.get("auxiliary_info")
        if not info or info == known:
            continue
        if known is None:
            truth["auxiliary_info"] = info
        elif (
            isinstance(known, dict)
            and isinstance(info, dict)
            and all(known.get(key, info[key]) == info[key] for key in info)
        ):
            truth["auxiliary_info"] = known | info
        else:
            # The merged entries disagree: keep both rather than choose.
            truth.setdefault("more_auxiliary_info", []).append(info)
    chinese = [entry["prompt_cn"] for entry in entries if entry.get("prompt_cn")]
    return truth | ({"prompt_cn": chinese[0]} if chinese else {})
