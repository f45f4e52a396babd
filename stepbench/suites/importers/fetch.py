"""Fetch Step-Video-T2V-Eval from its public address. The file is not ours to ship, so it is pinned by hash instead."""

from __future__ import annotations

import hashlib
import http.client
import os
import tempfile
import urllib.request
from pathlib import Path

from stepbench.errors import EnvironmentUnfitError, SuiteError
from stepbench.suites.importers.step_video_eval import PINNED_SHA256

STEP_VIDEO_EVAL_URL = "https://raw.githubusercontent.com/stepfun-ai/Step-Video-T2V/main/benchmark/Step-Video-T2V-Eval"
FILE_NAME = "Step-Video-T2V-Eval.txt"
_MAX_BYTES = 1_000_000


def fetch_step_video_eval(
    destination: str | Path, *, url: str = STEP_VIDEO_EVAL_URL, sha256: str = PINNED_SHA256, timeout: float = 30.0
) -> Path:
    """Download the prompt file, check it and put it at `destination` in one step.

    Args:
        destination: Path of the new file, or an existing folder to put it in.
        url: Where from.
        sha256: The hash it must have.
        timeout: Seconds to wait for the server.

    Returns:
        The path of the file.

    Raises:
        EnvironmentUnfitError: The address cannot be reached.
        SuiteError: What came back is another file; nothing is written.
    """
    target = Path(destination)
    if target.is_dir():
        target = target / FILE_NAME
    data = _download(url, timeout)
    found = hashlib.sha256(data).hexdigest()
    if found != sha256:
        raise SuiteError(
            f"{url} gave a file with sha256 {found}, not the pinned {sha256}",
            hint="the file was changed or damaged on the way; import a copy you trust with --from FILE",
        )
    target.parent.mkdir(parents=True, exist_ok=True)
    handle, temporary = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name}.")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
        os.replace(temporary, target)
    except OSError:
        Path(temporary).unlink(missing_ok=True)
        raise
    return target


def _download(url: str, timeout: float) -> bytes:
    try:
        with urllib.request.urlopen(url, timeout=timeout) as answer:
            return answer.read(_MAX_BYTES + 1)
    except (OSError, http.client.HTTPException) as error:
        raise EnvironmentUnfitError(
            f"cannot fetch {url}: {getattr(error, 'reason', error)}",
            hint="on a machine without internet, copy the file there and use --from FILE",
        ) from error
