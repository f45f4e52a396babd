"""Video files in and out. The only package that imports the codec library."""

from stepbench.video.info import VideoClip, VideoError, VideoInfo
from stepbench.video.read import probe, read_clip
from stepbench.video.write import write_master, write_preview

__all__ = ["VideoClip", "VideoError", "VideoInfo", "probe", "read_clip", "write_master", "write_preview"]
