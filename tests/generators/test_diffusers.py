from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

import stepbench
from stepbench.errors import EnvironmentUnfitError, Refused, UsageError
from stepbench.generators.diffusers import DiffusersGenerator
from stepbench.generators.diffusers_runtime import watched
from stepbench.generators.protocol import Generator
from stepbench.generators.registry import generator_families, make_generator
from stepbench.records import Prompt, Request
from stepbench.suites import load_suite

ENGLISH, CHINESE = "a red circle moves right", "红色的圆形向右移动"
SMALL = {"height": 32, "width": 32, "steps": 2, "fps": 8, "dtype": "float32", "max_sequence_length": 16}
FRAMES = {"wan": 9, "cogvideox": 9, "ltx": 9, "mochi": 7, "hunyuan_video": 9}
FAMILIES = [
    pytest.param("mochi", marks=pytest.mark.filterwarnings("ignore:In CPU autocast:UserWarning"))
    if family == "mochi"
    else family
    for family in FRAMES
]


@pytest.fixture(scope="session")
def pipelines(tmp_path_factory):
    """Family -> folder of a tiny pipeline, each built once."""
    pytest.importorskip("diffusers")
    import tiny_pipelines

    root = tmp_path_factory.mktemp("pipelines")

    def folder(family: str) -> Path:
        if not (root / family).exists():
            tiny_pipelines.save_pipeline(family, root / family)
        return root / family

    return folder


@pytest.fixture
def wan(pipelines):
    return DiffusersGenerator(str(pipelines("wan")))


@pytest.fixture
def wan_copy(pipelines, tmp_path):
    return Path(shutil.copytree(pipelines("wan"), tmp_path / "wan"))


def request_for(generator, text=ENGLISH, seed=0, **settings) -> Request:
    settings = {"frames": 9, **SMALL, **settings}
    prompt = Prompt(id="p", text=text, language="und", category="c")
    resolved = generator.resolve(prompt, seed, settings)
    return Request(prompt_id="p", text=text, seed=seed, settings=resolved, output_dir=Path("."))


def make(generator, text=ENGLISH, seed=0, **settings) -> np.ndarray:
    return generator.generate(request_for(generator, text, seed, **settings)).frames


def own_clip(folder: Path, **arguments: Any) -> np.ndarray:
    """What the pipeline itself gives as pictures, without any of our code."""
    import diffusers
    import torch

    pipeline = diffusers.DiffusionPipeline.from_pretrained(folder)
    pipeline.set_progress_bar_config(disable=True)
    generator = torch.Generator("cpu").manual_seed(3)
    pictures = pipeline(prompt=ENGLISH, generator=generator, output_type="pil", **arguments).frames[0]
    return np.stack([np.asarray(picture) for picture in pictures]).transpose(0, 3, 1, 2)


@pytest.mark.parametrize("family", FAMILIES)
def test_every_family_makes_what_its_pipeline_makes(pipelines, family):
    folder, frames = pipelines(family), FRAMES[family]
    generator = make_generator(f"diffusers:{folder}")
    assert isinstance(generator, Generator)
    clip = generator.generate(request_for(generator, seed=3, frames=frames))
    assert clip.frames is not None
    assert clip.frames.dtype == np.uint8
    assert clip.frames.shape == (frames, 3, 32, 32)
    assert clip.fps == 8.0
    if family != "wan":  # Its scheduler draws from the global generator as well, see below.
        rate = {"frame_rate": 8} if family == "ltx" else {}
        own = own_clip(
            folder, num_frames=frames, height=32, width=32, num_inference_steps=2, max_sequence_length=16, **rate
        )
        assert (clip.frames == own).all()


@pytest.mark.parametrize("family", FAMILIES)
def test_text_and_seed_decide_the_clip(pipelines, family):
    first, again = (DiffusersGenerator(str(pipelines(family))) for _ in range(2))
    frames = FRAMES[family]
    clip = make(first, frames=frames)
    assert (clip != make(first, CHINESE, frames=frames)).any()
    assert (clip != make(first, seed=1, frames=frames)).any()
    assert (clip == make(first, frames=frames)).all()
    assert (clip == make(again, frames=frames)).all()


