"""Simulated annotators: labelled, reproducible, and such that the known truth can be found again in their votes."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest
from study_pairs import pair_rows

from stepbench.errors import NothingSelectedError, UsageError
from stepbench.preferences import Study
from stepbench.preferences.agreement_table import agreement_table
from stepbench.preferences.errors import StudyError
from stepbench.preferences.monitor import win_rates
from stepbench.preferences.progress import study_progress, votes_per_hour
from stepbench.preferences.ratings.study_ratings import rate_study
from stepbench.preferences.simulate import Population, scores_as_utilities, simulate_votes
from stepbench.stats import bradley_terry, krippendorff_alpha, win_rate_monitor

Make = Callable[..., Study]
TRUTH = {"alpha": 1.0, "beta": 0.0, "gamma": -1.0}


def test_ratings_of_simulated_votes_cover_the_truth(make_study: Make) -> None:
    study = make_study(90, target_votes=3)
    population = Population(annotators=12, tie_share=0.2, side_bias=0.3, annotator_sd=0.0, prompt_sd=0.0)
    given = simulate_votes(study, population, strengths=TRUTH)
    votes = study.votes()
    assert given == len(votes) == 270
    assert votes.simulated.all()
    assert votes.annotator.str.startswith("sim-").all()
    table = bradley_terry(votes, rng=np.random.default_rng(0)).set_index("model")
    for model, strength in TRUTH.items():
        assert table.low[model] < strength < table.high[model]
    assert table.index.tolist() == ["alpha", "beta", "gamma"]
    assert 0 < table.attrs["side_effect"] < 0.7


def test_equal_clips_tie_as_often_as_was_asked_for(make_study: Make) -> None:
    study = make_study(90, target_votes=2)
    population = Population(annotators=10, tie_share=0.3, annotator_sd=0.0, prompt_sd=0.0)
    simulate_votes(study, population, strengths=dict.fromkeys(TRUTH, 0.0))
    share = (study.votes().winner == "tie").mean()
    assert abs(share - 0.3) < 4 * np.sqrt(0.3 * 0.7 / 180)


def test_the_same_seed_gives_the_same_votes(make_study: Make) -> None:
    def run(seed: int) -> pd.DataFrame:
        study = make_study(12, study_id="same")
        simulate_votes(study, Population(annotators=4, seed=seed))
        return study.votes()[["vote_id", "pair_id", "winner", "model_a"]]

    assert run(1).equals(run(1))
    assert not run(1).equals(run(2))


def test_careless_annotators_are_caught(make_study: Make) -> None:
    rows = pair_rows(60, frames_1=80, fps_1=8.0, frames_2=80, fps_2=8.0)
    rows += [row | {"kind": "gold", "expected": "1", "pair_id": f"g{i}"} for i, row in enumerate(rows[:12])]
    study = make_study(rows, target_votes=4)
    simulate_votes(study, Population(annotators=4, careless=0.5, skip_share=0.05), strengths=TRUTH)
    table = study.quality().set_index("annotator")
    caught = {study.pseudonym(f"simulated-0-{number}") for number in (0, 1)}
    assert set(table.index[table.excluded.notna()]) == caught
    assert table.fast_share[sorted(caught)].eq(1).all()
    assert table.skipped.sum() > 0
    progress = study_progress(study)
    assert (progress.simulated, progress.excluded) == (4, 2)
    assert progress.wanted == 240
    assert progress.standing == progress.standing_simulated == 240 - progress.left
    assert 0 < progress.standing_excluded < progress.standing
    assert progress.skipped == int((study.votes().winner == "skip").sum())


def test_every_protocol_gets_answers_to_all_its_questions(make_study: Make) -> None:
    for protocol in ("step-video", "pairwise", "pairwise-dimensions", "likert"):
        study = make_study(6, protocol=protocol, target_votes=2)
        simulate_votes(study, Population(annotators=2), strengths=TRUTH)
        assert set(study.votes().dimension) == {question.id for question in study.protocol.questions}
    rated = make_study(30, protocol="likert", target_votes=2)
    simulate_votes(rated, Population(annotators=4, annotator_sd=0, prompt_sd=0), strengths=TRUTH)
    votes = rated.votes()
    shown = votes["model_a"].where(votes.rated_clip == "a", votes.model_b)
    means = votes.rating.groupby(shown).mean()
    assert means["alpha"] > means["beta"] > means["gamma"]


def test_what_cannot_be_simulated_is_refused(make_study: Make) -> None:
    study = make_study(6)
    with pytest.raises(UsageError, match="no strength is given for gamma"):
        simulate_votes(study, Population(), strengths={"alpha": 1, "beta": 0})
    with pytest.raises(UsageError, match="6 pairs have no score"):
        simulate_votes(study, Population(), utilities={})
    study.vote(study.next_pair("ann"), "a")
    with pytest.raises(StudyError, match="has 1 judgements of people"):
        simulate_votes(study, Population())


def test_a_study_without_pairs_has_nothing_to_vote_on(make_study: Make) -> None:
    with pytest.raises(NothingSelectedError, match="has no pairs to vote on"):
        simulate_votes(make_study(pairs=None), Population(), utilities=scores_as_utilities({}, 2.0))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"annotators": 0}, "at least 1 annotator, got 0"),
        ({"seed": -1}, "seed must be at least 0"),
        ({"tie_share": 1.0}, "tie_share must be a share from 0 to below 1, got 1"),
        ({"careless": 1.5}, "careless must be a share"),
        ({"prompt_sd": -0.1}, "prompt_sd must be from 0 and finite"),
    ],
)
def test_populations_out_of_range(make_study: Make, change: dict, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        simulate_votes(make_study(3), Population(**change))


def test_scores_become_utilities_in_units_of_their_spread() -> None:
    found = scores_as_utilities({("x", "1"): 10.0, ("x", "2"): 14.0}, sharpness=1.5)
    assert found == {("x", "1"): -1.5, ("x", "2"): 1.5}
    assert scores_as_utilities({("x", "1"): 3.0, ("x", "2"): 3.0}, sharpness=1.5) == {("x", "1"): 0.0, ("x", "2"): 0.0}


def _three(make_study: Make, answers: list[str]) -> Study:
    """Three annotators on the same pairs; each letter says whom all of them choose: 1, 2, or x where they differ."""
    study = make_study(pair_rows(len(answers), models=("m", "n")), target_votes=3)
    rows = study.pairs().pair_id.tolist()
    for number, name in enumerate(("ann", "bob", "cho")):
        while (assignment := study.next_pair(name)) is not None:
            answer = answers[rows.index(assignment.pair_id)]
            clip = answer if answer in "12" else "122"[number]
            study.vote(assignment, "a" if study.left_clip(assignment) == clip else "b")
    return study


def test_agreement_is_krippendorffs_whatever_side_a_clip_stood_on(make_study: Make) -> None:
    rng = np.random.default_rng(0)
    full = agreement_table(_three(make_study, ["1"] * 9).votes(), make_study(1).protocol, rng=rng).iloc[0]
    assert full.alpha == pytest.approx(1.0), "all chose the same model each time: that is agreement"
    study = _three(make_study, ["1", "1", "2", "x", "x", "2"])
    row = agreement_table(study.votes(), study.protocol, rng=rng).iloc[0]
    assert (row.level, row.ratings, row["items"], row.annotators) == ("nominal", 18, 6, 3)
    # Which clip is called 1 is a toss per item, so alpha lies among those of all tosses.
    base = np.array([[1, 1, 2, 1, 1, 2], [1, 1, 2, 2, 2, 2], [1, 1, 2, 2, 2, 2]], dtype=float)
    tosses = [np.array([bool(code >> bit & 1) for bit in range(6)]) for code in range(64)]
    values = {round(krippendorff_alpha(np.where(toss, 3 - base, base), level="nominal"), 9) for toss in tosses}
    assert round(row.alpha, 9) in values
    assert row.low <= row.alpha <= row.high


def test_status_and_rate_tell_the_same_agreement(make_study: Make) -> None:
    study = _three(make_study, ["1", "1", "2", "x", "x", "2"])
    shown = agreement_table(study.votes(), study.protocol, rng=np.random.default_rng(0)).iloc[0]
    rated = rate_study(study.votes(), rng=np.random.default_rng(0), draws=20).agreement.set_index("coefficient")
    alpha = rated.loc["Krippendorff's alpha"]
    assert [alpha["value"], alpha["low"], alpha["high"]] == pytest.approx([shown.alpha, shown.low, shown.high])


def test_status_and_rate_tell_the_same_agreement_of_ratings_of_clips_in_several_pairs(make_study: Make) -> None:
    rows = [
        row | {f"clip_{n}": f"clips/{row['prompt_id']}-{row[f'model_{n}']}.mp4" for n in "12"} for row in pair_rows(12)
    ]
    study = make_study(rows, protocol="step-video", target_votes=3)
    simulate_votes(study, Population(annotators=4, seed=2))
    shown = agreement_table(study.votes(), study.protocol, rng=np.random.default_rng(0)).set_index("dimension")
    rated = rate_study(study.votes(), rng=np.random.default_rng(0), draws=20).agreement
    alphas = rated[rated.coefficient == "Krippendorff's alpha"].set_index("dimension").value
    assert len(alphas) == 5
    assert shown.alpha.to_dict() == pytest.approx(alphas.to_dict())


def test_the_monitor_sees_complete_prompts_in_the_order_of_their_completion(make_study: Make) -> None:
    study = make_study(pair_rows(8, models=("m", "n")), target_votes=2)
    for name in ("ann", "bob"):
        for _ in range(8 if name == "ann" else 5):
            assignment = study.next_pair(name)
            assert assignment is not None
            study.vote(assignment, "a" if study.left_clip(assignment) == "1" else "b")
    row = win_rates(study.votes(), study.pairs(), study.protocol).iloc[0]
    expected = win_rate_monitor(np.ones(5)).iloc[-1]
    assert (row.model_1, row.model_2, row.prompts) == ("m", "n", 5)
    assert (row.win_rate, row.low, row.p) == (1.0, expected.low, expected.p)
    assert not row.decided
    likert = make_study(2, protocol="likert")
    assert win_rates(likert.votes(), likert.pairs(), likert.protocol).empty


def test_breaks_are_not_counted_as_work() -> None:
    assert votes_per_hour([0, 60, 120, 100_000, 100_060]) == pytest.approx(60)
    assert np.isnan(votes_per_hour([5.0]))
