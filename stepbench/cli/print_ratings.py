"""What the votes of a study say, as tables for people."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from stepbench.cli.output import interval, note, number, print_table

if TYPE_CHECKING:
    from stepbench.preferences.ratings.study_ratings import DimensionRatings, StudyRatings


def print_ratings(ratings: StudyRatings, *, annotators: bool) -> None:
    """Everything that `rate_study` found; with `annotators` also who voted how in which category."""
    for text in ratings.notes:
        note(text)
    mark = " (SIMULATED VOTES)" if ratings.counted.simulated else ""
    for found in ratings.dimensions:
        _print_dimension(found, mark, annotators=annotators)
    if len(ratings.means):
        rows = [_mean_row(row) for row in ratings.means.to_dict("records")]
        print_table(rows, list(rows[0]), title=f"ratings from 1 to 5{mark}")
    rows = [
        {name: row[name] for name in ("dimension", "judgement", "coefficient", "scale")}
        | {"value": number(row["value"], 2), "interval": interval(row["low"], row["high"]), "items": row["items"]}
        for row in ratings.agreement.to_dict("records")
    ]
    print_table(rows, list(rows[0]) if rows else [], title=f"agreement{mark}")


def _print_dimension(found: DimensionRatings, mark: str, *, annotators: bool) -> None:
    name = found.dimension
    if found.problem:
        print(f"{name}: no ratings: {found.problem}")
    else:
        rows = [_model_row(row) for row in found.models.to_dict("records")]
        print_table(rows, list(rows[0]), title=f"{name}: ratings in log-odds{mark}")
    rows = [_pair_row(row) for row in found.head_to_head.to_dict("records")]
    if rows:
        print_table(rows, list(rows[0]), title=f"{name}: head to head{mark}")
    rows = [_annotator_row(row) for row in found.annotators.to_dict("records")] if annotators else []
    if rows:
        print_table(rows, list(rows[0]), title=f"{name}: by annotator and category{mark}")
    for text in found.notes:
        note(f"{name}: {text}")


def _model_row(row: dict[Any, Any]) -> dict[str, Any]:
    acceptable = interval(row["acceptable_low"], row["acceptable_high"])
    return {
        "model": row["model"],
        "rating": row["problem"] or number(row["rating"], 3),
        "interval": interval(row["low"], row["high"]),
        "rank": f"{row['rank_low']} to {row['rank_high']}" if row["rank_low"] < row["rank_high"] else row["rank_low"],
        "P(best)": number(row["p_best"], 2),
        "votes": row["votes"],
        "acceptable": f"{row['acceptable']:.1%} {acceptable}".strip(),
    }


def _pair_row(row: dict[Any, Any]) -> dict[str, Any]:
    return {
        "model": row["model"],
        "against": row["opponent"],
        "wins-ties-losses": f"{row['wins']}-{row['ties']}-{row['losses']}",
        "both bad": row["both_bad"],
        "win rate": number(row["win_rate"], 3),
        "interval": interval(row["low"], row["high"]),
        "prompts won-lost": f"{row['prompts_won']}-{row['prompts_lost']} of {row['prompts']}",
        "p": number(row["p"], 2),
        "p adj.": number(row["p_adjusted"], 2),
    }


def _annotator_row(row: dict[Any, Any]) -> dict[str, Any]:
    return {
        "model": row["model"],
        "against": row["opponent"],
        "annotator": row["annotator"] + (" (simulated)" if row["simulated"] else ""),
        "category": row["category"],
        "wins-ties-losses": f"{row['wins']}-{row['ties']}-{row['losses']}",
        "both bad": row["both_bad"],
        "p": number(row["p"], 2),
    }


def _mean_row(row: dict[Any, Any]) -> dict[str, Any]:
    return {
        "dimension": row["dimension"],
        "model": row["model"],
        "mean": number(row["mean"], 3),
        "interval": interval(row["low"], row["high"]),
        "n": row["n"],
        "1 to 5": " ".join(map(str, row["counts"])),
        "nearest words": row["nearest_anchor"],
    }
