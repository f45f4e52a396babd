"""VBench's final table from dimension values: its arithmetic, and not its traps."""

from __future__ import annotations

import json

import pytest

from stepbench.errors import UsageError
from stepbench.vbench_score import DIMENSIONS, read_values, vbench_score

TOP = {name: dimension.high for name, dimension in DIMENSIONS.items()}


def test_the_ends_of_all_ranges():
    assert vbench_score(TOP).total == pytest.approx(1.0)
    bottom = vbench_score({name: dimension.low for name, dimension in DIMENSIONS.items()})
    assert (bottom.quality, bottom.semantic, bottom.total) == pytest.approx((0.0, 0.0, 0.0))


def test_what_one_dimension_weighs():
    """0.8 / 6.5 of the total for a quality dimension of full weight, half of it for dynamic degree, 0.2 / 9 else."""
    for name, dimension in DIMENSIONS.items():
        without = vbench_score({**TOP, name: dimension.low}).total
        share = 0.8 * dimension.weight / 6.5 if dimension.group == "quality" else 0.2 / 9
        assert without == pytest.approx(1 - share), name


def test_worked_by_hand():
    values = {**TOP, "subject_consistency": 0.9, "dynamic_degree": 0.4, "scene": 0.5}
    quality = ((0.9 - 0.1462) / (1 - 0.1462) + 0.5 * 0.4 + 5) / 6.5
    semantic = (0.5 / 0.8222 + 8) / 9
    score = vbench_score(values)
    assert (score.quality, score.semantic) == pytest.approx((quality, semantic))
    assert score.total == pytest.approx((4 * quality + semantic) / 5)


@pytest.mark.parametrize("name", ["subject_consistency", "temporal_style"])
def test_an_absent_dimension_is_never_a_zero(name):
    score = vbench_score({key: value for key, value in TOP.items() if key != name})
    assert score.absent == (name,)
    assert score.total is None
    assert (score.quality is None) == (DIMENSIONS[name].group == "quality")
    assert (score.semantic is None) == (DIMENSIONS[name].group == "semantic")
    assert name not in score.normalised


def test_the_order_of_dimensions_is_nothing():
    assert vbench_score(dict(reversed(TOP.items()))) == vbench_score(TOP)


def test_bad_values():
    with pytest.raises(UsageError, match="VBench has no dimension 'colour'"):
        vbench_score({"colour": 0.5})
    with pytest.raises(UsageError, match=r"imaging_quality must be a mean on \[0, 1\], got 65\.3"):
        vbench_score({"imaging_quality": 65.3})


def test_files(tmp_path, stepbench):
    theirs = tmp_path / "results_eval_results.json"
    theirs.write_text(json.dumps({"dynamic degree": [0.5, [{"video_path": "a.mp4", "video_results": True}]]}))
    assert read_values(theirs) == {"dynamic_degree": 0.5}
    result = stepbench("metrics", "vbench", theirs)
    assert result.code == 3
    assert "total: absent" in result.out
    assert "15 dimensions are absent, none of which counts as 0" in result.err
    whole = tmp_path / "whole.json"
    whole.write_text(json.dumps(TOP))
    result = stepbench("metrics", "vbench", whole, "--json")
    assert result.code == 0
    assert result.records()[0]["total"] == pytest.approx(1.0)
    whole.write_text("[1]")
    with pytest.raises(UsageError, match="is no run and no JSON object of dimension values"):
        read_values(whole)


def test_a_run(stepbench):
    stepbench("run", "-M", "world:exact", "-t", "moving-shapes", "-L", "2", "--run-id", "r", "-m", "flicker")
    assert stepbench("metrics", "vbench", "runs/r").code == 5


def test_of_two_profiles_only_that_of_vbench_counts(stepbench, workplace):
    stepbench("run", "-M", "world:exact", "-t", "moving-shapes", "-L", "2", "--run-id", "r", "-m", "dynamic_degree")
    path = workplace / "runs" / "r" / "summary.json"
    summary = json.loads(path.read_text(encoding="utf-8"))
    (dynamic,) = summary["metrics"]

    def read(*rows: tuple[str, str]) -> set[str]:
        others = [{**dynamic, "metric": name, "metric_id": f"{name}@1:0123456789ab:{policy}"} for name, policy in rows]
        path.write_text(json.dumps({**summary, "metrics": [dynamic, *others]}), encoding="utf-8")
        return set(read_values(path.parent)) - {"dynamic_degree"}

    strict, theirs = "all-short224-bilinear", "all-short224-bilinear-vbench"
    assert read(("subject_consistency", strict), ("background_consistency", strict)) == set()
    assert read(("subject_consistency", theirs)) == {"subject_consistency"}
    assert read(("vbench_subject_consistency", theirs)) == {"subject_consistency"}
    assert read(("vbench_background_consistency", theirs)) == {"background_consistency"}
    assert read(("aesthetic_quality", theirs), ("subject_consistency", strict)) == {"aesthetic_quality"}


def test_of_two_flows_vbench_s_own_counts(stepbench, workplace):
    stepbench("run", "-M", "world:exact", "-t", "moving-shapes", "-L", "2", "--run-id", "r", "-m", "dynamic_degree")
    path = workplace / "runs" / "r" / "summary.json"
    summary = json.loads(path.read_text(encoding="utf-8"))
    (dis,) = summary["metrics"]
    raft = {**dis, "metric_id": "dynamic_degree@1:0123456789ab:8fps-native-raft20", "mean": 0.25}
    for rows in ([dis, raft], [raft, dis]):
        path.write_text(json.dumps({**summary, "metrics": rows}), encoding="utf-8")
        assert read_values(path.parent) == {"dynamic_degree": 0.25}
