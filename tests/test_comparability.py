"""Runs are compared only when the fields that decide the numbers are equal."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

import pandas as pd
import pytest

from stepbench.comparability import check_comparable, field_differences, match_metrics
from stepbench.errors import ExitCode, NotComparableError, NothingSelectedError, UsageError


@dataclass(frozen=True)
class PlannedRun:
    """A run as far as comparability reads it."""

    name: str = "a"
    prompts: tuple[tuple[str, str], ...] = (("p1", "a red ball"), ("p2", "一个蓝色的方块"))
    seeds: tuple[int, ...] = (0, 1)
    suite: tuple[str, str, str] = ("shapes", "1", "abc")
    settings: dict[str, Any] = field(
        default_factory=lambda: {"frames": 8, "height": 64, "width": 64, "fps": 8, "steps": 4}
    )
    metrics: tuple[tuple[str, str], ...] = (("flicker@1", "flicker"),)

    @property
    def info(self) -> dict[str, Any]:
        return {"suite": dict(zip(("name", "version", "hash"), self.suite, strict=True)), "settings": self.settings}

    def samples(self) -> pd.DataFrame:
        rows = [{"prompt_id": key, "text": text, "seed": seed} for key, text in self.prompts for seed in self.seeds]
        return pd.DataFrame(rows)

    def scores(self) -> pd.DataFrame:
        return pd.DataFrame(self.metrics, columns=["metric_id", "metric"])

    def set_scores(self) -> pd.DataFrame:
        return pd.DataFrame(columns=["metric_id", "metric"])


BASE = PlannedRun()


def test_equal_plans_are_comparable_whatever_else_the_generator_does():
    other = replace(BASE, name="b", settings={**BASE.settings, "steps": 50, "guidance": 9.0})
    assert check_comparable(BASE, other) == []


@pytest.mark.parametrize(
    ("change", "field_name", "value_a", "value_b"),
    [
        ({"suite": ("other", "1", "abc")}, "suite name", "shapes", "other"),
        ({"suite": ("shapes", "2", "abc")}, "suite version", "1", "2"),
        ({"suite": ("shapes", "1", "def")}, "suite hash", "abc", "def"),
        ({"prompts": BASE.prompts[:1]}, "prompts planned on this side only", "p2", ""),
        (
            {"prompts": (("p1", "a red ball, masterpiece"), BASE.prompts[1])},
            "text sent for prompt p1",
            "a red ball",
            "a red ball, masterpiece",
        ),
        (
            {"prompts": (("p1", "A red ball"), ("p2", "蓝色"))},
            "text sent for prompt p1 and 1 more",
            "a red ball",
            "A red ball",
        ),
        ({"seeds": (0, 2)}, "seeds", [0, 1], [0, 2]),
        ({"settings": {**BASE.settings, "negative_prompt": "blurry"}}, "negative prompt", "", "blurry"),
        ({"settings": {**BASE.settings, "frames": 16}}, "frames", 8, 16),
        ({"settings": {**BASE.settings, "height": 32}}, "height", 64, 32),
        ({"settings": {**BASE.settings, "width": 32}}, "width", 64, 32),
        ({"settings": {"frames": 8, "height": 64, "width": 64}}, "fps", 8, None),
        ({"metrics": (("flicker@2", "flicker"),)}, "id of metric flicker", "flicker@1", "flicker@2"),
    ],
)
def test_every_deciding_field_is_found_with_both_values(change, field_name, value_a, value_b):
    other = replace(BASE, name="b", **change)
    found = check_comparable(BASE, other, "only looking")
    assert [(item.field, item.a, item.b) for item in found] == [(field_name, value_a, value_b)]
    with pytest.raises(NotComparableError, match="runs a and b are not comparable") as caught:
        check_comparable(BASE, other)
    assert caught.value.exit_code == ExitCode.NOT_COMPARABLE
    assert f"{field_name}: {value_a!r} against {value_b!r}" in str(caught.value)


def test_all_fields_are_named_at_once():
    other = replace(BASE, name="b", seeds=(7,), suite=("other", "9", "def"), metrics=(("flicker@2", "flicker"),))
    with pytest.raises(NotComparableError) as caught:
        check_comparable(BASE, other)
    for name in ("suite name", "suite version", "suite hash", "seeds", "id of metric flicker"):
        assert name in str(caught.value)


@dataclass(frozen=True)
class MadeRun(PlannedRun):
    """A run whose settings say nothing of the clips' size, and whose clips have one."""

    settings: dict[str, Any] = field(default_factory=dict)
    rates: tuple[float, ...] = (8.0,)

    def samples(self) -> pd.DataFrame:
        planned = super().samples()
        rates = [self.rates[place % len(self.rates)] if self.rates else None for place in range(len(planned))]
        return planned.assign(frames=8, height=64, width=64, fps=rates)


