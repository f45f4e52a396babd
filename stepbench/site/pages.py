"""The pages of the site: what each template is given."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

import pandas as pd

from stepbench.board.tables import SUMMARY_COLUMNS
from stepbench.board.verdict_words import say
from stepbench.site.content import SiteContent
from stepbench.site.drawings import MOST_ROWS, whiskers
from stepbench.site.history_pages import cost_page, history_page
from stepbench.site.human_pages import human_pages
from stepbench.site.render import Renderer, asset
from stepbench.site.words import Words
from stepbench.wording import DASH, interval, metric_title, number

MOST_ROWS_PER_TABLE = 2000
NOTHING = pd.DataFrame(columns=list(SUMMARY_COLUMNS))

CARD_FIELDS = ("formula", "source", "sees", "blind_to", "unit", "policy")
_RECIPE = (
    *("run_id", "generator", "revision", "weights_hash", "licence", "description", "status", "suite", "settings"),
    *("seeds", "reference", "plan_hash", "created_at", "updated_at", "stepbench"),
)
_SCRIPT_WORDS = ("play", "previous", "next", "page", "nothing", "no_clip", "not_made", "failed", "refused", "metric")


def all_pages(content: SiteContent, words: Words) -> Iterator[tuple[str, str]]:
    """(name, text) of every page, style sheet and script."""
    page = Renderer(content, words)
    pages = _Pages(page)
    yield "style.css", asset("stepbench.reporting", "report.css") + asset("stepbench.site", "site.css")
    yield "player.js", asset("stepbench.reporting", "report.js")
    yield "table.js", asset("stepbench.site", "table.js")
    yield "gallery.js", asset("stepbench.site", "gallery.js")
    yield pages.index()
    yield from human_pages(page)
    yield pages.methods()
    for table in content.tables.values():
        for place in range(max(1, len(table["metric_ids"]))):
            yield pages.overview(table, place)
            yield pages.compare(table, place)
            yield history_page(page, table, place)
            yield cost_page(page, table, place)
        yield pages.gallery(table)
        for run in table["runs"]:
            yield pages.run(table, run)


class _Pages:
    def __init__(self, page: Renderer) -> None:
        self.page, self.content, self.words = page, page.content, page.words

    def index(self) -> tuple[str, str]:
        tables = [(table, f"{_stem(table)}-0.html") for table in self.content.tables.values()]
        return self.page("index.html", "index", "board", tables=tables, left_out=self.content.left_out)

    def overview(self, table: dict[str, Any], place: int) -> tuple[str, str]:
        """One metric of a table: every run, over all prompts and by category and language."""
        metric_id = table["metric_ids"][place] if table["metric_ids"] else None
        rows = _metric_rows(self.content, table, metric_id)
        card = self.content.cards[metric_id] if metric_id else None
        every = [row for row in rows if row["cut"] == "all"]
        return self.page(
            f"{_stem(table)}-{place}.html",
            "overview",
            "board",
            table=table,
            metrics=self.page.links(table, _stem(table), place),
            card=card,
            title=metric_title(card) if card else "",
            advisories=self.content.advisories.get(metric_id or "", []),
            drawing=whiskers(card, every) if card else None,
            drawn=min(MOST_ROWS, len(every)),
            rows=rows,
            groups=list(dict.fromkeys((row["cut"], row["group"]) for row in rows)),
            downloads=_downloads(table),
        )

    def compare(self, table: dict[str, Any], place: int) -> tuple[str, str]:
        """Paired differences of one metric, over all prompts."""
        metric_id = table["metric_ids"][place] if table["metric_ids"] else None
        pairs = self.content.board.pairs(table["table_id"], metric_id=metric_id, cut="all") if metric_id else None
        rows = [] if pairs is None else [self._pair(row) for row in pairs.to_dict(orient="records")]
        return self.page(
            f"compare-{table['table_id']}-{place}.html",
            "compare",
            "compare",
            table=table,
            metrics=self.page.links(table, f"compare-{table['table_id']}", place),
            title=metric_title(self.content.cards[metric_id]) if metric_id else "",
            rows=rows,
            downloads=_downloads(table),
        )

    def gallery(self, table: dict[str, Any]) -> tuple[str, str]:
        """Two runs side by side, prompt by prompt; the clips' data are loaded when they are shown."""
        titles = self.content.titles(table)
        runs = [(self.content.slug(run), self.content.about(run)["label"]) for run in table["runs"]]
        told = {
            "table": table["table_id"],
            "titles": list(titles.values()),
            "directions": [self.content.cards[metric_id]["direction"] for metric_id in titles],
            "size": [table.get("width") or 16, table.get("height") or 9, table.get("fps") or 8],
            "words": {key: self.words(key) for key in _SCRIPT_WORDS},
        }
        name = f"gallery-{table['table_id']}.html"
        return self.page(
            name, "gallery", "gallery", table=table, runs=runs, titles=list(titles.values()), told=json.dumps(told)
        )

    def run(self, table: dict[str, Any], run: str) -> tuple[str, str]:
        """A run's scores by category and language, its recipe, and whether it was withdrawn."""
        summary = self.content.summary(table["table_id"], "run").get(run, NOTHING)
        titles = self.content.titles(table)
        order = {metric_id: place for place, metric_id in enumerate(titles)}
        rows = [_shown(row) | {"title": titles[row["metric_id"]]} for row in summary.to_dict(orient="records")]
        rows.sort(key=lambda row: (order[row["metric_id"]], row["cut"] != "all", row["cut"], row["group"]))
        facts = self.content.facts[run]
        recipe = [(name, facts[name]) for name in _RECIPE if isinstance(facts[name], str) and facts[name]]
        about = self.content.about(run)
        return self.page(
            about["page"], "run", "board", table=table, about=about, rows=rows, recipe=recipe, run_name=run,
            back=f"{_stem(table)}-0.html", groups=list(dict.fromkeys((row["cut"], row["group"]) for row in rows)),
        )  # fmt: skip

    def methods(self) -> tuple[str, str]:
        """How each number is computed, from the cards."""
        cards = [
            (metric_id, metric_title(card), [(field, card[field]) for field in CARD_FIELDS if card.get(field)],
             self.content.advisories.get(metric_id, []))
            for metric_id, card in self.content.cards.items()
        ]  # fmt: skip
        return self.page("methods.html", "methods", "methods", cards=cards)

    def _pair(self, row: Mapping[Any, Any]) -> dict[str, Any]:
        numbers = {
            name: row[name] for name in ("difference", "p_adjusted", "detectable_effect", "n", "mean_a", "mean_b")
        }
        counts = [row[name] for name in ("wins", "ties", "losses")]
        return {
            "a": self.content.about(row["run_a"]),
            "b": self.content.about(row["run_b"]),
            "verdict": say(row["verdict"], self.words.language) if isinstance(row["verdict"], str) else DASH,
            "interval": interval(row["low"], row["high"]),
            "counts": " / ".join(f"{count:.0f}" for count in counts) if pd.notna(counts[0]) else DASH,
            **{name: (value, number(value)) for name, value in numbers.items()},
        }


