"""The chain of stages that makes the shipped models: goes on where it was stopped, and packs what is finished."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace

import pytest
import torch
from small_model import SMALL, write_model

from reference_model.checkpoint import load_pipeline, load_vae
from reference_model.errors import CheckpointError
from reference_model.training.data import to_float
from stepbench.errors import ExitCode, NothingSelectedError, UsageError
from stepbench.training import models, prompts, session, stage_distill, stage_flow, tiny_stages
from stepbench.training.moving_shapes import MovingShapesClips
from stepbench.training.request import TrainingOutcome
from stepbench.training.tiny import main
from stepbench.training.tiny_pack import pack
from stepbench.training.tiny_stages import Workplace

CLIP = {"num_frames": 17, "height": 32, "width": 32, "num_steps": 2}


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return write_model(tmp_path_factory.mktemp("small") / "model")


class Trainer:
    """Stands in for `train_stage` and the annotator: every stage takes two calls, each export is the small model."""

    STEPS = 10

    def __init__(self, model):
        self.model = model
        self.requests = []
        self.done = {}
        self.votes = []

    def train(self, request):
        self.requests.append(request)
        step = self.done[request.stage] = min(self.STEPS, self.done.get(request.stage, 0) + 5)
        shutil.copytree(self.model, request.export, dirs_exist_ok=True)
        (request.export / "training.json").write_text(json.dumps({"step": step}), encoding="utf-8")
        return TrainingOutcome(
            stage=request.stage, step=step, steps=self.STEPS, steps_now=5, seconds=1.0, figures={}, out=request.out
        )

    def annotate(self, pipeline, source, folder, **options):
        self.votes.append((pipeline, source, folder, options))
        return len(self.votes) > 1


@pytest.fixture
def trainer(model, monkeypatch):
    trainer = Trainer(model)
    monkeypatch.setattr(tiny_stages, "train_stage", trainer.train)
    monkeypatch.setattr(tiny_stages, "simulate_preferences", trainer.annotate)
    monkeypatch.setattr(tiny_stages, "SCALE_CLIPS", 3)
    return trainer


def stages_of(trainer):
    return [request.stage for request in trainer.requests]


def test_the_same_command_goes_on_until_all_is_done(trainer, tmp_path, capsys):
    command = ["--out", str(tmp_path / "out"), "--device", "cpu", "--max-seconds", "1000"]
    codes = [main(command)]
    while codes[-1] == ExitCode.INCOMPLETE:
        codes.append(main(command))
    # Five stages, each of which is stopped once.
    assert codes == [ExitCode.INCOMPLETE] * 5 + [ExitCode.OK]
    in_order = ["vae", "flow", "distill", "dpo"]
    assert stages_of(trainer) == [*in_order[:1], *in_order[:2], *in_order[:3], *in_order[:3], *in_order, *in_order]
    assert "vae is not done yet: the same command continues" in capsys.readouterr().err

    requests = {request.stage: request for request in trainer.requests}
    models = tmp_path / "out" / "models"
    assert requests["vae"].export_dtype == "float32"
    assert (requests["vae"].model, requests["flow"].model) == ("tiny", "tiny")
    assert requests["flow"].vae == models / "vae"
    assert {requests[stage].model for stage in ("distill", "dpo")} == {str(models / "tiny")}
    assert requests["dpo"].data == str(tmp_path / "out" / "votes" / "preferences.jsonl")
    exports = [requests[stage].export for stage in ("flow", "distill", "dpo")]
    assert exports == [models / name for name in ("tiny", "tiny-turbo", "tiny-dpo")]
    for stage, request in requests.items():
        assert request.out == tmp_path / "out" / stage
        assert (request.recipe, request.device) == ("tiny", "cpu")
        assert 0 < request.max_seconds <= 1000
    pipeline, source, folder, options = trainer.votes[-1]
    assert next(pipeline.transformer.parameters()).dtype == torch.float32
    assert (source.split, source.seed, folder) == ("train", 7, tmp_path / "out" / "votes")
    assert options["prompts"] == 1000


def test_latents_get_unit_variance_whenever_the_vae_is_new(trainer, tmp_path, monkeypatch):
    place = Workplace(out=tmp_path, device="cpu", deadline=None)
    assert not tiny_stages.train_vae(place)
    assert not (tmp_path / "models" / "vae").exists()
    assert tiny_stages.train_vae(place)
    vae = load_vae(place.model("vae"))
    assert next(vae.parameters()).dtype == torch.float16
    source = MovingShapesClips("train")
    with torch.no_grad():
        latents = vae.float().encode(to_float(torch.stack([source[index].frames for index in range(3)]))).mean
    assert torch.allclose(latents.std(dim=(0, 1, 3, 4)), torch.ones(2), atol=0.02)

    scaled = []
    monkeypatch.setattr(tiny_stages, "_scale_latents", lambda *folders: scaled.append(folders))
    assert tiny_stages.train_vae(place)
    assert scaled == []
    trainer.STEPS = 15
    assert tiny_stages.train_vae(place)
    assert scaled == [(place, place.model("vae-unscaled"), place.model("vae"))]


def test_nothing_is_started_when_the_time_is_up(trainer, tmp_path):
    assert main(["--out", str(tmp_path), "--max-seconds", "0"]) == ExitCode.INCOMPLETE
    assert trainer.requests == []


def test_until_ends_early(trainer, tmp_path):
    trainer.STEPS = 5
    assert main(["--out", str(tmp_path), "--device", "cpu", "--until", "flow"]) == ExitCode.OK
    assert stages_of(trainer) == ["vae", "flow"]
    assert trainer.requests[0].max_seconds is None


@pytest.fixture
def finished(model, tmp_path):
    """All three variants: turbo has other weights and settings, dpo other weights and adapters beside them."""
    place = Workplace(out=tmp_path / "out", device="cpu", deadline=None)
    for name in ("tiny", "tiny-turbo", "tiny-dpo"):
        folder = place.model(name)
        shutil.copytree(model, folder)
        (folder / "training.json").write_text("{}", encoding="utf-8")
        weights = next(folder.glob("transformer/*.safetensors"))
        data = bytearray(weights.read_bytes())
        data[-1 - len(name)] ^= 1
        weights.write_bytes(data)
    sampling = place.model("tiny-turbo") / "sampling.json"
    settings = json.loads(sampling.read_text(encoding="utf-8"))
    sampling.write_text(json.dumps({**settings, "num_steps": 1, "guidance_scale": 1.0}), encoding="utf-8")
    (place.model("tiny-dpo") / "adapters").mkdir()
    (place.model("tiny-dpo") / "adapters" / "adapter_model.safetensors").write_bytes(b"adapters")
    return place


def test_packed_variants_share_what_they_have_in_common(finished, model, tmp_path):
    target = tmp_path / "weights"
    size = pack(finished, target)
    entries = {folder.name: sorted(entry.name for entry in folder.iterdir()) for folder in target.iterdir()}
    assert entries == {
        "tiny": sorted(entry.name for entry in model.iterdir()),
        "tiny-turbo": ["base.json", "sampling.json", "transformer"],
        "tiny-dpo": ["base.json", "transformer"],
    }
    bytes_of = {file: file.stat().st_size for file in target.rglob("*") if file.is_file()}
    assert size == sum(bytes_of.values())
    whole = sum(file.stat().st_size for file in model.rglob("*") if file.is_file())
    transformer = sum(file.stat().st_size for file in (model / "transformer").rglob("*") if file.is_file())
    assert size < whole + 2 * transformer + 5000
    for name in entries:
        packed, own = (load_pipeline(root / name) for root in (target, finished.model(name).parent))
        assert packed.sampling == own.sampling
        clips = [pipeline("a red circle", seeds=1, **CLIP)[0].frames for pipeline in (packed, own)]
        assert torch.equal(*clips)
    assert load_pipeline(target / "tiny-turbo").sampling.num_steps == 1


def test_packing_again_replaces_all_of_it(finished, tmp_path):
    target = tmp_path / "weights"
    pack(finished, target)
    (target / "tiny" / "stale").write_text("", encoding="utf-8")
    # A part that is no longer that of tiny comes along.
    config = finished.model("tiny-dpo") / "vae" / "config.json"
    config.write_text(config.read_text(encoding="utf-8") + "\n", encoding="utf-8")
    pack(finished, target)
    assert not (target / "tiny" / "stale").exists()
    assert (target / "tiny-dpo" / "vae" / "config.json").is_file()
    assert not list(target.glob(".*"))


def test_only_finished_models_are_packed(finished, tmp_path):
    shutil.rmtree(finished.model("tiny-dpo"))
    with pytest.raises(NothingSelectedError, match=r"no model to pack at .*tiny-dpo\n  hint: train all stages first"):
        pack(finished, tmp_path / "weights")
    assert not (tmp_path / "weights").exists()


@pytest.mark.parametrize(
    ("error", "code", "text"),
    [
        (UsageError("wrong", hint="do right"), ExitCode.USAGE, "error: wrong\n  hint: do right"),
        (CheckpointError("damaged"), ExitCode.USAGE, "error: damaged"),
        (KeyboardInterrupt(), ExitCode.INTERRUPTED, "interrupted: the same command continues"),
    ],
    ids=["usage", "checkpoint", "interrupt"],
)
def test_errors_are_said_in_words(monkeypatch, tmp_path, capsys, error, code, text):
    def fail(request):
        raise error

    monkeypatch.setattr(tiny_stages, "train_stage", fail)
    assert main(["--out", str(tmp_path)]) == code
    assert text in capsys.readouterr().err


def test_help_says_what_the_stages_are(capsys):
    with pytest.raises(SystemExit) as ended:
        main(["--help"])
    assert ended.value.code == 0
    shown = capsys.readouterr().out
    assert "distill  A student that takes fewer steps." in shown
    assert "the same command continues where it was stopped" in " ".join(shown.split())
    assert "--max-seconds SECONDS" in shown


@pytest.mark.slow
def test_the_real_chain_at_the_smallest_size(model, tmp_path, monkeypatch):
    small = replace(SMALL, sampling=SMALL.sampling.changed(height=64, width=64))
    settings = {"steps": 2, "batch_size": 2, "held_out": 2, "sample_every": 2, "warmup_steps": 1}
    recipes = {stage: recipe() for stage, recipe in session.RECIPES["tiny"].items()}
    changes = {"vae": {"start_clips": 4}, "dpo": {"lora_rank": 2}}
    short = {stage: replace(recipe, **settings, **changes.get(stage, {})) for stage, recipe in recipes.items()}
    monkeypatch.setitem(session.RECIPES, "tiny", {stage: lambda stage=stage: short[stage] for stage in short})
    monkeypatch.setitem(models.PRESETS, "tiny", lambda: small)
    for module, name, value in (
        (tiny_stages, "SCALE_CLIPS", 4),
        (tiny_stages, "PREFERENCE_PROMPTS", 6),
        (stage_flow, "ENCODED_CLIPS", 6),
        (stage_flow, "TOKENIZER_CLIPS", 40),
        (stage_distill, "TEACHER_BATCH", 3),
        (prompts, "PAIRS", 6),
    ):
        monkeypatch.setattr(module, name, value)
    # Random clips all score alike; votes need winners.
    scores = iter(range(1000))
    monkeypatch.setattr(MovingShapesClips, "judge", lambda *_: {"colour": float(next(scores) % 2)})
    command = ["--out", str(tmp_path / "out"), "--device", "cpu", "--pack", str(tmp_path / "weights")]
    assert main([*command[:4], "--until", "vae"]) == ExitCode.OK
    assert main(command) == ExitCode.OK
    steps = {}
    for name in ("tiny", "tiny-turbo", "tiny-dpo"):
        pipeline = load_pipeline(tmp_path / "weights" / name, dtype=torch.float32)
        steps[name] = pipeline.sampling.num_steps
        assert pipeline("a red circle", seeds=1)[0].frames.shape == (17, 3, 64, 64)
    assert steps == {"tiny": 4, "tiny-turbo": 1, "tiny-dpo": 4}
