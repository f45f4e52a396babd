"""Every stage from a small model folder to an exported one, in legs, and what stops it."""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from small_model import VAE, noise_clip, write_clips, write_model

from reference_model.checkpoint import load_pipeline, load_transformer, load_vae
from reference_model.checkpoint.verify import verify_folder
from reference_model.training.checkpoints import load_state
from stepbench.errors import (
    EnvironmentUnfitError,
    IncompleteError,
    NothingSelectedError,
    StepbenchError,
    UsageError,
)
from stepbench.training import session
from stepbench.training.clip_sizes import SizeRule, parse_sizes
from stepbench.training.request import TrainingRequest
from stepbench.training.session import train_stage

SMALL_WORLD = SizeRule(sizes=parse_sizes(["17x32x32"]))
FAST = (
    "batch_size=2",
    "warmup_steps=1",
    "log_every=1",
    "save_every=2",
    "sample_every=2",
    "held_out=2",
    "learning_rate=1e-3",
)


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_model(tmp_path_factory.mktemp("start") / "small")


@pytest.fixture
def train(model: Path, tmp_path: Path):
    """`train("vae", "a", steps=3)` trains in the run folder `a`; options are those of `TrainingRequest`."""

    def call(stage: str, out: str, *assignments: str, steps: int = 3, **options):
        defaults = {"model": str(model), "data": "moving-shapes", "sizes": SMALL_WORLD, "samples": 2, "device": "cpu"}
        settings = (f"steps={steps}", *(one for one in FAST if one.split("=")[0] not in str(assignments)), *assignments)
        request = TrainingRequest(stage=stage, out=tmp_path / out, assignments=settings, **{**defaults, **options})
        return train_stage(request)

    return call


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Clips of two sizes, and an image."""
    sizes = [(17, 32, 32)] * 3 + [(34, 16, 32)] * 2 + [(1, 32, 32)] * 2 + [(17, 32, 32)] * 2
    clips = {f"{number}.mkv": noise_clip(number, *size) for number, size in enumerate(sizes)}
    rows = [{"file": name, "caption": f"about {name}"} for name in clips]
    return write_clips(tmp_path / "clips", clips, *rows[:-2], *({**row, "split": "test"} for row in rows[-2:]))


@pytest.fixture
def preferences(tmp_path: Path) -> Path:
    """Six pairs of six prompts."""
    folder = tmp_path / "votes"
    clips = {f"{number}{side}.mkv": noise_clip(number) // (1 + (side == "b")) for number in range(6) for side in "ab"}
    write_clips(folder, clips)
    rows = [
        {"prompt": f"prompt {number}", "chosen": f"{number}a.mkv", "rejected": f"{number}b.mkv", "share": 0.75}
        for number in range(6)
    ]
    (folder / "pairs.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return folder / "pairs.jsonl"


def averaged(out: Path):
    state = load_state(out / "checkpoints")
    assert state is not None
    return state.tensors["ema"]


def same_weights(first: Path, second: Path) -> bool:
    one, two = averaged(first), averaged(second)
    return one.keys() == two.keys() and all(torch.equal(one[name], two[name]) for name in one)


def test_the_vae_goes_on_as_if_it_had_not_stopped(train, model, tmp_path):
    export = tmp_path / "exported"
    ended = train("vae", "legs", max_steps=1)
    assert (ended.step, ended.steps, ended.steps_now, ended.is_complete) == (1, 3, 1, False)
    ended = train("vae", "legs", export=export)
    assert (ended.step, ended.steps_now, ended.is_complete) == (3, 2, True)
    assert {"psnr", "psnr_moving", "colour", "step"} <= ended.figures.keys()
    train("vae", "whole")
    assert same_weights(tmp_path / "legs", tmp_path / "whole")
    assert all(report.fits for report in verify_folder(export))
    exported = dict(load_vae(export).named_parameters())
    assert all(torch.equal(exported[name], value) for name, value in averaged(tmp_path / "legs").items())
    before = load_transformer(model).state_dict()
    assert all(torch.equal(value, before[name]) for name, value in load_transformer(export).state_dict().items())
    record = json.loads((export / "training.json").read_text(encoding="utf-8"))
    assert (record["step"], record["recipe"]["kl_weight"], record["origin"]["stage"]) == (3, 1e-5, "vae")
    assert record["test"]["psnr"] == ended.figures["psnr"]
    assert (tmp_path / "legs" / "previews" / "reconstructions-00000002.png").is_file()


def test_a_finished_run_opens_neither_model_nor_data(train, model, tmp_path, monkeypatch):
    train("vae", "a", steps=1, export=tmp_path / "e")
    monkeypatch.setattr("stepbench.training.stage_vae.prepare", None)
    ended = train("vae", "a", steps=1, export=tmp_path / "e")
    assert (ended.step, ended.steps_now, ended.is_complete) == (1, 0, True)
    with pytest.raises(UsageError, match=r"holds a run of another recipe: kl_weight 1e-05 -> 0\.1"):
        train("vae", "a", "kl_weight=0.1", steps=1)
    with pytest.raises(UsageError, match="holds another training run: stage was 'vae', is 'flow'"):
        train("flow", "a")
    with pytest.raises(TypeError):
        train("vae", "a", steps=2)


def test_an_export_on_demand(train, tmp_path):
    with pytest.raises(UsageError, match=r"nothing to export: .* has no checkpoint yet"):
        train("vae", "a", max_steps=0, export=tmp_path / "e")
    train("vae", "a", max_steps=1)
    ended = train("vae", "a", max_steps=0, export=tmp_path / "e", export_dtype="bfloat16")
    assert (ended.step, ended.steps_now) == (1, 0)
    assert {value.dtype for value in load_vae(tmp_path / "e").parameters()} == {torch.bfloat16}
    # A finished run too exports anew when asked for another type of weights, and only then.
    train("vae", "a", steps=1, export=tmp_path / "e", export_dtype="float16")
    assert {value.dtype for value in load_vae(tmp_path / "e").parameters()} == {torch.float16}
    written = (tmp_path / "e").stat().st_ino
    train("vae", "a", steps=1, export=tmp_path / "e", export_dtype="float16")
    assert (tmp_path / "e").stat().st_ino == written


def test_clips_of_a_folder(train, folder, tmp_path):
    ended = train("vae", "a", data=str(folder), sizes=SizeRule(), steps=4)
    assert ended.is_complete
    assert np.isfinite(ended.figures["psnr"])
    assert (tmp_path / "a" / "clips.json").is_file()
    with pytest.raises(UsageError, match="holds another training run: data was"):
        train("vae", "a", "held_out=1", data=str(folder), sizes=SizeRule(), steps=5, limit=8)
    with pytest.raises(UsageError, match="held_out is 9, but only 2 clips of one size are held out"):
        train("vae", "b", "held_out=9", data=str(folder), sizes=SizeRule())


def test_flow_matching_on_a_folder_and_what_it_exports(train, folder, model, tmp_path):
    ended = train("flow", "a", "train_text=true", data=str(folder), sizes=SizeRule(), export=tmp_path / "e")
    assert ended.is_complete
    assert np.isfinite(ended.figures["loss"])
    assert (tmp_path / "a" / "previews" / "samples-00000002.png").is_file()
    assert all(report.fits for report in verify_folder(tmp_path / "e"))
    pipeline = load_pipeline(tmp_path / "e")
    weights = {
        **{f"transformer.{name}": value for name, value in pipeline.transformer.named_parameters()},
        **{f"text_encoder.{name}": value for name, value in pipeline.text_encoder.named_parameters()},
    }
    assert weights.keys() == averaged(tmp_path / "a").keys()
    assert all(torch.equal(weights[name], value) for name, value in averaged(tmp_path / "a").items())
    assert pipeline.sampling == load_pipeline(model).sampling
    assert pipeline("a red circle", num_steps=1)[0].frames.shape == (17, 3, 32, 32)


def test_flow_matching_from_scratch_with_a_trained_vae(train, tmp_path, monkeypatch):
    from small_model import SMALL

    monkeypatch.setattr("stepbench.training.models.PRESETS", {"small": lambda: SMALL})
    monkeypatch.setattr("stepbench.training.stage_flow.PRESETS", {"small": lambda: SMALL})
    train("vae", "vae", "start_clips=0", model="small", steps=1, export=tmp_path / "vae-only")
    assert sorted(path.name for path in (tmp_path / "vae-only").iterdir()) == ["training.json", "vae"]
    with pytest.raises(UsageError, match="small starts from scratch and needs a trained VAE"):
        train("flow", "no", model="small", limit=6)
    options = {"model": "small", "vae": tmp_path / "vae-only", "limit": 6}
    train("flow", "legs", "train_text=true", max_steps=1, **options)
    ended = train("flow", "legs", "train_text=true", export=tmp_path / "e", **options)
    assert "obeyed" in ended.figures
    train("flow", "whole", "train_text=true", **options)
    assert same_weights(tmp_path / "legs", tmp_path / "whole")
    assert all(report.fits for report in verify_folder(tmp_path / "e"))
    assert load_vae(tmp_path / "e").cfg == VAE


def test_distillation_exports_a_student_that_samples_in_fewer_steps(train, tmp_path):
    ended = train("distill", "a", limit=6, student_steps=2, export=tmp_path / "e")
    assert ended.is_complete
    assert {"loss", "obeyed"} <= ended.figures.keys()
    student = load_pipeline(tmp_path / "e")
    assert (student.sampling.num_steps, student.sampling.guidance_scale) == (2, 1.0)
    weights = {f"transformer.{name}": value for name, value in student.transformer.named_parameters()}
    assert all(torch.equal(weights[name], value) for name, value in averaged(tmp_path / "a").items())
    with pytest.raises(UsageError, match="student_steps was '2', is '1'"):
        train("distill", "a", limit=6, student_steps=1, steps=4)
    with pytest.raises(UsageError, match="held_out is 6, but there are only 6 prompts"):
        train("distill", "b", "held_out=6", limit=6)
    with pytest.raises(UsageError, match="the teacher makes clips of one size, got 17x32x32, 34x32x32"):
        train("distill", "b", sizes=SizeRule(sizes=parse_sizes(["17x32x32", "34x32x32"])), limit=6)


def test_prompts_of_a_text_file_and_of_a_folder(train, folder, tmp_path):
    lines = tmp_path / "prompts.txt"
    lines.write_text("a red circle\n\n一个蓝色方块\na cross\n", encoding="utf-8")
    assert train("distill", "lines", "held_out=1", data=str(lines), steps=1).is_complete
    assert train("distill", "rows", data=str(folder), steps=1).is_complete
    lines.write_text("\n", encoding="utf-8")
    with pytest.raises(UsageError, match=r"prompts\.txt holds no prompts"):
        train("distill", "none", data=str(lines))
    with pytest.raises(UsageError, match="no data 'nowhere'"):
        train("distill", "none", data="nowhere")


@pytest.mark.parametrize("rank", [2, 0])
def test_preferences_with_adapters_and_without(train, preferences, model, tmp_path, rank):
    settings = ("batch_size=4", f"lora_rank={rank}", "beta=250.0", "half=false", "objective=ipo")
    train("dpo", "legs", *settings, data=str(preferences), max_steps=1)
    ended = train("dpo", "legs", *settings, data=str(preferences), export=tmp_path / "e")
    assert ended.is_complete
    assert "accuracy" in " ".join(ended.figures)
    train("dpo", "whole", *settings, data=str(preferences))
    assert same_weights(tmp_path / "legs", tmp_path / "whole")
    exported, before = load_transformer(tmp_path / "e").state_dict(), load_transformer(model).state_dict()
    assert exported.keys() == before.keys()
    assert any(not torch.equal(exported[name], before[name]) for name in before)
    assert (tmp_path / "e" / "adapters" / "adapter_model.safetensors").is_file() == (rank > 0)
    files = ["training.json", "adapters/recipe.json"] if rank else ["training.json"]
    stored = [json.loads((tmp_path / "e" / name).read_text(encoding="utf-8")) for name in files]
    loss = {"beta": 250.0, "half": False, "reduction": "mean", "objective": "ipo", "lora_rank": rank}
    for recipe in (stored[0]["recipe"], *stored[1:]):
        assert loss.items() <= recipe.items()


@pytest.mark.parametrize("rank", [2, 0])
def test_a_share_of_what_preferences_changed(train, preferences, model, tmp_path, rank):
    export, settings = tmp_path / "e", ("batch_size=4", f"lora_rank={rank}")
    weights = [load_transformer(model).float().state_dict()]
    for share in (0.25, 1.0):
        # The second call trains no step: it exports the same run anew.
        kept = (*settings, f"kept_change={share}")
        ended = train("dpo", "a", *kept, data=str(preferences), export=export, export_dtype="float32")
        weights.append(load_transformer(export).state_dict())
    assert ended.steps_now == 0
    base, part, whole = weights
    assert any(not torch.equal(whole[name], base[name]) for name in base)
    for name, value in part.items():
        torch.testing.assert_close(value, base[name] + 0.25 * (whole[name] - base[name]), rtol=1e-5, atol=1e-7)


def test_a_reference_that_has_changed_meanwhile_is_noticed(train, preferences, model, tmp_path):
    settings = ("batch_size=4", "lora_rank=0")
    started = shutil.copytree(model, tmp_path / "base")
    options = {"data": str(preferences), "model": str(started)}
    train("dpo", "a", *settings, **options, max_steps=1, export=tmp_path / "e")
    shutil.rmtree(started)
    shutil.copytree(tmp_path / "e", started)
    with pytest.raises(UsageError, match=r"the reference model is another one than when .*a was started\n.*exported"):
        train("dpo", "a", *settings, **options)


def test_without_the_package_for_adapters_nothing_is_begun(train, preferences, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "peft", None)
    with pytest.raises(EnvironmentUnfitError, match=r"package peft, which is not installed") as caught:
        train("dpo", "dpo", "lora_rank=2", data=str(preferences))
    assert caught.value.exit_code == 12
    assert not (tmp_path / "dpo" / "latents").exists()


def test_held_out_preferences_of_their_own_share_no_prompt(train, preferences):
    lines = preferences.read_text(encoding="utf-8").splitlines(keepends=True)
    other = preferences.with_name("test.jsonl")
    other.write_text("".join(lines[4:]), encoding="utf-8")
    with pytest.raises(UsageError, match="2 prompts are in both files, such as 'prompt 4'"):
        train("dpo", "a", data=str(preferences), test=other)
    preferences.write_text("".join(lines[:4]), encoding="utf-8")
    assert train("dpo", "a", data=str(preferences), test=other, steps=1).is_complete


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"rejected": "nowhere.mkv"}, "line 2: no such clip"),
        ({"share": 0.5}, "line 2: share of votes"),
        ({"rejected": "short.mkv"}, r"pairs.jsonl:2: chosen is 17x32x32, rejected is 5x32x32; both need one size"),
        ({"chosen": "short.mkv", "rejected": "short.mkv"}, "pairs.jsonl:2: too short: 5 frames"),
        ({"chosen": "text.mkv"}, "pairs.jsonl:2: text.mkv: not a readable video"),
        ({"chosen": "large.mkv", "rejected": "large.mkv"}, "clips of several sizes: .*micro_batch_size=1 takes any"),
    ],
)
def test_preferences_that_cannot_be_learned_from(train, preferences, change, complaint):
    folder = preferences.parent
    write_clips(folder, {"short.mkv": noise_clip(9, 5), "large.mkv": noise_clip(9, 17, 32, 48)})
    (folder / "text.mkv").write_text("no video", encoding="utf-8")
    rows = [json.loads(line) for line in preferences.read_text(encoding="utf-8").splitlines()]
    rows[1] |= change
    preferences.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    with pytest.raises(UsageError, match=complaint):
        train("dpo", "a", data=str(preferences))


def test_one_prompt_cannot_be_divided(train, preferences):
    preferences.write_text(preferences.read_text(encoding="utf-8").splitlines()[0] + "\n", encoding="utf-8")
    with pytest.raises(NothingSelectedError, match="all pairs are of one prompt"):
        train("dpo", "a", data=str(preferences))
    with pytest.raises(UsageError, match="no preferences at 'nowhere'"):
        train("dpo", "a", data="nowhere")


@pytest.mark.parametrize("stage", ["distill", "dpo"])
def test_later_stages_go_on_from_a_trained_model(train, stage):
    with pytest.raises(UsageError, match=f"{stage} goes on from a trained model, but tiny starts from scratch"):
        train(stage, "a", model="tiny")


def test_models_and_recipes_that_are_not_there(train, tmp_path):
    with pytest.raises(UsageError, match=r"no model 'tinny': neither a folder nor a preset\n  hint: did you mean tiny"):
        train("vae", "a", model="tinny")
    with pytest.raises(UsageError, match="no recipe file 'huge'"):
        train("vae", "a", recipe="huge")
    (tmp_path / "empty").mkdir()
    with pytest.raises(UsageError, match="file not found"):
        train("vae", "a", model=str(tmp_path / "empty"))


def test_an_export_overwrites_nothing_else(train, model, tmp_path):
    taken = tmp_path / "taken"
    taken.mkdir()
    (taken / "thesis.txt").write_text("do not lose", encoding="utf-8")
    for export, complaint in [
        (taken, "is not empty, and no earlier export"),
        (taken / "thesis.txt", "is not empty, and no earlier export"),
        (model, "would overwrite"),
        (tmp_path, "would overwrite"),
        (tmp_path / "a", "would overwrite"),
    ]:
        with pytest.raises(UsageError, match=complaint):
            train("vae", "a", export=export)
    assert (taken / "thesis.txt").is_file()


def test_a_folder_of_another_kind_is_not_trained_in(train, tmp_path):
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "run.json").write_text("{}", encoding="utf-8")
    with pytest.raises(UsageError, match="holds a run that is not from stepbench train"):
        train("vae", "a")
    (tmp_path / "b").mkdir()
    (tmp_path / "b" / "origin.json").write_text("{", encoding="utf-8")
    with pytest.raises(UsageError, match=r"origin\.json cannot be read"):
        train("vae", "b")


def test_errors_on_the_way_say_what_they_are(train, monkeypatch):
    def fail(error: Exception):
        def training(*arguments, **options):
            raise error

        monkeypatch.setattr(session, "train", training)

    fail(torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB\nmore"))
    with pytest.raises(StepbenchError, match="too little memory: CUDA out of memory") as error:
        train("vae", "a")
    assert error.value.exit_code == 12
    fail(OSError(28, "No space left on device"))
    with pytest.raises(IncompleteError, match="No space left on device"):
        train("vae", "a")


def test_a_run_that_breaks_down_is_incomplete(train):
    with pytest.raises(IncompleteError, match="training has broken down at step 1"):
        train("vae", "a", "learning_rate=1e30", "warmup_steps=0", "clip_norm=1e30", steps=4)
