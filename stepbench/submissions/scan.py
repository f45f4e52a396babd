"""The files of a submission before anything is believed: kinds, sizes, and JSON without tricks."""

from __future__ import annotations

import json
import math
import os
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NoReturn

from stepbench.submissions.limits import Limits, SubmissionError

_NOT_JSON = "write the file with stepbench; no NaN, no infinity, no key twice"


def scan_folder(folder: Path, limits: Limits) -> list[str]:
    """Names of all files below a run folder, relative and sorted.

    Raises:
        SubmissionError: A link, a device, a pipe, or more than the limits allow; or no `run.json`.
    """
    names: list[str] = []
    total = 0
    for path, entry in _walk(folder, limits.depth):
        name = str(path.relative_to(folder))
        if not stat.S_ISREG(entry.st_mode):
            raise SubmissionError(
                f"{name!r} is neither a regular file nor a folder (a link or a device)", hint="hand in plain files"
            )
        total += entry.st_size
        names.append(name)
        if entry.st_size > limits.file:
            raise SubmissionError(f"{name!r}: {entry.st_size} bytes, at most {limits.file} are taken")
        if len(names) > limits.files:
            raise SubmissionError(f"more than {limits.files} files", hint="hand in a smaller run")
        if total > limits.total:
            raise SubmissionError(f"more than {limits.total} bytes", hint="hand in a smaller run")
    if "run.json" not in names:
        raise SubmissionError(f"{folder.name} holds no run: run.json is missing", hint="hand in the whole run folder")
    return sorted(names)


def find_run(scratch: Path) -> Path:
    """The run folder in an unpacked archive: at its root, or in the one folder there.

    Raises:
        SubmissionError: There is none, or more than one.
    """
    if (scratch / "run.json").is_file():
        return scratch
    found = [path.parent for path in sorted(scratch.glob("*/run.json"))]
    if len(found) != 1:
        raise SubmissionError(f"the archive holds {len(found)} runs", hint="pack one run folder per archive")
    return found[0]


def _walk(folder: Path, depth: int) -> Iterator[tuple[Path, os.stat_result]]:
    with os.scandir(folder) as entries:
        for entry in sorted(entries, key=lambda item: item.name):
            if not entry.is_dir(follow_symlinks=False):
                yield Path(entry.path), entry.stat(follow_symlinks=False)
            elif depth == 0:
                raise SubmissionError(
                    f"folders are nested too deep: {entry.name!r}", hint="hand in the run folder alone"
                )
            else:
                yield from _walk(Path(entry.path), depth - 1)


def read_object(path: Path, limits: Limits) -> dict[str, Any]:
    """A JSON file that holds one object.

    Raises:
        SubmissionError: It is too large, not JSON, or holds NaN, infinity, a key twice, or half a character.
    """
    _check_size(path, limits)
    return _parse(path.read_bytes(), path.name)


def read_rows(path: Path, limits: Limits) -> Iterator[dict[str, Any]]:
    """The rows of a JSONL file, one by one; a missing file has none.

    Raises:
        SubmissionError: As `read_object`, with the line; also where a line is too long, or the last one torn.
    """
    if not path.is_file():
        return
    _check_size(path, limits)
    with path.open("rb") as handle:
        number = 0
        while line := handle.readline(limits.line + 1):
            number += 1
            if len(line) > limits.line:
                raise SubmissionError(f"{path.name}:{number}: a line of more than {limits.line} bytes")
            if not line.endswith(b"\n"):
                raise SubmissionError(f"{path.name}:{number}: the last line is torn", hint="hand in a finished run")
            yield _parse(line, f"{path.name}:{number}")


def _check_size(path: Path, limits: Limits) -> None:
    size = path.stat().st_size
    if size > limits.text:
        raise SubmissionError(f"{path.name}: {size} bytes, at most {limits.text} are taken")


def _parse(data: bytes, where: str) -> dict[str, Any]:
    try:
        value = _DECODER.decode(data.decode("utf-8"))
        # A lone half of a surrogate pair is JSON, but no text: nothing could write it again.
        if b"\\u" in data:
            json.dumps(value, ensure_ascii=False).encode("utf-8")
    except (ValueError, RecursionError) as error:
        raise SubmissionError(f"{where}: not JSON as stepbench writes it: {error}", hint=_NOT_JSON) from error
    if not isinstance(value, dict):
        raise SubmissionError(f"{where}: an object was expected, got {type(value).__name__}", hint=_NOT_JSON)
    return value


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no number")


def _finite(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        raise ValueError(f"{text:.40} is too large a number")
    return value


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    value = dict(pairs)
    if len(value) != len(pairs):
        raise ValueError("a key stands there twice")
    return value


_DECODER = json.JSONDecoder(object_pairs_hook=_once, parse_float=_finite, parse_constant=_no_constant)