def test_global_randomness_does_not_reach_the_clip_and_is_left_alone(wan):
    import torch

    torch.manual_seed(1)
    clip = make(wan)
    torch.manual_seed(2)
    before = torch.random.get_rng_state()
    assert (make(wan) == clip).all()
    assert (torch.random.get_rng_state() == before).all()


def test_settings_reach_the_pipeline(pipelines, wan):
    clip = make(wan)
    assert (make(wan, steps=3) != clip).any()
    assert (make(wan, guidance=1.0) != clip).any()
    assert (make(wan, negative_prompt="a cat") != clip).any()
    assert make(wan, frames=5, height=16, width=48).shape == (5, 3, 16, 48)
    ltx = DiffusersGenerator(str(pipelines("ltx")))
    assert (make(ltx, fps=8) != make(ltx, fps=30)).any()


def test_dtype_and_tiling_are_those_of_the_settings(wan):
    import torch

    make(wan, dtype="bfloat16", vae_dtype="float32", vae_tiling=True)
    pipeline = wan._loaded.pipeline
    assert (pipeline.transformer.dtype, pipeline.vae.dtype) == (torch.bfloat16, torch.float32)
    assert pipeline.vae.use_tiling
    assert (make(wan) == make(DiffusersGenerator(wan._argument))).all()
    assert wan._loaded.pipeline.vae.dtype == torch.float32
    assert not wan._loaded.pipeline.vae.use_tiling


def test_offloading_changes_no_pixel(wan, pipelines, monkeypatch):
    clip = make(wan)
    monkeypatch.setenv("STEPBENCH_DIFFUSERS_OFFLOAD", "model")
    monkeypatch.setenv("STEPBENCH_DIFFUSERS_DEVICE", "cpu")
    offloaded = DiffusersGenerator(str(pipelines("wan")))
    assert (make(offloaded) == clip).all()
    assert hasattr(offloaded._loaded.pipeline.transformer, "_hf_hook")


def test_a_branch_that_moves_after_the_plan_does_not_change_the_clip(pipelines, tmp_path, monkeypatch):
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    repository = tmp_path / "models--owner--name"
    (repository / "refs").mkdir(parents=True)
    clips = []
    for commit, family in (("1" * 40, "ltx"), ("2" * 40, "wan")):
        shutil.copytree(pipelines(family), repository / "snapshots" / commit)
        (repository / "refs" / "main").write_text(commit)
        generator = make_generator("diffusers:owner/name")
        assert generator.card.identity == {"name": "diffusers:owner/name", "revision": commit, "weights_hash": ""}
        request = request_for(generator)
        assert request.settings["commit"] == commit
        clips.append((request, generator.generate(request).frames))
    assert (clips[0][1] != clips[1][1]).any()
    pinned = make_generator(f"diffusers:owner/name@{'1' * 40}")
    assert (pinned.generate(request_for(pinned)).frames == clips[0][1]).all()
    # What reports print after -M and as settings plans the same again.
    assert pinned.card.parameters["spec"] == f"diffusers:owner/name@{'1' * 40}"
    planned = clips[0][0].settings
    prompt = Prompt(id="p", text="p", language="en", category="c")
    assert pinned.resolve(prompt, 0, planned) == planned
    with pytest.raises(UsageError, match=f"stands for commit {'1' * 40}, not 'main'"):
        pinned.resolve(prompt, 0, {"commit": "main"})
    # A worker that starts now finds another commit behind `main`, and still makes what was planned.
    late = make_generator("diffusers:owner/name")
    assert late.card.revision == "2" * 40
    assert (late.generate(clips[0][0]).frames == clips[0][1]).all()


