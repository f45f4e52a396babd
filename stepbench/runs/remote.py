"""A folder at an address that fsspec knows, such as s3://bucket/runs: list, read, write, remove. Errors are ours."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from stepbench.errors import EnvironmentUnfitError, IncompleteError, UsageError

BUCKETS = {"s3", "s3a", "gs", "gcs", "abfs", "abfss", "az"}
"""Stores without folders: to ask them for one would make a bucket of a name that was mistyped."""

PROBE = "probe"


class Remote:
    """Files below one address, by their relative names.

    Args:
        address: `PROTOCOL://...`, or a folder on this machine. Who may write there is settled by the environment, as
            the file system's own documentation says.

    Raises:
        UsageError: There is no such protocol, or the address does not fit it.
        EnvironmentUnfitError: The package for it is not installed.
    """

    def __init__(self, address: str) -> None:
        import fsspec

        self.address = address.rstrip("/")
        try:
            self._files, root = fsspec.core.url_to_fs(self.address)
        except ImportError as error:
            raise EnvironmentUnfitError(f"{address} cannot be reached: {error}", hint="install that package") from error
        except ValueError as error:
            raise UsageError(f"{address!r} is no address: {error}", hint="such as s3://bucket/runs") from error
        self._root = root.rstrip("/")

    def require_writable(self) -> None:
        """Write a file and remove it again.

        Raises:
            EnvironmentUnfitError: That is not possible.
        """
        try:
            self.write(PROBE, b"")
            self.remove(PROBE)
        except IncompleteError as error:
            raise EnvironmentUnfitError(error.message, hint="see to the address and the rights") from error

    def sizes(self) -> dict[str, int]:
        """Name -> bytes of every file; empty where there is nothing."""
        with self._told("read"):
            self._files.invalidate_cache()
            if not self._files.exists(self._root):
                return {}
            found: Any = self._files.find(self._root, detail=True)
            return {name.removeprefix(f"{self._root}/"): int(facts["size"]) for name, facts in found.items()}

    def read(self, name: str) -> bytes:
        """The content of a file."""
        with self._told("read"):
            return bytes(self._files.cat_file(f"{self._root}/{name}"))  # pyright: ignore[reportArgumentType]

    def fetch(self, name: str, target: Path) -> None:
        """Copy a file here; what is not complete has another name."""
        temporary = target.with_name(f".{target.name}.tmp")
        with self._told("read"):
            target.parent.mkdir(parents=True, exist_ok=True)
            self._files.get_file(f"{self._root}/{name}", str(temporary))
            temporary.replace(target)

    def send(self, path: Path, name: str) -> None:
        """Copy a file there."""
        with self._told("write"):
            self._make_parent(name)
            self._files.put_file(str(path), f"{self._root}/{name}")

    def write(self, name: str, content: bytes) -> None:
        """Replace a file by this content in one step."""
        target = f"{self._root}/{name}"
        with self._told("write"):
            self._make_parent(name)
            if "file" not in _protocols(self._files):
                # An object is there as a whole, or not at all.
                self._files.pipe_file(target, content)
                return
            self._files.pipe_file(f"{target}.tmp", content)
            self._files.mv(f"{target}.tmp", target)

    def remove(self, name: str) -> None:
        """Remove a file."""
        with self._told("write"):
            self._files.rm_file(f"{self._root}/{name}")

    def _make_parent(self, name: str) -> None:
        if BUCKETS.isdisjoint(_protocols(self._files)):
            self._files.makedirs(f"{self._root}/{name}".rpartition("/")[0], exist_ok=True)

    @contextmanager
    def _told(self, what: str) -> Iterator[None]:
        try:
            yield
        except Exception as error:  # every file system has errors of its own
            lines = str(error).strip().splitlines() or [""]
            raise IncompleteError(
                f"cannot {what} {self.address}: {type(error).__name__}: {lines[0][:300]}",
                hint="see to the address and the rights; the same command goes on with what is missing",
            ) from error


def _protocols(files: Any) -> set[str]:
    return {files.protocol} if isinstance(files.protocol, str) else set(files.protocol)
