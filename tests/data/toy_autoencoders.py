"""Autoencoders of a few lines, for `python:toy_autoencoders:CLASS`."""

from __future__ import annotations

import zlib
from pathlib import Path

import numpy as np

from stepbench.autoencoders import Code


class Identity:
    """Nothing is lost.

    Not part of the card's description.
    """

    def encode(self, frames, fps):
        return Code(data=frames, bits=8 * frames.size)

    def decode(self, data):
        return data


class Zlib:
    """Bytes of a general compressor behind the shape."""

    def __init__(self, level=6):
        self.level = level

    def encode(self, frames, fps):
        return np.array(frames.shape, dtype=np.uint32).tobytes() + zlib.compress(frames.tobytes(), self.level)

    def decode(self, data):
        shape = np.frombuffer(data[:16], dtype=np.uint32)
        return np.frombuffer(zlib.decompress(data[16:]), dtype=np.uint8).reshape(shape)


class FewerFrames(Identity):
    def decode(self, data):
        return data[1:]


class Shapeless(Identity):
    def decode(self, data):
        return data.tolist()


class Sizeless(Identity):
    def encode(self, frames, fps):
        return Code(data=frames, bits=0)


class Codeless(Identity):
    def encode(self, frames, fps):
        return frames


class UntilMended(Identity):
    """Fails on clips of more than ten frames, until a file named `mended` lies in the current folder."""

    def encode(self, frames, fps):
        if len(frames) > 10 and not Path("mended").exists():
            raise RuntimeError("the weights are broken")
        return super().encode(frames, fps)


class Demanding:
    def __init__(self, rate, *, mode="fast"):
        self.rate, self.mode = rate, mode

    def encode(self, frames, fps):
        return b"x" * self.rate

    def decode(self, data):
        return data


class AnySettings(Identity):
    def __init__(self, **settings):
        self.settings = settings


class OneWay:
    def encode(self, frames, fps):
        return b""
