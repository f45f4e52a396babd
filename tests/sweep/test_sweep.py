"""Sweeps: which points, that each is an ordinary run, and what is said about them together."""

from __future__ import annotations

import json
import signal
from xml.etree import ElementTree

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import stepbench as sb
from stepbench.errors import UsageError
from stepbench.stats import holm, paired_difference
from stepbench.suites import load_suite
from stepbench.sweep.analysis import analyse, pareto_set
from stepbench.sweep.grid import grid_points, labels_of, parse_axes, random_points
from stepbench.sweep.run import run_sweep

TOY = '''
import time
import numpy as np

def make(prompt, seed, guidance=3.0, steps=10, style="plain", slow=0.0):
    """Noise that steps and guidance decide, and that a text decides a little."""
    if guidance == 666:
        raise RuntimeError("diverged")
    time.sleep(slow)
    rng = np.random.default_rng([seed, *prompt.encode()])
    scale = 40 / steps + abs(guidance - 5) + rng.random()
    frames = 128 + rng.normal(size=(4, 3, 16, 16)) * scale
    return np.clip(frames, 0, 255).astype(np.uint8)
'''
TEXTS = [f"text {number}" for number in range(10)]


@pytest.fixture
def toy(workplace, monkeypatch):
    (workplace / "sweep_toy.py").write_text(TOY)
    monkeypatch.syspath_prepend(str(workplace))
    monkeypatch.setenv("PYTHONPATH", str(workplace), prepend=":")
    return "python:sweep_toy:make"


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("3,5,9", [3, 5, 9]),
        ("1e-3, 0.5", [0.001, 0.5]),
        ("true,false", [True, False]),
        ("null,1", [None, 1]),
        ("t2v,turbo", ["t2v", "turbo"]),
        ("t2v, 3", ["t2v", 3]),
        ('"a, b","c"', ["a, b", "c"]),
        ("[1,2],[3]", [[1, 2], [3]]),
        ("10", [10]),
        ("NaN,1", ["NaN", 1]),
        ("a=b,c", ["a=b", "c"]),
    ],
)
def test_values_are_json_or_what_run_would_read(text, values):
    assert parse_axes([f"key={text}"]) == {"key": values}


@pytest.mark.parametrize(
    ("assignments", "message"),
    [
        ([], "a sweep needs a setting"),
        (["steps"], "must be KEY=VALUE,VALUE, got 'steps'"),
        (["=3"], "must be KEY=VALUE,VALUE"),
        (["steps="], "must be KEY=VALUE,VALUE"),
        (["steps=1", "steps=2"], "'steps' is given twice"),
        (["steps=1,1"], "has the value 1 twice"),
        (["steps=1,,2"], "cannot read the values of 'steps': ''"),
        (['text="a, b",plain'], "cannot read the values of 'text'"),
    ],
)
def test_values_that_cannot_be_read_are_refused(assignments, message):
    with pytest.raises(UsageError, match=message):
        parse_axes(assignments)


def test_a_grid_is_every_combination_and_has_a_limit():
    axes = {"guidance": [3, 5], "steps": [10, 25, 50], "style": ["plain"]}
    points = grid_points(axes)
    assert len(points) == 6
    assert points[1] == {"guidance": 3, "steps": 25, "style": "plain"}
    assert labels_of(points)[1] == "guidance=3 steps=25"
    assert labels_of(points[:1]) == ["guidance=3 steps=10 style=plain"]
    with pytest.raises(UsageError, match="the grid has 1000000 points"):
        grid_points({name: list(range(100)) for name in "abc"})


@given(count=st.integers(1, 12), seed=st.integers(0, 100))
def test_random_points_are_different_and_more_of_them_begin_alike(count, seed):
    axes = {"a": [1, 2, 3], "b": [1, 2, 3, 4]}
    points = random_points(axes, count, np.random.default_rng(seed))
    assert points == random_points(axes, 12, np.random.default_rng(seed))[:count]
    assert len({tuple(point.values()) for point in points}) == count


