"""A plan takes the same prompt and seed of two runs, shows clips blindly, and makes gold pairs anyone would see."""

from __future__ import annotations

import json
import shutil
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from toy_runs import toy_run, toy_suite

from stepbench.errors import NotComparableError, NothingSelectedError, UsageError
from stepbench.preferences import Study
from stepbench.preferences.agreement_table import agreement_table
from stepbench.preferences.errors import StudyError
from stepbench.preferences.gold import DAMAGES, VISIBLE
from stepbench.preferences.metric_taste import metric_utilities
from stepbench.preferences.monitor import win_rates
from stepbench.preferences.plan import plan_study
from stepbench.preferences.protocol import load_protocol
from stepbench.preferences.ratings.study_ratings import rate_study
from stepbench.preferences.simulate import Population, simulate_votes
from stepbench.runs.run import Run, open_run
from stepbench.video import read_clip


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Run]:
    root = tmp_path_factory.mktemp("runs")
    names = ("north", "south", "east")
    made = {name: toy_run(root, name, seeds=(0, 1), refused=["p3"] if name == "east" else []) for name in names}
    made["again"] = toy_run(root, "again", generator="toy:north", salt="changed")
    made["other"] = toy_run(root, "other", suite=toy_suite(text="another toy"))
    for name in ("twin-1", "twin-2"):
        made[name] = toy_run(root, name, salt="twins")
    return made


@pytest.fixture
def study(tmp_path: Path) -> Study:
    return Study.create(tmp_path / "study", protocol=_protocol(tmp_path), seed=3)


def _protocol(folder: Path, **changes: str) -> Path:
    file = folder / "own.toml"
    text = load_protocol("pairwise")[1].replace("gold_share = 0.08", "gold_share = 0.4")
    file.write_text(text.replace("repeat_share = 0.05", "repeat_share = 0.2"), encoding="utf-8")
    return file


def test_all_pairs_of_all_runs_with_everything_that_a_protocol_wants(study: Study, runs: dict[str, Run]) -> None:
    report = plan_study(study, [runs["north"], runs["south"], runs["east"]], target_votes=2)
    # 6 prompts, 2 seeds, 3 couples; east refused one prompt, with both others.
    assert report.real == 36 - 4
    assert report.left_out == {"not made by both (failed, refused or not yet tried)": 4}
    assert (report.gold, report.repeats, report.calibration) == (13, 6, 4)
    pairs = study.pairs()
    real = pairs[pairs.kind == "real"]
    assert (real.seed_1 == real.seed_2).all()
    assert set(real.model_1) | set(real.model_2) == {"toy:north", "toy:south", "toy:east"}
    assert (real.frames_1 == 8).all()
    assert (real.fps_2 == 8.0).all()
    assert sorted(real.target_votes.unique()) == [2, 3], "a fifth has the three votes that agreement needs"
    assert (real.target_votes == 3).sum() == 7
    samples = {name: runs[name].samples().set_index("sample_key") for name in ("north", "south", "east")}
    for row in real.itertuples():
        for side in ("1", "2"):
            sample = samples[getattr(row, f"run_{side}")].loc[getattr(row, f"sample_key_{side}")]
            assert (sample.prompt_id, sample.text) == (row.prompt_id, row.text)
            assert sample.clip_sha256 == getattr(row, f"clip_sha256_{side}")
    assert study.events().kind.tolist() == ["plan"]


def test_nothing_shown_names_a_model(study: Study, runs: dict[str, Run]) -> None:
    plan_study(study, [runs["north"], runs["south"]])
    seen = []
    while (assignment := study.next_pair("ann")) is not None:
        seen.append(repr(assignment))
        study.vote(assignment, "a")
    assert not [word for text in seen for word in ("north", "south", "toy:") if word in text]
    assert study.folder is not None
    files = list((study.folder / "clips").iterdir())
    assert files
    for file in files:
        assert not [word for word in (b"north", b"south") if word in file.read_bytes()]
    shown = {study.pairs()[f"clip_{side}"][row] for side in "12" for row in range(len(study.pairs()))}
    assert shown == {f"clips/{file.name}" for file in files}, "every clip is there, and no other"


def test_gold_pairs_are_visibly_damaged_and_the_good_clip_is_expected(study: Study, runs: dict[str, Run]) -> None:
    plan_study(study, [runs["north"], runs["south"]])
    pairs = study.pairs()
    known = pairs[pairs.kind.isin(("gold", "calibration"))]
    assert set(known.note) >= {"shuffled", "low-bitrate", "wrong-prompt"}
    assert set(known.expected) == {"1", "2"}
    clean = set(pairs[pairs.kind == "real"].clip_1) | set(pairs[pairs.kind == "real"].clip_2)
    for row in known.itertuples():
        good, worse = (getattr(row, f"clip_{side}") for side in (row.expected, "21"[int(row.expected) - 1]))
        assert good in clean
        frames = [read_clip(study.clip_path(name)).frames.astype(int) for name in (good, worse)]  # type: ignore[arg-type]
        assert np.abs(frames[0] - frames[1]).mean() > VISIBLE / 2
        assert (worse in clean) == (row.note == "wrong-prompt")
        assert row.note in DAMAGES


