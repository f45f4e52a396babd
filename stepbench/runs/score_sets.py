"""The values of set metrics, from the features in the run folder: computed at the end, once per set of clips."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from stepbench.records import Prompt
from stepbench.runs.folder import RunFolder, write_atomically
from stepbench.runs.journal import json_line, saving
from stepbench.runs.set_members import Rows, set_key, set_members

Planned = Sequence[tuple[str, Prompt, int]]
"""(sample_key, prompt, seed) in plan order."""

DRAWS, FEW_DRAWS, MANY_NUMBERS = 200, 60, 2_000_000
"""Resamples behind an interval; fewer where there are so many numbers that a distance takes seconds. Fréchet distances
of so many are resampled in their leading dimensions."""


@dataclass(frozen=True, kw_only=True)
class SetSides:
    """Both sides of a set metric as they stand in a run folder.

    Attributes:
        features: One row per clip of the set, float32 (n, d).
        reference: One row per clip of the reference set, float32 (m, d); of paired metrics in the order of `features`.
        units: The prompt of each clip of the set, translations of one another as one.
        reference_units: Likewise of the reference set.
    """

    features: Any
    reference: Any
    units: list[str]
    reference_units: list[str]

    @property
    def share_prompts(self) -> bool:
        """Whether the reference shows every prompt of the set, so that both sides must be drawn together."""
        return set(self.units) <= set(self.reference_units)


def score_sets(folder: RunFolder, planned: Planned, made: Rows, cards: Mapping[str, Mapping[str, Any]]) -> None:
    """Give every set metric of the run the row of the set that stands now, as far as its features are there.

    The journal of such a metric is left in its final form: the clips that could not be taken in, in plan order, then
    the row of the set. Nobody else may be writing the run.

    Args:
        made: The run's sample rows.
        cards: metric_id -> card of every metric the run was scored with.

    Raises:
        IncompleteError: A file cannot be written.
    """
    of_sets = {metric_id: card for metric_id, card in cards.items() if card.get("level") == "set"}
    for feature_id in sorted({card["feature_id"] for card in of_sets.values()}):
        folder.feature_store(feature_id).compact()
    for metric_id, card in of_sets.items():
        _score_set(folder, planned, made, metric_id, card)


def read_sides(
    folder: RunFolder, planned: Planned, made: Rows, members: Sequence[str], metric_id: str, card: Mapping[str, Any]
) -> SetSides | None:
    """The features of these samples and of the reference set; None where some are not in the folder.

    Args:
        members: Sample keys in the order that is wanted.
    """
    listed = read_reference(folder, metric_id)
    store = folder.feature_store(card["feature_id"])
    known = store.keys()
    own = [made[key]["clip_sha256"] for key in members]
    if listed is None:
        return None
    if card["paired"]:
        counterpart, places = {(row["prompt_id"], row["seed"]): row for row in listed}, _places(planned)
        others = [counterpart[places[key]] for key in members if places[key] in counterpart]
    else:
        others = list({row["sample_key"]: row for row in listed}.values())
    theirs = [row["clip_sha256"] for row in others]
    if not own or not theirs or not known.issuperset([*own, *theirs]):
        return None
    units = {key: prompt.pair_id or prompt.id for key, prompt, _ in planned}
    return SetSides(
        features=store.read(own),
        reference=store.read(theirs),
        units=[units[key] for key in members],
        reference_units=[row["unit"] for row in others],
    )


def read_reference(folder: RunFolder, metric_id: str) -> list[dict[str, Any]] | None:
    """The clips of the reference set that the metric's id names; None where the folder does not say."""
    path = folder.reference_list(metric_id.rpartition(":ref-")[2])
    return json.loads(path.read_text(encoding="utf-8"))["clips"] if path.is_file() else None


def _rng(metric_id: str, use: str) -> Any:
    """The same numbers for every run with this metric: real against real is then the same too."""
    import numpy as np

    digest = hashlib.sha256(f"{metric_id}\n{use}".encode()).digest()
    return np.random.default_rng(int.from_bytes(digest[:8], "big"))


def _score_set(folder: RunFolder, planned: Planned, made: Rows, metric_id: str, card: Mapping[str, Any]) -> None:
    rows = folder.read_scores(metric_id)
    known = folder.feature_store(card["feature_id"]).keys()
    left_out = {
        key: row
        for key, row in rows.items()
        if "sample_key" in row
        and row["clip_sha256"] not in known
        and row["clip_sha256"] == made.get(key, {}).get("clip_sha256")
    }
    left_out |= _without_counterpart(folder, planned, made, metric_id, card)
    order = list(dict.fromkeys(key for key, _, _ in planned))
    members = set_members(order, made, left_out)
    key = set_key(members, made)
    standing = rows.get(key)
    if standing is None or standing["status"] != "ok":
        computed = _computed(folder, planned, made, members, metric_id, card)
        standing = {"set_key": key, "metric_id": metric_id, **computed} if computed else standing
    final = [left_out[one] for one in order if one in left_out] + ([standing] if standing else [])
    text = "".join(json_line(row) for row in final)
    journal, shards = folder.score_journal(metric_id), folder.score_shards(metric_id)
    if shards or not journal.is_file() or journal.read_text(encoding="utf-8", errors="replace") != text:
        write_atomically(journal, text)
    for shard in shards:
        with saving(shard):
            shard.unlink()