def _metric_rows(content: SiteContent, table: dict[str, Any], metric_id: str | None) -> list[dict[str, Any]]:
    """Rows of a table's runs, best first; where nothing was scored, the runs alone."""
    chosen = content.summary(table["table_id"], "metric_id").get(metric_id or "", NOTHING)
    if len(chosen) > MOST_ROWS_PER_TABLE:
        # The categories of so many runs stand on the runs' own pages.
        chosen = chosen[chosen.cut == "all"]
    direction = content.cards[metric_id]["direction"] if metric_id else "neutral"
    sign = 1 if direction == "lower" else -1
    ordered = chosen.assign(order=sign * chosen["mean"]).sort_values(
        ["cut", "group", "rank_low", "rank_high", "order"], kind="stable"
    )
    rows = [_shown(row) for row in ordered.to_dict(orient="records")]
    known = {row["run"] for row in rows}
    nothing = {"cut": "all", "group": "", "mean": None, "low": None, "high": None, "rank_low": None}
    texts = {
        "mean_text": DASH,
        "interval": DASH,
        "rank": "",
        "scored": "0",
        "n_units": 0,
        "n_failed": 0,
        "n_refused": 0,
    }
    rows += [{"run": run, **nothing, **texts} for run in table["runs"] if run not in known]
    for row in rows:
        facts = content.facts[row["run"]]
        row |= content.about(row["run"])
        row |= {"seconds": facts["seconds"], "seconds_text": number(facts["seconds"]), "licence": facts["licence"]}
    return rows


def _shown(row: Mapping[Any, Any]) -> dict[str, Any]:
    half = (row["high"] - row["low"]) / 2
    return {**row, "mean_text": number(row["mean"], half)}


def _downloads(table: dict[str, Any]) -> list[tuple[str, list[tuple[str, str]]]]:
    table_id = table["table_id"]
    return [
        (name, [(kind, f"data/{name}-{table_id}.{kind}") for kind in ("csv", "json", "parquet")])
        for name in ("summary", "runs", "pairs")
    ]


def _stem(table: dict[str, Any]) -> str:
    return f"table-{table['table_id']}"
