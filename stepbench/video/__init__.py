"""Video files in and out. The only package that imports the codec library."""

from stepbench.video.info import VideoClip, VideoError, VideoInfo
from stepbench.video.read import probe, read_chunks, read_clip
from stepbench.video.write import ClipWriter, master_writer, preview_writer, write_master, write_preview

__all__ = [
    "ClipWriter",
    "VideoClip",
    "VideoError",
    "VideoInfo",
    "master_writer",
    "preview_writer",
    "probe",
    "read_chunks",
    "read_clip",
    "write_master",
    "write_preview",
]
