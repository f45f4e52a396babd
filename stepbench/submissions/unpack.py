"""Unpack an archive from a stranger: nothing leaves the scratch folder, no size is believed before it is counted."""

from __future__ import annotations

import gzip
import re
import stat
import tarfile
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any, cast

from stepbench.runs.journal import saving
from stepbench.submissions.limits import MIB, Limits, SubmissionError

SUFFIXES = (".zip", ".tar.gz", ".tgz")

_CHUNK = 1 << 16
_LONGEST_HEADER = MIB
_FREE = 32 * MIB
_TAR = ".unpacked.tar"
_HINT = "pack the run folder anew: regular files only, under relative names"
_BAD_PART = re.compile(r'[\x00-\x1f\x7f<>"|?*\\]')
"""Characters that no file of a run has in its name."""

_Member = tuple[str, int, IO[bytes] | None]
"""Name, size as stated, and the content; None for a folder."""


def unpack(archive: Path, scratch: Path, limits: Limits) -> None:
    """Write the files of `archive` below the empty folder `scratch`.

    Raises:
        SubmissionError: The archive is damaged, too large, or holds a name or a kind of file that is not allowed.
        IncompleteError: The scratch folder cannot be written.
    """
    name = archive.name.lower()
    packed = archive.stat().st_size
    if packed > limits.total:
        raise SubmissionError(f"{archive.name}: {packed} bytes, at most {limits.total} are taken", hint=_HINT)
    counter = _Counter(archive.name, packed, limits)
    try:
        if name.endswith(".zip"):
            _write(_zip_members(archive, limits), scratch, counter, limits)
        elif name.endswith((".tar.gz", ".tgz")):
            tar = scratch / _TAR
            _gunzip(archive, tar, counter)
            counter.total = 0
            _write(_tar_members(tar, limits), scratch, counter, limits)
            tar.unlink()
        else:
            raise SubmissionError(
                f"{archive.name}: not an archive that is read here", hint=f"pack the run as {' or '.join(SUFFIXES)}"
            )
    except (zipfile.BadZipFile, tarfile.TarError, gzip.BadGzipFile, zlib.error, EOFError) as error:
        raise SubmissionError(f"{archive.name}: damaged archive: {error}", hint=_HINT) from error
    except (NotImplementedError, RuntimeError, ValueError, OverflowError) as error:
        # zipfile's answers to encryption, unknown compression and impossible numbers.
        raise SubmissionError(f"{archive.name}: archive that cannot be read: {error}", hint=_HINT) from error


class _Counter:
    """Bytes that came out of an archive so far, held against the limits."""

    def __init__(self, name: str, packed: int, limits: Limits) -> None:
        self._name, self._packed, self._limits = name, packed, limits
        self.total = 0

    def add(self, count: int) -> None:
        self.total += count
        if self.total > self._limits.total:
            raise SubmissionError(
                f"{self._name}: more than {self._limits.total} bytes when unpacked", hint="hand in a smaller run"
            )
        if self.total > max(_FREE, self._packed * self._limits.ratio):
            raise SubmissionError(
                f"{self._name}: unpacks to more than {self._limits.ratio} times its size", hint="no run packs so well"
            )


class _Guarded:
    """A file that refuses to be read in pieces that no honest archive needs: names and lists are read in one go."""

    def __init__(self, handle: IO[bytes], most: int) -> None:
        self._handle, self._most = handle, most

    def read(self, size: int = -1) -> bytes:
        data = self._handle.read(self._most + 1 if size < 0 else min(size, self._most + 1))
        if len(data) > self._most:
            raise SubmissionError("the archive's list of names is too large", hint="hand in a smaller run")
        return data

    def __getattr__(self, name: str) -> Any:
        return getattr(self._handle, name)


def _guarded(handle: IO[bytes], most: int) -> IO[bytes]:
    return cast("IO[bytes]", _Guarded(handle, most))


def _gunzip(archive: Path, tar: Path, counter: _Counter) -> None:
    with gzip.open(archive) as packed, tar.open("xb") as target:
        while chunk := packed.read(_CHUNK):
            counter.add(len(chunk))
            with saving(tar):
                target.write(chunk)


