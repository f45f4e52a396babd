"""Folders in which the prompt is the file name."""

from __future__ import annotations

import json
import os
import shutil
import unicodedata
from pathlib import Path

import pytest

from stepbench.errors import UsageError
from stepbench.layouts import ScanEntry, check, scan_folder

FACADES = unicodedata.normalize("NFD", "the façades of old houses")
LONG = "a very long prompt about nothing, " * 7 + "until the end"


def statuses(report) -> dict[tuple[str | None, int | None], str]:
    return {(entry.prompt_id, entry.seed): entry.status for entry in report.entries if entry.planned}


def entry_of(report, path: str) -> ScanEntry:
    return next(entry for entry in report.entries if entry.path == path)


def test_a_folder_with_every_trap_is_imported_without_loss(tmp_path, make_clip, make_gif, make_suite):
    assert len(LONG) == 251
    suite = make_suite("a cat", "A cat", FACADES, LONG, "AC/DC on stage", "shot on Kodak-400", "a missing dog")
    make_clip(tmp_path / "a cat-0.mp4")
    make_clip(tmp_path / "A cat-0.mp4", shade=80)
    make_clip(tmp_path / f"{unicodedata.normalize('NFC', FACADES)}-0.mp4")
    make_clip(tmp_path / f"{LONG[:180]}-0.mp4")
    make_clip(tmp_path / "AC" / "DC on stage-0.mp4")
    make_gif(tmp_path / "shot on Kodak-400-0.gif")
    (tmp_path / ".DS_Store").write_bytes(b"x")
    (tmp_path / "notes.txt").write_text("mine")
    report = scan_folder(tmp_path, "vbench", suite)
    assert report.counts == {"found": 6, "missing": 1, "corrupt": 0, "too_short": 0, "duplicate": 0, "stray": 2}
    assert statuses(report)["p6", 0] == "missing"
    found = {entry.prompt_id: entry for entry in report.entries if entry.status == "found"}
    assert found["p0"].sha256 != found["p1"].sha256
    assert (found["p2"].reason, found["p3"].reason) == (
        "matched in another Unicode form",
        "matched by the prompt's beginning",
    )
    assert (found["p4"].path, found["p4"].reason) == ("AC/DC on stage-0.mp4", "")
    assert (found["p5"].frames, found["p5"].fps, found["p5"].height) == (5, 10.0, 32)
    strays = {entry.path: entry.reason for entry in report.entries if entry.status == "stray"}
    assert strays == {".DS_Store": "hidden file", "notes.txt": "no video by its ending"}
    assert not report.complete
    assert report.seeds == (0,)