def test_balanced_plans_grow_without_doubling(study: Study, runs: dict[str, Run]) -> None:
    three = [runs["north"], runs["south"], runs["east"]]
    assert plan_study(study, three, pairs=12).real == 12
    pairs = study.pairs().query("kind == 'real'")
    assert set(Counter(pairs.prompt_id).values()) == {2}
    couples = Counter(tuple(sorted(couple)) for couple in zip(pairs.model_1, pairs.model_2, strict=True))
    assert max(couples.values()) - min(couples.values()) <= 1
    report = plan_study(study, three)
    assert report.real == 20
    assert report.calibration == 0, "the calibration round is there already"
    assert study.pairs().pair_id.is_unique
    with pytest.raises(NothingSelectedError, match="all 32 pairs of these runs are planned already"):
        plan_study(study, three)


def test_active_plans_store_their_chances(study: Study, runs: dict[str, Run]) -> None:
    three = [runs["north"], runs["south"], runs["east"]]
    plan_study(study, three, pairs=6)
    while (assignment := study.next_pair("ann")) is not None:
        study.vote(assignment, "a" if study.left_clip(assignment) == "1" else "b")
    plan_study(study, three, pairing="active", pairs=8)
    added = study.pairs().query("kind == 'real'").iloc[6:]
    assert len(added) == 8
    assert added.propensity.between(0.2 / 32, 0.999).all()
    with pytest.raises(UsageError, match="active pairing needs a number"):
        plan_study(study, three, pairing="active")
    with pytest.raises(UsageError, match="pairing must be one of all, balanced, active, seeds, got"):
        plan_study(study, three, pairing="random")  # type: ignore[arg-type]
    with pytest.raises(UsageError, match="pairing all takes every pair"):
        plan_study(study, three, pairing="all", pairs=3)


def test_a_study_for_a_gate_takes_no_active_pairs(tmp_path: Path, runs: dict[str, Run]) -> None:
    gate = Study.create(tmp_path / "gate", purpose="gate")
    with pytest.raises(UsageError, match="may not be chosen by the votes so far"):
        plan_study(gate, [runs["north"], runs["south"]], pairing="active", pairs=2)
    likert = Study.create(tmp_path / "likert", protocol="likert")
    with pytest.raises(UsageError, match="protocol likert asks for no winner"):
        plan_study(likert, [runs["north"], runs["south"]], pairing="active", pairs=2)


def test_runs_that_cannot_be_judged_side_by_side(study: Study, runs: dict[str, Run]) -> None:
    with pytest.raises(NotComparableError, match=r"(?s)side by side.*suite hash.*text sent for prompt p0"):
        plan_study(study, [runs["north"], runs["other"]])
    with pytest.raises(NothingSelectedError, match="the words sent differ"):
        plan_study(study, [runs["again"], runs["other"]], allow_incomparable="a trial")
    with pytest.raises(UsageError, match="need a reason, got a blank one"):
        plan_study(study, [runs["north"], runs["south"]], allow_incomparable=" ")
    with pytest.raises(UsageError, match="two or more different runs, got north"):
        plan_study(study, [runs["north"]])
    with pytest.raises(NothingSelectedError, match="6: both clips are the same"):
        plan_study(study, [runs["twin-1"], runs["twin-2"]])


def test_runs_of_one_generator_are_told_apart_by_their_ids(study: Study, runs: dict[str, Run]) -> None:
    plan_study(study, [runs["north"], runs["south"]], pairs=2)
    plan_study(study, [runs["again"], runs["north"]], pairs=2)
    real = study.pairs().query("kind == 'real'")
    assert set(real.model_1) | set(real.model_2) == {"toy:north", "toy:south", "again"}


def test_a_clip_that_is_gone_is_left_out(study: Study, tmp_path: Path) -> None:
    one, two = toy_run(tmp_path, "one"), toy_run(tmp_path, "two")
    for name in one.samples().loc[0, ["clip", "preview"]]:
        (one.folder / name).unlink()
    report = plan_study(study, [open_run(one.folder), two])
    assert (report.real, report.left_out) == (5, {"the clip's file is missing": 1})


def test_a_study_needs_a_folder_for_its_clips(runs: dict[str, Run]) -> None:
    with pytest.raises(StudyError, match="needs a folder for its clips"):
        plan_study(Study.create("sqlite://"), [runs["north"], runs["south"]])


