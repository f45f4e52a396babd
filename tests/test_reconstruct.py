"""The autoencoder benchmark from clips to table: every clip a row, every autoencoder an ordinary run."""

from __future__ import annotations

import json
import pickle
import shutil
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import skimage.data

from stepbench import Refused, api, open_run
from stepbench.autoencoders import make_autoencoder
from stepbench.errors import NotComparableError, NothingSelectedError, UsageError
from stepbench.generators.protocol import Clip
from stepbench.reconstruct import Crop, parse_crop, reconstruct, summarize_reconstruction
from stepbench.reconstruct.generator import Reconstruction
from stepbench.reconstruct.source import SourceRun
from stepbench.records import GeneratorCard, Request
from stepbench.runs.folder import RunFolder
from stepbench.runs.run import Run
from stepbench.runs.validate import run_problems
from stepbench.video import VideoError, read_clip, write_master

TOYS = "python:toy_autoencoders"


def pan(photograph: np.ndarray, frames: int, height: int, width: int) -> np.ndarray:
    """A window that moves over a photograph: uint8 RGB (time, 3, height, width)."""
    windows = [photograph[60 : 60 + height, 20 + 3 * t : 20 + 3 * t + width] for t in range(frames)]
    return np.ascontiguousarray(np.stack(windows).transpose(0, 3, 1, 2))


