"""The CSV that VideoAlign trains its reward model on: two clips per row, and which is better in three respects."""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from stepbench.canonical import sha256_json
from stepbench.errors import NothingSelectedError, UsageError
from stepbench.preferences.formats.planned_pairs import clips_of_sides, prompt_columns
from stepbench.preferences.formats.videoalign_votes import (
    LABELS,
    read_votes_beside,
    votes_of_row,
    write_votes_beside,
)
from stepbench.preferences.formats.votes_table import votes_frame
from stepbench.preferences.ratings.counting import Table, count_votes

COLUMNS = ("path_A", "path_B", "prompt", "VQ", "MQ", "TA", "fps_A", "num_frames_A", "fps_B", "num_frames_B")
DIMENSIONS = {"VQ": "aesthetic_appeal", "MQ": "motion_smoothness", "TA": "instruction_following"}
"""Their quality of pictures, quality of motion and alignment with the text, as our protocols call them."""
_VERDICTS = {"A": "a", "B": "b", "same": "tie"}


@dataclass(frozen=True, kw_only=True)
class VideoAlignFile:
    """What was written.

    Attributes:
        rows: Judgements, one of a pair of clips by an annotator.
        dimensions: Column -> our dimension that it holds.
        left_out: Judgements that lack a verdict in one of the three.
    """

    rows: int
    dimensions: dict[str, str]
    left_out: int


def write_videoalign(votes: Table, path: Path) -> VideoAlignFile:
    """The votes that count, one row per pair and annotator. "Both bad" becomes `same`, which is all the format has.

    A column holds the votes of its dimension (`DIMENSIONS`); where a study asks for the overall verdict only, all three
    columns hold that. Whose judgement a row is, and whether a program's, stands in a file beside it
    (`videoalign_votes`).

    Raises:
        NothingSelectedError: No row has all three.
        UsageError: The study asks for some of the dimensions and not for all.
    """
    pairwise = count_votes(votes).pairwise
    dimensions = _dimensions(set(pairwise["dimension"]))
    rows, whose, left_out = [], [], 0
    for _, group in pairwise.groupby(["pair_id", "annotator"], sort=True):
        given = {row["dimension"]: row for row in group.to_dict("records")}
        if any(dimension not in given for dimension in dimensions.values()):
            left_out += 1
            continue
        first = group.iloc[0]
        judgements = {column: given[dimension] for column, dimension in dimensions.items()}
        verdicts = {column: LABELS[row["winner"]] for column, row in judgements.items()}
        whose.append(votes_of_row(judgements))
        rows.append(
            {
                "path_A": first["clip_a"],
                "path_B": first["clip_b"],
                "prompt": first["text"],
                **verdicts,
                **{f"fps_{side.upper()}": _cell(first[f"fps_{side}"]) for side in "ab"},
                **{f"num_frames_{side.upper()}": _cell(first[f"frames_{side}"]) for side in "ab"},
            }
        )
    if not rows:
        raise NothingSelectedError("no judgement has a verdict in all of VQ, MQ and TA")
    with path.open("w", encoding="utf-8", newline="") as stream:
        writer = csv.DictWriter(stream, COLUMNS)
        writer.writeheader()
        writer.writerows(rows)
    write_votes_beside(whose, path)
    return VideoAlignFile(rows=len(rows), dimensions=dimensions, left_out=left_out)


