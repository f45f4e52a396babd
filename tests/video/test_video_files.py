"""Video files: lossless masters, even previews, and no cut or foreign file taken for a clip."""

from __future__ import annotations

import av
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stepbench.video import VideoError, probe, read_clip, write_master, write_preview


def noise(frames=5, height=32, width=32, seed=0):
    return np.random.default_rng(seed).integers(0, 256, (frames, 3, height, width), dtype=np.uint8)


@settings(max_examples=40, deadline=None)
@given(
    frames=st.integers(1, 6),
    height=st.integers(1, 40),
    width=st.integers(2, 40),
    fps=st.sampled_from([1, 7.5, 8, 23.976, 24000 / 1001, 25, 29.97, 60, 120]),
    seed=st.integers(0, 99),
)
def test_masters_are_lossless(tmp_path_factory, frames, height, width, fps, seed):
    path = tmp_path_factory.mktemp("clip") / "clip.mkv"
    written = noise(frames, height, width, seed)
    write_master(path, written, fps)
    clip = read_clip(path)
    assert clip.frames.dtype == np.uint8
    assert clip.frames.flags["C_CONTIGUOUS"]
    np.testing.assert_array_equal(clip.frames, written)
    assert clip.fps == pytest.approx(fps, rel=1e-5)


@pytest.mark.parametrize("value", [0, 127, 255])
@pytest.mark.parametrize("channel", [0, 1, 2])
def test_channels_keep_their_order_and_range(tmp_path, channel, value):
    frames = np.zeros((2, 3, 8, 8), dtype=np.uint8)
    frames[:, channel] = value
    write_master(tmp_path / "clip.mkv", frames, 8)
    np.testing.assert_array_equal(read_clip(tmp_path / "clip.mkv").frames, frames)


@pytest.mark.parametrize(("write", "name"), [(write_master, "clip.mkv"), (write_preview, "clip.mp4")])
def test_equal_frames_give_equal_bytes(tmp_path, write, name):
    for folder in ("a", "b"):
        (tmp_path / folder).mkdir()
        write(tmp_path / folder / name, noise(), 8)
    assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()


def test_memory_order_of_the_frames_does_not_matter(tmp_path):
    frames = noise()
    write_master(tmp_path / "a.mkv", frames, 8)
    write_master(tmp_path / "b.mkv", np.asfortranarray(frames), 8)
    assert (tmp_path / "a.mkv").read_bytes() == (tmp_path / "b.mkv").read_bytes()


@settings(max_examples=15, deadline=None)
@given(height=st.integers(1, 33), width=st.integers(1, 33), frames=st.integers(1, 4))
def test_previews_are_even_and_look_like_the_clip(tmp_path_factory, height, width, frames):
    path = tmp_path_factory.mktemp("clip") / "clip.mp4"
    rows, columns = np.mgrid[0:height, 0:width]
    smooth = np.stack([4 * rows, 4 * columns, 100 + 0 * rows]).astype(np.uint8)
    write_preview(path, np.repeat(smooth[None], frames, axis=0), 8)
    info = probe(path)
    assert (info.height, info.width) == (height + height % 2, width + width % 2)
    assert (info.codec, info.fps) == ("h264", 8.0)
    seen = read_clip(path).frames
    assert len(seen) == frames
    difference = seen[:, :, :height, :width].astype(int) - smooth
    assert np.abs(difference).mean() < 6
    # The added row and column repeat their neighbour.
    if height % 2:
        assert np.abs(seen[:, :, -1].astype(int) - seen[:, :, -2].astype(int)).mean() < 6


def test_previews_play_from_their_beginning(tmp_path):
    """`moov` stands before `mdat`, so that a browser can start before it has the whole file."""
    write_preview(tmp_path / "clip.mp4", noise(), 8)
    data = (tmp_path / "clip.mp4").read_bytes()
    assert 0 < data.index(b"moov") < data.index(b"mdat")


