"""Read, check and write a suite folder. Strict: everything that is not understood is refused with file and line."""

from __future__ import annotations

import json
import math
import tomllib
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from stepbench.canonical import canonical_json
from stepbench.errors import SuiteError
from stepbench.records import SAFE_ID, Prompt, Suite, SuiteCard

CARD_FILE = "suite.toml"
PROMPTS_FILE = "prompts.jsonl"


class _PromptRow(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)

    id: str
    text: str
    language: str = Field(min_length=2)
    category: str = Field(min_length=1)
    tags: list[str] = []
    pair_id: str | None = None
    split: Literal["train", "test"] | None = None
    ground_truth: dict[str, Any] | None = None

    @field_validator("id")
    @classmethod
    def _safe(cls, value: str) -> str:
        if not SAFE_ID.fullmatch(value):
            raise ValueError(f"unsafe id {value!r}: use 1 to 100 of A-Z a-z 0-9 . _ - and start with a letter or digit")
        return value

    @field_validator("text")
    @classmethod
    def _not_empty(cls, value: str) -> str:
        if not value.strip():
            raise ValueError("empty text")
        return value


class _CardFile(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)

    name: str
    version: str
    title: str
    licence: str
    languages: list[str] = Field(min_length=1)
    source: str
    citation: str
    description: str = ""
    defaults: dict[str, Any] = {}
    default_split: Literal["train", "test"] | None = None

    @field_validator("name")
    @classmethod
    def _safe(cls, value: str) -> str:
        if not SAFE_ID.fullmatch(value):
            raise ValueError(f"unsafe name {value!r}: use 1 to 100 of A-Z a-z 0-9 . _ -")
        return value

    @field_validator("defaults")
    @classmethod
    def _plain(cls, defaults: dict[str, Any]) -> dict[str, Any]:
        for name, value in defaults.items():
            if not _is_plain(value):
                raise ValueError(f"{name} must be a text, a finite number, true, false or a list of those, got {value}")
        return defaults


def read_suite(folder: Path) -> Suite:
    """The suite in `folder`.

    Raises:
        SuiteError: Listing every problem found (up to 20), each with file and line.
    """
    suite, problems = inspect_suite(folder)
    if suite is None:
        shown = "\n  ".join(problems[:20])
        more = f"\n  ... and {len(problems) - 20} more" if len(problems) > 20 else ""
        raise SuiteError(
            f"suite {folder} breaks the format:\n  {shown}{more}",
            hint="mend the lines named above; `stepbench validate` checks again",
        )
    return suite


def inspect_suite(folder: Path) -> tuple[Suite | None, list[str]]:
    """The suite, or None and the list of its problems as `file:line: rule: value`."""
    card, problems = _read_card(folder / CARD_FILE)
    prompts: list[Prompt] = []
    seen: dict[str, int] = {}
    path = folder / PROMPTS_FILE
    if not path.is_file():
        return None, [*problems, f"{path}: missing"]
    for line_number, row, problem in _read_rows(path):
        where = f"{path}:{line_number}"
        if row is None:
            problems.append(f"{where}: {problem}")
            continue
        # Ids become file names; on a case-insensitive disk `a` and `A` are one file.
        first = seen.setdefault(row.id.casefold(), line_number)
        if first != line_number:
            problems.append(f"{where}: duplicate id {row.id!r}, first used on line {first}")
        if card is not None and row.language not in card.languages:
            problems.append(f"{where}: language {row.language!r} is not in the card's languages {list(card.languages)}")
        prompts.append(Prompt(**{**row.model_dump(), "tags": tuple(row.tags)}))
    if not prompts and not problems:
        problems.append(f"{path}: no prompts")
    if problems or card is None:
        return None, problems
    return Suite(card=card, prompts=tuple(prompts), folder=folder), []