def test_damaged_files_are_told_apart(tmp_path, make_clip, make_suite):
    suite = make_suite("whole", "truncated", "empty", "short", "text")
    make_clip(tmp_path / "whole-0.mp4")
    whole = make_clip(tmp_path / "truncated-0.mp4", frames=30).read_bytes()
    (tmp_path / "truncated-0.mp4").write_bytes(whole[: len(whole) * 2 // 3])
    (tmp_path / "empty-0.mp4").touch()
    make_clip(tmp_path / "short-0.mp4", frames=1)
    (tmp_path / "text-0.mp4").write_text("this is no video")
    report = scan_folder(tmp_path, "vbench", suite)
    assert [entry.status for entry in report.entries] == ["found", "corrupt", "corrupt", "too_short", "corrupt"]
    reasons = [entry.reason for entry in report.entries]
    assert "frames decode" in reasons[1] or "broken after" in reasons[1]
    assert "0 bytes" in reasons[2]
    assert reasons[3] == "1 frames, at least 2 are needed"
    assert "not a readable video" in reasons[4]
    # The container of the cut clip is whole, so only decoding tells.
    quick = scan_folder(tmp_path, "vbench", suite, decode=False)
    assert [entry.status for entry in quick.entries] == ["found", "found", "corrupt", "too_short", "corrupt"]
    assert "were not decoded" in quick.text()


def test_case_is_ignored_only_where_one_prompt_fits(tmp_path, make_clip, make_suite):
    make_clip(tmp_path / "A DOG-0.mp4")
    make_clip(tmp_path / "A cAt-0.mp4")
    report = scan_folder(tmp_path, "vbench", make_suite("a dog", "a cat", "A cat"))
    assert statuses(report) == {("p0", 0): "found", ("p1", 0): "missing", ("p2", 0): "missing"}
    assert report.entries[0].reason == "matched without regard to case"
    assert entry_of(report, "A cAt-0.mp4").reason == "fits 2 prompts: p1, p2"


def test_a_lost_case_twin_is_explained(tmp_path, make_clip, make_suite):
    make_clip(tmp_path / "A cat-0.mp4")
    report = scan_folder(tmp_path, "vbench", make_suite("a cat", "A cat"))
    assert statuses(report) == {("p0", 0): "missing", ("p1", 0): "found"}
    assert report.entries[0].reason.endswith("p1 differs only in case or accents and may have overwritten it")


@pytest.mark.parametrize(
    "name", ["AC_DC on stage", "AC-DC on stage", "ACDC on stage", "AC／DC on stage", "ac_dc_on_stage"]
)
def test_usual_replacements_of_characters_are_seen_through(tmp_path, make_clip, make_suite, name):
    make_clip(tmp_path / f"{name}-0.mp4")
    report = scan_folder(tmp_path, "vbench", make_suite('AC/DC on "stage"'))
    assert report.complete
    assert report.entries[0].reason == "matched by letters and digits only"


def test_names_cut_by_the_file_system(tmp_path, make_clip, make_suite):
    text = "长" * 100  # 300 bytes
    make_clip(tmp_path / f"{text[:80]}-0.mp4")
    assert scan_folder(tmp_path, "vbench", make_suite(text, "别的")).counts["found"] == 1
    # Two prompts with this beginning: nobody can tell whose it is.
    report = scan_folder(tmp_path, "vbench", make_suite(text + "甲", text + "乙"))
    assert (report.counts["found"], report.counts["stray"]) == (0, 1)
    # A short name that happens to begin a prompt is not taken for it.
    make_clip(tmp_path / "a-0.mp4")
    assert scan_folder(tmp_path, "vbench", make_suite("a cat")).counts["found"] == 0


def test_missing_samples_are_expected_up_to_the_best_prompt_of_the_category(tmp_path, make_clip, make_suite):
    suite = make_suite(("a cat", "color"), ("a dog", "color"), ("a tree", "flicker"), ("a car", "scene"))
    for index in (0, 1, 4):
        make_clip(tmp_path / "color" / f"a cat-{index}.mp4")
    for index in range(7):
        make_clip(tmp_path / "flicker" / f"a tree-{index}.mp4")
    report = scan_folder(tmp_path, "vbench", suite)
    by_prompt = {
        prompt_id: [entry.seed for entry in report.entries if entry.prompt_id == prompt_id and entry.planned]
        for prompt_id in ("p0", "p1", "p2", "p3")
    }
    assert by_prompt == {"p0": [*range(5)], "p1": [*range(5)], "p2": [*range(7)], "p3": [*range(5)]}
    assert report.counts["missing"] == 2 + 5 + 0 + 5
    five = scan_folder(tmp_path, "vbench", suite, samples=5)
    assert (five.counts["found"], five.counts["missing"], five.counts["stray"]) == (3 + 5, 2 + 5 + 5, 2)
    assert "sample 6 of p2 is beyond the 5 asked for" in five.text()


def test_seeds_as_indices_do_not_ask_for_all_numbers_below_them(tmp_path, make_clip, make_suite):
    for seed in (42, 1234):
        make_clip(tmp_path / f"a cat-{seed}.mp4")
    make_clip(tmp_path / "a dog-42.mp4")
    report = scan_folder(tmp_path, "vbench", make_suite("a cat", "a dog"))
    assert report.seeds == (42, 1234)
    assert (report.counts["found"], report.counts["missing"]) == (3, 1)


def test_a_file_that_breaks_the_decoder_in_an_unknown_way_is_recorded(tmp_path, make_clip, make_suite, monkeypatch):
    def break_down(path: Path) -> None:
        raise RuntimeError(f"odd file {path.name}")

    make_clip(tmp_path / "a cat-0.mp4")
    monkeypatch.setattr(check, "read_clip", break_down)
    report = scan_folder(tmp_path, "vbench", make_suite("a cat"))
    assert report.entries[0].reason == "RuntimeError: odd file a cat-0.mp4"


def test_a_second_file_for_a_clip_is_a_duplicate(tmp_path, make_clip, make_gif, make_suite):
    suite = make_suite("a cat")
    clip = make_clip(tmp_path / "aesthetic_quality" / "a cat-0.mp4")
    (tmp_path / "imaging_quality").mkdir()
    shutil.copy(clip, tmp_path / "imaging_quality")
    same = scan_folder(tmp_path, "vbench", suite)
    assert (same.counts["found"], same.counts["duplicate"]) == (1, 1)
    assert same.complete
    assert same.entries[1].reason == "same bytes as aesthetic_quality/a cat-0.mp4, which was taken"
    make_gif(tmp_path / "a cat-0.gif")
    other = scan_folder(tmp_path, "vbench", suite)
    assert other.entries[0].path == "aesthetic_quality/a cat-0.mp4"
    assert entry_of(other, "a cat-0.gif").conflict
    assert not other.complete


def test_a_readable_file_is_taken_before_a_broken_one(tmp_path, make_clip, make_suite):
    (tmp_path / "a cat-0.mp4").touch()
    make_clip(tmp_path / "a cat-0.mov")
    report = scan_folder(tmp_path, "vbench", make_suite("a cat"))
    assert report.entries[0].path == "a cat-0.mov"
    assert report.complete
    assert "empty file" in entry_of(report, "a cat-0.mp4").reason


def test_numbers_that_are_no_sample_index_do_not_ask_for_millions_of_clips(tmp_path, make_clip, make_suite):
    make_clip(tmp_path / "a cat-20250217123045.mp4")
    report = scan_folder(tmp_path, "vbench", make_suite("a cat"))
    assert (report.counts["missing"], report.counts["stray"]) == (1, 1)


def test_a_prompt_that_ends_in_a_number(tmp_path, make_clip, make_suite):
    make_clip(tmp_path / "shot on Kodak-400.mp4")
    assert scan_folder(tmp_path, "vbench", make_suite("shot on Kodak-400")).complete
    both = scan_folder(tmp_path, "vbench", make_suite("SHOT ON KODAK", "shot on Kodak-400"))
    assert statuses(both) == {("p0", 0): "missing", ("p1", 0): "found"}


def test_every_ending_counts(tmp_path, make_clip, make_suite):
    endings = [".mp4", ".webm", ".mkv", ".mov", ".avi", ".gif", ".MP4"]
    for number, ending in enumerate(endings):
        make_clip(tmp_path / f"clip {number}-0{ending}")
    report = scan_folder(tmp_path, "vbench", make_suite(*(f"clip {number}" for number in range(len(endings)))))
    assert report.complete


def test_what_is_no_plain_file_is_a_stray(tmp_path, make_suite):
    os.symlink(tmp_path / "nowhere.mp4", tmp_path / "a cat-0.mp4")
    os.mkfifo(tmp_path / "a cat-1.mp4")
    (tmp_path / "a cat-2.mp4").mkdir()
    report = scan_folder(tmp_path, "vbench", make_suite("a cat"))
    assert [(entry.status, entry.path) for entry in report.entries] == [
        ("missing", None),
        ("stray", "a cat-0.mp4"),
        ("stray", "a cat-1.mp4"),
    ]


def test_linked_folders_are_followed_and_loops_end(tmp_path, make_clip, make_suite):
    make_clip(tmp_path / "elsewhere" / "a cat-0.mp4")
    folder = tmp_path / "clips"
    (folder / ".cache").mkdir(parents=True)
    os.symlink(tmp_path / "elsewhere", folder / "linked")
    os.symlink(folder, folder / "loop")
    report = scan_folder(folder, "vbench", make_suite("a cat"))
    assert report.complete
    assert [entry.path for entry in report.entries] == ["linked/a cat-0.mp4", ".cache/"]


def test_the_report_is_json_and_text(tmp_path, make_clip, make_suite):
    make_clip(tmp_path / "a cat-0.mp4")
    make_clip(tmp_path / "a dog-0.mp4", fps=24)
    seen: list[tuple[int, int]] = []
    report = scan_folder(
        tmp_path, "vbench", make_suite("a cat", "a dog", "a cow"), on_progress=lambda *done: seen.append(done)
    )
    assert seen == [(1, 2), (2, 2)]
    parsed = json.loads(json.dumps(report.to_json()))
    assert parsed["counts"]["found"] == 2
    assert parsed["complete"] is False
    assert [entry["status"] for entry in parsed["entries"]] == ["found", "found", "missing"]
    text = report.text()
    assert "3 clips expected, 3 prompts, sample indices 0" in text
    assert "1 clips of 32x32, 6 frames, 24 fps" in text
    assert "missing: p2 sample 0: no file named a cow-0.mp4, or nearly so" in text


def test_long_lists_are_cut_in_the_text(tmp_path, make_suite):
    text = scan_folder(tmp_path, "vbench", make_suite(*(f"prompt {number}" for number in range(30)))).text()
    assert "missing: ... and 10 more" in text


def test_bad_arguments(tmp_path, make_suite):
    suite = make_suite("a cat")
    with pytest.raises(UsageError, match=r"no layout 'vbenh'(.|\n)*vbench"):
        scan_folder(tmp_path, "vbenh", suite)
    with pytest.raises(UsageError, match=r"no folder at .*nowhere"):
        scan_folder(tmp_path / "nowhere", "vbench", suite)
    for argument in ("samples", "min_frames", "workers"):
        with pytest.raises(UsageError, match=f"{argument} must be at least 1, got 0"):
            scan_folder(tmp_path, "vbench", suite, **{argument: 0})


def test_step_video_names(tmp_path, make_clip, make_suite):
    long = (
        "一名足球运动员在球场上带球奔跑，快速传球，然后射门得分。镜头聚焦于运动员的脚下动作和射门瞬间，非常精彩的一幕。"
    )
    suite = make_suite(long, "a short-legged dog", "a bird", "a fish")
    make_clip(tmp_path / f"{long[:50]}-2025-02-17 12:30:45.123456.mp4")
    make_clip(tmp_path / "a short-legged dog-2025-02-17 12:31:45.123456.mp4")
    make_clip(tmp_path / "a bird.mp4")
    make_clip(tmp_path / "a bird-1.mp4", shade=1)
    make_clip(tmp_path / "a whale-2025-02-17 12:31:45.1.mp4")
    report = scan_folder(Path(tmp_path), "step-video", suite)
    found = {(entry.prompt_id, entry.seed) for entry in report.entries if entry.status == "found"}
    assert found == {("p0", 0), ("p1", 0), ("p2", 0), ("p2", 1)}
    assert report.counts["stray"] == 1
    missing = next(entry for entry in report.entries if (entry.prompt_id, entry.seed) == ("p3", 1))
    assert missing.reason == "no file named a fish-*.mp4 for sample 1"


def test_two_clock_times_for_one_prompt_conflict(tmp_path, make_clip, make_suite):
    make_clip(tmp_path / "a bird-2025-02-17 12:30:45.mp4")
    make_clip(tmp_path / "a bird-2025-02-18 12:30:45.mp4", shade=1)
    report = scan_folder(tmp_path, "step-video", make_suite("a bird"))
    assert report.entries[0].path == "a bird-2025-02-17 12:30:45.mp4"
    assert report.entries[1].conflict