@pytest.mark.parametrize("count", [0, 13])
def test_more_random_points_than_there_are_cannot_be_had(count):
    with pytest.raises(UsageError, match="--random must be from 1 to the 12 points"):
        random_points({"a": [1, 2, 3], "b": [1, 2, 3, 4]}, count, np.random.default_rng(0))


@given(st.lists(st.tuples(st.integers(0, 4), st.integers(0, 4)), min_size=1, max_size=8))
def test_the_pareto_set_is_what_its_definition_says(points):
    quality, seconds = (np.array(side, dtype=float) for side in zip(*points, strict=True))
    expected = [not any((q >= a and s <= b) and (q > a or s < b) for q, s in points) for a, b in points]
    assert pareto_set(quality, seconds).tolist() == expected
    assert any(expected)


def sweep(toy, suite, points, **options):
    selection = {"seeds": [0]}
    return run_sweep(
        toy, load_suite(suite), points, metrics=["flicker"], selection=selection, say=lambda _: None, **options
    )


@pytest.fixture
def swept(toy, make_suite):
    return sweep(toy, make_suite(*TEXTS), grid_points({"guidance": [3, 5, 5.001], "steps": [5, 80]}))


def test_every_point_is_the_run_that_run_would_make(swept, toy):
    (flicker,) = swept.metrics
    assert [point.status for point in swept.points] == ["complete"] * 6
    point = swept.points[3]
    run = sb.run(toy, "mini", metrics=["flicker"], settings=point.settings)
    assert run.name == point.run_id
    rows = run.summary().set_index("metric")
    assert flicker.rows[3]["quality"]["mean"] == pytest.approx(rows.loc["flicker", "mean"])
    assert flicker.rows[3]["quality"]["low"] == pytest.approx(rows.loc["flicker", "low"])
    assert flicker.rows[3]["seconds"]["mean"] == pytest.approx(run.samples()["seconds_total"].mean())


def test_points_are_held_against_the_best_as_compare_does(swept):
    (flicker,) = swept.metrics
    best = min(flicker.rows, key=lambda row: row["quality"]["mean"])
    assert (best["verdict"], best["difference"]) == ("best", None)
    values = {row["point"]: sb.open_run(f"runs/{row['run']}").scores()["value"].to_numpy() for row in flicker.rows}
    others = [row for row in flicker.rows if row is not best]
    found = [
        paired_difference(values[best["point"]], values[row["point"]], rng=np.random.default_rng(0)) for row in others
    ]
    # Ten prompts: all 1024 sign flips are enumerated, so p does not depend on the generator.
    assert [row["p_adjusted"] for row in others] == pytest.approx(holm([one.p for one in found]).tolist())
    assert [row["difference"]["high"] for row in others] == pytest.approx([one.high for one in found])
    verdicts = {row["point"]: row["verdict"] for row in flicker.rows}
    assert verdicts["guidance=3 steps=5"] == "worse"


def set_seconds(run, of_prompt):
    file = run.folder / "samples.jsonl"
    rows = [json.loads(line) for line in file.read_text().splitlines()]
    for number, row in enumerate(rows):
        row["seconds"] = {"generate": of_prompt(number), "total": of_prompt(number)}
    file.write_text("".join(json.dumps(row) + "\n" for row in rows))


def analysed(swept, seconds):
    """The analysis with known seconds: point -> prompt number -> seconds."""
    points = []
    for row in swept.metrics[0].rows:
        run = sb.open_run(f"runs/{row['run']}")
        set_seconds(run, lambda number, point=row["point"]: seconds(point, number))
        points.append((row["point"], sb.open_run(run.folder)))
    return {row["point"]: row for row in analyse(points)[0][0].rows}


def test_clear_cases_are_in_the_pareto_set_always_or_never(swept):
    best = next(row["point"] for row in swept.metrics[0].rows if row["verdict"] == "best")
    found = analysed(
        swept, lambda point, number: 9.0 if point == best else 5.0 if point == "guidance=3 steps=5" else 1.0
    )
    assert (found[best]["pareto"], found[best]["pareto_probability"] > 0.4) == (True, True)
    assert (found["guidance=3 steps=5"]["pareto"], found["guidance=3 steps=5"]["pareto_probability"]) == (False, 0)


