"""Argilla records, in the form that its SDK writes and reads as JSON: one blind record per pair, votes as responses."""

from __future__ import annotations

import json
import uuid
from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from stepbench.canonical import sha256_json
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

_USERS = uuid.UUID("7b0fd3a2-52f1-5b0a-9c55-8f7f6f9f6d10")
"""Namespace of the user ids made from pseudonyms: Argilla wants a UUID."""


def write_argilla(votes: pd.DataFrame, pairs: pd.DataFrame, path: Path, *, url_prefix: str = "") -> int:
    """Records as a JSON list. Returns the number of judgements.

    Fields are `prompt`, `left` and `right`; a label question per pairwise dimension has left, right, tie, both_bad and
    skip, a rating question per rated dimension and side has 1 to 5.

    Args:
        votes: All that stand.
        pairs: As `Study.pairs()`; the record's id is the pair's.
        path: The JSON file.
        url_prefix: Put before each clip's path.
    """
    by_pair = {str(pair_id): group for pair_id, group in votes.groupby("pair_id", sort=False)}
    records = []
    for pair_id, pair in pairs_by_id(pairs).items():
        fields = {"prompt": pair["text"], "left": f"{url_prefix}{pair['clip_1']}"}
        own = by_pair.get(pair_id)
        responses, programs = _responses(own, pair) if own is not None else ({}, [])
        records.append(
            {
                "id": pair_id,
                "fields": fields | {"right": f"{url_prefix}{pair['clip_2']}"},
                "metadata": {"language": pair["language"] or "", "simulated_users": programs},
                "suggestions": {},
                "responses": responses,
                "vectors": {},
            }
        )
    path.write_text(json.dumps(records, ensure_ascii=False, indent=1), encoding="utf-8")
    return len(votes)


def read_argilla(path: Path, pairs: pd.DataFrame, standing: pd.DataFrame | None = None) -> pd.DataFrame:
    """Responses as votes: verdicts, ratings and who gave them; times and vote ids are not among what records hold.

    Args:
        path: A list of records as JSON.
        pairs: The study's.
        standing: The study's votes: a response by one of its annotators to a pair they have judged is that vote.

    Raises:
        UsageError: No list of records, a pair that the study does not have, or an answer that no question has.
    """
    try:
        records = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise UsageError(f"{path} cannot be read: {error}") from error
    if not isinstance(records, list) or not all(isinstance(one, dict) and "fields" in one for one in records):
        raise UsageError(
            f"{path} is no list of Argilla records", hint="write them with `dataset.records.to_json(FILE)`"
        )
    known = pairs_by_id(pairs)
    stored = _stored(standing)
    rows = []
    for number, record in enumerate(records, 1):
        where = f"{path}, record {number}"
        pair = pair_named(known, record.get("id"), where)
        programs = (record.get("metadata") or {}).get("simulated_users") or []
        for question, responses in (record.get("responses") or {}).items():
            for response in responses:
                told = _judgement(question, response.get("value"), where)
                rows.append(_vote(pair, str(response.get("user_id")), programs, stored) | told)
    return votes_frame(rows)


def user_id(annotator: str) -> str:
    """The UUID that stands for a pseudonym, the same in every export."""
    return str(uuid.uuid5(_USERS, annotator))


def _responses(votes: pd.DataFrame, pair: Mapping[str, Any]) -> tuple[dict[str, list[dict[str, Any]]], list[str]]:
    found: defaultdict[str, list[dict[str, Any]]] = defaultdict(list)
    programs = set()
    for row in votes.to_dict("records"):
        swapped, who = is_swapped(row, pair), user_id(row["annotator"])
        if row["simulated"]:
            programs.add(who)
        if row["winner"] is None:
            side = "left" if (row["rated_clip"] == "a") != swapped else "right"
            found[f"{row['dimension']}_{side}"].append({"value": int(row["rating"]), "user_id": who})
        else:
            verdict = verdict_outside(row["winner"], swapped=swapped)
            found[row["dimension"]].append({"value": verdict, "user_id": who})
    return dict(found), sorted(programs)


def _judgement(question: str, value: Any, where: str) -> dict[str, Any]:
    if isinstance(value, str):
        return {"dimension": question, "winner": verdict_inside(value)}
    dimension, _, side = question.rpartition("_")
    if side not in ("left", "right") or value not in (1, 2, 3, 4, 5):
        raise UsageError(f"{where}: {value!r} is no answer to {question!r}", hint="a verdict, or 1 to 5 for one side")
    return {"dimension": dimension, "rating": float(value), "rated_clip": verdict_inside(side)}


def _vote(
    pair: Mapping[str, Any], user: str, programs: list[str], stored: Mapping[tuple[str, str], tuple[str, str]]
) -> dict[str, Any]:
    new = (f"argilla-{sha256_json([pair['pair_id'], user])[:24]}", user)
    vote_id, annotator = stored.get((str(pair["pair_id"]), user), new)
    return {
        **prompt_columns(pair),
        **clips_of_sides(pair, swapped=False),
        "vote_id": vote_id,
        "annotator": annotator,
        "simulated": user in programs,
    }


def _stored(standing: pd.DataFrame | None) -> dict[tuple[str, str], tuple[str, str]]:
    """(pair, user) -> the vote's id and the annotator's pseudonym, of votes that the study has."""
    if standing is None:
        return {}
    rows = standing.drop_duplicates("vote_id").to_dict("records")
    return {(row["pair_id"], user_id(row["annotator"])): (row["vote_id"], row["annotator"]) for row in rows}