def _zip_members(archive: Path, limits: Limits) -> Iterator[_Member]:
    with archive.open("rb") as handle, zipfile.ZipFile(_guarded(handle, limits.directory)) as opened:
        for member in opened.infolist():
            mode = stat.S_IFMT(member.external_attr >> 16)
            kind = stat.S_IFDIR if member.is_dir() else stat.S_IFREG
            if mode not in (0, kind):
                raise _not_regular(member.filename)
            if member.flag_bits & 0x1:
                raise SubmissionError(f"{member.filename!r} is encrypted", hint=_HINT)
            if member.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
                raise SubmissionError(
                    f"{member.filename!r}: compression that is not read here", hint="zip with deflate"
                )
            if member.is_dir():
                yield member.filename, 0, None
                continue
            with opened.open(member) as content:
                yield member.filename, member.file_size, content


def _tar_members(tar: Path, limits: Limits) -> Iterator[_Member]:
    with tar.open("rb") as handle, tarfile.open(fileobj=_guarded(handle, _LONGEST_HEADER), mode="r:") as opened:
        # tarfile keeps every header it has read, and a header may be as long as the guard allows.
        for member in opened:
            opened.members = []  # pyright: ignore[reportAttributeAccessIssue]
            if member.isdir():
                yield member.name, 0, None
            elif member.type in (tarfile.REGTYPE, tarfile.AREGTYPE) and not member.issparse():
                content = opened.extractfile(member)
                assert content is not None
                yield member.name, member.size, content
            else:
                raise _not_regular(member.name)


def _write(members: Iterator[_Member], scratch: Path, counter: _Counter, limits: Limits) -> None:
    seen: set[str] = set()
    folders: set[str] = set()
    for count, (name, stated, content) in enumerate(members, start=1):
        if count > limits.files:
            raise SubmissionError(f"the archive holds more than {limits.files} files", hint="hand in a smaller run")
        parts = _safe_parts(name, limits)
        if content is None:
            continue
        if not parts:
            raise SubmissionError(f"the archive holds the unsafe name {name!r:.200}", hint=_HINT)
        key = "/".join(parts).casefold()
        above = {"/".join(parts[:depth]).casefold() for depth in range(1, len(parts))}
        if key in seen or key in folders or above & seen or key == _TAR:
            raise SubmissionError(f"the archive holds {name!r} twice", hint=_HINT)
        seen.add(key)
        folders |= above
        if stated > limits.file:
            raise SubmissionError(f"{name!r}: {stated} bytes, at most {limits.file} are taken", hint=_HINT)
        target = scratch.joinpath(*parts)
        with saving(target):
            target.parent.mkdir(parents=True, exist_ok=True)
            with target.open("xb") as handle:
                size = 0
                while chunk := content.read(_CHUNK):
                    counter.add(len(chunk))
                    size += len(chunk)
                    if size > limits.file:
                        raise SubmissionError(f"{name!r}: more than {limits.file} bytes", hint=_HINT)
                    handle.write(chunk)


def _safe_parts(name: str, limits: Limits) -> list[str]:
    """The parts of a member's name below the scratch folder."""
    if name.startswith("/") or re.match(r"[A-Za-z]:[\\/]", name):
        raise SubmissionError(f"the archive holds the absolute name {name!r:.200}", hint=_HINT)
    parts = [part for part in name.split("/") if part not in ("", ".")]
    for part in parts:
        if part == ".." or _BAD_PART.search(part) or len(part.encode("utf-8", "replace")) > 255:
            raise SubmissionError(f"the archive holds the unsafe name {name!r:.200}", hint=_HINT)
        try:
            part.encode("utf-8")
        except UnicodeEncodeError as error:
            raise SubmissionError(f"the archive holds a name that is no text: {name!r:.200}", hint=_HINT) from error
    if len(parts) > limits.depth + 1:
        raise SubmissionError(f"the archive nests folders more than {limits.depth} deep: {name!r:.200}", hint=_HINT)
    return parts


def _not_regular(name: str) -> SubmissionError:
    return SubmissionError(f"{name!r} is neither a regular file nor a folder (a link or a device)", hint=_HINT)
