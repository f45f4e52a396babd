"""Video files in and out. The only package that imports the codec library."""

from stepbench.video.blind import copy_without_tags, tags_of
from stepbench.video.info import VideoClip, VideoError, VideoInfo
from stepbench.video.read import count_frames, probe, read_chunks, read_clip, read_comment, stream_clip
from stepbench.video.write import ClipWriter, master_writer, preview_writer, write_master, write_preview

__all__ = [
    "ClipWriter",
    "VideoClip",
    "VideoError",
    "VideoInfo",
    "copy_without_tags",
    "count_frames",
    "master_writer",
    "preview_writer",
    "probe",
    "read_chunks",
    "read_clip",
    "read_comment",
    "stream_clip",
    "tags_of",
    "write_master",
    "write_preview",
]
