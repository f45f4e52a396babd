"""Comments in clips, and copies without them: the pixels stay, everything that tells of the maker goes."""

from __future__ import annotations

from fractions import Fraction

import av
import numpy as np
import pytest

from stepbench.video import (
    VideoError,
    copy_without_tags,
    master_writer,
    preview_writer,
    probe,
    read_clip,
    read_comment,
    tags_of,
    write_master,
    write_preview,
)

FRAMES = np.random.default_rng(0).integers(0, 256, (9, 3, 32, 48), dtype=np.uint8)
COMMENT = '{"model": "Modell Ä 模型", "quote": "\\"<b>"}'


@pytest.fixture
def told(tmp_path):
    """An H.264 file as a stranger delivers it: a title, a comment, a named stream, a chapter, and sound."""
    path = tmp_path / "told.mp4"
    with av.open(str(path), "w") as container:
        container.metadata.update({"title": "by model-x", "comment": COMMENT})
        video = container.add_stream("libx264", rate=8)
        video.width, video.height, video.pix_fmt = 48, 32, "yuv420p"
        video.metadata["handler_name"] = "model-x encoder"
        sound = container.add_stream("aac", rate=16000, layout="mono")
        container.set_chapters(
            [{"id": 0, "start": 0, "end": 1000, "time_base": Fraction(1, 1000), "metadata": {"title": "model-x"}}]
        )
        for image in FRAMES.transpose(0, 2, 3, 1):
            frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(image), format="rgb24")
            container.mux(video.encode(frame))
        silence = av.AudioFrame.from_ndarray(np.zeros((1, 16000), np.float32), format="fltp", layout="mono")
        silence.sample_rate = 16000
        container.mux(sound.encode(silence))
        for stream in (video, sound):
            container.mux(stream.encode(None))
    return path


@pytest.mark.parametrize(
    ("writer", "whole", "name"), [(master_writer, write_master, "c.mkv"), (preview_writer, write_preview, "c.mp4")]
)
def test_a_comment_comes_back_and_leaves_the_pixels_alone(tmp_path, writer, whole, name):
    for copy in ("one", "two"):
        with writer(tmp_path / f"{copy}-{name}", 8, comment=COMMENT) as clip:
            clip.write(FRAMES)
    whole(tmp_path / name, FRAMES, 8)
    assert read_comment(tmp_path / f"one-{name}") == COMMENT
    assert read_comment(tmp_path / name) == ""
    assert (tmp_path / f"one-{name}").read_bytes() == (tmp_path / f"two-{name}").read_bytes()
    assert np.array_equal(read_clip(tmp_path / f"one-{name}").frames, read_clip(tmp_path / name).frames)


def test_a_blind_copy_keeps_pixels_and_sound_and_nothing_that_tells(told, tmp_path):
    assert set(tags_of(told)) >= {"title", "comment", "0:handler_name"}
    assert b"x264 - core" in told.read_bytes()
    for name in ("blind.mp4", "again.mp4"):
        copy_without_tags(told, tmp_path / name)
    blind = tmp_path / "blind.mp4"
    assert tags_of(blind) == {}
    content = blind.read_bytes()
    assert not any(trace in content for trace in (b"model-x", b"x264", b"Lavf", "模型".encode()))
    assert content == (tmp_path / "again.mp4").read_bytes()
    assert np.array_equal(read_clip(blind).frames, read_clip(told).frames)
    assert probe(blind) == probe(told)
    with av.open(str(blind)) as container:
        assert [stream.type for stream in container.streams] == ["video", "audio"]


def test_our_own_previews_tell_nothing(tmp_path):
    write_preview(tmp_path / "clip.mp4", FRAMES, 8)
    assert tags_of(tmp_path / "clip.mp4") == {}


def test_what_is_no_video_or_does_not_fit_into_an_mp4_is_refused(tmp_path):
    (tmp_path / "text.mp4").write_text("no video")
    with pytest.raises(VideoError, match="not a readable video"):
        copy_without_tags(tmp_path / "text.mp4", tmp_path / "out.mp4")
    with pytest.raises(VideoError, match="no video file at"):
        tags_of(tmp_path / "none.mp4")
    with av.open(str(tmp_path / "huffyuv.avi"), "w") as container:
        video = container.add_stream("huffyuv", rate=8)
        video.width, video.height, video.pix_fmt = 48, 32, "rgb24"
        container.mux(video.encode(av.VideoFrame.from_ndarray(FRAMES[0].transpose(1, 2, 0).copy(), format="rgb24")))
        container.mux(video.encode(None))
    with pytest.raises(VideoError, match="cannot be copied into an MP4"):
        copy_without_tags(tmp_path / "huffyuv.avi", tmp_path / "out.mp4")
    assert not (tmp_path / "out.mp4").exists()
