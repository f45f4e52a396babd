"""H.264 as an autoencoder: what it costs, what it keeps, and that it does the same every time."""

from __future__ import annotations

import os
import subprocess
import sys
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from stepbench.autoencoders import Autoencoder, UnsuitableClipError, make_autoencoder
from stepbench.errors import UsageError
from stepbench.video import VideoClip, VideoError, read_clip, write_preview
from stepbench.video.h264 import H264Options, decode_h264, encode_h264, encoder_version


def psnr(a: np.ndarray, b: np.ndarray) -> float:
    return float(10 * np.log10(255**2 / np.mean((a.astype(float) - b.astype(float)) ** 2)))


def through(spec: str, clip: VideoClip, **settings: object) -> tuple[np.ndarray, int]:
    """Frames and bits."""
    autoencoder = make_autoencoder(spec)
    resolved = autoencoder.resolve(settings)
    code = autoencoder.encode(clip, resolved)
    return autoencoder.decode(code, resolved), code.bits


def noisy(height: int, width: int) -> VideoClip:
    rng = np.random.default_rng(height * 1000 + width)
    return VideoClip(frames=rng.integers(0, 256, (8, 3, height, width), dtype=np.uint8), fps=8.0)


def test_a_higher_rate_factor_costs_fewer_bits_and_keeps_less(pans):
    for clip in pans:
        results = [through(f"h264:{crf}", clip) for crf in (8, 18, 28, 38, 48)]
        bits = [size for _, size in results]
        quality = [psnr(frames, clip.frames) for frames, _ in results]
        assert all(later < earlier for earlier, later in pairwise(bits)), bits
        assert all(later < earlier for earlier, later in pairwise(quality)), quality


def test_all_but_rounding_of_colours_survives_the_best_rate_factor(pans):
    for clip in pans:
        frames, _ = through("h264:0", clip, pixel_format="yuv444p")
        assert frames.shape == clip.frames.shape
        assert frames.dtype == np.uint8
        assert np.abs(frames.astype(int) - clip.frames).max() <= 3


def test_halving_the_resolution_of_colour_shifts_no_brightness(pans):
    for clip in pans:
        frames, _ = through("h264:0", clip)
        drift = frames.mean(axis=(0, 2, 3)) - clip.frames.mean(axis=(0, 2, 3))
        assert np.abs(drift).max() < 0.15, "libswscale's default loses a whole level here"


def test_the_code_is_the_bare_stream_and_every_byte_counts(pans, tmp_path):
    autoencoder = make_autoencoder("h264:23")
    code = autoencoder.encode(pans[0], autoencoder.resolve({}))
    assert code.bits == 8 * len(code.data)
    assert b"x264" not in code.data, "the encoder's comment on itself"
    (tmp_path / "clip.h264").write_bytes(code.data)
    alone = read_clip(tmp_path / "clip.h264").frames
    assert alone.shape == pans[0].frames.shape
    assert psnr(alone, autoencoder.decode(code, {})) > 35, "another reader, with other rounding of colours"


def test_settings_reach_the_encoder(pans):
    clip = pans[0]
    default = through("h264:28", clip)[1]
    assert through("h264:28", clip, gop=1)[1] > 1.5 * default, "no frame may look at another"
    assert through("h264:28", clip, preset="ultrafast")[1] != default
    assert through("h264:28", clip, pixel_format="yuv444p")[1] != default
    tuned, _ = through("h264:28", clip, tune="psnr")
    assert not np.array_equal(tuned, through("h264:28", clip)[0])


def test_a_single_frame_and_a_tiny_one():
    for shape in ((1, 3, 32, 48), (3, 3, 2, 2)):
        clip = VideoClip(frames=np.full(shape, 90, dtype=np.uint8), fps=24.0)
        frames, bits = through("h264:23", clip)
        assert frames.shape == shape
        assert bits > 0


