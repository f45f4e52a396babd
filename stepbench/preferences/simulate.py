"""Simulated annotators, to test a study and to plan its size. Every vote of theirs says that a program gave it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from stepbench.canonical import sha256_json
from stepbench.errors import NothingSelectedError, UsageError
from stepbench.preferences.clock import iso
from stepbench.preferences.errors import StudyError
from stepbench.preferences.records import Assignment
from stepbench.preferences.simulated_taste import Taste, answer_of, taste_of
from stepbench.preferences.study import Study


@dataclass(frozen=True, kw_only=True)
class Population:
    """What the annotators are like. All effects are in log-odds of choosing a clip.

    Attributes:
        annotators: How many.
        seed: Same seed, same study, same answers.
        tie_share: Ties between equal clips, from 0 to below 1; the closer two clips are, the more ties there are.
        side_bias: Advantage of the clip on the left.
        annotator_sd: How far annotators differ in what they like, per two models.
        prompt_sd: How far prompts differ in which model they suit.
        careless: Share of annotators who answer at random and faster than the clips play.
        skip_share: Share of pairs that are skipped.
        gold_advantage: Of the undamaged clip of a gold pair.
    """

    annotators: int = 20
    seed: int = 0
    tie_share: float = 0.15
    side_bias: float = 0.0
    annotator_sd: float = 0.3
    prompt_sd: float = 0.5
    careless: float = 0.0
    skip_share: float = 0.0
    gold_advantage: float = 5.0

    def check(self) -> None:
        """Raise `UsageError` for a number out of range."""
        shares = {"tie_share": self.tie_share, "careless": self.careless, "skip_share": self.skip_share}
        for name, value in shares.items():
            if not 0 <= value <= 1 or (name != "careless" and value == 1):
                raise UsageError(f"{name} must be a share from 0 to below 1, got {value}")
        for name, value in {"annotator_sd": self.annotator_sd, "prompt_sd": self.prompt_sd}.items():
            if not 0 <= value < np.inf:
                raise UsageError(f"{name} must be from 0 and finite, got {value}")
        if not np.isfinite(self.side_bias):
            raise UsageError(f"side_bias must be finite, got {self.side_bias}")
        if self.annotators < 1:
            raise UsageError(f"there must be at least 1 annotator, got {self.annotators}")
        if self.seed < 0:
            raise UsageError(f"seed must be at least 0, got {self.seed}")


def simulate_votes(
    study: Study,
    population: Population,
    *,
    strengths: Mapping[str, float] | None = None,
    utilities: Mapping[tuple[str, str], float] | None = None,
    max_votes: int | None = None,
) -> int:
    """Let simulated annotators vote in turns until nothing is left for them.

    Which of two clips is liked is drawn from the Davidson model: with x the difference of their utilities, a side bias,
    and effects of prompt and annotator, P(left) : P(right) : P(tie) = exp(x / 2) : exp(-x / 2) : t.

    Args:
        study: Without votes of people: theirs and a program's are never mixed.
        population: What the annotators are like.
        strengths: Model -> utility in log-odds; drawn from a normal distribution by seed where neither this nor
            `utilities` is given.
        utilities: (pair id, "1" or "2") -> utility of that clip, such as a metric's score; instead of `strengths`.
        max_votes: Stop after so many votes.

    Returns:
        Number of votes given.

    Raises:
        NothingSelectedError: The study has no pairs.
        StudyError: People have voted in this study.
        UsageError: A number out of range, or a model without a strength.
    """
    population.check()
    if max_votes is not None and max_votes < 1:
        raise UsageError(f"max_votes must be at least 1, got {max_votes}")
    _refuse_people(study)
    pairs = {row["pair_id"]: row for row in study.pairs().to_dict(orient="records")}
    if not pairs:
        raise NothingSelectedError(
            f"study {study.study_id} has no pairs to vote on", hint="plan them: stepbench prefs plan STUDY RUN RUN"
        )
    taste = taste_of(population.seed, pairs, strengths, utilities)
    names = [f"simulated-{population.seed}-{number}" for number in range(population.annotators)]
    for name in names:
        study.register(name, simulated=True)
    careless = set(names[: round(population.careless * len(names))])
    order = np.random.default_rng([population.seed, 1])
    given, active = 0, list(names)
    while active and given != max_votes:
        for name in [active[index] for index in order.permutation(len(active))]:
            assignment = study.next_pair(name)
            if assignment is None:
                active.remove(name)
                continue
            _vote(study, population, taste, pairs[assignment.pair_id], assignment, name, name in careless)
            given += 1
            if given == max_votes:
                break
    study.log("simulate", {"votes": given, "population": vars(population), "by": "metric" if utilities else "strength"})
    return given


def _vote(
    study: Study,
    population: Population,
    taste: Taste,
    pair: Mapping[str, object],
    assignment: Assignment,
    name: str,
    careless: bool,
) -> None:
    digest = sha256_json([study.study_id, name, assignment.pair_id])
    rng = np.random.default_rng([int(digest[i : i + 8], 16) for i in range(0, 64, 8)])
    skipped = study.protocol.skip and rng.random() < population.skip_share
    winner, ratings = answer_of(
        study.protocol, population, taste, pair, study.left_clip(assignment), name, rng, careless=careless
    )
    lengths = [
        frames / fps
        for frames, fps in (
            (assignment.left_frames, assignment.left_fps),
            (assignment.right_frames, assignment.right_fps),
        )
        if frames and fps
    ]
    longest = max(lengths, default=5.0)
    # People look at both and think; the careless do not see the clips to their end.
    seconds = longest * 0.5 if careless else 2 * longest + float(rng.lognormal(1.5, 0.5))
    submitted = study.now()
    study.vote(
        assignment,
        "skip" if skipped else winner,
        ratings=None if skipped else ratings,
        vote_id=f"simulated-{digest[:32]}",
        started_at=iso(submitted - seconds),
        submitted_at=iso(submitted),
        watch_a_s=min(longest, seconds / 2),
        watch_b_s=min(longest, seconds / 2),
    )


def _refuse_people(study: Study) -> None:
    votes: Any = study.votes()
    people = int((~votes["simulated"]).sum())
    if people:
        raise StudyError(
            f"study {study.study_id} has {people} judgements of people; a program's are never mixed with them",
            hint="simulate in a study of its own",
        )


def scores_as_utilities(scores: Mapping[tuple[str, str], float], sharpness: float) -> dict[tuple[str, str], float]:
    """Scores, higher is better, as utilities: centred, in units of their spread, times `sharpness`.

    Two clips that lie one standard deviation of all clips apart differ by `sharpness` log-odds.
    """
    if not scores:
        return {}
    values = np.array(list(scores.values()), dtype=float)
    spread = float(values.std()) or 1.0
    return {key: sharpness * (value - float(values.mean())) / spread for key, value in scores.items()}