def test_a_tie_in_time_is_in_the_pareto_set_half_of_the_time(swept):
    """Two points whose seconds differ by chance: the worse one is in the set where the resample finds it faster."""
    noise = np.random.default_rng(1).normal(size=10)
    noise -= noise.mean()
    slow = {"guidance=5 steps=80", "guidance=5.001 steps=80", "guidance=3 steps=5"}
    found = analysed(
        swept,
        lambda point, number: 50.0 if point in slow else 5 + noise[number] * (point == "guidance=3 steps=80"),
    )
    # guidance=5 steps=5 and guidance=3 steps=80: equal mean seconds, and one has less flicker.
    fast = [
        found[name]["pareto_probability"]
        for name in ("guidance=5 steps=5", "guidance=5.001 steps=5", "guidance=3 steps=80")
    ]
    assert min(fast) < 0.65
    assert max(fast) > 0.95


def test_the_fastest_of_equally_good_points_is_the_best(toy, make_suite):
    found = sweep(toy, make_suite(*TEXTS), [{"style": "a", "slow": 0.03}, {"style": "b"}, {"style": "c", "slow": 0.03}])
    rows = {row["point"]: row for row in found.metrics[0].rows}
    assert [row["verdict"] for row in rows.values()] == ["not separable", "best", "not separable"]
    assert [row["pareto"] for row in rows.values()] == [False, True, False]


def test_a_failed_point_stops_no_other_one(toy, make_suite, stepbench):
    suite = make_suite(*TEXTS)
    ended = stepbench("sweep", "-M", toy, "-t", suite, "--set", "guidance=666,5,3", "-m", "flicker", "--json")
    assert ended.code == 3
    assert {record["point"] for record in ended.records()} == {"guidance=5", "guidance=3"}
    assert "guidance=666: no clip" in ended.err
    assert "guidance=666: incomplete: stepbench show" in ended.err
    record = json.loads(next((suite.parent / "runs").glob("sweep-*/sweep.json")).read_text())
    assert [point["status"] for point in record["points"]] == ["incomplete", "complete", "complete"]
    assert record["status"] == "incomplete"


def test_a_point_whose_run_cannot_be_made_is_told_and_the_others_are_made(toy, make_suite):
    suite = make_suite(*TEXTS)
    planned = sweep(toy, suite, [{"steps": 5}, {"steps": 80}])
    folder = planned.folder.parent / planned.points[0].run_id
    (folder / "run.json").write_text("{}")
    found = sweep(toy, suite, [{"steps": 5}, {"steps": 80}])
    assert [point.status for point in found.points] == ["failed", "complete"]
    assert "schema None" in found.points[0].error
    assert len(found.metrics[0].rows) == 1


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--set", "guidnce=3,5"], "has no setting 'guidnce'\n  hint: did you mean guidance"),
        (["--set", "guidance=3,5", "-m", "flickr"], "did you mean"),
        (["--set", "guidance=3,5", "--random", "9"], "--random must be from 1 to the 2 points"),
        (["--set", "guidance=3,5", "--seed", "-1"], "a seed must be 0 or more"),
    ],
)
def test_what_cannot_work_is_refused_before_anything_is_made(toy, make_suite, stepbench, workplace, arguments, message):
    ended = stepbench("sweep", "-M", toy, "-t", make_suite(*TEXTS), *arguments)
    assert (ended.code, message in ended.err) == (2, True), ended.err
    assert not (workplace / "runs").exists()


def test_two_points_that_make_the_same_clips_are_refused(make_suite, stepbench):
    ended = stepbench("sweep", "-M", "step-video:tiny", "-t", make_suite("a"), "--set", "guidance=3,3.0")
    assert (ended.code, "guidance=3.0 and guidance=3 make the same clips" in ended.err) == (2, True)


