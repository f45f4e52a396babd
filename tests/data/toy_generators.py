"""Generators for tests: 5 frames of 32x32, and one that behaves as its prompt says."""

from __future__ import annotations

import hashlib
import os
import signal
import sys
import time
from pathlib import Path

import numpy as np

from stepbench import Refused


def noise(prompt: str, seed: int, sleep: float = 0.0) -> np.ndarray:
    """Random pixels that depend on prompt and seed alone."""
    time.sleep(sleep)
    rng = np.random.default_rng([seed, *hashlib.sha256(prompt.encode()).digest()])
    return rng.integers(0, 256, (5, 3, 32, 32), dtype=np.uint8)


def noise_of_16(prompt: str, seed: int) -> np.ndarray:
    """As long as the backbone shapes wants it."""
    return np.concatenate([noise(f"{prompt} {part}", seed) for part in range(4)])[:16]


def dim(prompt: str, seed: int) -> np.ndarray:
    """`noise` at half the brightness."""
    return noise(prompt, seed) // 2


def touched(prompt: str, seed: int) -> np.ndarray:
    """`noise` without odd levels: hardly another clip."""
    return noise(prompt, seed) & 0xFE


def obedient(prompt: str, seed: int) -> np.ndarray | list[str] | None:
    """`noise`, unless the prompt's first word is one of those below. The variable TOY_MENDED ends all trouble."""
    frames = noise(prompt, seed)
    word = prompt.split()[0]
    if word == "refuse":
        raise Refused("not this one")
    if "TOY_MENDED" in os.environ:
        return frames
    if word == "fail":
        raise RuntimeError("no luck")
    if word == "crash":
        os.kill(os.getpid(), signal.SIGKILL)
    if word == "exit":
        os._exit(3)
    if word == "leave":
        sys.exit(0)
    if word == "hang":
        time.sleep(60)
    if word == "floats":
        return frames / 255
    if word == "channels-last":
        return frames.transpose(0, 2, 3, 1)
    if word == "empty":
        return frames[:0]
    if word == "nothing":
        return None
    return frames


def signed(prompt: str, seed: int) -> np.ndarray:
    """`noise`, slowly; the number of the process that makes the clip goes to the file named by TOY_PROCESSES.

    With TOY_HOLD in the environment it waits until the file of that name is there.
    """
    with Path(os.environ["TOY_PROCESSES"]).open("a", encoding="utf-8") as handle:
        handle.write(f"{os.getpid()}\n")
    while "TOY_HOLD" in os.environ and not Path(os.environ["TOY_HOLD"]).exists():
        time.sleep(0.01)
    return noise(prompt, seed, sleep=0.05)
