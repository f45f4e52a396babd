"""Copies of clips that say nothing about who made them: same packets, no tags, no chapters, no encoder comments."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import av
import av.error
from av.bitstream import BitStreamFilterContext
from av.container import InputContainer, OutputContainer
from av.packet import Packet
from av.stream import Stream

from stepbench.video.info import VideoError
from stepbench.video.write import BITEXACT

_OF_THE_FORMAT = {"major_brand", "minor_version", "compatible_brands"}
_OF_EVERY_STREAM = {
    ("language", "und"),
    ("handler_name", "VideoHandler"),
    ("handler_name", "SoundHandler"),
    ("vendor_id", "[0][0][0][0]"),
}
# Supplemental units of H.264 (type 6) and HEVC (39, 40): x264 and others describe their settings there.
_UNITS = {"h264": "filter_units=remove_types=6", "hevc": "filter_units=remove_types=39|40"}


def tags_of(path: Path) -> dict[str, str]:
    """The texts in a video's container that every file of its kind does not have; streams' under `0:name`.

    Raises:
        VideoError: No readable video.
    """
    with _opened(path) as container:
        found = {name: text for name, text in container.metadata.items() if name.lower() not in _OF_THE_FORMAT}
        for stream in container.streams:
            texts = stream.metadata.items()
            found |= {f"{stream.index}:{name}": text for name, text in texts if (name, text) not in _OF_EVERY_STREAM}
        return found | {f"chapter {chapter['id']}": str(chapter["metadata"]) for chapter in container.chapters()}


def copy_without_tags(source: Path, target: Path) -> None:
    """Copy the video and sound of `source` into an MP4 without tags, chapters and encoder comments; nothing is decoded.

    Args:
        source: A video whose codecs MP4 can hold, such as H.264.
        target: Ends in `.mp4`; an existing file is replaced. Equal sources give equal bytes.

    Raises:
        VideoError: No readable video, or one that MP4 cannot hold.
    """
    options = {**BITEXACT, "movflags": "+faststart"}
    with _opened(source) as container:
        try:
            with av.open(str(target), "w", format="mp4", options=options) as output:
                _copy(container, output)
        except (av.error.FFmpegError, ValueError) as error:
            # A codec that MP4 does not know is a ValueError.
            target.unlink(missing_ok=True)
            raise VideoError(
                f"{source.name}: cannot be copied into an MP4: {error}", hint="deliver H.264 in an .mp4"
            ) from error


def _copy(container: InputContainer, output: OutputContainer) -> None:
    streams: dict[int, tuple[Stream, BitStreamFilterContext | None]] = {}
    for stream in [*container.streams.video[:1], *container.streams.audio]:
        copied = output.add_stream_from_template(stream)
        copied.metadata.clear()
        units = _UNITS.get(stream.codec_context.name)
        streams[stream.index] = copied, BitStreamFilterContext(units, stream, copied) if units else None
    for packet in container.demux(*(container.streams[index] for index in streams)):
        copied, units = streams[packet.stream_index]
        for kept in _filtered(packet, units):
            kept.stream = copied
            output.mux(kept)


def _filtered(packet: Packet, units: BitStreamFilterContext | None) -> Iterator[Packet]:
    if packet.dts is None and not packet.size:
        # What `demux` hands over at the end.
        yield from units.filter(None) if units else ()
        return
    yield from units.filter(packet) if units else (packet,)


def _opened(path: Path) -> InputContainer:
    if not path.is_file():
        raise VideoError(f"no video file at {path}", hint="check the path")
    try:
        return av.open(str(path), metadata_errors="replace")
    except av.error.FFmpegError as error:
        raise VideoError(
            f"{path.name}: not a readable video: {error.strerror}", hint="copy or generate the file again"
        ) from error
