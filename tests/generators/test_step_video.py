"""The reference model as a generator, from a folder with small random weights."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from tiny_step_video import write_folder

from reference_model import packaged
from stepbench.errors import EnvironmentUnfitError, UsageError
from stepbench.generators.registry import make_generator
from stepbench.generators.step_video import StepVideoGenerator, step_video_generator
from stepbench.generators.step_video_weights import WHOLE_BYTES, weights_hash
from stepbench.records import Prompt, Request

PROMPT = Prompt(id="p", text="a small red circle moves left", language="en", category="x")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_folder(tmp_path_factory.mktemp("models") / "mini-video")


@pytest.fixture(scope="module")
def generator(folder: Path) -> StepVideoGenerator:
    return step_video_generator(str(folder))


def request_of(generator, tmp_path, *, text=PROMPT.text, seed=0, **settings):
    resolved = generator.resolve(PROMPT, seed, settings)
    return Request(prompt_id="p", text=text, seed=seed, settings=resolved, output_dir=tmp_path)


def frames_of(generator, tmp_path, **asked):
    return np.concatenate(list(generator.generate(request_of(generator, tmp_path, **asked)).frames))


def test_a_request_becomes_a_clip_with_seconds_by_stage(generator, tmp_path):
    clip = generator.generate(request_of(generator, tmp_path, frames=34))
    assert "vae_decode" not in clip.seconds
    chunks = list(clip.frames)
    assert [(chunk.shape, chunk.dtype) for chunk in chunks] == [((17, 3, 32, 16), np.uint8)] * 2
    assert clip.fps == 8.0
    assert {"text_encode", "denoise", "vae_decode"} <= clip.seconds.keys()
    assert all(seconds > 0 for seconds in clip.seconds.values())
    assert clip.peak_memory_bytes() is None  # on the CPU, the worker's own measure holds


def test_the_same_request_twice_gives_the_same_bytes(folder, generator, tmp_path):
    first = frames_of(generator, tmp_path, seed=3)
    assert np.array_equal(frames_of(generator, tmp_path, seed=3), first)
    assert np.array_equal(frames_of(step_video_generator(str(folder)), tmp_path, seed=3), first)


@pytest.mark.parametrize(
    "changes",
    [
        {"seed": 1},
        {"text": "一个红的圆向左移动"},
        {"steps": 3},
        {"guidance": 1.0},
        {"time_shift": 1.0},
        {"negative_prompt": "a blue square"},
        {"magic_prompts": False},
        {"positive_magic": ""},
        {"dtype": "bfloat16"},
        {"fp8": True},
        {"frames": 34},
    ],
)
def test_everything_that_a_sample_key_holds_reaches_the_clip(generator, tmp_path, changes):
    plain = frames_of(generator, tmp_path)
    changed = frames_of(generator, tmp_path, **changes)
    assert not np.array_equal(plain, changed[:17])


def test_equal_to_the_reference_pipeline(folder, generator, tmp_path):
    from reference_model.checkpoint import load_pipeline

    clip = frames_of(generator, tmp_path, seed=5)
    (video,) = load_pipeline(folder)(PROMPT.text, seeds=5)
    assert np.array_equal(clip, video.frames.numpy())


def test_the_folders_sampling_config_gives_the_defaults(generator):
    assert generator.resolve(PROMPT, 0, {}) == {
        "frames": 17,
        "height": 32,
        "width": 16,
        "steps": 2,
        "fps": 8.0,
        "guidance": 3.0,
        "time_shift": 2.0,
        "magic_prompts": True,
        "positive_magic": ", sharp",
        "negative_prompt": "dull",
        "dtype": "stored",
        "fp8": False,
    }
    plain = generator.resolve(PROMPT, 0, {"magic_prompts": False})
    assert (plain["positive_magic"], plain["negative_prompt"]) == ("", "")
    assert generator.resolve(PROMPT, 0, plain) == plain
    assert generator.resolve(PROMPT, 0, {"guidance": 3, "fps": 8}) == generator.resolve(PROMPT, 0, {})


def test_a_variant_gives_the_recommended_values_and_is_not_kept(generator):
    plain = generator.resolve(PROMPT, 0, {})
    turbo = generator.resolve(PROMPT, 0, {"variant": "turbo"})
    assert turbo == {**plain, "steps": 15, "guidance": 5.0, "time_shift": 17.0}
    assert generator.resolve(PROMPT, 0, {"variant": "turbo", "steps": 10}) == {**turbo, "steps": 10}
    assert generator.resolve(PROMPT, 0, {"steps": 15, "guidance": 5, "time_shift": 17}) == turbo
    released = generator.resolve(PROMPT, 0, {"variant": "t2v"})
    assert released == {**plain, "steps": 50, "guidance": 9.0, "time_shift": 13.0}


@pytest.mark.parametrize("name", ["stepvideo-t2v-turbo", "models--stepfun-ai--stepvideo-t2v-turbo/snapshots/0f3a"])
def test_a_download_of_turbo_is_known_by_its_name_unless_it_says_more(tmp_path, name):
    root = write_folder(tmp_path / name)
    own = step_video_generator(str(root)).resolve(PROMPT, 0, {})
    assert (own["steps"], own["guidance"], own["time_shift"]) == (2, 3.0, 2.0)
    (root / "sampling.json").unlink()
    turbo = step_video_generator(str(root)).resolve(PROMPT, 0, {"frames": 17})
    assert (turbo["steps"], turbo["guidance"], turbo["time_shift"]) == (15, 5.0, 17.0)
    assert turbo["positive_magic"].startswith("超高清")
    other = step_video_generator(str(root)).resolve(PROMPT, 0, {"variant": "t2v"})
    assert (other["steps"], other["guidance"], other["time_shift"]) == (50, 9.0, 13.0)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"variant": "fast"}, r"variant must be one of t2v, turbo, got 'fast'"),
        ({"variant": ["turbo"]}, r"variant must be one of t2v, turbo, got \['turbo'\]"),
        ({"frames": 20}, r"frames must be 1 or a multiple of 17, got 20\n  hint: use 17 or 34"),
        ({"height": 40}, r"height must be a multiple of 16, got 40\n  hint: use 32 or 48"),
        ({"width": 7}, r"width must be a multiple of 16, got 7\n  hint: use 16"),
        ({"frames": 17.0}, "frames must be a whole number, got 17.0"),
        ({"steps": True}, "steps must be a whole number, got True"),
        ({"steps": 0}, "at least one step is needed, got steps=0"),
        ({"fps": 0}, "fps must be above 0, got fps=0"),
        ({"guidance": "strong"}, "guidance must be a finite number, got 'strong'"),
        ({"guidance": -1}, "guidance must be a number from 0 up, got -1"),
        ({"time_shift": float("inf")}, "time_shift must be a finite number, got inf"),
        ({"time_shift": 0}, "time_shift must be above 0, got time_shift=0"),
        ({"negative_prompt": 3}, "negative_prompt must be text, got 3"),
        ({"magic_prompts": "yes"}, "magic_prompts must be true or false, got 'yes'"),
        ({"dtype": "int8"}, "dtype must be one of stored, float32, bfloat16, float16, got 'int8'"),
        ({"guidence": 3}, r"no setting 'guidence'\n  hint: did you mean guidance"),
    ],
)
def test_settings_that_cannot_be_are_refused_with_a_way_out(generator, settings, message):
    with pytest.raises(UsageError, match=message):
        generator.resolve(PROMPT, 0, settings)


def test_the_card_names_the_weights(generator, folder):
    assert generator.card.name == "step-video:mini-video"
    assert generator.card.weights_hash == weights_hash(folder)
    assert len(generator.card.weights_hash) == 64


def test_the_packaged_model_and_missing_folders_say_what_to_do(monkeypatch, tmp_path):
    monkeypatch.setattr(packaged, "__file__", str(tmp_path / "packaged.py"))
    with pytest.raises(UsageError, match=r"weights of tiny are not part of this version\n  hint: give a model folder"):
        make_generator("step-video:tiny")
    for argument in ("", "nowhere"):
        with pytest.raises(UsageError, match=f"no model folder at '{argument}'"):
            make_generator(f"step-video:{argument}")
    with pytest.raises(UsageError, match=r"file not found: .*config.json"):
        make_generator(f"step-video:{tmp_path}")


def test_parts_that_do_not_belong_together_are_refused(tmp_path):
    root = write_folder(tmp_path / "odd")
    config = root / "vae" / "config.json"
    config.write_text(json.dumps(json.loads(config.read_text()) | {"z_channels": 1}))
    with pytest.raises(UsageError, match=r"transformer\.in_channels and vae\.z_channels must be equal, got 2 and 1"):
        step_video_generator(str(root))


def test_weights_that_do_not_fit_point_to_verify(tmp_path):
    root = write_folder(tmp_path / "torn")
    generator = step_video_generator(str(root))
    (root / "vae" / "vae_v2.safetensors").write_bytes(b"\x10")
    with pytest.raises(UsageError, match="is damaged"):
        generator.generate(request_of(generator, tmp_path))
    write_folder(root)
    config = root / "transformer" / "config.json"
    config.write_text(json.dumps(json.loads(config.read_text()) | {"num_layers": 3}))
    with pytest.raises(UsageError, match=r"lacks tensor(.|\n)*stepbench weights verify"):
        generator.generate(request_of(generator, tmp_path))


def test_placement_comes_from_the_environment(generator, tmp_path, monkeypatch):
    monkeypatch.setenv("STEPBENCH_STEP_VIDEO_DEVICE", "abacus")
    with pytest.raises(EnvironmentUnfitError, match="STEP_VIDEO_DEVICE=abacus cannot be used here"):
        generator.generate(request_of(generator, tmp_path))
    monkeypatch.setenv("STEPBENCH_STEP_VIDEO_DEVICE", "cpu")
    monkeypatch.setenv("STEPBENCH_STEP_VIDEO_OFFLOAD", "all")
    with pytest.raises(EnvironmentUnfitError, match=r"OFFLOAD=all\n  hint: give none or stages"):
        generator.generate(request_of(generator, tmp_path))


def test_offload_does_not_change_clips(folder, generator, tmp_path, monkeypatch):
    plain = frames_of(generator, tmp_path)
    monkeypatch.setenv("STEPBENCH_STEP_VIDEO_OFFLOAD", "stages")
    assert np.array_equal(frames_of(generator, tmp_path), plain)


def test_the_hash_sees_every_part_that_decides_a_clip_and_no_other(tmp_path):
    root = write_folder(tmp_path / "a")
    first = weights_hash(root)
    assert weights_hash(write_folder(tmp_path / "b")) == first
    assert weights_hash(write_folder(tmp_path / "c", seed=1)) != first
    (root / "README.md").write_text("a note")
    (root / "vae" / "vae.safetensors").write_bytes(b"another version, not read")
    assert weights_hash(root) == first
    for part in ("sampling.json", "step_llm/step1_chat_tokenizer.model", "hunyuan_clip/tokenizer/vocab.txt"):
        content = (root / part).read_bytes()
        (root / part).write_bytes(content + b" ")
        assert weights_hash(root) != first, part
        (root / part).write_bytes(content)
    assert weights_hash(root) == first


def test_of_large_files_header_and_ends_are_hashed(tmp_path):
    file = tmp_path / "vae" / "vae_v2.safetensors"
    file.parent.mkdir()
    header = json.dumps(
        {"w": {"dtype": "U8", "shape": [2 * WHOLE_BYTES], "data_offsets": [0, 2 * WHOLE_BYTES]}}
    ).encode()
    content = bytearray(len(header).to_bytes(8, "little") + header + bytes(2 * WHOLE_BYTES))
    file.write_bytes(content)
    first = weights_hash(tmp_path)
    for position, seen in ((10, True), (2**20, True), (-1, True), (-(2**20), True), (WHOLE_BYTES, False)):
        content[position] ^= 1
        file.write_bytes(content)
        assert (weights_hash(tmp_path) != first) == seen, position
        content[position] ^= 1
    file.write_bytes(content[:-1])
    assert weights_hash(tmp_path) != first


def test_planning_needs_no_torch(folder):
    code = (
        "import sys; from stepbench.generators.registry import make_generator; from stepbench.records import Prompt\n"
        f"made = make_generator('step-video:{folder}')\n"
        "made.resolve(Prompt(id='p', text='x', language='en', category=''), 0, {'frames': 34})\n"
        "assert 'torch' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_a_run_from_the_command_line(stepbench, make_suite, folder):
    suite = make_suite("a small red circle moves left", "一个红的圆向左移动")
    ended = stepbench("run", "-M", f"step-video:{folder}", "-t", suite, "--no-score", "--seeds", "0..1", "--json")
    assert ended.code == 0, ended.err
    rows = [json.loads(line) for line in next(Path("runs").glob("*/samples.jsonl")).read_text().splitlines()]
    assert [row["outcome"] for row in rows] == ["ok"] * 4
    assert rows[0]["seconds"].keys() >= {"text_encode", "denoise", "vae_decode", "total"}
    assert len({row["clip_sha256"] for row in rows}) == 4


def test_a_dry_run_prints_costs_and_makes_nothing(stepbench, folder):
    ended = stepbench("generate", "x", "-M", f"step-video:{folder}", "--dry-run", "--tflops", "0.5", "--json")
    assert ended.code == 0, ended.err
    (record,) = ended.records()
    assert [stage["stage"] for stage in record["stages"]] == ["text_encode", "denoise", "vae_decode"]
    assert record["flops"] == sum(stage["flops"] for stage in record["stages"])
    assert record["seconds"] == pytest.approx(record["flops"] / 0.5e12)
    on_disk = sum(file.stat().st_size for file in (folder / "transformer").glob("*.safetensors"))
    assert 0.9 * on_disk < record["stages"][1]["weight_bytes"] < on_disk  # float32, and no headers
    halved = stepbench("generate", "x", "-M", f"step-video:{folder}", "--dry-run", "--set", "dtype=bfloat16", "--json")
    assert halved.records()[0]["stages"][1]["weight_bytes"] * 2 == record["stages"][1]["weight_bytes"]
    assert halved.records()[0]["seconds"] is None
    assert not Path("clip.mp4").exists()


def test_a_dry_run_speaks_to_people(stepbench, folder):
    ended = stepbench("generate", "x", "-M", f"step-video:{folder}", "--dry-run")
    assert ended.code == 0, ended.err
    for words in ("vae_decode", "peak memory of one device", "time: unknown; give", "68%"):
        assert words in ended.out
    assert (
        "sustained TFLOP/s" in stepbench("generate", "x", "-M", f"step-video:{folder}", "--dry-run", "--tflops=1").out
    )


def test_dry_runs_that_cannot_be(stepbench, folder, tmp_path):
    ended = stepbench("generate", "x", "-M", "world:exact", "--dry-run")
    assert (ended.code, "world:exact cannot tell what a clip costs" in ended.err) == (2, True)
    ended = stepbench("generate", "x", "-M", f"step-video:{folder}", "--dry-run", "--tflops", "0")
    assert (ended.code, "--tflops must be a number above 0, got 0" in ended.err) == (2, True)
    ended = stepbench("generate", "x", "-M", f"step-video:{folder}", "--dry-run", "--set", "frames=18")
    assert (ended.code, "use 17 or 34" in ended.err) == (2, True)


@pytest.mark.parametrize(
    ("content", "message"),
    [(b"\x02" + bytes(7) + b"[]", "is no safetensors file"), (b"\x02" + bytes(7) + b"{}", "of an unknown dtype")],
)
def test_weights_without_a_header_cannot_be_estimated(tmp_path, content, message):
    root = write_folder(tmp_path / "torn")
    (root / "vae" / "vae_v2.safetensors").write_bytes(content)
    made = step_video_generator(str(root))
    with pytest.raises(UsageError, match=message):
        made.estimate(made.resolve(PROMPT, 0, {}))
    assert made.estimate(made.resolve(PROMPT, 0, {"dtype": "float32"}))["flops"] > 0