def read_videoalign(path: Path, pairs: Table | None = None) -> Table:
    """The file as votes. It names neither annotators nor models.

    Where the file beside it, written with it, says whose votes they are, they are these. Without it the n-th row on a
    pair of clips is taken for the n-th annotator, and for a person; where VQ, MQ and TA agree in every row they came
    from one question, and give overall votes.

    Args:
        path: CSV with at least the columns `COLUMNS`.
        pairs: The study's pairs: clips are found there by their paths, and their models with them. Without it a
            clip's path stands in for its model.

    Raises:
        UsageError: Missing columns, an unknown label, clips that no pair of the study has, or a file beside that does
            not fit.
    """
    try:
        with path.open(encoding="utf-8", newline="") as stream:
            rows = list(csv.DictReader(stream))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise UsageError(f"{path} cannot be read: {error}") from error
    missing = [name for name in COLUMNS if not rows or name not in rows[0]]
    if missing:
        raise UsageError(f"{path} lacks the columns {', '.join(missing)}", hint=f"VideoAlign has {', '.join(COLUMNS)}")
    one_question = all(row["VQ"] == row["MQ"] == row["TA"] for row in rows)
    known = _by_paths(pairs) if pairs is not None else None
    beside = read_votes_beside(rows, path)
    seen: Counter[str] = Counter()
    votes = []
    for number, row in enumerate(rows, 1):
        shared = _pair(row, known, f"{path}, row {number}")
        if beside is not None:
            votes.extend(shared | vote for vote in beside[number - 1])
            continue
        seen[shared["pair_id"]] += 1
        who = f"videoalign-{seen[shared['pair_id']]}"
        for column, dimension in {"VQ": "overall"}.items() if one_question else DIMENSIONS.items():
            if row[column] not in _VERDICTS:
                raise UsageError(f"{path}, row {number}: {column} is {row[column]!r}", hint="A, B or same")
            vote_id = f"videoalign-{sha256_json([shared['pair_id'], who])[:24]}"
            told = {"vote_id": vote_id, "dimension": dimension, "winner": _VERDICTS[row[column]], "annotator": who}
            votes.append(shared | told | {"simulated": False})
    return votes_frame(votes)


def _dimensions(asked: set[str]) -> dict[str, str]:
    have = {column: name for column, name in DIMENSIONS.items() if name in asked}
    if len(have) == len(DIMENSIONS):
        return have
    if have:
        lacking = sorted(set(DIMENSIONS.values()) - asked)
        raise UsageError(
            f"VideoAlign needs {', '.join(DIMENSIONS.values())}; the study has no pairwise votes on {lacking[0]}",
            hint="the protocol pairwise-dimensions asks for all of them, pairwise for the overall verdict alone",
        )
    if "overall" not in asked:
        raise UsageError("the study has no pairwise votes that VideoAlign has a column for")
    return dict.fromkeys(DIMENSIONS, "overall")


def _by_paths(pairs: Table) -> dict[tuple[str, str, str], tuple[dict[str, Any], bool]]:
    known = {}
    for pair in pairs[pairs["kind"] == "real"].to_dict("records"):
        one, two = str(pair["clip_1"]), str(pair["clip_2"])
        known[str(pair["text"]), one, two] = (pair, False)
        known[str(pair["text"]), two, one] = (pair, True)
    return known


def _pair(row: Mapping[str, str], known: Mapping[tuple[str, str, str], Any] | None, where: str) -> dict[str, Any]:
    if known is not None:
        found = known.get((row["prompt"], row["path_A"], row["path_B"]))
        if found is None:
            raise UsageError(f"{where}: the study has no pair of {row['path_A']} and {row['path_B']} for this prompt")
        pair, swapped = found
        return prompt_columns(pair) | clips_of_sides(pair, swapped=swapped)
    prompt_id = sha256_json(row["prompt"])[:16]
    sides = {}
    for side in "ab":
        upper = side.upper()
        sides |= {f"model_{side}": row[f"path_{upper}"], f"clip_{side}": row[f"path_{upper}"]}
        sides |= {f"fps_{side}": _number(row[f"fps_{upper}"], where)}
        frames = _number(row[f"num_frames_{upper}"], where)
        sides |= {f"frames_{side}": None if frames is None else int(frames)}
    pair_id = sha256_json([row["prompt"], *sorted([row["path_A"], row["path_B"]])])[:16]
    return {"pair_id": pair_id, "kind": "real", "prompt_id": prompt_id, "text": row["prompt"], **sides}


def _cell(value: Any) -> Any:
    return "" if pd.isna(value) else int(value) if value == int(value) else value


def _number(text: str, where: str) -> float | None:
    if not text:
        return None
    try:
        return float(text)
    except ValueError:
        raise UsageError(f"{where}: not a number: {text!r}") from None
