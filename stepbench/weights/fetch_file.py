"""One file over HTTP: resumed where it broke off, and in place only when it is whole."""

from __future__ import annotations

import json
import os
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from http.client import HTTPException
from pathlib import Path
from typing import IO, Any

from stepbench import __version__
from stepbench.canonical import sha256_file
from stepbench.errors import EnvironmentUnfitError, IncompleteError
from stepbench.progress import track_bytes
from stepbench.runs.journal import saving

CHUNK = 1 << 20
TIMEOUT = 30.0
"""Seconds without a byte after which a connection counts as broken."""


def fetch_file(address: str, target: Path, *, sha256: str = "", announce: Callable[[int], None]) -> None:
    """Download to `target`, by way of `<target>.partial`, which a later call goes on with.

    A partial file is continued only if the server says that the file is still the same one (by ETag or time of change).

    Args:
        address: `http` or `https`.
        target: Must not exist.
        sha256: What the file must have, or empty.
        announce: Told the size in bytes before the content is read, 0 where the server does not say.

    Raises:
        EnvironmentUnfitError: The address cannot be reached, or does not offer the file.
        IncompleteError: The download broke off, is not the expected file, or cannot be saved.
    """
    partial = target.with_name(f"{target.name}.partial")
    with saving(target):
        target.parent.mkdir(parents=True, exist_ok=True)
        with _open(address, target, partial) as response:
            if response.headers.get_content_type() == "text/html" and target.suffix != ".html":
                raise EnvironmentUnfitError(
                    f"{address} answers with a web page, not with a file", hint=_by_hand(target)
                )
            start = partial.stat().st_size if response.status == 206 else 0
            length = int(response.headers.get("Content-Length", 0))
            total = start + length if length else 0
            _state(partial).write_text(json.dumps({"address": address, "validator": _validator(response)}))
            announce(total)
            with partial.open("ab" if start else "wb") as handle:
                for chunk in track_bytes(_chunks(response, address), done=start, total=total, description=target.name):
                    handle.write(chunk)
                handle.flush()
                os.fsync(handle.fileno())
        size = partial.stat().st_size
        if total and size != total:
            raise _broke_off(address, f"after {size:,} of {total:,} bytes")
        found = sha256_file(partial) if sha256 else ""
        if found != sha256:
            _discard(partial)
            raise IncompleteError(
                f"what {address} offers is not the expected file: its sha256 is {found}, expected {sha256}",
                hint="nothing was kept; its publisher has changed it, or something on the way did",
            )
        partial.replace(target)
        _discard(partial)


def _open(address: str, target: Path, partial: Path) -> Any:
    """The response to a request for what is missing, or for everything."""
    headers = {"User-Agent": f"stepbench/{__version__}", "Accept-Encoding": "identity"}
    start, validator = _resumable(address, partial)
    resume = {"Range": f"bytes={start}-", "If-Range": validator} if start and validator else {}
    try:
        return urllib.request.urlopen(urllib.request.Request(address, headers=headers | resume), timeout=TIMEOUT)
    except urllib.error.HTTPError as error:
        error.close()
        if error.code == 416 and resume:
            # The partial file is as long as the file, or longer: begin again.
            _discard(partial)
            return _open(address, target, partial)
        raise EnvironmentUnfitError(f"{address} answers {error.code} {error.reason}", hint=_by_hand(target)) from error
    except (OSError, HTTPException) as error:
        reason = error.reason if isinstance(error, urllib.error.URLError) else error
        raise EnvironmentUnfitError(f"{address} cannot be reached: {reason}", hint=_by_hand(target)) from error


def _chunks(response: IO[bytes], address: str) -> Iterator[bytes]:
    while True:
        try:
            chunk = response.read(CHUNK)
        except (OSError, HTTPException) as error:
            raise _broke_off(address, f"({type(error).__name__}: {error})") from error
        if not chunk:
            return
        yield chunk


def _resumable(address: str, partial: Path) -> tuple[int, str]:
    """Bytes that are there already, and what tells that the file on the server is the same."""
    try:
        state = json.loads(_state(partial).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return 0, ""
    same = state.get("address") == address and partial.is_file()
    return (partial.stat().st_size, state["validator"]) if same else (0, "")


def _validator(response: Any) -> str:
    etag = response.headers.get("ETag", "")
    return etag if etag and not etag.startswith("W/") else response.headers.get("Last-Modified", "")


def _broke_off(address: str, where: str) -> IncompleteError:
    return IncompleteError(f"the download of {address} broke off {where}", hint="the same command continues it")


def _by_hand(target: Path) -> str:
    return f"try again where there is a network, or fetch it by other means and put it at {target}"


def _state(partial: Path) -> Path:
    return partial.with_name(f"{partial.name}.json")


def _discard(partial: Path) -> None:
    for path in (partial, _state(partial)):
        path.unlink(missing_ok=True)
