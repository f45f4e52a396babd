"""Label Studio: one blind task per pair with two videos, votes as annotations, and the labelling config to go with it.

Tasks name no model. So votes come back by `pair_id`, into the study that the tasks were exported from.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from xml.sax.saxutils import quoteattr

import pandas as pd

from stepbench.errors import UsageError
from stepbench.preferences.formats.planned_pairs import (
    clips_of_sides,
    is_swapped,
    pair_named,
    pairs_by_id,
    prompt_columns,
    verdict_inside,
    verdict_outside,
)
from stepbench.preferences.formats.votes_table import votes_frame

OVERALL = "overall"
OTHERWISE = "otherwise"
"""Name of the choices beside the two videos: the tag `Pairwise` knows left and right alone."""
_KEPT = ("vote_id", "annotator", "simulated", "propensity", "started_at", "submitted_at", "reasons")
_KEPT += ("watch_a_s", "watch_b_s", "excluded", "supersedes")
_META = "stepbench"
_VERDICTS = ("left", "right", "tie", "both_bad")


def write_label_studio(votes: pd.DataFrame, pairs: pd.DataFrame, path: Path, *, url_prefix: str = "") -> int:
    """Tasks as a JSON list, and a labelling config beside it (`.config.xml`). Returns the number of judgements.

    Args:
        votes: All that stand; those of one vote make one annotation.
        pairs: As `Study.pairs()`; pairs without votes become tasks without annotations.
        path: The JSON file.
        url_prefix: Put before each clip's path, such as `/data/local-files/?d=`.
    """
    by_pair = {str(pair_id): group for pair_id, group in votes.groupby("pair_id", sort=False)}
    tasks = []
    for pair_id, pair in pairs_by_id(pairs).items():
        data = {"pair_id": pair_id, "prompt": pair["text"], "language": pair["language"]}
        data |= {name: f"{url_prefix}{pair[f'clip_{number}']}" for name, number in (("left", 1), ("right", 2))}
        own = by_pair.get(pair_id)
        annotations = [] if own is None else [_annotation(rows, pair) for rows in _by_vote(own)]
        tasks.append({"data": data, "annotations": annotations})
    path.write_text(json.dumps(tasks, ensure_ascii=False, indent=1), encoding="utf-8")
    path.with_suffix(".config.xml").write_text(labelling_config(votes), encoding="utf-8")
    return len(votes)


def read_label_studio(path: Path, pairs: pd.DataFrame) -> pd.DataFrame:
    """Annotations as votes: those that were exported come back as they were, new ones get an id of their own.

    Who annotated is a pseudonym made from Label Studio's user; cancelled annotations count as skipped.

    Raises:
        UsageError: No task list, a pair that the study does not have, or a result that none of its questions gives.
    """
    try:
        tasks = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise UsageError(f"{path} cannot be read: {error}") from error
    if not isinstance(tasks, list) or not all(isinstance(task, dict) and "data" in task for task in tasks):
        raise UsageError(f"{path} is no list of Label Studio tasks", hint="export as JSON, not as JSON-MIN")
    known = pairs_by_id(pairs)
    rows: list[dict[str, Any]] = []
    for number, task in enumerate(tasks, 1):
        where = f"{path}, task {number}"
        pair = pair_named(known, task["data"].get("pair_id"), where)
        for annotation in task.get("annotations") or []:
            rows.extend(_votes(annotation, pair, where))
    return votes_frame(rows)


def labelling_config(votes: pd.DataFrame) -> str:
    """The labelling interface that gives results of the form of these votes."""
    rated = votes["rating"].notna()
    further = sorted(set(votes.loc[~rated, "dimension"]) - {OVERALL})
    lines = [
        "<View>",
        '  <Header value="$prompt"/>',
        '  <View style="display: flex; gap: 1em">',
        *(f'    <Video name="{side}_video" value="${side}"/>' for side in ("left", "right")),
        "  </View>",
        f'  <Pairwise name="{OVERALL}" toName="left_video,right_video"/>',
        *_choices(OTHERWISE, ("tie", "both_bad", "skip")),
    ]
    for name in further:
        lines += [f"  <Header value={quoteattr(name)}/>", *_choices(name, _VERDICTS)]
    for name in sorted(set(votes.loc[rated, "dimension"])):
        for side in ("left", "right"):
            lines += [f"  <Header value={quoteattr(f'{name}, {side}')}/>"]
            lines += [f'  <Rating name="{name}_{side}" toName="{side}_video" maxRating="5"/>']
    return "\n".join([*lines, "</View>", ""])


def _choices(name: str, values: Sequence[str]) -> list[str]:
    options = [f'    <Choice value="{value}"/>' for value in values]
    return [f'  <Choices name="{name}" toName="left_video" choice="single">', *options, "  </Choices>"]


def _by_vote(rows: pd.DataFrame) -> Iterator[list[dict[Any, Any]]]:
    for _, group in rows.groupby("vote_id", sort=False):
        yield group.to_dict("records")


def _annotation(rows: list[dict[Any, Any]], pair: Mapping[str, Any]) -> dict[str, Any]:
    swapped = is_swapped(rows[0], pair)
    kept = {name: _none_for_nan(rows[0][name]) for name in _KEPT} | {"swapped": swapped}
    return {"result": [{**_result(row, swapped), "meta": {_META: kept}} for row in rows]}


def _result(row: Mapping[str, Any], swapped: bool) -> dict[str, Any]:
    dimension, shared = row["dimension"], {"to_name": "left_video", "origin": "manual"}
    if row["winner"] is None:
        side = "left" if (row["rated_clip"] == "a") != swapped else "right"
        value = {"type": "rating", "value": {"rating": int(row["rating"])}}
        return {"from_name": f"{dimension}_{side}", **shared, "to_name": f"{side}_video", **value}
    verdict = verdict_outside(row["winner"], swapped=swapped)
    if dimension == OVERALL and verdict in ("left", "right"):
        return {"from_name": OVERALL, **shared, "type": "pairwise", "value": {"selected": verdict}}
    name = OTHERWISE if dimension == OVERALL else dimension
    return {"from_name": name, **shared, "type": "choices", "value": {"choices": [verdict]}}


def _votes(annotation: Mapping[str, Any], pair: Mapping[str, Any], where: str) -> Iterator[dict[str, Any]]:
    results = annotation.get("result") or []
    kept = next((item["meta"][_META] for item in results if _META in (item.get("meta") or {})), None)
    kept = dict(kept) if kept else _of_their_own(annotation, where)
    swapped = bool(kept.pop("swapped", False))
    shared = prompt_columns(pair) | clips_of_sides(pair, swapped=swapped) | kept
    if annotation.get("was_cancelled"):
        yield shared | {"dimension": OVERALL, "winner": "skip"}
        return
    for item in results:
        yield shared | _judgement(item, swapped, where)


def _judgement(item: Mapping[str, Any], swapped: bool, where: str) -> dict[str, Any]:
    name, value = str(item.get("from_name")), item.get("value") or {}
    if item.get("type") == "rating":
        dimension, _, side = name.rpartition("_")
        if side not in ("left", "right") or value.get("rating") not in (1, 2, 3, 4, 5):
            raise UsageError(f"{where}: {name!r} is no rating from 1 to 5 of the left or right video: {value}")
        clip = verdict_inside(side, swapped=swapped)
        return {"dimension": dimension, "rating": float(value["rating"]), "rated_clip": clip}
    chosen = [value["selected"]] if "selected" in value else value.get("choices") or []
    if item.get("type") not in ("pairwise", "choices") or len(chosen) != 1:
        raise UsageError(f"{where}: no single verdict in a result of type {item.get('type')!r}: {value}")
    dimension = OVERALL if name == OTHERWISE else name
    return {"dimension": dimension, "winner": verdict_inside(str(chosen[0]), swapped=swapped)}


def _of_their_own(annotation: Mapping[str, Any], where: str) -> dict[str, Any]:
    """Of an annotation that was made in Label Studio."""
    if annotation.get("id") is None:
        raise UsageError(f"{where}: an annotation has no id", hint="export from Label Studio as JSON")
    submitted = annotation.get("updated_at") or annotation.get("created_at")
    started = None
    if submitted:
        moment = datetime.fromisoformat(str(submitted).replace("Z", "+00:00"))
        started = (moment - timedelta(seconds=float(annotation.get("lead_time") or 0))).isoformat()
        submitted = moment.isoformat()
    who = json.dumps(annotation.get("completed_by"), sort_keys=True)
    return {
        "vote_id": f"labelstudio-{annotation['id']}",
        # The user may be an address, which has no business among votes.
        "annotator": f"labelstudio-{hashlib.sha256(who.encode()).hexdigest()[:12]}",
        "simulated": False,
        "started_at": started,
        "submitted_at": submitted,
    }


def _none_for_nan(value: Any) -> Any:
    plain = value.item() if hasattr(value, "item") else value
    return None if isinstance(plain, float) and plain != plain else plain
