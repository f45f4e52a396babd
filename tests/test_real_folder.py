"""A folder as peers deliver it: H.264 files named by prompt, of mixed sizes and rates, some of them broken."""

from __future__ import annotations

import json
import unicodedata
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
import skimage.data

from stepbench.cli.main import main
from stepbench.runs.run import open_run

FACADES = "painted façades along a canal"
PROMPTS = (
    "a cat looks around",
    "an astronaut smiles",
    "coffee steams in a cup",
    "a Cat looks around",  # differs from the first in case alone
    FACADES,
)
BROKEN, TWIN, ABSENT = PROMPTS[2], PROMPTS[3], PROMPTS[1]


def pan(photograph: np.ndarray, frames: int, height: int, width: int, step: int) -> np.ndarray:
    """A window that moves over a photograph: (frames, height, width, 3)."""
    return np.stack([photograph[40 : 40 + height, step * t : step * t + width] for t in range(frames)])


def write_h264(path: Path, frames: np.ndarray, fps: int) -> None:
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=Fraction(fps), options={"crf": "20"})
        stream.height, stream.width, stream.pix_fmt = frames.shape[1], frames.shape[2], "yuv420p"
        for image in frames:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(np.ascontiguousarray(image), format="rgb24")))
        container.mux(stream.encode(None))


def fill(folder: Path, step: int) -> None:
    """The clips of one model; `step` is how fast its camera pans."""
    folder.mkdir()
    cat, astronaut = skimage.data.chelsea(), skimage.data.astronaut()
    write_h264(folder / f"{PROMPTS[0]}-0.mp4", pan(cat, 12, 64, 96, step), 8)
    write_h264(folder / f"{TWIN}-0.mp4", pan(cat, 16, 96, 128, step), 24)
    write_h264(folder / f"{unicodedata.normalize('NFD', FACADES)}-0.mp4", pan(astronaut, 10, 80, 80, step), 25)
    write_h264(folder / f"{BROKEN}-0.mp4", pan(astronaut, 14, 64, 64, step), 8)
    data = (folder / f"{BROKEN}-0.mp4").read_bytes()
    (folder / f"{BROKEN}-0.mp4").write_bytes(data[: len(data) * 2 // 3])
    (folder / ".DS_Store").write_bytes(b"stray")


def call(*arguments: object) -> int:
    with pytest.raises(SystemExit) as ended:
        main([str(argument) for argument in arguments])
    return ended.value.code


@pytest.fixture(scope="module")
def imported(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path, Path]:
    """The runs of two models, and the suite file they were made for."""
    root = tmp_path_factory.mktemp("real")
    info = root / "VBench_full_info.json"
    info.write_text(json.dumps([{"prompt_en": text, "dimension": ["subject_consistency"]} for text in PROMPTS]))
    for name, step in (("calm", 1), ("fast", 6)):
        fill(root / name, step)
        code = call("import", root / name, "--layout", "vbench", "-t", info, "-o", root / "runs", "--run-id", name)
        assert code == 3, "missing and broken clips must not pass for success"
    return root / "runs" / "calm", root / "runs" / "fast", info


def test_every_planned_clip_is_a_row(imported: tuple[Path, Path, Path]) -> None:
    samples = open_run(imported[0]).samples().set_index("text")
    assert list(samples.index) == list(PROMPTS)
    made = samples[samples.outcome == "ok"]
    assert set(made.index) == {PROMPTS[0], TWIN, FACADES}
    assert dict(zip(made.index, made.frames, strict=True)) == {PROMPTS[0]: 12, TWIN: 16, FACADES: 10}
    assert dict(zip(made.index, made.fps, strict=True)) == {PROMPTS[0]: 8, TWIN: 24, FACADES: 25}
    assert "no clip" in samples.error[ABSENT]
    assert samples.outcome[BROKEN] == "failed"
    assert samples.error[BROKEN]


def test_coverage_counts_the_plan_not_the_files(imported: tuple[Path, Path, Path]) -> None:
    run = open_run(imported[0])
    assert run.info["status"] == "incomplete"
    summary = run.summary().set_index("metric")
    assert set(summary.index) == {
        "flicker",
        "sharpness",
        "motion_magnitude",
        "duplicate_ratio",
        "warping_error",
        "frame_consistency",
    }
    assert (summary.n_planned == 5).all()
    assert (summary.n_scored == 3).all()
    assert (summary.n_failed == 2).all()
    assert (summary.coverage == 0.6).all()


def test_two_imports_compare_on_what_both_have(
    imported: tuple[Path, Path, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    assert call("compare", imported[0], imported[1], "-m", "motion_magnitude", "--json") == 0
    (row,) = json.loads(capsys.readouterr().out)["rows"]
    assert row["n"] == 3
    assert row["mean_b"] > 3 * row["mean_a"], "the second camera pans six times as fast"
    assert (row["coverage_a"], row["coverage_b"]) == (0.6, 0.6)


def test_dry_run_reports_and_writes_nothing(
    imported: tuple[Path, Path, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    clips = imported[0].parent.parent / "calm"
    layout = ("--layout", "vbench", "-t", imported[2], "-o", tmp_path / "runs", "--dry-run", "--json")
    assert call("import", clips, *layout) == 3
    counts = json.loads(capsys.readouterr().out)["counts"]
    assert {name: counts[name] for name in ("found", "missing", "corrupt", "stray")} == {
        "found": 3,
        "missing": 1,
        "corrupt": 1,
        "stray": 1,
    }
    assert not (tmp_path / "runs").exists()


def test_source_folder_is_left_as_it_was(imported: tuple[Path, Path, Path]) -> None:
    clips = imported[0].parent.parent / "calm"
    assert len(list(clips.iterdir())) == 5


def test_export_comes_back_with_the_same_clips(imported: tuple[Path, Path, Path], tmp_path: Path) -> None:
    assert call("export", imported[0], "--layout", "vbench", "-o", tmp_path / "out") == 3, "two clips do not exist"
    again = ("--layout", "vbench", "-t", imported[2], "-o", tmp_path / "runs", "--run-id", "again", "--no-score")
    assert call("import", tmp_path / "out" / "videos", *again) == 3
    hashes = [set(open_run(path).samples().clip_sha256.dropna()) for path in (imported[0], tmp_path / "runs" / "again")]
    assert hashes[0] == hashes[1]
    assert len(hashes[0]) == 3