def write_suite(folder: Path, card: SuiteCard, prompts: Iterable[Prompt]) -> None:
    """Write `suite.toml` and `prompts.jsonl` into `folder`, which is made if needed."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / CARD_FILE).write_text(_card_toml(card), encoding="utf-8")
    lines = (json.dumps(prompt.to_json(), ensure_ascii=False) + "\n" for prompt in prompts)
    (folder / PROMPTS_FILE).write_text("".join(lines), encoding="utf-8")


def _read_card(path: Path) -> tuple[SuiteCard | None, list[str]]:
    if not path.is_file():
        return None, [f"{path}: missing; a suite folder holds {CARD_FILE} and {PROMPTS_FILE}"]
    try:
        row = _CardFile.model_validate(tomllib.loads(path.read_bytes().decode("utf-8")))
    except UnicodeDecodeError as error:
        return None, [f"{path}: not UTF-8: {error.reason} at byte {error.start}"]
    except tomllib.TOMLDecodeError as error:
        return None, [f"{path}: not TOML: {error}"]
    except ValidationError as error:
        return None, [f"{path}: {problem}" for problem in _explain(error)]
    return SuiteCard(**{**row.model_dump(), "languages": tuple(row.languages)}), []


def _read_rows(path: Path) -> Iterator[tuple[int, _PromptRow | None, str]]:
    for line_number, line in enumerate(path.read_bytes().splitlines(), start=1):
        if not line.strip():
            continue
        try:
            parsed = json.loads(line.decode("utf-8"))
            # What cannot be written as canonical JSON in UTF-8 has no hash.
            canonical_json(parsed).encode("utf-8")
            yield line_number, _PromptRow.model_validate(parsed), ""
        except UnicodeDecodeError as error:
            yield line_number, None, f"not UTF-8: {error.reason} at byte {error.start} of the line"
        except json.JSONDecodeError as error:
            yield line_number, None, f"not JSON: {error.msg} at column {error.colno}"
        except UnicodeEncodeError as error:
            yield line_number, None, f"half a surrogate pair: {error.object[error.start]!r}"
        except ValidationError as error:
            yield line_number, None, "; ".join(_explain(error))
        except (ValueError, RecursionError) as error:
            # NaN and infinity, which Python reads and JSON does not know, and nesting without end.
            yield line_number, None, f"not JSON: {error}"


def _is_plain(value: Any) -> bool:
    if isinstance(value, list):
        return all(_is_plain(item) for item in value)
    return isinstance(value, str | int) or (isinstance(value, float) and math.isfinite(value))


def _explain(error: ValidationError) -> list[str]:
    explained = []
    for item in error.errors():
        key = ".".join(str(part) for part in item["loc"]) or "line"
        if item["type"] == "extra_forbidden":
            explained.append(f"unknown key {key!r}")
        elif item["type"] == "model_type":
            explained.append(f"a JSON object was expected, got {type(item['input']).__name__}")
        elif item["type"] == "missing":
            explained.append(f"missing key {key!r}")
        else:
            explained.append(f"{key}: {item['msg'].removeprefix('Value error, ')}")
    return explained


def _card_toml(card: SuiteCard) -> str:
    plain: dict[str, Any] = {
        "name": card.name,
        "version": card.version,
        "title": card.title,
        "licence": card.licence,
        "languages": list(card.languages),
        "source": card.source,
        "citation": card.citation,
        "description": card.description,
    }
    if card.default_split:
        plain["default_split"] = card.default_split
    lines = [f"{key} = {_toml(value)}" for key, value in plain.items()]
    if card.defaults:
        lines += ["", "[defaults]"]
        # A key in quotes may hold anything, dots included.
        lines += [
            f"{key if key.isascii() and key.isidentifier() else _toml(key)} = {_toml(value)}"
            for key, value in card.defaults.items()
        ]
    return "\n".join(lines) + "\n"


def _toml(value: Any) -> str:
    """A JSON string, number, boolean or list of strings is also TOML, but for one control character."""
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