@pytest.mark.parametrize(("write", "name"), [(write_master, "clip.mkv"), (write_preview, "clip.mp4")])
def test_a_cut_file_is_an_error_and_never_a_shorter_clip(tmp_path, write, name):
    whole = tmp_path / name
    write(whole, noise(12), 8)
    data = whole.read_bytes()
    cut = tmp_path / f"cut-{name}"
    for share in np.linspace(0.02, 0.98, 25):
        cut.write_bytes(data[: int(share * len(data))])
        with pytest.raises(VideoError, match=r"cut-clip\.m"):
            read_clip(cut)


def test_files_that_are_no_video_are_refused(tmp_path):
    with pytest.raises(VideoError, match=r"no video file at .*absent.mp4"):
        read_clip(tmp_path / "absent.mp4")
    with pytest.raises(VideoError, match="no video file at"):
        probe(tmp_path)
    (tmp_path / "empty.mp4").touch()
    with pytest.raises(VideoError, match=r"empty.mp4: empty file \(0 bytes\)"):
        read_clip(tmp_path / "empty.mp4")
    (tmp_path / "text.mp4").write_text("this is no video\n" * 100, encoding="utf-8")
    with pytest.raises(VideoError, match=r"text.mp4: not a readable video|text.mp4: no video stream"):
        read_clip(tmp_path / "text.mp4")


def test_sound_alone_is_no_clip(tmp_path):
    path = tmp_path / "sound.mkv"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("pcm_s16le", rate=8000, layout="mono")
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 800), np.int16), format="s16", layout="mono")
        frame.sample_rate = 8000
        container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    with pytest.raises(VideoError, match=r"sound.mkv: no video stream"):
        probe(path)


def test_probe_says_what_the_container_says(tmp_path):
    write_preview(tmp_path / "clip.mp4", noise(7, 32, 48), 12.5)
    info = probe(tmp_path / "clip.mp4")
    assert (info.frames, info.fps, info.height, info.width, info.codec) == (7, 12.5, 32, 48, "h264")
    write_master(tmp_path / "clip.mkv", noise(7, 31, 47), 12.5)
    info = probe(tmp_path / "clip.mkv")
    assert (info.fps, info.height, info.width, info.codec) == (12.5, 31, 47, "ffv1")


@pytest.mark.parametrize("write", [write_master, write_preview])
@pytest.mark.parametrize(
    "frames",
    [
        np.zeros((2, 3, 8, 8), dtype=np.float32),
        np.zeros((2, 8, 8, 3), dtype=np.uint8),
        np.zeros((3, 8, 8), dtype=np.uint8),
        np.zeros((0, 3, 8, 8), dtype=np.uint8),
        np.zeros((2, 3, 0, 8), dtype=np.uint8),
    ],
)
def test_only_uint8_clips_are_written(tmp_path, write, frames):
    with pytest.raises(VideoError, match=r"a clip must be uint8 \(time, 3, height, width\) with at least one frame"):
        write(tmp_path / "clip.mkv", frames, 8)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("write", [write_master, write_preview])
@pytest.mark.parametrize("fps", [0, -1, float("nan"), float("inf"), 1e-9])
def test_impossible_rates_are_refused(tmp_path, write, fps):
    with pytest.raises(VideoError, match="fps must be"):
        write(tmp_path / "clip.mkv", noise(), fps)


def test_a_change_of_size_on_the_way_is_refused(tmp_path):
    path = tmp_path / "clip.ts"
    with path.open("wb") as file:
        for side in (32, 48):
            part = tmp_path / f"{side}.ts"
            with av.open(str(part), "w", format="mpegts") as container:
                stream = container.add_stream("mpeg2video", rate=25)
                stream.width = stream.height = side
                stream.pix_fmt = "yuv420p"
                for _ in range(3):
                    image = np.zeros((side, side, 3), np.uint8)
                    container.mux(stream.encode(av.VideoFrame.from_ndarray(image, format="rgb24")))
                container.mux(stream.encode(None))
            file.write(part.read_bytes())
    with pytest.raises(VideoError, match=r"clip.ts: frame \d+ is 48x48, the first is 32x32"):
        read_clip(path)
