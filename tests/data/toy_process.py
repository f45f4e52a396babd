"""Run the command line in a process forked from one that has imported everything already: a start costs nothing."""

from __future__ import annotations

import ctypes
import os
import resource
import signal
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

DIED = 9
PRELOADED = [
    "numpy",
    "cv2",
    "torch",
    "pandas",
    "pyarrow.parquet",
    "metrics.scoring",
    "metrics.flicker",
    "metrics.sharpness",
    "metrics.psnr",
    "metrics.fvd",
    "safetensors.numpy",
    "stepbench.api",
    "stepbench.video",
    "stepbench.cli.main",
    "stepbench.cli.run",
    "stepbench.cli.score",
    "stepbench.doctor",
]


def call(arguments: list[str], folder: Path, environment: Mapping[str, str], log: Path) -> None:
    """`stepbench ARGUMENTS` in `folder`, all output in `log`. Ends the process with the command's exit code.

    These variables change the process:
        TOY_PATH: A folder that is searched for packages, here and in worker processes.
        TOY_SAVE_EACH: Every row, and the features of every clip, are saved at once, so that a test can watch the work.
        TOY_SCORE_AFTER: Scoring waits until this file is there.
        TOY_DIE_AT: The process ends at once before it changes a file on disk for the so-manieth time.
        TOY_FILE_BYTES: No file can become larger than this.
        TOY_NO_PRIVILEGE: Permission bits count, even for root.
    """
    from stepbench.cli.main import main
    from stepbench.runs import feature_store, journal, score_worker

    os.chdir(folder)
    os.environ.update(environment)
    descriptor = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    os.dup2(descriptor, 1)
    os.dup2(descriptor, 2)
    if "TOY_PATH" in environment:
        sys.path.insert(0, environment["TOY_PATH"])
    if "TOY_SAVE_EACH" in environment:
        journal.FLUSH_SECONDS = feature_store.SAVE_SECONDS = 0.0
    if "TOY_SCORE_AFTER" in environment:
        check = score_worker.ClipFile._check

        def wait_and_check(clip: score_worker.ClipFile) -> None:
            while not Path(environment["TOY_SCORE_AFTER"]).exists():
                time.sleep(0.01)
            check(clip)

        score_worker.ClipFile._check = wait_and_check
    if "TOY_DIE_AT" in environment:
        die_at(int(environment["TOY_DIE_AT"]))
    if "TOY_FILE_BYTES" in environment:
        resource.setrlimit(resource.RLIMIT_FSIZE, (int(environment["TOY_FILE_BYTES"]),) * 2)
    if "TOY_NO_PRIVILEGE" in environment:
        give_up_privileges()
    # A test runner in the background ignores Ctrl-C and hands that down.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    main(arguments)


def die_at(last: int) -> None:
    """Count the calls that put something on disk or take it away; end the process, as a kill would, at one of them."""
    count = 0

    def counted(function: Callable[..., Any]) -> Callable[..., Any]:
        def call(*arguments: Any, **options: Any) -> Any:
            nonlocal count
            count += 1
            if count == last:
                os._exit(DIED)
            return function(*arguments, **options)

        return call

    for name in ("fsync", "replace", "rename", "link", "unlink", "rmdir", "ftruncate"):
        setattr(os, name, counted(getattr(os, name)))


def give_up_privileges() -> None:
    """Drop every Linux capability of this process, so that root too is stopped by permission bits."""
    version_3, this_process = 0x20080522, 0
    header = (ctypes.c_uint32 * 2)(version_3, this_process)
    none = (ctypes.c_uint32 * 6)()
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.capset(ctypes.byref(header), ctypes.byref(none)) != 0:
        raise OSError(ctypes.get_errno(), "capset")
