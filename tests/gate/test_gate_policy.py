"""Policies: what is read, what is refused, and with which way out."""

from __future__ import annotations

import math

import pytest

from stepbench.errors import NothingSelectedError, UsageError
from stepbench.gate import MetricPolicy, Policy, as_policy

GOOD = """\
alpha = 0.1
min_coverage = 0.9

[metrics.flicker]
margin = 0.01
min_n = 32
ceiling = 0.2

[metrics.sharpness]
relative_margin = 0.05
floor = 10

[metrics."fvd-i3d@2:9f3c1a:16f-224-bilinear"]
margin = 5
"""


def test_a_policy_is_read_from_toml(tmp_path):
    path = tmp_path / "gate.toml"
    path.write_text(GOOD)
    policy = as_policy(path)
    assert policy == as_policy(str(path))
    assert (policy.alpha, policy.min_coverage) == (0.1, 0.9)
    assert policy.metrics["flicker"] == MetricPolicy(margin=0.01, min_n=32, ceiling=0.2)
    assert policy.metrics["sharpness"].margin_for(-40.0) == pytest.approx(2.0)
    assert policy.metrics["flicker"].margin_for(math.nan) == 0.01
    assert list(policy.metrics)[2] == "fvd-i3d@2:9f3c1a:16f-224-bilinear"


def test_defaults_are_those_of_the_contract():
    policy = as_policy({"metrics": {"flicker": {"margin": 0}}})
    assert (policy.alpha, policy.min_coverage, policy.metrics["flicker"].min_n) == (0.05, 1.0, 2)
    assert as_policy(policy) is policy


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("alhpa = 0.1", "unknown key 'alhpa'\n  hint: did you mean 'alpha'?"),
        ("zzz = 1", "unknown key 'zzz'\n  hint: known: alpha, min_coverage, metrics"),
        ("margin = 1", r"unknown key 'margin'\n  hint: margin belongs to one metric: write it below its \[metrics"),
        ("[metrics.flicker]\nmargni = 1", r"\[metrics.flicker\]: unknown key 'margni'\n  hint: did you mean 'margin'"),
        ("[metrics.flicker]\nalpha = 0.1", "hint: alpha holds for the whole gate: write it above the first"),
        ("[metrics.flicker]\nmin_n = 5", "metrics.flicker: give either margin or relative_margin"),
        ("[metrics.flicker]\nmargin = 1\nrelative_margin = 1", "give either margin or relative_margin"),
        ("[metrics.flicker]\nmargin = -1", "metrics.flicker.margin: .*greater than or equal to 0, got -1"),
        ("[metrics.flicker]\nmargin = nan", "metrics.flicker.margin: .*finite number, got nan"),
        ("[metrics.flicker]\nmargin = '1'", "metrics.flicker.margin: .*valid number, got '1'"),
        ("[metrics.flicker]\nmargin = true", "metrics.flicker.margin: .*valid number, got True"),
        ("[metrics.flicker]\nmargin = 1\nmin_n = 1", "metrics.flicker.min_n: .*greater than or equal to 2, got 1"),
        ("[metrics.flicker]\nmargin = 1\nmin_n = 2.5", "metrics.flicker.min_n: .*integer, got 2.5"),
        ("[metrics.flicker]\nmargin = 1\nfloor = 2\nceiling = 1", "floor 2.0 lies above ceiling 1.0"),
        ("[metrics.flicker]\nmargin = 1\ndirection = 'up'", "metrics.flicker.direction: .*'higher' or 'lower'"),
        ("alpha = 0.5\n[metrics.flicker]\nmargin = 1", "alpha: .*less than 0.5, got 0.5"),
        ("min_coverage = 0\n[metrics.flicker]\nmargin = 1", "min_coverage: .*greater than 0, got 0"),
        ("metrics = 3", "metrics: .*dictionary, got 3"),
        ("[metrics]\nflicker = 0.1", "metrics.flicker: .*, got 0.1"),
        ("[metrics", "not TOML"),
    ],
)
def test_what_is_not_understood_is_refused(tmp_path, text, complaint):
    path = tmp_path / "gate.toml"
    path.write_text(text)
    with pytest.raises(UsageError, match=complaint) as refused:
        as_policy(path)
    assert str(path) in refused.value.message


def test_a_policy_without_metrics_selects_nothing(tmp_path):
    path = tmp_path / "gate.toml"
    path.write_text("alpha = 0.05\n")
    with pytest.raises(NothingSelectedError, match=r"gate.toml names no metric: such a gate would pass everything"):
        as_policy(path)
    with pytest.raises(NothingSelectedError, match="the policy names no metric"):
        as_policy(Policy())


def test_a_file_that_is_not_there_or_is_no_text(tmp_path):
    with pytest.raises(UsageError, match=r"none.toml: cannot be read: No such file"):
        as_policy(tmp_path / "none.toml")
    (tmp_path / "binary.toml").write_bytes(b"\xff\xfe")
    with pytest.raises(UsageError, match=r"binary.toml: not TOML"):
        as_policy(tmp_path / "binary.toml")
