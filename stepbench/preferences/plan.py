"""Plans a study from runs: real pairs, gold pairs, repeats and a calibration round, with clips ready to be shown."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, get_args

import numpy as np

from stepbench.errors import NothingSelectedError, UsageError
from stepbench.preferences.candidates import Candidate, Candidates, find_candidates
from stepbench.preferences.clips import ClipFolder
from stepbench.preferences.gold import known_answers
from stepbench.preferences.pair_table import neutral_id
from stepbench.preferences.pairing import LEAST_EXPLORATION, Chosen, Pairing, choose_active, choose_balanced
from stepbench.preferences.rating_spread import rating_spread
from stepbench.preferences.records import Pair
from stepbench.preferences.study import Study
from stepbench.progress import track
from stepbench.runs.run import Run

PAIR_FACTS = ("run", "seed", "sample_key", "clip_sha256")


@dataclass(frozen=True, kw_only=True)
class PlanReport:
    """What a plan added: pairs by kind, the models, and how many candidates were left out, by reason."""

    real: int
    gold: int
    repeats: int
    calibration: int
    models: tuple[str, ...]
    left_out: dict[str, int]


def plan_study(
    study: Study,
    runs: Sequence[Run],
    *,
    pairing: Pairing = "balanced",
    pairs: int | None = None,
    target_votes: int | None = None,
    exploration: float = LEAST_EXPLORATION,
    allow_incomparable: str | None = None,
) -> PlanReport:
    """Add pairs of these runs to a study. Called again it adds what is not planned yet.

    Args:
        study: With a folder for clips.
        runs: Two or more, on the same prompts; one will do for "seeds".
        pairing: "all" candidates; "balanced": `pairs` of them, each prompt and each two models equally often;
            "active": `pairs` of them, by how much a vote would tell, given the votes so far; "seeds": `pairs` of two
            clips that one run made of a prompt, each prompt and run equally often. Such pairs rate no model; they are
            what Video-DPO learns from (as in the Step-Video-T2V report, arXiv 2502.10248).
        pairs: How many real pairs to add; all that are left when None.
        target_votes: Votes per pair; by default the protocol's.
        exploration: Share of uniform choice in active pairing, at least 0.2.
        allow_incomparable: Why runs on unequal suites or texts are judged side by side all the same.

    Raises:
        NotComparableError: Suite or texts differ.
        NothingSelectedError: There is no pair, or none that is not planned already.
        UsageError: An option out of range, or active pairing in a study made for a gate.
        StudyError: The study has no folder for clips.
        IncompleteError: Clips cannot be saved.
    """
    _check_pairing(study, pairing, pairs)
    if target_votes is not None and target_votes < 1:
        raise UsageError(f"votes per pair must be at least 1, got {target_votes}")
    clips = ClipFolder(study.folder)
    planned = study.pairs().to_dict(orient="records")
    known = {row[f"run_{side}"]: row[f"model_{side}"] for row in planned for side in ("1", "2")}
    found = find_candidates(
        runs, {run: model for run, model in known.items() if run}, allow_incomparable, seeds=pairing == "seeds"
    )
    taken = {row["pair_id"] for row in planned}
    open_ = [one for one in found.pairs if one.pair_id not in taken]
    if not open_:
        raise NothingSelectedError(
            f"all {len(found.pairs)} pairs of these runs are planned already", hint="add another run"
        )
    rng = np.random.default_rng([study.seed, len(planned)])
    chosen = _choose(study, open_, pairing, pairs, exploration, rng)
    wanted = study.protocol.target_votes if target_votes is None else target_votes
    bar = track(chosen, total=len(chosen), description="clips")
    real = [_real(one, clips, number) for number, one in enumerate(bar)]
    real = _with_targets(real, study, wanted, rng)
    repeats = _repeats(real, study, rng)
    samples = _samples(found)
    gold = list(known_answers(samples, round(study.protocol.gold_share * len(real)), "gold", clips, rng))
    missing = study.protocol.calibration - sum(row["kind"] == "calibration" for row in planned)
    calibration = list(known_answers(samples, max(0, missing), "calibration", clips, rng))
    study.add_pairs([*real, *repeats, *gold, *calibration], target_votes=wanted)
    report = PlanReport(
        real=len(real),
        gold=len(gold),
        repeats=len(repeats),
        calibration=len(calibration),
        models=tuple(dict.fromkeys(model for one in found.pairs for model in one.couple)),
        left_out=found.left_out,
    )
    settings = {"pairing": pairing, "exploration": exploration, "allow_incomparable": allow_incomparable}
    study.log("plan", asdict(report) | settings | {"runs": [run.name for run in runs]})
    return report


def _check_pairing(study: Study, pairing: str, pairs: int | None) -> None:
    if pairing not in get_args(Pairing):
        raise UsageError(f"pairing must be one of {', '.join(get_args(Pairing))}, got {pairing!r}")
    if pairing == "all" and pairs is not None:
        raise UsageError("pairing all takes every pair", hint="use --pairing balanced with a number of pairs")
    if pairing == "active" and study.purpose == "gate":
        raise UsageError(
            f"study {study.study_id} decides a gate: its pairs may not be chosen by the votes so far",
            hint="use --pairing balanced, or make a study for ranking",
        )
    if pairing == "active" and pairs is None:
        raise UsageError("active pairing needs a number of pairs", hint="for example --pairs 50, then plan again")


def _choose(
    study: Study,
    candidates: list[Candidate],
    pairing: Pairing,
    count: int | None,
    exploration: float,
    rng: np.random.Generator,
) -> list[Chosen]:
    if pairing != "active":
        return choose_balanced(candidates, count, rng)
    votes: Any = study.votes()
    main = study.protocol.main_question
    if main is None:
        raise UsageError(f"protocol {study.protocol.name} asks for no winner", hint="use --pairing balanced")
    votes = votes[(votes["kind"] == "real") & (votes["dimension"] == main.id) & votes["excluded"].isna()]
    votes = votes[votes["winner"].isin(("a", "b", "tie")) & (votes["model_a"] != votes["model_b"])]
    offered = {model for one in candidates for model in one.couple}
    models = sorted(offered | set(votes["model_a"]) | set(votes["model_b"]))
    covariance, weight = rating_spread(votes, models)
    return choose_active(
        candidates, count, rng, models=models, covariance=covariance, weight=weight, exploration=exploration
    )


def _real(chosen: Chosen, clips: ClipFolder, number: int) -> Pair:
    one = chosen.candidate
    facts: dict[str, Any] = {}
    for side, sample in (("1", one.first), ("2", one.second)):
        shown = clips.publish(sample["file"])
        facts |= {f"{name}_{side}": sample[name] for name in PAIR_FACTS if name != "seed"}
        facts |= {f"model_{side}": sample["model"], f"seed_{side}": int(sample["seed"])}
        facts |= {f"clip_{side}": shown.name, f"frames_{side}": shown.frames, f"fps_{side}": shown.fps}
    return Pair(
        pair_id=one.pair_id,
        prompt_id=one.prompt_id,
        text=one.first["text"],
        language=one.first["language"],
        category=one.first["category"],
        pair_group=one.first["pair_id"],
        propensity=chosen.propensity,
        order=number,
        **facts,
    )


def _with_targets(pairs: list[Pair], study: Study, wanted: int, rng: np.random.Generator) -> list[Pair]:
    """The pairs with their target, a share of them with enough votes to measure agreement."""
    protocol = study.protocol
    more = max(wanted, protocol.overlap_votes)
    overlap = set(rng.permutation(len(pairs))[: int(np.ceil(protocol.overlap_share * len(pairs)))].tolist())
    return [replace(pair, target_votes=more if number in overlap else wanted) for number, pair in enumerate(pairs)]


def _repeats(pairs: list[Pair], study: Study, rng: np.random.Generator) -> list[Pair]:
    count = round(study.protocol.repeat_share * len(pairs))
    return [
        replace(
            pairs[index],
            pair_id=neutral_id("repeat", pairs[index].pair_id),
            kind="repeat",
            repeat_of=pairs[index].pair_id,
        )
        for index in rng.permutation(len(pairs))[:count]
    ]


def _samples(found: Candidates) -> list[dict[str, Any]]:
    """Every clip among the candidates once."""
    samples = {sample["sample_key"]: sample for one in found.pairs for sample in (one.first, one.second)}
    return list(samples.values())
