"""Metrics that a run was asked for and that cannot be computed here: a row for every clip says why, and what to do."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from stepbench.canonical import canonical_json
from stepbench.runs.folder import RunFolder
from stepbench.runs.journal import Journal, saving
from stepbench.runs.metric_set import ChosenMetric
from stepbench.runs.plan import PlannedSample


def save_unavailable(
    folder: RunFolder, samples: Sequence[PlannedSample], metrics: Sequence[ChosenMetric], shard: str = ""
) -> None:
    """Write a row of status `unavailable` for every made clip and every such metric, unless it stands there already.

    Raises:
        IncompleteError: The rows cannot be saved.
    """
    missing = [metric for metric in metrics if metric.unavailable]
    if not missing:
        return
    cards = folder.read_info()["metric_cards"]
    missing = [metric for metric in missing if metric.metric_id in cards]
    made = folder.read_samples()
    keys = [key for key in dict.fromkeys(one.key for one in samples) if made.get(key, {}).get("outcome") == "ok"]
    for metric in missing:
        known = folder.read_scores(metric.metric_id)
        rows = [_row(key, made[key]["clip_sha256"], metric) for key in keys]
        new = [row for row in rows if known.get(row["sample_key"]) != row]
        if new:
            with Journal(folder.score_journal(metric.metric_id, shard)) as journal:
                journal.append(new)


def merged_cards(
    folder: RunFolder, known: Mapping[str, Mapping[str, Any]], metrics: Sequence[ChosenMetric]
) -> dict[str, Mapping[str, Any]]:
    """Cards of a run once these metrics are added: a metric never stands there both with its weights and without.

    Without weights it has another id, since their hash is part of the id. When they come, the card that says
    `unavailable` goes, and its rows with it. When they are gone again, the scores that are there are kept as they are.
    """
    now = {_asked(metric.card): metric.metric_id for metric in metrics}
    gone = [key for key, card in known.items() if card.get("unavailable") and now.get(_asked(card), key) != key]
    for metric_id in gone:
        for journal in (folder.score_journal(metric_id), *folder.score_shards(metric_id)):
            with saving(journal):
                journal.unlink(missing_ok=True)
    kept = {key: card for key, card in known.items() if key not in gone}
    scored = {_asked(card) for card in kept.values() if not card.get("unavailable")}
    return kept | {one.metric_id: one.card for one in metrics if not (one.unavailable and _asked(one.card) in scored)}


def _asked(card: Mapping[str, Any]) -> str:
    """Name and options by which a metric is known whether it can be computed or not."""
    return canonical_json([card["name"], card.get("options", {})])


def _row(key: str, clip_sha256: str, metric: ChosenMetric) -> dict[str, Any]:
    return {
        "sample_key": key,
        "clip_sha256": clip_sha256,
        "metric_id": metric.metric_id,
        "value": None,
        "n": 0,
        "status": "unavailable",
        "error": metric.unavailable,
    }
