"""`stepbench doctor`: one line per check, exit code 12 when the main job cannot be done here."""

from __future__ import annotations

import numpy as np
import pytest

from stepbench import doctor
from stepbench.doctor import Check, examine

NAMES = {"python", "torch", "codec", "metrics", "suites", "run folder", "disk", "machine", "leaderboard"}


def levels(checks):
    return {check.name: check.level for check in checks}


def test_all_is_well_here(workplace):
    checks = examine(workplace / "runs")
    assert set(levels(checks)) == NAMES
    assert "fail" not in levels(checks).values()
    assert not (workplace / "runs").exists()
    assert all(check.finding for check in checks)


def test_a_lossy_codec_is_found(workplace, monkeypatch):
    import stepbench.video

    read = stepbench.video.read_clip

    def lossy(path):
        clip = read(path)
        return type(clip)(frames=clip.frames ^ np.uint8(1), fps=clip.fps)

    monkeypatch.setattr(stepbench.video, "read_clip", lossy)
    (codec,) = [check for check in examine(workplace) if check.name == "codec"]
    assert (codec.level, codec.way_out) == ("fail", "reinstall the package `av`")


def test_a_check_that_raises_is_a_failed_check(workplace, monkeypatch):
    def broken(runs):
        raise RuntimeError("no driver")

    monkeypatch.setattr(doctor, "CHECKS", (broken,))
    assert examine(workplace) == [Check("broken", "fail", "RuntimeError: no driver", "reinstall stepbench")]


def test_a_full_disk_and_a_small_machine_are_warnings(workplace, monkeypatch):
    monkeypatch.setattr(doctor, "MIN_FREE_BYTES", 10**30)
    monkeypatch.setattr(doctor.os, "sysconf", lambda name: 1000)
    found = levels(examine(workplace))
    assert (found["disk"], found["machine"]) == ("warn", "warn")


def test_a_broken_suite_package_is_a_warning(workplace, monkeypatch):
    from stepbench.suites import registry

    shipped, _ = registry._find()
    monkeypatch.setattr(registry, "_find", lambda: (shipped, {"extra": "entry point 'extra': half installed"}))
    assert levels(examine(workplace))["suites"] == "warn"
    monkeypatch.setattr(registry, "_find", lambda: ({}, {}))
    assert levels(examine(workplace))["suites"] == "fail"


def test_a_place_that_cannot_be_written_fails(workplace):
    (workplace / "runs").touch()
    found = {check.name: check for check in examine(workplace / "runs")}
    assert found["run folder"].level == "fail"
    assert "-o" in found["run folder"].way_out


def test_the_command_prints_and_exits_by_the_findings(stepbench, monkeypatch):
    monkeypatch.setattr(doctor, "CHECKS", (lambda runs: Check("one", "warn", "odd", "do this"),))
    ended = stepbench("doctor")
    assert ended.code == 0
    assert "do this" in ended.out
    monkeypatch.setattr(doctor, "CHECKS", (lambda runs: Check("one", "fail", "broken", "mend it"),))
    ended = stepbench("doctor", "--json")
    assert ended.code == 12
    assert ended.records() == [{"name": "one", "level": "fail", "finding": "broken", "way_out": "mend it"}]


@pytest.mark.parametrize("field", ["name", "level", "finding", "way_out"])
def test_the_real_command_knows_every_field(stepbench, field):
    ended = stepbench("doctor", "--json")
    assert ended.code == 0
    assert all(field in record for record in ended.records())
