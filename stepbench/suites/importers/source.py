"""The text of a prompt file, with line numbers. Nothing of it is changed but the encoding and the line ends."""

from __future__ import annotations

import codecs
import json
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from stepbench.errors import SuiteError

SHOWN_PROBLEMS = 20


def read_text(path: Path) -> str:
    """The file as text: UTF-8, with or without byte order mark, or UTF-16 with one.

    Raises:
        SuiteError: The file is not in one of these encodings; the message names the line.
    """
    data = path.read_bytes()
    encoding = "utf-16" if data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)) else "utf-8-sig"
    try:
        return data.decode(encoding)
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise SuiteError(
            f"{path}:{line}: not {encoding.removesuffix('-sig').upper()}: {error.reason}",
            hint="convert the file first, for example: iconv -f GB18030 -t UTF-8 OLD > NEW",
        ) from error


def numbered_lines(text: str) -> list[tuple[int, str]]:
    """The lines that are not blank, each with its number from 1, exactly as they stand."""
    # str.splitlines would also split at U+2028, form feeds and other characters a prompt may hold.
    lines = re.split(r"\r\n|\n|\r", text)
    return [(number, line) for number, line in enumerate(lines, start=1) if line.strip()]


def parse_json(text: str, path: Path, first_line: int = 1) -> Any:
    """The JSON value in `text`. Stricter than `json.loads`: no NaN, no infinity, no key twice in one object.

    Raises:
        SuiteError: Not JSON, or one of the above; the message names the line.
    """
    try:
        return _DECODER.decode(text)
    except json.JSONDecodeError as error:
        where = f"{path}:{first_line + error.lineno - 1}"
        raise SuiteError(
            f"{where}: not JSON: {error.msg} at column {error.colno}", hint="mend the line named above"
        ) from error
    except (_StrictJsonError, RecursionError) as error:
        reason = "nested too deeply" if isinstance(error, RecursionError) else str(error)
        raise SuiteError(f"{path}:{first_line}: not JSON that can be kept: {reason}", hint="mend the file") from error


def numbered_entries(text: str) -> list[tuple[int, Any]]:
    """The entries of the JSON array in `text`, which `parse_json` has accepted, each with its line number."""
    entries = []
    position = text.index("[") + 1
    while match := re.compile(r"[\s,]*([^\s,\]])").match(text, position):
        start = match.start(1)
        value, position = _DECODER.raw_decode(text, start)
        entries.append((text.count("\n", 0, start) + 1, value))
    return entries


def refuse_problems(path: Path, problems: Iterable[str]) -> None:
    """Raise one `SuiteError` that lists the problems, if there are any."""
    problems = list(problems)
    if problems:
        shown = "\n  ".join(problems[:SHOWN_PROBLEMS])
        rest = len(problems) - SHOWN_PROBLEMS
        more = f"\n  ... and {rest} more" if rest > 0 else ""
        raise SuiteError(
            f"{path} cannot be imported, nothing was kept:\n  {shown}{more}", hint="mend the lines named above"
        )


class _StrictJsonError(ValueError):
    pass


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        keys = [key for key, _ in pairs]
        raise _StrictJsonError(f"key {next(key for key in keys if keys.count(key) > 1)!r} stands twice in one object")
    return found


def _constant(name: str) -> Any:
    raise _StrictJsonError(f"{name} is no JSON number")


_DECODER = json.JSONDecoder(object_pairs_hook=_object, parse_constant=_constant)
