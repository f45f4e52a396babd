"""Which prompts a report shows with clips: the best, the worst and the most different by one metric. No files here."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from stepbench.reporting.clips import Shown
from stepbench.reporting.model import Example, ExampleGroup, Pairing, Side
from stepbench.reporting.values import present
from stepbench.wording import metric_title, number

if TYPE_CHECKING:
    import pandas as pd

    from stepbench.runs.run import Run

Place = tuple[str, int]
"""(prompt id, seed)."""

_SIZES = {"frames": 1, "width": 16, "height": 9}


@dataclass(frozen=True)
class Choice:
    """Places that were chosen by one rule, each with the words that say why."""

    title: str
    rule: str
    places: tuple[tuple[Place, str], ...]


def lead_metric(
    cards: Mapping[str, Mapping[str, Any]], pairings: Sequence[Pairing], scored: Mapping[str, int]
) -> str | None:
    """The metric that examples are chosen by: of those with a better direction, the one with the clearest difference.

    Clearest is the largest difference against the width of its interval. Without a comparison it is the first that
    was scored; None where there is none.
    """
    known = [
        key
        for key, card in cards.items()
        if card["direction"] != "neutral" and card.get("level") != "set" and scored[key]
    ]

    def clarity(metric_id: str) -> float:
        found = [
            abs(row.difference) / max(row.high - row.low, 1e-300)
            for pairing in pairings
            for row in pairing.differences
            if row.metric_id == metric_id
            if row.difference is not None and row.low is not None and row.high is not None
        ]
        return max(found, default=0.0)

    return max(known, key=clarity, default=None)


def choose(
    scores: pd.DataFrame, units: Mapping[str, str], card: Mapping[str, Any], baseline: str | None, count: int
) -> list[Choice]:
    """The most different, best and worst places by one metric, no two of one prompt family, none twice.

    Args:
        scores: The metric's scores, one row per (prompt id, seed), one column per run, NaN where missing.
        units: Prompt id -> prompt family.
        card: The metric's card.
        baseline: The column that others are held against; None for a single run.
        count: Places per rule.
    """
    title, lower = metric_title(card), card["direction"] == "lower"
    taken: set[str] = set()
    choices = []
    others = [name for name in scores.columns if name != baseline]
    if baseline is not None and others:
        gaps = scores[others].sub(scores[baseline], axis=0)
        widest = _values(gaps.abs().max(axis=1))
        places = _top(widest, units, taken, count)
        explained = tuple((place, f"largest difference {number(widest[place])}") for place in places)
        rule = f"prompt and seed with the largest difference to the baseline in {title}"
        choices.append(Choice("Most different", rule, explained))
    means = _values(scores.mean(axis=1))
    among = "over the runs" if len(scores.columns) > 1 else "of all clips"
    negated = {place: -value for place, value in means.items()}
    for name, ordered in (("Best", negated if lower else means), ("Worst", means if lower else negated)):
        places = _top(ordered, units, taken, count)
        explained = tuple((place, f"mean {number(means[place])}") for place in places)
        choices.append(Choice(name, f"{name.lower()} {title} {among}", explained))
    return [choice for choice in choices if choice.places]


def _values(values: Any) -> dict[Place, float]:
    """Of a series by (prompt id, seed): the values that are there, in the order of the plan."""
    return {(str(prompt), int(seed)): float(value) for (prompt, seed), value in values.dropna().items()}


def _top(values: Mapping[Place, float], units: Mapping[str, str], taken: set[str], count: int) -> list[Place]:
    chosen: list[Place] = []
    for place in sorted(values, key=values.__getitem__, reverse=True):
        if len(chosen) == count:
            break
        if units[place[0]] not in taken:
            taken.add(units[place[0]])
            chosen.append(place)
    return chosen


def with_clips(
    choices: Sequence[Choice],
    runs: Mapping[str, Run],
    labels: Mapping[str, str],
    metric_ids: Sequence[str],
    show: Callable[[Run, Mapping[str, Any]], Shown],
) -> tuple[ExampleGroup, ...]:
    """The chosen places with the clips and scores of every run that planned them."""
    samples = {name: _samples_by_place(run) for name, run in runs.items()}
    values = {name: _values_by_place(run) for name, run in runs.items()}

    def example(place: Place, heading: str) -> Example:
        planned = {name: samples[name][place] for name in runs if place in samples[name]}
        first = next(iter(planned.values()))
        made = next((sample for sample in planned.values() if sample["outcome"] == "ok"), first)
        sides = tuple(
            _side(
                show(runs[name], sample),
                # A sample that failed has no size; its empty frame takes that of the others.
                sample if sample["outcome"] == "ok" else made,
                label=labels[name],
                number=list(runs).index(name),
                values={key: values[name].get((*place, key)) for key in metric_ids},
            )
            for name, sample in planned.items()
        )
        texts = {field: str(first[field]) for field in ("text", "language", "category")}
        return Example(heading=heading, prompt_id=place[0], seed=place[1], sides=sides, **texts)

    return tuple(
        ExampleGroup(
            title=choice.title,
            rule=choice.rule,
            examples=tuple(example(place, why) for place, why in choice.places),
        )
        for choice in choices
    )


def count_clips(choices: Sequence[Choice], runs: int) -> int:
    """Clips that the chosen places need at most."""
    return runs * sum(len(choice.places) for choice in choices)


def _samples_by_place(run: Run) -> dict[Place, dict[Any, Any]]:
    return {(row["prompt_id"], int(row["seed"])): row for row in run.samples().to_dict(orient="records")}


def _values_by_place(run: Run) -> dict[tuple[str, int, str], float]:
    good = run.scores().query("status == 'ok'")
    keys = zip(good.prompt_id, good.seed.astype(int), good.metric_id, strict=True)
    return dict(zip(keys, good.value.astype(float), strict=True))


def _side(
    shown: Shown, sample: Mapping[Any, Any], *, label: str, number: int, values: Mapping[str, float | None]
) -> Side:
    return Side(
        label=label,
        number=number,
        clip=shown.clip,
        poster=shown.poster,
        reason=shown.reason,
        note=shown.note,
        **{field: int(present(sample[field]) or default) for field, default in _SIZES.items()},
        fps=present(sample["fps"]) or 8.0,
        values=values,
    )