@pytest.mark.parametrize(("height", "width"), [(34, 34), (40, 40), (90, 160)])
def test_equal_clips_give_equal_bytes(height, width, tmp_path):
    """With x264's AVX-512 code about one encode in three of these sizes came out differently."""
    y, x = np.mgrid[:height, :width]
    smooth = np.stack([127 + 100 * np.sin((x + t) / 5) * np.cos(y / 7) for t in range(8)]).astype(np.uint8)
    clip = np.repeat(smooth[:, None], 3, axis=1)
    rng = np.random.default_rng(0)
    streams, previews = set(), set()
    for _ in range(12):
        # Leaves memory full of other things behind, where the encoder gets its own from.
        litter = [np.full(int(size), 255, dtype=np.uint8) for size in rng.integers(100, 100_000, 20)]
        streams.add(encode_h264(clip, 8, H264Options(crf=18)))
        del litter
        write_preview(tmp_path / "clip.mp4", clip, 8)
        previews.add((tmp_path / "clip.mp4").read_bytes())
    assert len(streams) == 1
    assert len(previews) == 1


def test_what_lies_in_fresh_memory_does_not_matter(tmp_path):
    """glibc fills memory it hands out with a byte of our choice; elsewhere the variable does nothing."""
    program = (
        "import hashlib, numpy as np\n"
        "from stepbench.video.h264 import H264Options, encode_h264\n"
        "rng = np.random.default_rng(0)\n"
        "for side in (18, 40, 64, 136):\n"
        "    base = rng.integers(0, 256, (side + 8, side + 8, 3), dtype=np.uint8)\n"
        "    clip = np.stack([base[t : t + side, t : t + side] for t in range(8)]).transpose(0, 3, 1, 2)\n"
        "    print(hashlib.sha256(encode_h264(clip, 8, H264Options(crf=23))).hexdigest())\n"
    )
    root = Path(__file__).parents[2]
    printed = [
        subprocess.run(
            [sys.executable, "-c", program],
            env=os.environ | {"MALLOC_PERTURB_": fill, "PYTHONPATH": str(root)},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for fill in ("1", "170")
    ]
    assert printed[0] == printed[1]
    assert len(set(printed[0].split())) == 4


def test_the_card_names_encoder_and_rate_factor():
    autoencoder = make_autoencoder("h264:23.50")
    assert isinstance(autoencoder, Autoencoder)
    assert autoencoder.card.name == "h264:23.5"
    assert autoencoder.card.revision == encoder_version()
    assert encoder_version().startswith("x264 core ")
    assert autoencoder.resolve({"preset": "slow"}) == {
        "crf": 23.5,
        "preset": "slow",
        "tune": "none",
        "pixel_format": "yuv420p",
        "gop": 250,
    }


def test_odd_sizes_need_full_resolution_of_colour():
    clip = noisy(33, 40)
    with pytest.raises(UnsuitableClipError, match=r"even height and width, got 33x40; --set pixel_format=yuv444p"):
        through("h264:23", clip)
    with pytest.raises(VideoError, match="yuv420p needs an even height and width"):
        encode_h264(noisy(40, 33).frames, 8, H264Options(crf=23))
    assert through("h264:23", clip, pixel_format="yuv444p")[0].shape == clip.frames.shape


@pytest.mark.parametrize("argument", ["", "high", "-1", "51.5", "nan"])
def test_rate_factors_that_do_not_exist(argument):
    with pytest.raises(UsageError, match="needs a rate factor from 0 to 51"):
        make_autoencoder(f"h264:{argument}")


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"presett": "slow"}, r"no setting 'presett'[\s\S]*preset"),
        ({"crf": 3}, "no setting 'crf'"),
        ({"preset": "quick"}, r"no preset 'quick'[\s\S]*ultrafast"),
        ({"tune": "zerolatency"}, "no tune 'zerolatency'"),
        ({"pixel_format": "rgb24"}, "no pixel_format 'rgb24'"),
        ({"gop": 0}, "gop must be a whole number above 0, got 0"),
        ({"gop": True}, "gop must be a whole number above 0, got True"),
        ({"gop": 2.5}, "gop must be a whole number above 0, got 2.5"),
    ],
)
def test_settings_that_are_refused(settings, message):
    with pytest.raises(UsageError, match=message):
        make_autoencoder("h264:23").resolve(settings)


def test_decoding_needs_nothing_but_the_stream(pans):
    stream = encode_h264(pans[1].frames, 8, H264Options(crf=30))
    assert np.array_equal(decode_h264(stream), decode_h264(bytes(bytearray(stream))))