def test_stages_are_timed_and_nothing_stays_hooked(wan):
    clip = wan.generate(request_for(wan))
    assert clip.seconds.keys() == {"load", "text_encode", "denoise", "vae_decode"}
    assert min(clip.seconds.values()) > 0
    assert clip.peak_memory_bytes is None
    assert wan.generate(request_for(wan)).seconds.keys() == {"text_encode", "denoise", "vae_decode"}
    pipeline = wan._loaded.pipeline
    hooked = (pipeline.text_encoder, pipeline.transformer, pipeline.vae.decoder)
    assert not any(module._forward_hooks or module._forward_pre_hooks for module in hooked)


def test_on_a_gpu_stages_wait_for_their_work_and_peak_memory_is_kept(monkeypatch):
    import torch

    calls = []
    for name, result in (("reset_peak_memory_stats", None), ("synchronize", None), ("max_memory_allocated", 5)):
        monkeypatch.setattr(torch.cuda, name, lambda device, n=name, r=result: (calls.append((n, device)), r)[1])
    unet = torch.nn.Identity()
    with watched(SimpleNamespace(components={"unet": unet, "vae": None, "scheduler": object()}), "cuda:1") as watch:
        unet(torch.zeros(1))
        unet(torch.zeros(1))
    assert [name for name, _ in calls] == ["reset_peak_memory_stats", *["synchronize"] * 4, "max_memory_allocated"]
    assert {device for _, device in calls} == {"cuda:1"}
    assert watch.peak_memory_bytes == 5
    assert watch.seconds.keys() == {"denoise"}


def test_off_a_terminal_no_progress_is_drawn(wan, capfd):
    import diffusers

    make(wan)
    captured = capfd.readouterr()
    assert "it/s" not in captured.err + captured.out
    assert diffusers.utils.logging.is_progress_bar_enabled()


def test_a_clip_of_another_size_than_asked_for_fails_once_and_then_at_once(wan, monkeypatch):
    import diffusers

    with pytest.raises(UsageError, match=r"= 10, 32, 32, it made 9, 32, 32\n  hint: set frames=9 "):
        make(wan, frames=10)
    monkeypatch.setattr(diffusers.WanPipeline, "encode_prompt", None)
    with pytest.raises(UsageError, match="it made 9, 32, 32"):
        make(wan, frames=10, seed=1)


def test_a_guardrail_refuses_and_other_errors_fail(wan, monkeypatch):
    import diffusers

    def decline(message):
        def encode_prompt(*_, **__):
            raise ValueError(message)

        monkeypatch.setattr(diffusers.WanPipeline, "encode_prompt", encode_prompt)

    decline("Cosmos Guardrail detected unsafe text in the prompt: bad")
    with pytest.raises(Refused, match="unsafe text in the prompt"):
        make(wan)
    decline("something else")
    with pytest.raises(ValueError, match="something else"):
        make(wan)


@pytest.mark.parametrize("pickled", [False, True])
def test_weights_that_are_missing_or_pickled_are_not_loaded(wan_copy, pickled, monkeypatch):
    import torch
    from safetensors.torch import load_file

    weights = wan_copy / "transformer" / "diffusion_pytorch_model.safetensors"
    if pickled:
        torch.save(load_file(weights), weights.with_suffix(".bin"))
    weights.unlink()
    generator = DiffusersGenerator(str(wan_copy))
    with pytest.raises(EnvironmentUnfitError, match=r"diffusers:wan cannot be loaded: .*diffusion_pytorch_model"):
        make(generator)
    monkeypatch.setattr("stepbench.generators.diffusers.load_pipeline", None)
    with pytest.raises(EnvironmentUnfitError, match="diffusion_pytorch_model"):
        make(generator)


def test_code_beside_the_weights_is_not_run(wan_copy):
    # Diffusers looks for a module of the component's library in the component's folder first.
    (wan_copy / "transformer" / "diffusers.py").write_text("raise SystemExit('it ran')")
    with pytest.raises(EnvironmentUnfitError, match="trust_remote_code"):
        make(DiffusersGenerator(str(wan_copy)))


