"""Runs written in other layouts, and read back."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass, field
from pathlib import Path

import pandas as pd
import pytest

from stepbench.canonical import sha256_file
from stepbench.errors import IncompleteError, NothingSelectedError, UsageError
from stepbench.layouts import export_run, scan_folder
from stepbench.layouts import export_vbench as vbench_module
from stepbench.records import Prompt, Suite
from stepbench.suites.importers import read_prompt_file


@dataclass
class ToyRun:
    """A run folder made by hand."""

    folder: Path
    suite: Suite
    generator_name: str = "toy"
    rows: list[dict] = field(default_factory=list)

    @property
    def prompts(self) -> dict[str, Prompt]:
        return {prompt.id: prompt for prompt in self.suite.prompts}

    def samples(self) -> pd.DataFrame:
        return pd.DataFrame(self.rows)

    def add(self, prompt_id: str, seed: int, clip: Path | None, **changes: object) -> None:
        prompt = self.prompts[prompt_id]
        self.rows.append(
            {
                "prompt_id": prompt_id,
                "seed": seed,
                "text": prompt.text,
                "language": prompt.language,
                "outcome": "ok" if clip else "failed",
                "error": None if clip else "out of memory",
                "clip": clip.relative_to(self.folder).as_posix() if clip else None,
                "clip_sha256": sha256_file(clip) if clip else None,
                "preview": None,
                **changes,
            }
        )


@pytest.fixture
def run(tmp_path, make_clip, make_suite) -> ToyRun:
    suite = make_suite(("a cat", "scene"), ("A cat", "scene"), "AC/DC live", "x" * 250, "refused", "not yet")
    made = ToyRun(tmp_path / "run", suite)
    for seed in (7, 11):
        for prompt_id in ("p0", "p1", "p2", "p3"):
            name = f"{prompt_id}-s{seed}.mp4"
            made.add(prompt_id, seed, make_clip(made.folder / "clips" / name, shade=seed + int(prompt_id[1])))
        made.add("p4", seed, None)
        made.add("p5", seed, None, outcome=None, error=None)
    return made


def test_vbench_names_what_can_be_named_and_reports_the_rest(run, tmp_path):
    report = export_run(run, "vbench", tmp_path / "out")
    assert report.counts == {"exported": 4, "not_exportable": 4, "no_clip": 4}
    names = sorted(path.name for path in (tmp_path / "out" / "videos").iterdir())
    assert names == ["A cat-0.mp4", "A cat-1.mp4", "a cat-0.mp4", "a cat-1.mp4"]
    reasons = {row.prompt_id: row.reason for row in report.rows if row.status != "exported"}
    assert reasons == {
        "p2": "a file name cannot hold '/'",
        "p3": "the name would take 256 bytes, file systems allow 255",
        "p4": "failed: out of memory",
        "p5": "not generated yet",
    }


def test_vbench_export_imports_back_to_the_same_counts(run, tmp_path):
    export_run(run, "vbench", tmp_path / "out")
    imported = read_prompt_file(tmp_path / "out" / "full_info.json")
    assert [prompt.text for prompt in imported.suite.prompts] == [prompt.text for prompt in run.suite.prompts]
    for suite in (run.suite, imported.suite):
        report = scan_folder(tmp_path / "out", "vbench", suite, samples=2)
        assert (report.counts["found"], report.counts["missing"], report.counts["duplicate"]) == (4, 8, 0)
    clip = next(entry for entry in report.entries if entry.text == "A cat" and entry.seed == 1)
    assert clip.sha256 == run.rows[7]["clip_sha256"]


def test_full_info_lists_dimensions_auxiliary_info_and_files(tmp_path, make_clip, make_suite):
    source = tmp_path / "full.json"
    entries = [
        {"prompt_en": "a cat", "dimension": ["color", "scene"], "auxiliary_info": {"color": {"color": "red"}}},
        {"prompt_en": "a dog", "dimension": ["scene"]},
    ]
    source.write_text(json.dumps(entries))
    suite = read_prompt_file(source).suite
    run = ToyRun(tmp_path / "run", suite)
    for prompt in suite.prompts:
        run.add(prompt.id, 0, make_clip(run.folder / f"{prompt.id}.mp4"))
    assert export_run(run, "vbench", tmp_path / "out").notes == ()
    assert json.loads((tmp_path / "out" / "full_info.json").read_text()) == [
        {**entries[0], "video_list": ["videos/a cat-0.mp4"]},
        {**entries[1], "video_list": ["videos/a dog-0.mp4"]},
    ]
    assert read_prompt_file(tmp_path / "out" / "full_info.json").suite.hash == suite.hash


def test_seeds_become_indices_and_the_report_says_so(run, tmp_path):
    report = export_run(run, "vbench", tmp_path / "out")
    assert report.seeds == {7: 0, 11: 1}
    assert "seeds are numbered 7 as 0, 11 as 1" in report.notes
    assert "no_clip: p4 seed 7: failed: out of memory" in report.text()
    assert json.loads(json.dumps(report.to_json()))["counts"]["exported"] == 4


def test_a_lossless_master_goes_out_as_its_preview_or_as_itself(tmp_path, make_clip, make_suite):
    run = ToyRun(tmp_path / "run", make_suite("with preview", "without", "master dropped", "all gone"))
    for number in range(4):
        master = make_clip(run.folder / f"p{number}.mkv")
        run.add(f"p{number}", 0, master, preview=f"p{number}.mp4" if number in (0, 2) else None)
    for name in ("p0.mp4", "p2.mp4"):
        make_clip(run.folder / name, shade=99)
    (run.folder / "p2.mkv").unlink()
    (run.folder / "p3.mkv").unlink()
    report = export_run(run, "vbench", tmp_path / "out")
    assert [(row.file, row.source) for row in report.rows] == [
        ("videos/with preview-0.mp4", "preview"),
        ("videos/without-0.mkv", "master"),
        ("videos/master dropped-0.mp4", "preview"),
        (None, None),
    ]
    assert report.rows[3].reason == "the run's file p3.mkv is gone"
    assert report.notes == (
        "2 clips are H.264 previews, not the lossless masters that stepbench scores",
        "1 clips are neither .mp4 nor .gif, which VBench does not read",
    )
    masters = export_run(run, "vbench", tmp_path / "masters", masters=True)
    assert [row.file for row in masters.rows[:2]] == ["videos/with preview-0.mkv", "videos/without-0.mkv"]


def test_equal_texts_and_a_disk_that_ignores_case(tmp_path, make_clip, make_suite, monkeypatch):
    run = ToyRun(tmp_path / "run", make_suite("a cat", "a cat", "A cat"))
    for number in range(3):
        run.add(f"p{number}", 0, make_clip(run.folder / f"p{number}.mp4"))
    report = export_run(run, "vbench", tmp_path / "a")
    assert report.rows[1].reason == "prompt p0 has the same text and so the same name"
    assert report.rows[2].status == "exported"

    def ignores_case(path: Path) -> bool:
        return any(entry.name.casefold() == Path(path).name.casefold() for entry in Path(path).parent.iterdir())

    monkeypatch.setattr(vbench_module.os.path, "lexists", ignores_case)
    report = export_run(run, "vbench", tmp_path / "b")
    assert report.rows[2].status == "not_exportable"
    assert report.rows[2].reason.startswith("this disk takes the name for that of another prompt")


def test_foreign_prompts_are_noted(tmp_path, make_clip, make_suite):
    run = ToyRun(tmp_path / "run", make_suite("一只猫"))
    run.add("p0", 0, make_clip(run.folder / "p0.mp4"), language="zh")
    assert export_run(run, "vbench", tmp_path / "out").notes[0].startswith("1 prompts are not English")


def test_manifest_export_imports_back_whole(run, tmp_path):
    report = export_run(run, "manifest", tmp_path / "out")
    assert report.counts == {"exported": 8, "not_exportable": 0, "no_clip": 4}
    suite = read_prompt_file(tmp_path / "out" / "prompts.jsonl").suite
    assert suite.prompts == run.suite.prompts
    scanned = scan_folder(tmp_path / "out", "manifest", suite)
    assert (scanned.counts["found"], scanned.counts["missing"]) == (8, 4)
    assert scanned.seeds == (7, 11)
    hashes = {(entry.prompt_id, entry.seed): entry.sha256 for entry in scanned.entries if entry.status == "found"}
    assert hashes == {(row["prompt_id"], row["seed"]): row["clip_sha256"] for row in run.rows if row["clip"]}


@pytest.mark.parametrize("copy", [False, True])
def test_links_share_bytes_and_copies_do_not(run, tmp_path, copy):
    export_run(run, "vbench", tmp_path / "out", copy=copy)
    original = run.folder / "clips" / "p0-s7.mp4"
    assert os.path.samefile(original, tmp_path / "out" / "videos" / "a cat-0.mp4") is not copy


def test_without_links_files_are_copied(run, tmp_path, monkeypatch):
    def no_links(*paths: object) -> None:
        raise OSError("no links here")

    monkeypatch.setattr(os, "link", no_links)
    assert export_run(run, "manifest", tmp_path / "out").counts["exported"] == 8


def test_bad_arguments_and_full_disks(run, tmp_path, monkeypatch):
    with pytest.raises(UsageError, match=r"cannot export to layout 'vbenh'(.|\n)*vbench"):
        export_run(run, "vbenh", tmp_path / "out")
    (tmp_path / "taken").mkdir()
    (tmp_path / "taken" / "file").touch()
    with pytest.raises(UsageError, match="taken is not an empty folder"):
        export_run(run, "vbench", tmp_path / "taken")
    with pytest.raises(NothingSelectedError, match="has no samples"):
        export_run(ToyRun(tmp_path, run.suite), "vbench", tmp_path / "out")

    def full(*paths: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "link", full)
    monkeypatch.setattr("shutil.copyfile", full)
    with pytest.raises(IncompleteError, match=r"broke off: .*No space left on device"):
        export_run(run, "vbench", tmp_path / "out")