def test_scores_of_runs_become_a_taste(study: Study, runs: dict[str, Run], tmp_path: Path) -> None:
    plan_study(study, [runs["north"], runs["south"]], pairs=4)
    both = [runs["north"], runs["south"]]
    with pytest.raises(UsageError, match="run north has no metric 'shine'"):
        metric_utilities(study, both, "shine")
    for direction, best in (("lower", "south"), ("higher", "north")):
        scored = [_scored(run, tmp_path / direction, direction, best="north") for run in both]
        liked = metric_utilities(study, scored, "shine", sharpness=2.0)
        for row in study.pairs().query("kind == 'real'").itertuples():
            first = liked[row.pair_id, "1"] - liked[row.pair_id, "2"]
            # Scores are 1 and 0, half of each: one is two standard deviations above the other.
            assert first == pytest.approx(4.0 if row.run_1 == best else -4.0)
    with pytest.raises(UsageError, match="does not say which of two scores is better"):
        metric_utilities(study, [_scored(run, tmp_path / "neutral", "neutral", best="") for run in both], "shine")
    with pytest.raises(NothingSelectedError, match=r"its clip of run (north|south) has no shine score"):
        metric_utilities(study, scored[:1], "shine")
    mixed = [scored[0], _scored(runs["south"], tmp_path / "mixed", "higher", best="", version=2)]
    with pytest.raises(UsageError, match="unequal ids, so its scores cannot be compared"):
        metric_utilities(study, mixed, "shine")


def _scored(run: Run, root: Path, direction: str, *, best: str, version: int = 1) -> Run:
    """A copy of a run in which a metric scores 1 if the run is the best one, else 0."""
    folder = Path(shutil.copytree(run.folder, root / run.name))
    info = json.loads((folder / "run.json").read_text(encoding="utf-8"))
    metric_id = f"shine@{version}:native"
    info["metric_cards"][metric_id] = {"id": metric_id, "name": "shine", "direction": direction, "level": "clip"}
    (folder / "run.json").write_text(json.dumps(info), encoding="utf-8")
    (folder / "scores").mkdir(exist_ok=True)
    rows = [
        {"sample_key": row.sample_key, "metric_id": metric_id, "clip_sha256": row.clip_sha256, "n": 1}
        | {"value": float(run.name == best), "status": "ok", "error": None}
        for row in run.samples().itertuples()
    ]
    text = "".join(json.dumps(row) + "\n" for row in rows)
    (folder / "scores" / f"{metric_id}.jsonl").write_text(text, encoding="utf-8")
    return open_run(folder)


def test_two_seeds_of_one_run(study: Study, runs: dict[str, Run]) -> None:
    report = plan_study(study, [runs["north"]], pairing="seeds")
    assert (report.real, report.models) == (6, ("toy:north",))
    real = study.pairs().query("kind == 'real'")
    assert set(zip(real.seed_1, real.seed_2, strict=True)) == {(0, 1)}
    assert (real.model_1 == real.model_2).all()
    assert (real.clip_1 != real.clip_2).all()
    with pytest.raises(NothingSelectedError, match="all 6 pairs of these runs are planned already"):
        plan_study(study, [runs["north"]], pairing="seeds")
    assert plan_study(study, [runs["north"], runs["south"]], pairing="seeds", pairs=6).models == (
        "toy:north",
        "toy:south",
    )
    simulate_votes(study, Population(annotators=4))
    votes = study.votes()
    assert len(set(votes[votes.kind == "real"].winner)) > 1
    assert win_rates(votes, study.pairs(), study.protocol).empty, "votes between two clips of one model rate no model"
    ratings = rate_study(votes, rng=np.random.default_rng(0))
    assert ratings.comparable
    assert ratings.dimensions[0].problem == "no vote is between two models, so there is nothing to rate"
    alpha = ratings.agreement.iloc[0]
    assert (alpha["coefficient"], alpha["items"]) == ("Krippendorff's alpha", 12)
    told = agreement_table(votes, study.protocol, rng=np.random.default_rng(0)).iloc[0]
    assert told["alpha"] == alpha["value"], "whichever side a clip stood on"


def test_active_pairing_leaves_votes_between_two_seeds_aside(study: Study, runs: dict[str, Run]) -> None:
    plan_study(study, [runs["north"]], pairing="seeds")
    simulate_votes(study, Population(annotators=2))
    assert plan_study(study, [runs["north"], runs["south"]], pairing="active", pairs=4).real == 4


def test_one_seed_has_no_other_to_be_compared_with(study: Study, runs: dict[str, Run]) -> None:
    with pytest.raises(NothingSelectedError, match=r"twin-1 have no pair to judge \(one seed per prompt\)"):
        plan_study(study, [runs["twin-1"]], pairing="seeds")
    with pytest.raises(UsageError, match="compares one or more different runs, got none"):
        plan_study(study, [], pairing="seeds")