@pytest.mark.parametrize(
    ("variable", "value", "message"),
    [
        ("DEVICE", "abacus", "DEVICE=abacus cannot be used here"),
        ("DEVICE", "cuda:99", "DEVICE=cuda:99 cannot be used here"),
        ("OFFLOAD", "tape", "unknown STEPBENCH_DIFFUSERS_OFFLOAD=tape\n  hint: give none or model"),
    ],
)
def test_a_place_that_is_not_there(wan, monkeypatch, variable, value, message):
    monkeypatch.setenv(f"STEPBENCH_DIFFUSERS_{variable}", value)
    with pytest.raises(EnvironmentUnfitError, match=message):
        request_for(wan)


@pytest.mark.parametrize("package", ["diffusers", "accelerate"])
def test_without_the_extra_the_install_line_is_given(wan_copy, monkeypatch, stepbench, package):
    monkeypatch.setitem(sys.modules, package, None)
    ended = stepbench("generate", ENGLISH, "-M", f"diffusers:{wan_copy}", "-o", "clip.mkv", "--set", "fps=8")
    assert ended.code == 12
    assert "pip install 'stepbench[diffusers]'" in ended.err


def test_a_pipeline_whose_own_imports_break_is_an_unfit_environment(wan, monkeypatch):
    import diffusers

    class Broken:
        __version__, pipelines = diffusers.__version__, diffusers.pipelines

        def __getattr__(self, name):
            raise RuntimeError(f"Failed to import {name} because of:\nNo module named 'abacus'")

    monkeypatch.setattr("stepbench.generators.diffusers_runtime.import_diffusers", Broken)
    with pytest.raises(EnvironmentUnfitError, match=r"cannot run here: No module named 'abacus'\n  hint: pip install"):
        request_for(wan)


def test_naming_a_pipeline_imports_nothing_heavy(tmp_path):
    assert "diffusers" in generator_families()
    code = (
        "import sys; from stepbench.generators.registry import make_generator; make_generator('diffusers:owner/name');"
        "print({'torch', 'diffusers', 'transformers', 'huggingface_hub'} & sys.modules.keys())"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "set()"
    with pytest.raises(UsageError, match="needs a repository or a folder"):
        make_generator("diffusers:")


def test_a_run_from_prompts_to_scores(pipelines, make_suite):
    suite = load_suite(make_suite(ENGLISH, CHINESE))
    arguments: dict[str, Any] = {"metrics": ["flicker"], "seeds": [0, 1], "settings": {"frames": 9, **SMALL}}
    run = stepbench.run(f"diffusers:{pipelines('wan')}", suite, **arguments)
    samples = run.samples()
    assert list(samples["outcome"]) == ["ok"] * 4
    assert samples["clip_sha256"].nunique() == 4
    assert (run.info["status"], run.summary()["coverage"].tolist()) == ("complete", [1.0])
    assert run.info["generator"]["name"] == "diffusers:wan"
    assert run.info["settings"] == {"guidance": 5.0, "negative_prompt": None, "vae_tiling": False, "frames": 9, **SMALL}
    again = stepbench.run(f"diffusers:{pipelines('wan')}", suite, **arguments)
    assert again.folder == run.folder
    assert list(again.samples()["attempt"]) == [1] * 4


@pytest.mark.slow
def test_workers_make_the_same_clips(pipelines, make_suite):
    suite = load_suite(make_suite(ENGLISH, CHINESE))
    hashes = [
        stepbench.run(
            f"diffusers:{pipelines('ltx')}",
            suite,
            metrics=[],
            settings={"frames": 9, **SMALL},
            out=out,
            workers=workers,
        ).samples()["clip_sha256"]
        for out, workers in (("one", 1), ("two", 2))
    ]
    assert hashes[0].notna().all()
    assert (hashes[0] == hashes[1]).all()
