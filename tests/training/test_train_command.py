"""`stepbench train` as people call it: processes, exit codes, what is printed."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from small_model import noise_clip, write_clips, write_model, write_rows

SETTINGS = ["batch_size=2", "warmup_steps=1", "log_every=1", "sample_every=2", "held_out=2", "learning_rate=1e-3"]

TORCHRUN = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2", "-m", "stepbench"]


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_model(tmp_path_factory.mktemp("start") / "small")


@pytest.fixture
def vae(model: Path):
    """The words of `train vae` on the world at a small size, with a run folder and settings."""

    def words(out: str, *settings: str, **options: object) -> list[str]:
        options = {"model": model, "data": "moving-shapes", "sizes": "17x32x32", "device": "cpu", **options}
        given = [word for key, value in options.items() for word in (f"--{key.replace('_', '-')}", str(value))]
        defaults = [one for one in SETTINGS if one.partition("=")[0] + "=" not in "".join(settings)]
        return ["train", "vae", "--out", out, *given, *(f"--set={one}" for one in [*defaults, *settings])]

    return words


def averaged(out: Path) -> dict[str, torch.Tensor]:
    newest = max((out / "checkpoints").iterdir())
    return load_file(newest / "ema.safetensors")


def test_legs_in_processes_of_their_own(python_m_stepbench, vae, workplace):
    first = python_m_stepbench(*vae("run", "steps=3", max_seconds=0))
    assert first.code == 3
    assert "vae: step 1 of 3, 1 now" in first.err
    assert "not done yet: the same command continues" in first.err
    second = python_m_stepbench(*vae("run", "steps=3", export="exported"), "--json")
    assert second.code == 0, second.err
    (record,) = second.records()
    assert (record["step"], record["steps_now"], record["complete"], record["out"]) == (3, 2, True, "run")
    assert record["figures"]["psnr"] > 0
    assert "test at step 3: " in second.err
    assert "checkpoints, log.csv and previews in run; averaged weights in exported" in second.err
    assert json.loads((workplace / "run" / "origin.json").read_text())["origin"]["model"] == "small"
    rows = (workplace / "run" / "log.csv").read_text().splitlines()
    assert [row.split(",")[0] for row in rows] == ["step", "1", "2", "3"]


def test_a_recipe_in_a_file_and_options_in_another(stepbench, vae, workplace):
    (workplace / "recipe.toml").write_text("steps = 2\nkl_weight = 0.5\n", encoding="utf-8")
    (workplace / "options.toml").write_text('recipe = "recipe.toml"\nmax-steps = 1\n', encoding="utf-8")
    ended = stepbench(*vae("run"), "--config", "options.toml")
    assert ended.code == 3, ended.err
    assert "vae: step 1 of 2" in ended.err
    assert json.loads((workplace / "run" / "recipe.json").read_text())["kl_weight"] == 0.5


def test_a_folder_of_clips(stepbench, vae, workplace):
    clips = {"a.mkv": noise_clip(1, 40, 50, 50), "b.mkv": noise_clip(2), "c.mkv": noise_clip(3)}
    write_clips(workplace / "clips", clips)
    ended = stepbench(*vae("run", "steps=1", "held_out=1", data="clips"))
    assert ended.code == 2
    assert "clips/captions.jsonl:1: a.mkv: 40x50x50 is not one of 17x32x32" in ended.err
    assert not (workplace / "run" / "checkpoints").exists()
    ended = stepbench(*vae("run", "steps=1", "held_out=1", data="clips", fit="crop"))
    assert ended.code == 0, ended.err
    write_rows(workplace / "clips", {"file": "a.mkv", "split": "test"})
    assert stepbench(*vae("other", "steps=1", data="clips", fit="crop")).code == 5


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        (["--model", "nowhere"], "no model 'nowhere': neither a folder nor a preset"),
        (["--set", "stps=3"], "VAERecipe (--set) has no setting 'stps'\n  hint: did you mean steps?"),
        (["--sizes", "17x30x32"], "size 17x30x32 is not valid"),
        (["--max-steps", "-1"], "--max-steps must be at least 0, got -1"),
        (["--device", "abacus"], "--device abacus cannot be used here"),
        (["--fit", "stretch"], "fit"),
        (["--recipe", "nowhere.toml"], "no recipe file 'nowhere.toml'"),
        (["--data", "nowhere"], "no data 'nowhere'"),
        (["--set", "steps=1", "--export", "."], "--export . would overwrite"),
    ],
)
def test_mistakes_are_named(stepbench, workplace, words, complaint):
    right = {"--model": "tiny", "--data": "moving-shapes", "--out": "run"}
    given = [word for option, value in right.items() if option not in words for word in (option, value)]
    ended = stepbench("train", "vae", *given, *words)
    assert ended.code == (12 if "abacus" in words else 2)
    assert complaint in ended.err
    assert not (workplace / "run" / "checkpoints").exists()


def test_help_names_every_stage(stepbench):
    shown = stepbench("train", "--help").out
    assert all(f"\n│ {stage}" in shown for stage in ("vae", "flow", "distill", "dpo"))


def test_an_interrupted_run_saves_its_step_and_goes_on(start, vae, workplace):
    running = start(*vae("run", "steps=100000", "sample_every=100000"))
    log = workplace / "run" / "log.csv"
    assert running.wait_until(lambda: log.is_file() and len(log.read_text().splitlines()) > 2)
    ended = running.signal(signal.SIGINT)
    assert ended.code == 130
    assert "what is done is saved" in ended.err
    (checkpoint,) = (workplace / "run" / "checkpoints").iterdir()
    step = int(checkpoint.name.removeprefix("step-"))
    assert step >= 1
    assert log.read_text().splitlines()[-1].startswith(f"{step},")


@pytest.mark.slow
@pytest.mark.parametrize("strategy", ["ddp", "fsdp"])
def test_two_processes_under_torchrun(python_m_stepbench, vae, workplace, strategy):
    write_clips(workplace / "clips", {f"{number}.mkv": noise_clip(number) for number in range(6)})
    words = vae("two", "steps=2", "held_out=1", f"strategy={strategy}", data="clips", export="exported")
    result = subprocess.run([*TORCHRUN, *words], capture_output=True, text=True, timeout=600, check=False)
    assert result.returncode == 0, result.stderr
    assert result.stderr.count("vae: step 2 of 2") == 1
    assert python_m_stepbench(*vae("one", "steps=2", "held_out=1", data="clips")).code == 0
    one, two = averaged(workplace / "one"), averaged(workplace / "two")
    assert one.keys() == two.keys()
    for name in one:
        torch.testing.assert_close(two[name], one[name], rtol=1e-3, atol=1e-4)


@pytest.mark.slow
def test_a_transformer_that_two_processes_read_in_parts(python_m_stepbench, model, workplace):
    def words(out: str, *settings: str, steps: int = 2) -> list[str]:
        given = ["--model", model, "--data", "moving-shapes", "--sizes", "17x32x32", "--device", "cpu", "--limit", "4"]
        chosen = [*SETTINGS, f"steps={steps}", "gradient_checkpointing=true", "precision=float32", *settings]
        return ["train", "flow", "--out", out, *map(str, given), "--samples", "1", *(f"--set={one}" for one in chosen)]

    result = subprocess.run(
        [*TORCHRUN, *words("two", "strategy=fsdp")], capture_output=True, text=True, timeout=600, check=False
    )
    assert result.returncode == 0, result.stderr
    ended = python_m_stepbench(*words("one"))
    assert ended.code == 0, ended.err
    one, two = averaged(workplace / "one"), averaged(workplace / "two")
    assert one.keys() == two.keys()
    for name in one:
        torch.testing.assert_close(two[name], one[name], rtol=1e-3, atol=1e-4)
    # What two have begun one goes on with, and the other way round.
    assert python_m_stepbench(*words("two", steps=3)).code == 0
    result = subprocess.run(
        [*TORCHRUN, *words("one", "strategy=fsdp", steps=3)], capture_output=True, text=True, timeout=600, check=False
    )
    assert result.returncode == 0, result.stderr


@pytest.mark.slow
def test_a_mistake_under_torchrun_is_told_once(vae, workplace):
    write_clips(workplace / "clips", {"a.mkv": noise_clip(1, 5), "b.mkv": noise_clip(2)})
    words = vae("run", "steps=2", "held_out=1", data="clips")
    result = subprocess.run([*TORCHRUN, *words], capture_output=True, text=True, timeout=600, check=False)
    assert result.returncode == 1
    assert result.stderr.count("too short: 5 frames") == 1