def _computed(
    folder: RunFolder, planned: Planned, made: Rows, members: Sequence[str], metric_id: str, card: Mapping[str, Any]
) -> dict[str, Any] | None:
    """The fields of a set's row; None where features are missing that nobody has tried to make yet."""
    failures = folder.read_reference_failures(metric_id)
    known = folder.feature_store(card["feature_id"]).keys()
    listed = read_reference(folder, metric_id) or []
    broken = [(row, failures[row["clip_sha256"]]) for row in listed if row["clip_sha256"] in failures.keys() - known]
    if broken:
        first, reason = broken[0]
        return _failed(
            f"{len(broken)} of {len(listed)} reference clips have no features, the first is {first['prompt_id']} "
            f"seed {first['seed']}: {reason}"
        )
    if not members:
        return _failed("no clip could be taken into the set")
    sides = read_sides(folder, planned, made, members, metric_id, card)
    return None if sides is None else _values(sides, metric_id, card)


def _values(sides: SetSides, metric_id: str, card: Mapping[str, Any]) -> dict[str, Any]:
    from metrics.errors import MetricError
    from metrics.functional.resampling import Floor, Interval, bootstrap_interval, real_against_real

    x, y = sides.features, sides.reference
    if min(len(x), len(y)) < 2:
        return _failed(f"{card['name']} compares at least 2 clips with at least 2, got {len(x)} and {len(y)}")
    try:
        distance = distance_of(card)
        value = distance(x, y)
    except MetricError as error:
        return _failed(error.message)
    interval, floor = Interval(float("nan"), float("nan")), Floor(float("nan"), 0)
    units, notes = len(set(sides.units)), [distance.caution(len(x), len(y), x.shape[1])]
    (drawn_x, drawn_y), reduced = distance.for_resampling(x, y, at_most=MANY_NUMBERS)
    draws = DRAWS if drawn_x.size + drawn_y.size <= MANY_NUMBERS else FEW_DRAWS
    try:
        if units > 1:
            together = sides.reference_units if sides.share_prompts else None
            options: dict[str, Any] = {"units": sides.units, "reference_units": together, "draws": draws}
            found = bootstrap_interval(distance, drawn_x, drawn_y, rng=_rng(metric_id, "interval"), **options)
            moved = value - distance(drawn_x, drawn_y) if reduced else 0.0
            interval = Interval(found.low + moved, found.high + moved).within(card["range"])
        floor = real_against_real(distance, y, n=len(x), rng=_rng(metric_id, "floor"))
    except MetricError as error:
        notes.append(error.message)
    return {
        "value": value,
        "n": len(x),
        "n_reference": len(y),
        "n_units": units,
        "method": _method(units, sides, draws, reduced),
        **{name: _number(number) for name, number in (interval._asdict()).items()},
        "floor": _number(floor.value),
        "floor_n": floor.n,
        "caution": "; ".join(note for note in notes if note),
        "status": "ok",
        "error": None,
    }


def _method(units: int, sides: SetSides, draws: int, reduced: str) -> str:
    if units < 2:
        return "no interval: one cluster"
    other = "of both sides together" if sides.share_prompts else "the reference as it is"
    return ", ".join(part for part in (f"bootstrap over {units} prompts", other, reduced, f"{draws} draws") if part)


def distance_of(card: Mapping[str, Any]) -> Any:
    """The distance of a set metric by its card; needs no weights.

    Raises:
        UnknownMetricError: No metric has the name in the card.
        UnavailableMetricError: It cannot be imported here.
    """
    from metrics.registry import set_distance

    return set_distance(card["name"], card.get("options"))


def _places(planned: Planned) -> dict[str, tuple[str, int]]:
    """sample_key -> (prompt id, seed); of the first place where it is planned twice."""
    return {key: (prompt.id, seed) for key, prompt, seed in reversed(planned)}


def _without_counterpart(
    folder: RunFolder, planned: Planned, made: Rows, metric_id: str, card: Mapping[str, Any]
) -> dict[str, dict[str, Any]]:
    """Rows of the clips that a paired metric has nothing to compare with."""
    listed = read_reference(folder, metric_id)
    if not card["paired"] or listed is None:
        return {}
    there = {(row["prompt_id"], row["seed"]) for row in listed}
    return {
        key: {
            "sample_key": key,
            "clip_sha256": made[key]["clip_sha256"],
            "metric_id": metric_id,
            "value": None,
            "n": 0,
            "status": "failed",
            "error": f"the reference has no clip of {place[0]} seed {place[1]}",
        }
        for key, place in _places(planned).items()
        if made.get(key, {}).get("outcome") == "ok" and place not in there
    }


def _failed(reason: str) -> dict[str, Any]:
    return {"value": None, "n": 0, "status": "failed", "error": reason}


def _number(value: float) -> float | None:
    return None if value != value else value