def test_a_dry_run_names_the_runs_and_makes_nothing(toy, make_suite, stepbench, workplace):
    suite = make_suite(*TEXTS)
    command = ("sweep", "-M", toy, "-t", suite, "--set", "guidance=3,5,9", "--random", "2", "-m", "flicker")
    rows = stepbench(*command, "--dry-run", "--json").records()
    assert [row["samples"] for row in rows] == [10, 10]
    assert not (workplace / "runs").exists()
    assert stepbench(*command).code == 0
    made = {path.parent.name for path in (workplace / "runs").glob("*/run.json")}
    assert made == {row["run_id"] for row in rows}
    assert all(row["begun"] for row in stepbench(*command, "--dry-run", "--json").records())


def test_killed_half_way_the_same_command_goes_on(toy, make_suite, start, stepbench, workplace):
    suite = make_suite(*TEXTS)
    command = ("sweep", "-M", toy, "-t", suite, "--set", "steps=5,80", "--set", "slow=0.05", "-m", "flicker")
    runs = workplace / "runs"
    at_work = start(*command, PYTHONPATH=str(workplace))

    def second_point_begun():
        return len(list(runs.glob("*/run.json"))) == 2 and len(list(runs.glob("*/clips/*.mkv"))) > 11

    assert at_work.wait_until(second_point_begun)
    at_work.signal(signal.SIGKILL)
    made = {path: path.stat().st_mtime_ns for path in runs.glob("*/clips/*.mkv")}
    assert json.loads(next(runs.glob("sweep-*/sweep.json")).read_text())["status"] == "running"
    assert 11 < len(made) < 20
    assert stepbench(*command).code == 0
    assert len(list(runs.glob("*/run.json"))) == 2
    journals = [path.read_text().splitlines() for path in runs.glob("*/samples.jsonl")]
    attempts = [json.loads(line)["attempt"] for lines in journals for line in lines]
    assert attempts == [1] * 20
    untouched = [path for path, changed in made.items() if path.stat().st_mtime_ns == changed]
    assert len(untouched) >= 10


def test_the_plot_is_whole_and_shows_every_point(swept):
    picture = ElementTree.parse(swept.folder / "flicker.svg").getroot()
    tag = "{http://www.w3.org/2000/svg}"
    width, height = float(picture.get("width", 0)), float(picture.get("height", 0))
    circles = picture.findall(f"{tag}circle")
    assert len(circles) == 6
    assert all(0 < float(one.get("cx", -1)) < width and 0 < float(one.get("cy", -1)) < height for one in circles)
    texts = [one.text or "" for one in picture.iter(f"{tag}text")]
    assert all(any(row["point"] in text for text in texts) for row in swept.metrics[0].rows)
    # Quality goes up the page and time to the right.
    rows = swept.metrics[0].rows
    x, y = ([float(one.get(name, 0)) for one in circles] for name in ("cx", "cy"))
    assert np.argsort(x).tolist() == np.argsort([row["seconds"]["mean"] for row in rows]).tolist()
    assert np.argsort(y).tolist() == np.argsort([-row["quality"]["mean"] for row in rows]).tolist()


def test_too_few_prompts_for_so_many_points_is_said(toy, make_suite):
    found = sweep(toy, make_suite("one", "two", "three"), grid_points({"guidance": [3, 5, 9]}))
    assert "3 prompts cannot separate 3 points; it takes 7 or more" in found.left_out
    assert {row["verdict"] for row in found.metrics[0].rows} == {"best", "not separable"}


def test_metrics_without_a_direction_or_values_per_prompt_are_left_out_with_a_word(toy, make_suite):
    selection = {"seeds": [0]}
    found = run_sweep(
        toy,
        load_suite(make_suite(*TEXTS)),
        [{"steps": 5}, {"steps": 9}],
        metrics=["motion_magnitude", "flicker"],
        selection=selection,
        say=lambda _: None,
    )
    assert [one.metric for one in found.metrics] == ["flicker"]
    assert "motion_magnitude: neither direction is better" in found.left_out


def test_nothing_to_analyse_is_said():
    assert analyse([]) == ([], ["no point has a run"])
