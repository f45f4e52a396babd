"""Clips that exist already, as a generator."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

import stepbench
from stepbench.canonical import sha256_file
from stepbench.errors import SuiteError, UsageError
from stepbench.generators.folder import ClipUnavailableError, FolderGenerator, folder_generator
from stepbench.generators.protocol import Generator
from stepbench.generators.registry import make_generator
from stepbench.layouts import export_run, scan_folder
from stepbench.records import Prompt, Request, Suite, SuiteCard
from stepbench.video import write_preview

CAT = Prompt(id="cat", text="a cat", language="en", category="c")
DOG = Prompt(id="dog", text="a dog", language="en", category="c")
CARD = SuiteCard(
    name="pets", version="1", title="t", licence="CC0-1.0", languages=("en",), source="here", citation="none"
)
SUITE = Suite(card=CARD, prompts=(CAT, DOG))


def make_clip(path: Path, shade: int = 10, frames: int = 6) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    clip = np.full((frames, 3, 32, 32), shade, dtype=np.uint8)
    clip[np.arange(frames), :, :, np.arange(frames)] = 255
    write_preview(path, clip, 8)
    return path


def make_manifest(folder: Path, *rows: dict) -> Path:
    path = folder / "manifest.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def request(generator: FolderGenerator, prompt: Prompt, seed: int, folder: Path) -> Request:
    settings = generator.resolve(prompt, seed, {"frames": 16, "height": 64, "fps": 8, "negative_prompt": "blur"})
    return Request(prompt_id=prompt.id, text=prompt.text, seed=seed, settings=settings, output_dir=folder)


def test_a_clip_is_found_by_prompt_and_seed(tmp_path):
    first, second = make_clip(tmp_path / "0.mp4"), make_clip(tmp_path / "1.mp4", shade=90)
    make_manifest(
        tmp_path,
        {"prompt_id": "cat", "seed": 0, "path": "0.mp4"},
        {"prompt_id": "cat", "seed": 1, "path": "1.mp4", "sha256": sha256_file(second)},
    )
    generator = make_generator(f"folder:{tmp_path}")
    assert isinstance(generator, Generator)
    assert generator.resolve(CAT, 0, {}) == {"clip": {"path": "0.mp4", "sha256": sha256_file(first)}}
    assert generator.generate(request(generator, CAT, 1, tmp_path)).path == second


def test_prompts_may_be_named_by_text(tmp_path):
    clip = make_clip(tmp_path / "x.mp4")
    (tmp_path / "manifest.csv").write_text("prompt,path\na cat,x.mp4\n")
    generator = FolderGenerator(tmp_path)
    assert generator.generate(request(generator, CAT, 0, tmp_path)).path == clip


def test_clips_imported_for_a_suite_with_other_ids_are_found_by_text(tmp_path):
    clip = make_clip(tmp_path / "x.mp4")
    make_manifest(tmp_path, {"prompt_id": "0001-a-cat", "prompt": "a cat", "path": "x.mp4"})
    generator = FolderGenerator(tmp_path)
    assert generator.generate(request(generator, CAT, 0, tmp_path)).path == clip


def test_the_card_names_the_model_and_hashes_the_files(tmp_path):
    make_clip(tmp_path / "clips" / "x.mp4")
    row = {"prompt_id": "cat", "path": "x.mp4"}
    path = make_manifest(tmp_path / "clips", row)
    card = FolderGenerator(path).card
    assert (card.name, card.parameters["clips"]) == ("folder:clips", 1)
    assert FolderGenerator(path, name="Model 2").card.name == "Model 2"
    make_manifest(tmp_path / "clips", {"manifest": 1, "name": "Model 3"}, row)
    named = FolderGenerator(path).card
    assert (named.name, named.weights_hash) == ("Model 3", card.weights_hash)
    make_clip(tmp_path / "clips" / "x.mp4", shade=99)
    assert FolderGenerator(path).card.weights_hash != card.weights_hash


def test_gaps_are_planned_and_fail_with_the_reason(tmp_path):
    make_manifest(
        tmp_path,
        {"prompt_id": "cat", "path": None, "status": "missing", "reason": "no file named a cat-0.mp4"},
        {"prompt_id": "dog", "path": "gone.mp4", "sha256": "0" * 64},
    )
    generator = FolderGenerator(tmp_path)
    with pytest.raises(ClipUnavailableError, match=r"no clip for prompt cat seed 0: no file named a cat-0\.mp4"):
        generator.generate(request(generator, CAT, 0, tmp_path))
    with pytest.raises(ClipUnavailableError, match=r"no clip for prompt cat seed 5$"):
        generator.generate(request(generator, CAT, 5, tmp_path))
    with pytest.raises(ClipUnavailableError, match=r"no clip for prompt dog seed 0: .*gone\.mp4 is not there"):
        generator.generate(request(generator, DOG, 0, tmp_path))


def test_a_clip_that_changed_since_is_not_handed_out(tmp_path):
    clip = make_clip(tmp_path / "x.mp4")
    make_manifest(tmp_path, {"prompt_id": "cat", "path": "x.mp4", "sha256": sha256_file(clip)})
    generator = FolderGenerator(tmp_path)
    make_clip(clip, shade=99)
    with pytest.raises(ClipUnavailableError, match=r"the clip for prompt cat seed 0 changed: .* the manifest says"):
        generator.generate(request(generator, CAT, 0, tmp_path))


def test_bad_arguments(tmp_path):
    with pytest.raises(UsageError, match="folder: needs a path"):
        folder_generator(" ")
    with pytest.raises(UsageError, match=r"no manifest at .*(.|\n)*stepbench import"):
        folder_generator(str(tmp_path))
    (tmp_path / "manifest.jsonl").write_text("no json")
    with pytest.raises(SuiteError, match=r"manifest\.jsonl:1: not JSON"):
        folder_generator(str(tmp_path))
    make_manifest(tmp_path, {"prompt_id": "cat", "prompt": "a lion", "path": None})
    generator = FolderGenerator(tmp_path)
    with pytest.raises(UsageError, match=r"manifest\.jsonl:1 has prompt cat as 'a lion', the suite has 'a cat'"):
        generator.resolve(CAT, 0, {})
    with pytest.raises(UsageError, match="has no setting 'steps'"):
        generator.resolve(CAT, 0, {"steps": 30})


def test_from_folder_to_run(tmp_path):
    make_clip(tmp_path / "clips" / "a cat-0.mp4")
    make_clip(tmp_path / "clips" / "a cat-1.mp4", shade=70)
    make_clip(tmp_path / "clips" / "a dog-0.mp4", frames=1)
    (tmp_path / "clips" / "a dog-1.mp4").touch()
    report = scan_folder(tmp_path / "clips", "vbench", SUITE)
    manifest = report.write_manifest(tmp_path / "manifest.jsonl", name="Model 1")
    run = stepbench.run(f"folder:{manifest}", SUITE, metrics=[], seeds=report.seeds, out=tmp_path / "runs")
    samples = run.samples().set_index(["prompt_id", "seed"])
    assert run.generator_name == "Model 1"
    assert len(samples) == 4
    assert samples.loc[("cat", 0), "outcome"] == "ok"
    assert samples.loc[("cat", 0), "clip_sha256"] == sha256_file(tmp_path / "clips" / "a cat-0.mp4")
    assert samples.loc[("dog", 1), "outcome"] == "failed"
    assert "0 bytes" in samples.loc[("dog", 1), "error"]
    assert samples["clip"].dropna().nunique() == samples["outcome"].eq("ok").sum()
    exported = export_run(run, "vbench", tmp_path / "export")
    assert exported.counts["exported"] == samples["outcome"].eq("ok").sum()
    assert scan_folder(tmp_path / "export", "vbench", SUITE).counts["found"] >= 2
