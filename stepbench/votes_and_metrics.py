"""Which metric predicts human votes: the votes of a study held against the scores of the runs they compare."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from stepbench.errors import NothingSelectedError, UsageError
from stepbench.stats.checks import fraction
from stepbench.stats.intervals import mean_interval
from stepbench.stats.multiplicity import benjamini_hochberg
from stepbench.stats.vote_prediction import human_agreement, metric_agreement

if TYPE_CHECKING:
    from stepbench.runs.run import Run

COLUMNS = (
    *("dimension", "metric", "accuracy", "low", "high", "n", "n_pairs", "n_prompts", "chance", "p", "p_adjusted"),
    *("verdict", "decided", "human", "human_low", "human_high", "n_human", "gap", "gap_low", "gap_high"),
    *("threshold", "called_ties", "voted_ties", "best", "metric_id", "direction", "unit"),
)
Table = Any  # a data frame; the stubs of pandas call most of what is done with one below wrong
_OUTCOMES = {"a": 1.0, "b": -1.0, "tie": 0.0}
_SIDE = ("run_a", "run_b", "sample_key_a", "sample_key_b", "clip_sha256_a", "clip_sha256_b")
_NEEDED = (
    *("pair_id", "kind", "dimension", "winner", "rating", "rated_clip", "prompt_id", "pair_group", *_SIDE),
    *("annotator", "simulated", "excluded"),
)


def votes_and_metrics(
    votes: pd.DataFrame,
    runs: Sequence[Run],
    *,
    metrics: Sequence[str] | None = None,
    dimensions: Sequence[str] | None = None,
    level: float = 0.95,
    seed: int = 0,
) -> pd.DataFrame:
    """Pairwise accuracy with ties of each metric on each dimension, beside chance and beside what people reach.

    Real pairs count, by annotators who are not excluded. Ratings of both clips of a pair by one annotator say which
    clip is better, or that they tie. "Both bad" says neither and is left out. The unit of inference is the prompt with
    its translations. A metric for which neither direction is better is read as if higher were.

    Args:
        votes: As `Study.votes()` returns them.
        runs: The runs whose clips were compared, scored.
        metrics: Names or ids; None for all with a score per clip.
        dimensions: Of the votes; None for all.
        level: Coverage of the intervals; a verdict needs an adjusted p of at most 1 - level.
        seed: Of the sign flips; each row draws from its own stream.

    Returns:
        One row per dimension and metric, the most accurate first: accuracy (share of votes predicted) with low and
        high, n (votes), n_pairs, n_prompts, chance (accuracy if its direction were tossed by a coin), p (of its
        direction against a coin) and p_adjusted (Benjamini-Hochberg over the table), verdict, decided (share of the
        votes with a winner whose winner it puts first), human (share of other people's votes on the pair that equal a
        vote) with bounds and n_human (votes with such others), gap (accuracy minus human over these votes) with bounds,
        threshold (largest difference called a tie), called_ties and voted_ties (shares), best (accuracy with the
        threshold that suits these votes most), metric_id, direction, unit. `attrs["notes"]` says what was left out.

    Raises:
        UsageError: For a missing column, an unknown metric or dimension, an impossible level or two runs of one id.
        NothingSelectedError: When no vote compares two scored clips of these runs.
    """
    fraction("level", level)
    missing = [name for name in _NEEDED if name not in votes.columns]
    if missing:
        raise UsageError(f"the votes lack the columns {', '.join(missing)}", hint="pass what Study.votes() returns")
    names = [run.name for run in runs]
    if len(set(names)) < len(names):
        raise UsageError(f"each run counts once, got {', '.join(names)}")
    notes: list[str] = []
    judged = _of_these_runs(_outcomes(_counted(votes, dimensions, notes), notes), runs, notes)
    cards = _cards(runs, metrics)
    scores = pd.concat([_scores(run, cards) for run in runs], ignore_index=True)
    rows = []
    for dimension, block in judged.groupby("dimension", sort=True):
        for metric_id in cards:
            row = _row(
                str(dimension), metric_id, cards[metric_id], _with_differences(block, scores, metric_id), level, seed
            )
            if row:
                rows.append(row)
    if not rows:
        raise NothingSelectedError(
            "no vote compares two clips of these runs that have a score of one metric",
            hint="name every run of the study, and score them: stepbench score RUN -m METRICS",
        )
    table = pd.DataFrame(rows)
    table["p_adjusted"] = benjamini_hochberg(table["p"])
    table["verdict"] = [_verdict(row, 1 - level) for row in table.to_dict(orient="records")]
    table = table.sort_values(["dimension", "accuracy"], ascending=[True, False], kind="stable", ignore_index=True)
    table = table.reindex(columns=list(COLUMNS))
    table.attrs["notes"] = notes
    return table


def _counted(votes: Table, dimensions: Sequence[str] | None, notes: list[str]) -> Table:
    real = votes[(votes["kind"] == "real") & votes["excluded"].isna()]
    known = sorted(set(votes["dimension"]))
    unknown = [name for name in dimensions or () if name not in known]
    if unknown:
        raise UsageError(f"no vote is on dimension {unknown[0]!r}", hint=f"dimensions: {', '.join(known) or 'none'}")
    counted = real if dimensions is None else real[real["dimension"].isin(list(dimensions))]
    left_out = int((votes["kind"] == "real").sum()) - len(real)
    if left_out:
        notes.append(f"{left_out} judgements of excluded annotators are left out")
    simulated = int(counted["simulated"].astype(bool).sum())
    if simulated:
        notes.append(f"{simulated} of {len(counted)} judgements are by SIMULATED annotators")
    return counted


def _outcomes(counted: Table, notes: list[str]) -> Table:
    """Judgements that say which clip is better, with `outcome` 1 (a), -1 (b) or 0 (tie)."""
    both_bad, skipped = (int((counted["winner"] == name).sum()) for name in ("both_bad", "skip"))
    if both_bad + skipped:
        notes.append(f"{both_bad} 'both bad' and {skipped} skipped votes say nothing about which clip is better")
    chosen = counted[counted["winner"].isin(list(_OUTCOMES))]
    chosen = chosen.assign(outcome=chosen["winner"].map(_OUTCOMES).astype(float))
    rated = counted[counted["rating"].notna()]
    judgement = ["dimension", "pair_id", "annotator"]
    first = rated[rated["rated_clip"] == "a"]
    second = rated.loc[rated["rated_clip"] == "b", [*judgement, "rating"]]
    both = first.merge(second, on=judgement, suffixes=("", "_of_b"))
    return pd.concat([chosen, both.assign(outcome=np.sign(both["rating"] - both["rating_of_b"]))], ignore_index=True)


def _of_these_runs(judged: Table, runs: Sequence[Run], notes: list[str]) -> Table:
    """Judgements of clips that the runs still hold, with `unit`, and what other people said in `human`."""
    family, prompt = "family " + judged["pair_group"].astype(str), "prompt " + judged["prompt_id"].astype(str)
    clip_a, clip_b = (
        judged[f"run_{side}"].astype(str) + " " + judged[f"sample_key_{side}"].astype(str) for side in "ab"
    )
    # Everyone's vote seen from the same clip, whichever side it stood on.
    seen = np.where(clip_a <= clip_b, judged["outcome"], -judged["outcome"])
    judged = judged.assign(
        unit=np.where(judged["pair_group"].notna(), family, prompt),
        human=human_agreement(
            seen, judged["dimension"].astype(str) + " " + judged["pair_id"].astype(str), judged["annotator"]
        ),
    )
    holds = set()
    for run in runs:
        samples = run.samples()
        holds |= {(run.name, key, sha) for key, sha in zip(samples["sample_key"], samples["clip_sha256"], strict=True)}
    names = {run.name for run in runs}
    named = judged["run_a"].isin(names) & judged["run_b"].isin(names)
    same = [
        all((row[f"run_{side}"], row[f"sample_key_{side}"], row[f"clip_sha256_{side}"]) in holds for side in "ab")
        for row in judged[list(_SIDE)].to_dict(orient="records")
    ]
    other, changed = int((~named).sum()), int((named & ~np.array(same, dtype=bool)).sum())
    if other:
        notes.append(f"{other} votes compare clips of runs that were not named")
    if changed:
        notes.append(f"{changed} votes are on clips that the runs no longer hold: they were made anew since")
    return judged[same]


def _cards(runs: Sequence[Run], metrics: Sequence[str] | None) -> dict[str, dict[str, Any]]:
    """metric_id -> card of the metrics asked for that score single clips."""
    known = {key: card for run in runs for key, card in run.metric_cards.items() if card["level"] == "clip"}
    for name in metrics or ():
        if not any(name in (key, card["name"]) for key, card in known.items()):
            listed = ", ".join(sorted({card["name"] for card in known.values()})) or "none"
            raise UsageError(f"no run has clip scores of metric {name!r}", hint=f"scored: {listed}")
    return {key: card for key, card in known.items() if metrics is None or {key, card["name"]} & set(metrics)}


def _scores(run: Run, cards: dict[str, dict[str, Any]]) -> Table:
    scores: Table = run.scores()
    usable = scores[(scores["status"] == "ok") & scores["metric_id"].isin(list(cards)) & scores["value"].notna()]
    return usable[["sample_key", "metric_id", "value"]].assign(run=run.name)


def _with_differences(block: Table, scores: Table, metric_id: str) -> Table:
    """The votes whose two clips have a score, with `difference`: score of clip a minus score of clip b."""
    own = scores.loc[scores["metric_id"] == metric_id, ["run", "sample_key", "value"]]
    for side in "ab":
        names = {"run": f"run_{side}", "sample_key": f"sample_key_{side}", "value": f"value_{side}"}
        block = block.merge(own.rename(columns=names), on=[f"run_{side}", f"sample_key_{side}"], validate="m:1")
    return block.assign(difference=block["value_a"] - block["value_b"])


def _row(
    dimension: str, metric_id: str, card: dict[str, Any], block: Table, level: float, seed: int
) -> dict[str, Any] | None:
    if block.empty:
        return None
    # Rows in one order, and a stream of their own: the same votes give the same numbers whatever stands beside them.
    block = block.sort_values(["pair_id", "annotator"], kind="stable")
    stream = hashlib.sha256(f"{metric_id}\n{dimension}".encode()).digest()
    rng = np.random.default_rng([seed, int.from_bytes(stream[:8], "big")])
    sign = -1.0 if card["direction"] == "lower" else 1.0
    found = metric_agreement(sign * block["difference"], block["outcome"], block["unit"], rng=rng, level=level)
    shared = block["human"].notna().to_numpy()
    units, others = block["unit"][shared], block["human"][shared]
    human, gap = (mean_interval(values, units, level) for values in (others, found.correct[shared] - others))
    return {
        "dimension": dimension,
        "metric": card["name"],
        "accuracy": found.accuracy.estimate,
        "low": found.accuracy.low,
        "high": found.accuracy.high,
        "n": found.n_votes,
        "n_pairs": block["pair_id"].nunique(),
        "n_prompts": found.n_prompts,
        "chance": found.chance,
        "p": found.p,
        "decided": found.decided,
        "human": human.estimate,
        "human_low": human.low,
        "human_high": human.high,
        "n_human": human.n,
        "gap": gap.estimate,
        "gap_low": gap.low,
        "gap_high": gap.high,
        "threshold": found.threshold,
        "called_ties": found.called_ties,
        "voted_ties": float((block["outcome"] == 0).mean()),
        "best": found.best,
        "metric_id": metric_id,
        "direction": card["direction"],
        "unit": card["unit"],
    }


def _verdict(row: dict[str, Any], alpha: float) -> str:
    if row["p_adjusted"] > alpha:
        return "no better than chance"
    if row["decided"] < 0.5:
        return "predicts the loser"
    return "predicts votes, below people" if row["gap_high"] < 0 else "predicts votes"
