"""Check an uploaded archive as far as that goes without torch, and keep nothing of it."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import IO

from stepbench.errors import StepbenchError
from stepbench.submissions.limits import MIB, MOST_MIB, UPLOAD, SubmissionError
from stepbench.submissions.offline import offline_checks
from stepbench.submissions.outcome import Check
from stepbench.submissions.read import read_submission
from stepbench.submissions.scan import find_run
from stepbench.submissions.unpack import SUFFIXES, unpack


def check_upload(name: str, content: IO[bytes]) -> tuple[str, list[Check]]:
    """The run id, and the outcome of every check that needs no torch.

    Args:
        name: As the visitor's machine calls the archive; only its ending is used.
        content: The archive.

    Raises:
        SubmissionError: The archive is refused unread: unsafe, too large, or not in the format.
    """
    suffix = next((one for one in SUFFIXES if name.lower().endswith(one)), None)
    if suffix is None:
        raise SubmissionError(f"{name!r:.100} is no archive that is read here", hint=f"pack it as {SUFFIXES[0]}")
    with tempfile.TemporaryDirectory(prefix="stepbench-upload-") as place:
        archive, scratch = Path(place) / f"upload{suffix}", Path(place) / "run"
        scratch.mkdir()
        with archive.open("xb") as target:
            for chunk in _limited(content):
                target.write(chunk)
        unpack(archive, scratch, UPLOAD)
        try:
            given = read_submission(find_run(scratch), UPLOAD)
        except SubmissionError:
            raise
        except StepbenchError as error:
            raise SubmissionError(error.message, hint=error.hint) from error
        return given.info["run_id"], offline_checks(given, UPLOAD)


def _limited(content: IO[bytes]) -> Iterator[bytes]:
    size = 0
    while chunk := content.read(MIB):
        size += len(chunk)
        if size > MOST_MIB * MIB:
            raise SubmissionError(f"the archive has more than {MOST_MIB} MiB", hint="check it from the command line")
        yield chunk
