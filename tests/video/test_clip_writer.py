"""Clips chunk by chunk: the same bytes as in one piece, in memory that does not grow, and no file after an error."""

from __future__ import annotations

import tracemalloc

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stepbench.video import (
    VideoError,
    count_frames,
    master_writer,
    preview_writer,
    read_chunks,
    read_clip,
    stream_clip,
    write_master,
    write_preview,
)

BOTH = pytest.mark.parametrize(
    ("open_writer", "write_whole", "name"),
    [(master_writer, write_master, "clip.mkv"), (preview_writer, write_preview, "clip.mp4")],
)


def noise(frames=7, height=32, width=32, seed=0):
    return np.random.default_rng(seed).integers(0, 256, (frames, 3, height, width), dtype=np.uint8)


def write_all(writer, chunks):
    with writer:
        for chunk in chunks:
            writer.write(chunk)
            del chunk


@settings(max_examples=15, deadline=None)
@given(
    lengths=st.lists(st.integers(1, 9), min_size=1, max_size=4),
    height=st.integers(1, 33),
    width=st.integers(2, 33),
    fps=st.sampled_from([8, 29.97]),
)
@BOTH
def test_however_it_is_cut_a_clip_gives_the_same_bytes(
    tmp_path_factory, open_writer, write_whole, name, lengths, height, width, fps
):
    folder, frames = tmp_path_factory.mktemp("clip"), noise(sum(lengths), height, width)
    write_whole(folder / f"whole-{name}", frames, fps)
    write_all(open_writer(folder / f"cut-{name}", fps), np.split(frames, np.cumsum(lengths)[:-1]))
    assert (folder / f"cut-{name}").read_bytes() == (folder / f"whole-{name}").read_bytes()


@BOTH
def test_the_file_is_there_once_it_is_whole(tmp_path, open_writer, write_whole, name):
    (tmp_path / name).write_text("an older clip")
    with open_writer(tmp_path / name, 8) as writer:
        writer.write(noise())
        assert (tmp_path / name).read_text() == "an older clip"
    assert len(read_clip(tmp_path / name).frames) == 7
    assert [path.name for path in tmp_path.iterdir()] == [name]


def fail_after(chunks):
    for _ in range(chunks):
        yield noise()
    raise RuntimeError("the model gave up")


@pytest.mark.parametrize("chunks", [0, 1, 3])
@BOTH
def test_chunks_that_break_off_leave_no_file(tmp_path, open_writer, write_whole, name, chunks):
    with pytest.raises(RuntimeError, match="the model gave up"):
        write_all(open_writer(tmp_path / name, 8), fail_after(chunks))
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("chunks", "message"),
    [
        ([], "with at least one frame, got none"),
        ([[[0]]], "a clip must be uint8 .* got list"),
        ([noise() / 255], r"a clip must be uint8 .* got float64 \(7, 3, 32, 32\)"),
        ([noise(), noise(0)], r"with at least one frame, got uint8 \(0, 3, 32, 32\)"),
        ([noise(), noise(1, 31, 48)], "frame 7 is 48x31, the first is 32x32"),
    ],
)
@BOTH
def test_chunks_that_make_up_no_clip_are_refused(tmp_path, open_writer, write_whole, name, chunks, message):
    with pytest.raises(VideoError, match=message):
        write_all(open_writer(tmp_path / name, 8), chunks)
    assert not list(tmp_path.iterdir())


def test_an_impossible_rate_is_refused_at_once(tmp_path):
    with pytest.raises(VideoError, match="fps must be above 0 and finite, got 0"):
        master_writer(tmp_path / "clip.mkv", 0)


def peak_bytes(work):
    tracemalloc.start()
    work()
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    return peak


@BOTH
def test_memory_does_not_grow_with_the_number_of_chunks(tmp_path, open_writer, write_whole, name):
    chunk = noise(4, 64, 64)

    def write(count):
        write_all(open_writer(tmp_path / name, 8), (chunk.copy() for _ in range(count)))

    def read(size):
        for one in read_chunks(tmp_path / name, size):
            del one

    write(1)
    short, long = peak_bytes(lambda: write(4)), peak_bytes(lambda: write(40))
    assert long < short + chunk.nbytes
    assert peak_bytes(lambda: read(4)) < 5 * chunk.nbytes
    assert peak_bytes(lambda: read_clip(tmp_path / name)) > 40 * chunk.nbytes  # where all frames are kept, it is seen


@BOTH
def test_a_clip_is_read_in_pieces_of_any_size(tmp_path, open_writer, write_whole, name):
    write_whole(tmp_path / name, noise(7), 8)
    whole = read_clip(tmp_path / name).frames
    for size, lengths in ((1, [1] * 7), (3, [3, 3, 1]), (7, [7]), (16, [7])):
        chunks = list(read_chunks(tmp_path / name, size))
        assert [len(chunk) for chunk in chunks] == lengths
        np.testing.assert_array_equal(np.concatenate(chunks), whole)
    cut = tmp_path / f"cut-{name}"
    cut.write_bytes((tmp_path / name).read_bytes()[:-200])
    with pytest.raises(VideoError, match="cut-clip"):
        list(read_chunks(cut, 1))


@BOTH
def test_a_clip_is_streamed_in_parts_of_bounded_size(tmp_path, monkeypatch, open_writer, write_whole, name):
    write_whole(tmp_path / name, noise(11), 8)
    whole = read_clip(tmp_path / name)
    for most, lengths in ((5 * whole.frames[0].nbytes, [5, 5, 1]), (1, [4, 4, 3]), (8 << 20, [11])):
        monkeypatch.setattr("stepbench.video.read.CHUNK_BYTES", most)
        parts = list(stream_clip(tmp_path / name))
        assert [len(part.frames) for part in parts] == lengths
        assert {part.fps for part in parts} == {whole.fps}
        np.testing.assert_array_equal(np.concatenate([part.frames for part in parts]), whole.frames)


@BOTH
def test_frames_are_counted_without_decoding(tmp_path, open_writer, write_whole, name):
    write_whole(tmp_path / name, noise(11), 8)
    assert count_frames(tmp_path / name) == 11
    if name == "clip.mkv":
        data = (tmp_path / name).read_bytes()
        (tmp_path / "cut.mkv").write_bytes(data[: len(data) // 2])
        assert 0 < count_frames(tmp_path / "cut.mkv") < 11
    with pytest.raises(VideoError, match="no video file"):
        count_frames(tmp_path / "none.mkv")