@pytest.fixture(scope="module")
def clips(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three natural clips in a folder: a cat, an astronaut, a cup."""
    folder = tmp_path_factory.mktemp("natural") / "pans"
    (folder / "space").mkdir(parents=True)
    write_master(folder / "a cat.mkv", pan(skimage.data.chelsea(), 9, 48, 64), 8)
    write_master(folder / "cup.mkv", pan(skimage.data.coffee(), 9, 48, 64), 12)
    write_master(folder / "space" / "astronaut.mkv", pan(skimage.data.astronaut(), 11, 64, 64), 8)
    return folder


@pytest.fixture(scope="module")
def rates(clips: Path, tmp_path_factory: pytest.TempPathFactory) -> list[Run]:
    """The clips at three rate factors."""
    return reconstruct(["h264:18", "h264:28", "h264:38"], clips, out=tmp_path_factory.mktemp("rates"))


def rows_of(run: Run) -> list[dict]:
    return list(RunFolder(run.folder).read_samples().values())


def metric(run: Run, name: str) -> dict:
    return run.summary().set_index("metric").loc[name].to_dict()


def files_of(folder: Path) -> dict[str, tuple[int, bytes]]:
    """Clips by time of writing, sample rows by content."""
    files = {path.name: (path.stat().st_mtime_ns, b"") for path in (folder / "clips").iterdir()}
    return files | {"samples.jsonl": (0, (folder / "samples.jsonl").read_bytes())}


class ToyGenerator:
    """A grey clip per prompt; refuses the first one and fails on the second."""

    card = GeneratorCard(name="toy", revision="1")

    def resolve(self, prompt, seed, settings):
        return {"id": prompt.id}

    def generate(self, request: Request) -> Clip:
        if request.settings["id"] == "p1":
            raise Refused("not this")
        if request.settings["id"] == "p2":
            raise RuntimeError("no idea")
        return Clip(frames=np.full((4, 3, 16, 16), 30 * int(request.settings["id"][1]), dtype=np.uint8), fps=8)


def test_quality_and_bits_fall_with_the_rate(rates):
    records = [summarize_reconstruction(run) for run in rates]
    assert [record["autoencoder"] for record in records] == ["h264:18", "h264:28", "h264:38"]
    for earlier, later in pairwise(rates):
        assert metric(later, "psnr")["mean"] < metric(earlier, "psnr")["mean"]
        assert metric(later, "ssim")["mean"] < metric(earlier, "ssim")["mean"]
    for earlier, later in pairwise(records):
        assert later["bits_per_pixel"] < earlier["bits_per_pixel"]
        assert later["compression_ratio"] > earlier["compression_ratio"]


def test_sizes_are_counted_over_all_clips(rates):
    record, rows = summarize_reconstruction(rates[0]), rows_of(rates[0])
    pixels = [9 * 48 * 64, 9 * 48 * 64, 11 * 64 * 64]
    bits = [row["measures"]["code_bits"] for row in rows]
    assert record["bits_per_pixel"] == pytest.approx(sum(bits) / sum(pixels))
    assert record["compression_ratio"] == pytest.approx(24 * sum(pixels) / sum(bits))
    for row, size, count in zip(rows, bits, pixels, strict=True):
        assert row["measures"] == pytest.approx(
            {"code_bits": size, "compression_ratio": 24 * count / size, "bits_per_pixel": size / count}
        )
        assert {"load", "encode_latents", "decode_latents"} < set(row["seconds"])
    seconds = sorted(row["seconds"]["encode_latents"] for row in rows)
    assert record["encode_seconds"] == seconds[1], "the median clip"


def test_the_reference_is_the_source_clip(rates, clips):
    psnr = rates[0].scores().query("metric == 'psnr'").set_index("prompt_id").value
    source = read_clip(clips / "cup.mkv").frames.astype(float)
    made = read_clip(rates[0].clip("cup", 0)).frames.astype(float)
    by_frame = 10 * np.log10(255**2 / ((source - made) ** 2).mean(axis=(1, 2, 3)))
    assert psnr["cup"] == pytest.approx(by_frame.mean(), abs=1e-4)
    assert rates[0].samples().set_index("prompt_id").fps["cup"] == 12


def test_reconstructions_are_ordinary_runs(rates):
    table = api.compare(rates[0], rates[2]).table().set_index("metric")
    assert table.n.to_dict() == {"psnr": 3, "ssim": 3}
    assert (table.difference < 0).all()
    for run in rates:
        assert run_problems(run.folder) == []
        assert run.info["status"] == "complete"
        assert run.info["suite"]["name"] == "pans-reconstruct"
    assert [run.info["settings"]["crf"] for run in rates] == [18, 28, 38]


def test_files_become_prompts(rates):
    samples = rates[0].samples()
    assert list(samples.prompt_id) == ["a-cat", "cup", "space-astronaut"]
    assert list(samples.text) == ["a cat.mkv", "cup.mkv", "space/astronaut.mkv"]
    assert list(samples.category) == ["clips", "clips", "space"]


def test_a_perfect_autoencoder_has_perfect_scores(clips, workplace):
    (run,) = reconstruct(f"{TOYS}:Identity", clips)
    assert metric(run, "psnr")["mean"] == 100
    assert metric(run, "ssim")["mean"] == 1
    record = summarize_reconstruction(run)
    assert (record["compression_ratio"], record["bits_per_pixel"]) == (1, 24)


def test_the_same_call_finds_its_work_done(clips, workplace):
    specs = ["h264:30", f"{TOYS}:Zlib"]
    first = reconstruct(specs, clips, out="out")
    before = [files_of(run.folder) for run in first]
    again = reconstruct(specs, clips, out="out")
    assert [run.folder for run in again] == [run.folder for run in first]
    assert [files_of(run.folder) for run in again] == before
    assert len(list(Path("out").glob("*/run.json"))) == 3, "one source, two reconstructions"


def test_equal_clips_elsewhere_are_the_same_plan(clips, rates, tmp_path):
    shutil.copytree(clips, tmp_path / "moved" / "pans")
    (run,) = reconstruct("h264:18", tmp_path / "moved" / "pans", out=tmp_path / "out")
    assert run.name == rates[0].name
    assert list(run.samples().clip_sha256) == list(rates[0].samples().clip_sha256)


def test_failures_are_rows_until_they_are_mended(clips, stepbench, workplace):
    call = ("reconstruct", "-M", f"{TOYS}:UntilMended", "-t", clips, "--json")
    first = stepbench(*call)
    (record,) = first.records()
    assert first.code == 3
    assert "cup seed 0" not in first.err
    assert "space-astronaut seed 0: RuntimeError: the weights are broken" in first.err
    assert record["samples"]["failed"] == 1
    assert {one["coverage"] for one in record["metrics"]} == {2 / 3}
    made = {row["sample_key"] for row in rows_of(open_run(record["run"])) if row["outcome"] == "ok"}
    Path("mended").touch()
    second = stepbench(*call)
    assert second.code == 0
    rows = rows_of(open_run(second.records()[0]["run"]))
    assert {row["attempt"] for row in rows if row["sample_key"] in made} == {1}
    assert {row["attempt"] for row in rows if row["sample_key"] not in made} == {2}


@pytest.mark.parametrize(
    ("toy", "error"),
    [
        ("FewerFrames", "decode must return uint8 frames of shape (9, 3, 48, 64), got uint8 (8, 3, 48, 64)"),
        ("Shapeless", "decode must return uint8 frames of shape (9, 3, 48, 64), got int64"),
        ("Sizeless", "encode must return a Code of at least one bit"),
        ("Codeless", "encode must return bytes or a stepbench.autoencoders.Code"),
    ],
)
def test_autoencoders_that_break_their_word(clips, workplace, toy, error):
    (run,) = reconstruct(f"{TOYS}:{toy}", clips, metrics=())
    assert run.info["status"] == "incomplete"
    assert error in run.samples().error[0]
    assert summarize_reconstruction(run)["compression_ratio"] is None


def test_broken_and_unsuitable_files_stay_in_the_denominator(clips, tmp_path):
    folder = tmp_path / "mixed"
    folder.mkdir()
    shutil.copy(clips / "cup.mkv", folder)
    (folder / "broken.mp4").write_bytes(b"no video")
    write_master(folder / "odd.mkv", pan(skimage.data.coffee(), 3, 33, 40), 8)
    (folder / "notes.txt").write_text("not a clip")
    (run,) = reconstruct("h264:23", folder, out=tmp_path / "runs")
    errors = run.samples().set_index("prompt_id").error
    assert list(errors.index) == ["broken", "cup", "odd"]
    assert errors["broken"].startswith("no source clip: broken.mp4: not a readable video")
    assert "even height and width, got 33x40" in errors["odd"]
    assert (metric(run, "psnr")["n_planned"], metric(run, "psnr")["n_scored"]) == (3, 1)


def test_names_that_come_out_equal_are_told_apart(clips, tmp_path):
    folder = tmp_path / "-§-"
    folder.mkdir()
    names = ("Clip.mkv", "clip.avi", "c lip.mkv", "c-lip.mkv", "片.mkv")
    for name in names:
        shutil.copy(clips / "cup.mkv", folder / name)
    (run,) = reconstruct("h264:40", folder, out=tmp_path / "runs", metrics=())
    samples = run.samples()
    assert set(samples.text) == set(names)
    assert samples.prompt_id.str.casefold().nunique() == len(names)
    assert run.info["suite"]["name"] == "clips-reconstruct"


def test_outcomes_of_the_source_are_handed_on(make_suite, workplace):
    source = api.run(ToyGenerator(), make_suite("one", "two", "three", "four"), metrics=())
    (run,) = reconstruct("h264:20", source)
    samples = run.samples().set_index("prompt_id")
    assert list(samples.outcome) == ["refused", "failed", "ok", "ok"]
    assert samples.error["p1"] == "the source was refused: not this"
    assert samples.error["p2"] == "no source clip: RuntimeError: no idea"
    assert list(samples.language) == ["en"] * 4
    (first,) = reconstruct("h264:20", source.folder, limit=1, metrics=())
    assert list(first.samples().outcome) == ["refused"]


def test_a_run_without_a_clip_has_nothing_to_reconstruct(make_suite, workplace):
    source = api.run(ToyGenerator(), make_suite("one", "two"), metrics=())
    with pytest.raises(NothingSelectedError, match=r"has no clip to reconstruct: RuntimeError: no idea"):
        reconstruct("h264:20", source)


def test_a_source_that_changed_is_not_taken_for_itself(rates, clips, tmp_path):
    source = api.run("world:exact", "moving-shapes", limit=1, metrics=(), out=tmp_path, settings={"frames": 2})
    generator = Reconstruction(SourceRun(source), make_autoencoder("h264:20"))
    (prompt,) = source.prompts.values()
    settings = generator.resolve(prompt, 0, {})
    request = Request(prompt_id=prompt.id, text=prompt.text, seed=0, settings=settings, output_dir=tmp_path)
    assert generator.generate(request).frames is not None
    write_master(source.clip(prompt.id, 0), np.zeros((2, 3, 64, 64), dtype=np.uint8), 8)
    with pytest.raises(VideoError, match="changed since it was generated"):
        generator.generate(request)


def test_a_suite_of_the_world_is_drawn_first(workplace):
    (run,) = reconstruct("h264:10", "moving-shapes", limit=2, seeds=(3, 5), metrics=("psnr",))
    assert list(run.samples().seed) == [3, 5, 3, 5]
    assert run.info["suite"]["name"] == "moving-shapes-reconstruct"
    (drawn,) = [open_run(path.parent) for path in Path("runs").glob("*exact*/run.json")]
    assert list(drawn.prompts) == list(run.prompts)
    assert metric(run, "psnr")["coverage"] == 1


def test_cropped_sources_are_the_reference(clips, tmp_path):
    crop = Crop(5, 16, 32)
    (run,) = reconstruct("h264:0", clips, crop=crop, settings={"pixel_format": "yuv444p"}, out=tmp_path)
    assert set(zip(run.samples().frames, run.samples().height, run.samples().width, strict=True)) == {(5, 16, 32)}
    (cropped,) = [open_run(path.parent) for path in tmp_path.glob("*crop*/run.json")]
    whole = read_clip(clips / "space" / "astronaut.mkv").frames
    kept = read_clip(cropped.clip("space-astronaut", 0)).frames
    assert np.array_equal(kept, whole[:5, :, 24:40, 16:48])
    assert metric(run, "psnr")["mean"] > 45


def test_clips_below_the_crop_are_rows(clips, tmp_path):
    (run,) = reconstruct("h264:20", clips, crop=Crop(10, 48, 64), out=tmp_path)
    errors = run.samples().set_index("prompt_id").error
    assert errors["cup"] == "no source clip: the clip is 9x48x64, too small for the crop 10x48x64"
    assert list(run.samples().outcome) == ["failed", "failed", "ok"]
    with pytest.raises(NothingSelectedError, match="too small for the crop 9x48x999"):
        reconstruct("h264:20", clips, crop=Crop(9, 48, 999), out=tmp_path)


def test_settings_may_be_for_one_family(clips, workplace):
    settings = {"preset": "slow", "h264.preset": "fast", "python.level": 1}
    with pytest.raises(UsageError, match=r"Zlib has no setting 'preset'"):
        reconstruct(["h264:20", f"{TOYS}:Zlib"], clips, settings=settings)
    del settings["preset"]
    fast, zlib = reconstruct(["h264:20", f"{TOYS}:Zlib"], clips, settings=settings, metrics=())
    assert fast.info["settings"]["preset"] == "fast"
    assert zlib.info["settings"]["level"] == 1
    with pytest.raises(UsageError, match=r"setting 'vae\.x' is for family 'vae'[\s\S]*h264"):
        reconstruct("h264:20", clips, settings={"vae.x": 1})


def test_a_worker_loads_its_own(clips, rates, workplace):
    source = SourceRun(open_run(next(rates[0].folder.parent.glob("*folder*"))))
    generator = Reconstruction(source, make_autoencoder("h264:18"), "h264:18")
    sent = pickle.loads(pickle.dumps(generator))  # noqa: S301 - what a process is sent, by us
    prompt = rates[0].prompts["cup"]
    settings = sent.resolve(prompt, 0, {})
    assert settings == generator.resolve(prompt, 0, {})
    request = Request(prompt_id="cup", text=prompt.text, seed=0, settings=settings, output_dir=workplace)
    assert np.array_equal(sent.generate(request).frames, read_clip(rates[0].clip("cup", 0)).frames)
    with pytest.raises(TypeError, match="h264:18 has no spec, so no other process can load it"):
        pickle.dumps(Reconstruction(source, make_autoencoder("h264:18")))


@pytest.mark.slow
def test_workers_change_nothing(clips, rates, tmp_path):
    (run,) = reconstruct("h264:18", clips, out=tmp_path, workers=2)
    assert run.read_summary() == rates[0].read_summary()
    assert [row["measures"] for row in rows_of(run)] == [row["measures"] for row in rows_of(rates[0])]


def test_objects_serve_as_autoencoders_in_one_process(clips, tmp_path):
    (run,) = reconstruct(make_autoencoder("h264:35"), clips, out=tmp_path, metrics=())
    assert run.generator_name == "h264:35"
    with pytest.raises(UsageError, match="an autoencoder object works in this process only"):
        reconstruct([make_autoencoder("h264:35")], clips, out=tmp_path, workers=2)
    with pytest.raises(UsageError, match="no autoencoder is given"):
        reconstruct([], clips, out=tmp_path)


def test_measures_are_finite_and_kept_only_where_there_are_any(make_suite, workplace):
    class Measuring(ToyGenerator):
        def __init__(self, value: float) -> None:
            self.value = value

        def generate(self, request: Request) -> Clip:
            frames = np.zeros((2, 3, 16, 16), dtype=np.uint8)
            return Clip(frames=frames, fps=8, measures={"size": self.value})

    suite = make_suite("one")
    assert rows_of(api.run(Measuring(3), suite, metrics=(), run_id="kept"))[0]["measures"] == {"size": 3.0}
    (row,) = rows_of(api.run(Measuring(float("nan")), suite, metrics=(), run_id="refused"))
    assert "measures must be finite, got size: nan" in row["error"]
    silent = api.run("world:exact", "moving-shapes", limit=1, metrics=(), settings={"frames": 2})
    assert "measures" not in rows_of(silent)[0]
    with pytest.raises(UsageError, match=r"run moving-shapes-world-exact-\w+ is by no autoencoder"):
        summarize_reconstruction(silent)


def test_the_command_prints_one_row_per_autoencoder(clips, stepbench):
    ended = stepbench("reconstruct", "-M", f"h264:20,{TOYS}:Identity", "-t", clips, "-m", "psnr")
    assert ended.code == 0
    lines = [line for line in ended.out.splitlines() if "3/3" in line]
    assert [line.split()[1] for line in lines] == ["h264:20", f"{TOYS}:Identity"]
    assert "100 [100, 100]" in lines[1]
    assert "psnr ↑ dB" in ended.out
    assert "ssim" not in ended.out
    assert "h264:20: complete; run folder: runs/pans-reconstruct-h264-20-" in ended.err


def test_metrics_go_by_name(clips, tmp_path):
    (run,) = reconstruct("h264:20", clips, metrics=["psnr", "flicker"], out=tmp_path)
    record = summarize_reconstruction(run)
    assert [one["metric"] for one in record["metrics"]] == ["psnr", "flicker"]
    assert json.dumps(record)
    with pytest.raises(UsageError, match="no metric is called 'pnsr'"):
        reconstruct("h264:20", clips, metrics=["pnsr"], out=tmp_path)


def test_crops_are_read_from_text():
    assert parse_crop("17x256x320") == Crop(17, 256, 320)
    assert str(Crop(17, 256, 320)) == "17x256x320"
    for text in ("", "17", "17x256", "ax1x1", "-1x2x3", "1x2x3x4"):
        with pytest.raises(UsageError, match="must be FRAMESxHEIGHTxWIDTH"):
            parse_crop(text)


def test_suites_with_other_sources_never_compare(clips, rates, tmp_path):
    (cropped,) = reconstruct("h264:18", clips, crop=Crop(5, 16, 16), out=tmp_path)
    assert cropped.suite_hash != rates[0].suite_hash
    with pytest.raises(NotComparableError, match="suite hash"):
        api.compare(rates[0], cropped)
