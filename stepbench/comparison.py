"""Which of two runs is better, on what, and how sure that is: paired by prompt and seed, one row per metric.

The unit of inference is the prompt family: seeds are averaged within a prompt, and translations of one prompt
(`pair_id`) are averaged too, because they are not independent. Split by language, that leaves the prompt itself.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import pandas as pd

from stepbench.comparability import FieldDifference, MetricMatch, check_comparable, match_metrics
from stepbench.errors import NothingSelectedError, RunFolderError, UsageError
from stepbench.set_comparison import NotCompared, compare_sets
from stepbench.stats.checks import fraction
from stepbench.stats.intervals import mean_interval
from stepbench.stats.multiplicity import benjamini_hochberg, holm
from stepbench.stats.paired import paired_difference
from stepbench.stats.shrinkage import shrink_means

if TYPE_CHECKING:
    from stepbench.runs.run import Run

Grouping = Literal["category", "language"]

_PROMPT_COLUMNS = ("prompt_id", "text", "language", "category", "seeds", "a", "b", "difference", "metric", "metric_id")


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """Run b against run a. Every difference is **b minus a**.

    Attributes:
        name_a: Run id of a.
        name_b: Run id of b.
        generator_a: Name of the generator of a.
        generator_b: Name of the generator of b.
        level: Coverage of the intervals; a verdict needs an adjusted p of at most 1 - level.
        by: The prompt field that splits the table, or None.
        differences: Fields that make the runs incomparable; empty unless the comparison was forced.
        reason: Why it was forced, else None.
        not_compared: (metric id, why) of each metric that has no row.
    """

    name_a: str
    name_b: str
    generator_a: str
    generator_b: str
    level: float
    by: Grouping | None
    differences: tuple[FieldDifference, ...]
    reason: str | None
    not_compared: tuple[tuple[str, str], ...]
    _rows: pd.DataFrame = field(repr=False)
    _prompts: pd.DataFrame = field(repr=False)

    def table(self) -> pd.DataFrame:
        """One row per metric, or per group and metric when split.

        Columns: the group when split, metric, n (prompt families), mean_a, mean_b, difference (b - a), low, high, p,
        p_adjusted (Holm over the table; Benjamini-Hochberg when split), verdict, metric_id, unit, direction, wins,
        ties, losses (of b by unit, in the better direction; of the higher value where neither is better; all 0 for a
        set metric, whose mean_a and mean_b are its values over the clips that both runs have), detectable_effect (at
        80 % power, without correction), standard_error (of the difference), coverage_a, coverage_b (scored over planned
        samples), and when split shrunk_difference (pulled to the mean over the groups as far as its noise demands). Set
        metrics have no groups.
        """
        return self._rows.copy()

    def prompts(self, metric: str) -> pd.DataFrame:
        """The prompts behind one metric (name or id), the most different first.

        Columns: prompt_id, text, language, category, seeds (pairs averaged), a, b, difference.

        Raises:
            UsageError: For a metric that has no row in the table.
        """
        chosen = self._prompts.loc[(self._prompts["metric"] == metric) | (self._prompts["metric_id"] == metric)]
        if chosen.empty:
            known = ", ".join(dict.fromkeys(self._prompts["metric"]))
            raise UsageError(f"no scores of {metric!r} were compared", hint=f"compared: {known}")
        ordered = chosen.sort_values("difference", key=abs, ascending=False, kind="stable", ignore_index=True)
        return ordered.reindex(columns=list(_PROMPT_COLUMNS[:8]))

    def has_prompts(self, metric: str) -> bool:
        """Whether prompts have values of their own by this metric; those of set metrics have none."""
        return metric in set(self._prompts["metric"])

    def too_few(self) -> str:
        """A sentence where so few prompts could show no difference, however large; else empty."""
        # Benjamini-Hochberg leaves a p as it is where all are equally small.
        return too_few_prompts(max(self._rows["n"]), 1 if self.by else len(self._rows), 1 - self.level)

    def to_json(self) -> dict[str, Any]:
        """Everything but the prompts as JSON values; NaN becomes None."""
        rows = self._rows.astype(object).where(self._rows.notna(), None)
        return {
            "a": {"run": self.name_a, "generator": self.generator_a},
            "b": {"run": self.name_b, "generator": self.generator_b},
            "level": self.level,
            "by": self.by,
            "differences": [{"field": item.field, "a": item.a, "b": item.b} for item in self.differences],
            "reason": self.reason,
            "not_compared": [{"metric_id": metric_id, "why": why} for metric_id, why in self.not_compared],
            "rows": rows.to_dict(orient="records"),
        }


def compare(
    run_a: Run,
    run_b: Run,
    *,
    metrics: Sequence[str] | None = None,
    by: Grouping | None = None,
    level: float = 0.95,
    seed: int = 0,
    allow_incomparable: str | None = None,
) -> Comparison:
    """Compare two runs metric by metric. Only (prompt, seed) pairs that both sides have scored count.

    Args:
        run_a: The reference side.
        run_b: The side whose gain is reported: every difference is b - a.
        metrics: Names or ids; None for all that both runs have.
        by: `category` or `language` for one block per group, corrected as exploring.
        level: Coverage of the intervals, between 0 and 1.
        seed: Seed of the permutation test; each row draws from its own stream, whatever other rows there are.
        allow_incomparable: Why runs that differ in a deciding field shall be compared all the same.

    Raises:
        NotComparableError: When the runs differ in a field that decides what the numbers mean.
        NothingSelectedError: When no (prompt, seed) pair is scored on both sides.
        UsageError: For an unknown `by`, an impossible level or a blank reason.
        RunFolderError: When a metric has scores but no card.
    """
    if by not in (None, "category", "language"):
        raise UsageError(f"by must be 'category' or 'language', got {by!r}")
    fraction("level", level)
    differences = check_comparable(run_a, run_b, allow_incomparable, metrics=metrics)
    matched = match_metrics(run_a, run_b, metrics)
    not_compared = list(matched.not_compared)
    plan_a, plan_b = _plan(run_a, by), _plan(run_b, by)
    scores_a, scores_b = run_a.scores(), run_b.scores()
    groups = list(dict.fromkeys([*plan_a["group"], *plan_b["group"]]))
    rows: list[dict[str, Any]] = []
    prompts: list[pd.DataFrame] = []
    for match in matched.matches:
        card = _card(run_a, match.id_a)
        if card["level"] == "set":
            try:
                rows.append(_set_row(run_a, run_b, match, card, by, level, seed))
            except NotCompared as why:
                not_compared.append((match.id_a, str(why)))
            continue
        side_a, side_b = _scored(plan_a, scores_a, match.id_a), _scored(plan_b, scores_b, match.id_b)
        paired = _paired_prompts(match, side_a, side_b)
        prompts.append(paired)
        for group in groups:
            row = _row(match, card, paired.loc[paired["group"] == group], group, level, seed)
            row |= {"coverage_a": _coverage(side_a, group), "coverage_b": _coverage(side_b, group)}
            rows.append({by: group, **row} if by else row)
    if not any(row["n"] for row in rows):
        raise NothingSelectedError(
            f"runs {run_a.name} and {run_b.name} have no scored prompt and seed in common",
            hint="score both with the same metrics first: stepbench score RUN -m METRICS",
        )
    return Comparison(
        name_a=run_a.name,
        name_b=run_b.name,
        generator_a=run_a.generator_name,
        generator_b=run_b.generator_name,
        level=level,
        by=by,
        differences=tuple(differences),
        reason=allow_incomparable if differences else None,
        not_compared=tuple(not_compared),
        _rows=_with_verdicts(pd.DataFrame(rows), by, level),
        _prompts=pd.concat(prompts, ignore_index=True) if prompts else pd.DataFrame(columns=list(_PROMPT_COLUMNS)),
    )


def too_few_prompts(prompts: int, metrics: int, alpha: float = 0.05) -> str:
    """A sentence where not even the strongest evidence survives the correction for the number of metrics; else empty.

    Args:
        prompts: The largest number of independent prompts behind a difference.
        metrics: How many differences Holm corrects for.
        alpha: Largest adjusted p of a verdict.
    """
    # Flipping the signs of n differences gives no p below 2 / 2**n; Holm multiplies the least one by their number.
    least = min(1.0, 2.0 ** (1 - prompts) * metrics)
    if not prompts or least <= alpha:
        return ""
    few = f"{prompts} prompt{'s' if prompts != 1 else ''}"
    if metrics == 1:
        return f"with {few} no difference can pass, however large (least p {least:.2g}); use more prompts"
    return (
        f"with {few} and {metrics} metrics no difference can pass the correction, however large (least adjusted p "
        f"{least:.2g}); use more prompts, or fewer metrics with -m"
    )


def _plan(run: Run, by: Grouping | None) -> pd.DataFrame:
    """The planned samples with the group they count in and the unit of inference they belong to."""
    plan = run.samples().reindex(columns=["prompt_id", "seed", "text", "language", "category", "pair_id"])
    plan["group"] = plan[by] if by else ""
    family, prompt = "family " + plan["pair_id"].astype(str), "prompt " + plan["prompt_id"].astype(str)
    plan["unit"] = np.where(plan["pair_id"].notna(), family, prompt)
    return plan


def _card(run: Run, metric_id: str) -> dict[str, Any]:
    try:
        return run.info["metric_cards"][metric_id]
    except KeyError:
        raise RunFolderError(
            f"run {run.name} has scores of {metric_id} but no card that says which way is better",
            hint=f"score it again: stepbench score {run.name} -m METRIC --recompute",
        ) from None


def _scored(plan: pd.DataFrame, scores: pd.DataFrame, metric_id: str) -> pd.DataFrame:
    """The plan with a column `value`: the score of each sample, NaN without one."""
    scores = scores.loc[(scores["metric_id"] == metric_id) & (scores["status"] == "ok"), ["prompt_id", "seed", "value"]]
    return plan.merge(scores.astype({"seed": plan["seed"].dtype}), how="left", on=["prompt_id", "seed"], validate="1:1")


def _paired_prompts(match: MetricMatch, side_a: pd.DataFrame, side_b: pd.DataFrame) -> pd.DataFrame:
    """One row per prompt over the (prompt, seed) pairs that both sides have scored."""
    both = side_a.dropna(subset="value").merge(
        side_b.loc[side_b["value"].notna(), ["prompt_id", "seed", "value"]],
        on=["prompt_id", "seed"],
        suffixes=("_a", "_b"),
        validate="1:1",
    )
    prompts = both.groupby("prompt_id", sort=False, as_index=False).agg(
        text=("text", "first"),
        language=("language", "first"),
        category=("category", "first"),
        group=("group", "first"),
        unit=("unit", "first"),
        seeds=("seed", "size"),
        a=("value_a", "mean"),
        b=("value_b", "mean"),
    )
    return prompts.assign(difference=prompts["b"] - prompts["a"], metric=match.metric, metric_id=match.id_a)


def _coverage(side: pd.DataFrame, group: str) -> float:
    return float(side.loc[side["group"] == group, "value"].notna().mean())


def _row(
    match: MetricMatch, card: dict[str, Any], prompts: pd.DataFrame, group: str, level: float, seed: int
) -> dict[str, Any]:
    units = prompts.groupby("unit", sort=False).agg(a=("a", "mean"), b=("b", "mean"))
    # A stream of its own, so that a row reads the same whichever other metrics and groups stand beside it.
    stream = hashlib.sha256(f"{match.id_a}\n{group}".encode()).digest()
    rng = np.random.default_rng([seed, int.from_bytes(stream[:8], "big")])
    result = paired_difference(units["a"], units["b"], rng=rng, level=level)
    wins, losses = (result.losses, result.wins) if card["direction"] == "lower" else (result.wins, result.losses)
    return {
        "metric": match.metric,
        "n": result.n,
        "mean_a": mean_interval(units["a"]).estimate,
        "mean_b": mean_interval(units["b"]).estimate,
        "difference": result.estimate,
        "low": result.low,
        "high": result.high,
        "p": result.p,
        "p_adjusted": float("nan"),
        "verdict": "",
        "metric_id": match.id_a if match.id_a == match.id_b else f"{match.id_a} / {match.id_b}",
        "unit": card["unit"],
        "direction": card["direction"],
        "wins": wins,
        "ties": result.ties,
        "losses": losses,
        "detectable_effect": result.detectable_effect,
        "standard_error": result.standard_error,
    }


def _set_row(
    run_a: Run, run_b: Run, match: MetricMatch, card: dict[str, Any], by: Grouping | None, level: float, seed: int
) -> dict[str, Any]:
    if by:
        raise NotCompared(f"a set metric compares all prompts together, not by {by}")
    if match.id_a != match.id_b:
        raise NotCompared(f"its features or its reference differ: {match.id_a} against {match.id_b}")
    numbers = compare_sets(run_a, run_b, match.id_a, level=level, seed=seed)
    main = {name: numbers[name] for name in ("n", "mean_a", "mean_b", "difference", "low", "high", "p")}
    return {
        "metric": match.metric,
        **main,
        "p_adjusted": float("nan"),
        "verdict": "",
        "metric_id": match.id_a,
        "unit": card["unit"],
        "direction": card["direction"],
        **dict.fromkeys(("wins", "ties", "losses"), 0),
        **numbers,
    }


def _with_verdicts(rows: pd.DataFrame, by: Grouping | None, level: float) -> pd.DataFrame:
    rows["p_adjusted"] = (benjamini_hochberg if by else holm)(rows["p"])
    rows["verdict"] = [_verdict(row, 1 - level) for row in rows.to_dict(orient="records")]
    if by:
        rows["shrunk_difference"] = np.nan
        for _, block in rows.dropna(subset="standard_error").groupby("metric_id"):
            shrunk = shrink_means(block["difference"], block["standard_error"])
            rows.loc[block.index, "shrunk_difference"] = shrunk["shrunk"].to_numpy()
    return rows


def _verdict(row: dict[str, Any], alpha: float) -> str:
    if row["n"] == 0:
        return "no common scores"
    if not row["p_adjusted"] <= alpha:
        return "not separable"
    higher, lower = ("b", "a") if row["difference"] > 0 else ("a", "b")
    return {"higher": f"{higher} better", "lower": f"{lower} better", "neutral": f"{higher} higher"}[row["direction"]]