def test_a_size_that_only_one_side_states_is_held_against_the_clips_of_the_other():
    assert field_differences(BASE, MadeRun()) == field_differences(MadeRun(), BASE) == []
    (slower,) = field_differences(BASE, MadeRun(rates=(12.0,)))
    assert (slower.field, slower.a, slower.b) == ("fps", 8, 12.0)
    (mixed,) = field_differences(MadeRun(rates=(8.0, 12.0)), BASE)
    assert (mixed.a, mixed.b) == ("8, 12", 8)
    # Nothing was made: nothing is known.
    (unknown,) = field_differences(BASE, MadeRun(rates=()))
    assert (unknown.a, unknown.b) == (8, None)
    assert field_differences(MadeRun(), MadeRun(rates=(12.0,))) == []


def test_absent_and_empty_negative_prompt_are_the_same():
    assert field_differences(BASE, replace(BASE, settings={**BASE.settings, "negative_prompt": None})) == []
    assert field_differences(BASE, replace(BASE, settings={**BASE.settings, "negative_prompt": ""})) == []


def test_many_missing_prompts_are_counted():
    many = replace(BASE, prompts=tuple((f"p{i}", "x") for i in range(9)))
    few = replace(many, prompts=many.prompts[:1])
    (found,) = field_differences(many, few)
    assert found.a == "p1, p2, p3, p4, p5 and 3 more"


def test_a_blank_reason_is_refused():
    with pytest.raises(UsageError, match="needs a reason, got a blank one"):
        check_comparable(BASE, BASE, "  ")


def test_metrics_on_one_side_are_left_out_with_the_reason():
    a = replace(BASE, metrics=(("flicker@1", "flicker"), ("psnr@1", "psnr")))
    b = replace(BASE, name="b", metrics=(("ssim@1", "ssim"), ("flicker@1", "flicker")))
    matched = match_metrics(a, b)
    assert [match.metric for match in matched.matches] == ["flicker"]
    assert matched.differences == ()
    assert matched.not_compared == (("psnr@1", "scored in a, not in b"), ("ssim@1", "scored in b, not in a"))


def test_a_run_rescored_with_a_new_version_matches_by_the_shared_id():
    both = replace(BASE, metrics=(("flicker@1", "flicker"), ("flicker@2", "flicker")))
    new = replace(BASE, name="b", metrics=(("flicker@2", "flicker"),))
    matched = match_metrics(both, new)
    assert [match.id_a for match in matched.matches] == ["flicker@2"]
    assert matched.differences == ()


def test_forced_matching_needs_one_id_on_each_side():
    a = replace(BASE, metrics=(("fvd-i3d@1", "fvd"), ("fvd-mae@1", "fvd")))
    b = replace(BASE, name="b", metrics=(("fvd-i3d@2", "fvd"),))
    matched = match_metrics(a, b)
    assert matched.matches == ()
    assert matched.differences[0].a == "fvd-i3d@1, fvd-mae@1"
    assert len(matched.not_compared) == 3
    (match,) = match_metrics(replace(a, metrics=a.metrics[:1]), b).matches
    assert (match.id_a, match.id_b) == ("fvd-i3d@1", "fvd-i3d@2")


def test_only_selected_metrics_decide():
    a = replace(BASE, metrics=(("flicker@1", "flicker"), ("psnr@1", "psnr")))
    b = replace(BASE, name="b", metrics=(("flicker@2", "flicker"), ("psnr@1", "psnr")))
    assert check_comparable(a, b, metrics=["psnr"]) == []
    assert check_comparable(a, b, metrics=["psnr@1"]) == []
    with pytest.raises(NotComparableError, match="id of metric flicker"):
        check_comparable(a, b)


def test_an_unknown_metric_is_refused_with_a_suggestion():
    with pytest.raises(NothingSelectedError, match=r"'fliker' was scored in neither run\n.*did you mean 'flicker'"):
        match_metrics(BASE, BASE, ["fliker"])
    with pytest.raises(NothingSelectedError, match=r"'xyz' was scored in neither run\n.*scored: flicker"):
        match_metrics(BASE, BASE, ["xyz"])
    with pytest.raises(NothingSelectedError, match="scored: none"):
        match_metrics(replace(BASE, metrics=()), replace(BASE, metrics=()), ["xyz"])
