"""Features of clips in a run folder, keyed by the clip's sha256: made once, whatever is computed from them."""

from __future__ import annotations

import hashlib
import os
import shutil
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any

from stepbench.runs.journal import saving

if TYPE_CHECKING:
    import numpy as np

SAVE_SECONDS = 5.0
"""New features are saved this often: a kill redoes at most so much work."""

_SUFFIX = ".safetensors"
_WHOLE = f"features{_SUFFIX}"


class FeatureStore:
    """One folder of features from one backbone. Files are added whole and never changed, so writers need no lock.

    Args:
        folder: May be missing; reading it is then reading nothing.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def keys(self) -> set[str]:
        """The sha256 of every clip that has features."""
        return {key for keys, _ in self._files() for key in keys}

    def read(self, keys: Sequence[str]) -> np.ndarray:
        """Features of clips in the order of their keys, float32 (n, d).

        Raises:
            KeyError: A clip has none.
        """
        import numpy as np

        found = self._rows()
        return np.stack([found[key] for key in keys])

    def add(self, features: Mapping[str, np.ndarray]) -> None:
        """Save features by the sha256 of their clips, in a file of their own; on disk when this returns.

        Raises:
            IncompleteError: The folder cannot be written.
        """
        if features:
            digest = hashlib.sha256("".join(sorted(features)).encode()).hexdigest()
            self._save(f"part-{digest[:16]}{_SUFFIX}", features)

    def compact(self) -> None:
        """Bring all files into one, and remove what is no longer whole. Nobody else may be compacting.

        Raises:
            IncompleteError: The folder cannot be written.
        """
        if not self.folder.is_dir():
            return
        paths = sorted(self.folder.iterdir())
        if [path.name for path in paths] == [_WHOLE]:
            return
        features = self._rows()
        if features:
            self._save(_WHOLE, features)
        with saving(self.folder):
            for path in paths:
                if path.name != _WHOLE:
                    path.unlink(missing_ok=True)

    def clear(self) -> None:
        """Forget all features.

        Raises:
            IncompleteError: They cannot be removed.
        """
        with saving(self.folder):
            if self.folder.is_dir():
                shutil.rmtree(self.folder)

    def _save(self, name: str, features: Mapping[str, np.ndarray]) -> None:
        import numpy as np
        from safetensors.numpy import save

        keys = sorted(features)
        content = save(
            {
                "clips": np.frombuffer(bytes.fromhex("".join(keys)), dtype=np.uint8).reshape(len(keys), -1),
                "features": np.stack([features[key] for key in keys]).astype(np.float32),
            }
        )
        with saving(self.folder / name):
            self.folder.mkdir(parents=True, exist_ok=True)
            temporary = self.folder / f".{name}.{os.getpid()}.tmp"
            try:
                with temporary.open("wb") as handle:
                    handle.write(content)
                    handle.flush()
                    os.fsync(handle.fileno())
                temporary.replace(self.folder / name)
            finally:
                temporary.unlink(missing_ok=True)

    def _rows(self) -> dict[str, np.ndarray]:
        return {
            key: row for keys, file in self._files() for key, row in zip(keys, file.get_tensor("features"), strict=True)
        }

    def _files(self) -> Iterator[tuple[list[str], Any]]:
        """Every whole file with its clips. A torn one is passed over: it holds nothing that cannot be made again."""
        from safetensors import SafetensorError, safe_open

        for path in sorted(self.folder.glob(f"[!.]*{_SUFFIX}")):
            try:
                # Its length is checked on opening, and what it holds is read when it is asked for.
                with safe_open(path, "np") as file:
                    yield [bytes(clip).hex() for clip in file.get_tensor("clips")], file
            except (OSError, SafetensorError):
                continue


class FeatureBuffer:
    """Gathers features as they are made, and saves them every few seconds and at the end.

    Args:
        save: Takes feature id -> clip sha256 -> features, and has them on disk when it returns.
    """

    def __init__(self, save: Callable[[Mapping[str, Mapping[str, np.ndarray]]], None]) -> None:
        self._save = save
        self._waiting: dict[str, dict[str, np.ndarray]] = {}
        self._last = time.monotonic()

    def add(self, clip_sha256: str, features: Mapping[str, np.ndarray]) -> None:
        """Take the features of one clip by feature id."""
        for feature_id, row in features.items():
            self._waiting.setdefault(feature_id, {})[clip_sha256] = row
        if time.monotonic() - self._last >= SAVE_SECONDS:
            self.flush()

    def flush(self) -> None:
        """Save all that wait."""
        waiting, self._waiting = self._waiting, {}
        if waiting:
            self._save(waiting)
        self._last = time.monotonic()

    def __enter__(self) -> FeatureBuffer:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        # Also after an interruption: what is made is kept.
        self.flush()
