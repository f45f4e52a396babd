"""Folders in which a number is the file name."""

from __future__ import annotations

from dataclasses import replace

import pytest

from stepbench.errors import UsageError
from stepbench.layouts import scan_folder


def test_evalcrafter_goes_by_the_upstream_number(tmp_path, make_clip, make_suite):
    suite = make_suite("a", "b", "c")
    numbered = replace(
        suite,
        prompts=tuple(
            replace(prompt, tags=(f"evalcrafter:{number:04d}",))
            for prompt, number in zip(suite.prompts, (3, 5, 9), strict=True)
        ),
    )
    make_clip(tmp_path / "0003.mp4")
    make_clip(tmp_path / "videos" / "9.mp4")
    make_clip(tmp_path / "0000.mp4")
    make_clip(tmp_path / "cover.mp4")
    report = scan_folder(tmp_path, "evalcrafter", numbered)
    assert [entry.status for entry in report.entries] == ["found", "missing", "found", "stray", "stray"]
    assert report.entries[1].reason == "no file 0005.mp4"
    assert [entry.reason for entry in report.entries[3:]] == [
        "the suite has no prompt number 0",
        "the name is not a number",
    ]


def test_evalcrafter_without_numbers_goes_by_position(tmp_path, make_clip, make_suite):
    make_clip(tmp_path / "0000.mp4")
    make_clip(tmp_path / "0002.mp4")
    report = scan_folder(tmp_path, "evalcrafter", make_suite("a", "b", "c"))
    assert [entry.status for entry in report.entries] == ["found", "missing", "found"]


def test_files_counted_from_one_are_refused_not_shifted(tmp_path, make_clip, make_suite):
    for number in (1, 2, 3):
        make_clip(tmp_path / f"{number:04d}.mp4")
    with pytest.raises(UsageError, match="numbers clips from 0000 to 0002, but there is a 0003 and no 0000"):
        scan_folder(tmp_path, "evalcrafter", make_suite("a", "b", "c"))


def test_compbench_gap_moves_no_other_clip(tmp_path, make_clip, make_suite):
    suite = make_suite(
        ("a", "consistent_attribute_binding"),
        ("b", "consistent_attribute_binding"),
        ("c", "consistent_attribute_binding"),
        ("d", "generative_numeracy"),
        ("e", "generative_numeracy"),
    )
    make_clip(tmp_path / "consistent_attr" / "0001.mp4")
    make_clip(tmp_path / "consistent_attr" / "0003.mp4")
    make_clip(tmp_path / "numeracy" / "0001.mp4")
    make_clip(tmp_path / "numeracy" / "0003.mp4")
    make_clip(tmp_path / "0001.mp4")
    report = scan_folder(tmp_path, "compbench", suite)
    assert [(entry.prompt_id, entry.status, entry.path) for entry in report.entries if entry.planned] == [
        ("p0", "found", "consistent_attr/0001.mp4"),
        ("p1", "missing", None),
        ("p2", "found", "consistent_attr/0003.mp4"),
        ("p3", "found", "numeracy/0001.mp4"),
        ("p4", "missing", None),
    ]
    assert report.entries[1].reason == "no file consistent_attribute_binding/0002.mp4"
    assert {entry.path: entry.reason for entry in report.entries if entry.status == "stray"} == {
        "numeracy/0003.mp4": "category generative_numeracy has no prompt number 3",
        "0001.mp4": "in no folder of one of the suite's categories",
    }


def test_compbench_with_one_category_needs_no_folder(tmp_path, make_clip, make_suite):
    make_clip(tmp_path / "0002.mp4")
    report = scan_folder(tmp_path, "compbench", make_suite(("a", "Motion"), ("b", "Motion")))
    assert [entry.status for entry in report.entries] == ["missing", "found"]


def test_compbench_counted_from_zero_is_refused(tmp_path, make_clip, make_suite):
    make_clip(tmp_path / "0000.mp4")
    with pytest.raises(UsageError, match=r"from 0001, but there is 0000\.mp4"):
        scan_folder(tmp_path, "compbench", make_suite(("a", "Motion"), ("b", "Motion")))
