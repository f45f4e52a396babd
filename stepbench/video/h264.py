"""H.264 in memory: the codec that an autoencoder has to beat. Equal clips and options give equal bytes."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from typing import cast

import av
import numpy as np
from av.video.codeccontext import VideoCodecContext
from av.video.reformatter import Colorspace, Interpolation, VideoReformatter

from stepbench.video.info import VideoError
from stepbench.video.write import SAME_BYTES, frame_rate

PRESETS = ("ultrafast", "superfast", "veryfast", "faster", "fast", "medium", "slow", "slower", "veryslow")
TUNES = ("none", "psnr", "ssim", "film", "animation", "grain", "stillimage")
PIXEL_FORMATS = ("yuv420p", "yuv444p")
MAX_CRF = 51

# libswscale's flags full_chroma_int, full_chroma_inp, accurate_rnd and bitexact. Its faster default darkens a clip by
# a whole level on the way to 4:2:0 and back, and differs between CPUs.
_EXACT = Interpolation.BICUBIC.value | 1 << 13 | 1 << 14 | 1 << 18 | 1 << 19
_START_CODE = re.compile(rb"\x00?\x00\x00\x01")
_SEI, _USER_DATA = 6, 5


@dataclass(frozen=True, kw_only=True)
class H264Options:
    """How to encode; the names are those of x264.

    Attributes:
        crf: Constant rate factor, 0 (lossless up to the pixel format) to 51.
        preset: Time spent on the search, one of `PRESETS`.
        tune: What the search is for, one of `TUNES`; `none` is x264's own idea of what people see.
        pixel_format: One of `PIXEL_FORMATS`; yuv420p halves the resolution of colour.
        gop: Largest distance between frames that can be decoded by themselves.
    """

    crf: float
    preset: str = "medium"
    tune: str = "none"
    pixel_format: str = "yuv420p"
    gop: int = 250


def encode_h264(frames: np.ndarray, fps: float, options: H264Options) -> bytes:
    """The H.264 stream (Annex B, no container) of a clip, without the comment in which x264 describes itself.

    Colours go to BT.709, limited range. One thread, since x264 decides differently with more.

    Args:
        frames: uint8 RGB (time, 3, height, width).
        fps: Frames per second, above 0; the rate factor takes it into account.
        options: How.

    Raises:
        VideoError: An odd height or width with yuv420p, which has one colour for every two by two pixels.
    """
    height, width = frames.shape[2:]
    if options.pixel_format == "yuv420p" and (height % 2 or width % 2):
        raise VideoError(
            f"yuv420p needs an even height and width, got {height}x{width}", hint="take pixel format yuv444p"
        )
    context = cast(VideoCodecContext, av.CodecContext.create("libx264", "w"))
    context.height, context.width, context.pix_fmt = height, width, options.pixel_format
    context.framerate = frame_rate(fps)
    context.time_base = 1 / context.framerate
    context.thread_count = 1
    context.options = {"crf": str(options.crf), "preset": options.preset, "g": str(options.gop), **SAME_BYTES}
    if options.tune != "none":
        context.options = {**context.options, "tune": options.tune}
    reformatter = VideoReformatter()
    packets = []
    for number, image in enumerate(frames.transpose(0, 2, 3, 1)):
        rgb = av.VideoFrame.from_ndarray(np.ascontiguousarray(image), format="rgb24")
        frame = reformatter.reformat(
            rgb, format=options.pixel_format, dst_colorspace=Colorspace.ITU709, interpolation=_EXACT
        )
        frame.pts = number
        packets += context.encode(frame)
    packets += context.encode(None)
    return _without_comment(b"".join(bytes(packet) for packet in packets))


def decode_h264(stream: bytes) -> np.ndarray:
    """Frames, uint8 RGB (time, 3, height, width), of a stream that `encode_h264` made."""
    context = cast(VideoCodecContext, av.CodecContext.create("h264", "r"))
    context.thread_count = 1
    reformatter = VideoReformatter()
    images = []
    for packet in [*context.parse(stream), *context.parse(b""), None]:
        for frame in context.decode(packet):
            rgb = reformatter.reformat(
                frame,
                format="rgb24",
                src_colorspace=Colorspace.ITU709,
                dst_colorspace=Colorspace.ITU709,
                interpolation=_EXACT,
            )
            images.append(rgb.to_ndarray())
    return np.ascontiguousarray(np.stack(images).transpose(0, 3, 1, 2))


@cache
def encoder_version() -> str:
    """Which encoder this is, such as `x264 core 165`: another one may spend other bits."""
    context = cast(VideoCodecContext, av.CodecContext.create("libx264", "w"))
    context.height, context.width, context.pix_fmt = 16, 16, "yuv420p"
    context.framerate = frame_rate(1)
    context.time_base = 1 / context.framerate
    grey = av.VideoFrame.from_ndarray(np.full((24, 16), 128, dtype=np.uint8), format="yuv420p")
    stream = b"".join(bytes(packet) for packet in [*context.encode(grey), *context.encode(None)])
    found = re.search(rb"x264 - (core [^-]*?) - ", stream)
    return f"x264 {found[1].decode('ascii')}" if found else "x264"


def _without_comment(stream: bytes) -> bytes:
    """The stream without user data that is not registered: some 700 bytes of text, as much as a small clip."""
    return b"".join(b"\x00\x00\x00\x01" + unit for unit in _units(stream) if not _is_comment(unit))


def _units(stream: bytes) -> Iterator[bytes]:
    # The bytes of a start code cannot occur inside a unit.
    return (unit for unit in _START_CODE.split(stream) if unit)


def _is_comment(unit: bytes) -> bool:
    return unit[0] & 0b11111 == _SEI and unit[1] == _USER_DATA
