"""Write docs/metrics/*.md and docs/validity.md from the metrics' cards and measured answers.

OMP_NUM_THREADS=1 stepbench metrics selftest --json > docs/metrics/measured.jsonl   # minutes; measures anew
python docs/metric_pages.py                                                         # --check: only compare
"""

from __future__ import annotations

import inspect
import json
import sys
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from metrics.base import ClipMetric
from metrics.errors import UnavailableMetricError
from metrics.frame_metric import FrameMetric
from metrics.registry import METRICS, describe
from stepbench.validity.graded import CORRUPTIONS, FRAMES, SIDE
from stepbench.validity.selftest import Answer
from stepbench.validity.table import LEGEND, markdown, rows_of

DOCS = Path(__file__).resolve().parent
PAGES = DOCS / "metrics"
MEASURED = PAGES / "measured.jsonl"
ARROWS = {"higher": "↑ higher is better", "lower": "↓ lower is better", "neutral": "neither way is better"}
POLICIES = {"i3d": "16f-224-bilinear", "inception": "8f-uniform-299-bilinear"}
"""What backbones whose weights do not ship see of a clip, as their loaders say it."""

MADE_BY = "<!-- made by docs/metric_pages.py -->\n"


def pages() -> dict[Path, str]:
    """Every page that there should be, with its text."""
    answers = _answers()
    known = {name: _card(name) for name in METRICS}
    cards = {card.name: card for card in known.values() if card is not None}
    whole = {card.name for name, card in known.items() if card is not None and _sees_whole_clips(METRICS[name].load())}
    texts = {
        PAGES / f"{name}.md": _page(card, answers.get(name, []), whole_clips=name in whole)
        for name, card in cards.items()
    }
    texts[PAGES / "README.md"] = _index(cards, [name for name, card in known.items() if card is None])
    texts[DOCS / "validity.md"] = _validity([answer for own in answers.values() for answer in own])
    return texts


def _card(name: str) -> Any:
    """The card without the hash of weights, which may lie here or not; None where the weights say what is seen."""
    entry = METRICS[name]
    metric: Any = entry.load()
    card = getattr(metric, "card", None)
    if card is None:
        backbone = entry.options.get("backbone") or inspect.signature(metric).parameters["backbone"].default
        if backbone in POLICIES:
            return metric.card_for(SimpleNamespace(name=backbone, weights_hash="", policy=POLICIES[backbone]))
        try:
            card = describe(name)
        except UnavailableMetricError:
            return None
    return replace(card, weights_hash="")


def _sees_whole_clips(metric: Any) -> bool:
    """Whether all frames of a clip are held for the metric when a run is scored; set metrics ask their backbone."""
    if not issubclass(metric, ClipMetric) or issubclass(metric, FrameMetric):
        return False
    return metric.frames_seen is ClipMetric.frames_seen


def _answers() -> dict[str, list[Answer]]:
    found: dict[str, list[Answer]] = {}
    for line in MEASURED.read_text(encoding="utf-8").splitlines():
        row: dict[str, Any] = json.loads(line)
        del row["verdict"]
        row |= {
            "amounts": tuple(row["amounts"]),
            "clean": _value(row["clean"]),
            "means": tuple(map(_value, row["means"])),
        }
        found.setdefault(row["metric"], []).append(Answer(**row))
    return found


def _value(number: float | None) -> float:
    return float("nan") if number is None else number


def _page(card: Any, answers: list[Answer], *, whole_clips: bool) -> str:
    low, high = ("open" if end is None else f"{end:g}" for end in card.range)
    facts = {
        "family": card.family,
        "better": ARROWS[card.direction],
        "value": f"one per {card.level}, from {low} to {high}{f', in {card.unit}' if card.unit else ''}",
        "needs": ", ".join(need.replace("_", " ") for need in card.needs) or "the clips alone",
        "formula": card.formula,
        "source": card.source,
        "frames and size": card.policy,
        "network": card.backbone or "none",
        "version": str(card.version),
        "sees": card.sees,
        "blind to": card.blind_to,
    }
    if whole_clips:
        facts["memory"] = "grows with the length of a clip, all of whose frames it sees at once"
    if answers:
        milliseconds = 1000 * answers[0].seconds_per_clip
        facts["cost"] = f"about {milliseconds:.2g} ms per clip of {FRAMES} frames of {SIDE}x{SIDE}, one CPU thread"
    rows = "".join(f"| {name} | {_cell(value)} |\n" for name, value in facts.items())
    lacks = "needs weights that do not ship with stepbench" if card.backbone else "is new"
    measured = _measured(answers) if answers else f"Not measured here: it {lacks}.\n"
    return f"{MADE_BY}\n# {card.title}\n\n`{card.name}`\n\n| | |\n|---|---|\n{rows}\n## Measured\n\n{measured}"


def _measured(answers: list[Answer]) -> str:
    header = "| corruption | clean | by amount | answer | promised |\n|---|---|---|---|---|\n"
    rows = []
    for answer in answers:
        pairs = zip(answer.amounts, answer.means, strict=True)
        steps = " · ".join(f"{amount:g}: {mean:.4g}" for amount, mean in pairs)
        promised = {"ok": f"{answer.promised} ✓", "failed": f"{answer.promised} ✗", "measured": ""}[answer.verdict]
        observed = f"{answer.observed} ({_cell(answer.reason)})" if answer.observed == "undefined" else answer.observed
        rows.append(f"| {answer.corruption} | {answer.clean:.4g} | {steps} | {observed} | {promised} |\n")
    return (
        f"Means over {max(answer.clips for answer in answers)} built-in clips and the same clips damaged on purpose; "
        f"see [validity](../validity.md).\n\n{header}{''.join(rows)}"
    )


def _index(cards: dict[str, Any], with_weights: list[str]) -> str:
    families: dict[str, list[Any]] = {}
    for card in cards.values():
        families.setdefault(card.family, []).append(card)
    parts = [MADE_BY, "\n# Metrics\n\n", "One page per metric, from its card. `stepbench list metrics` lists them.\n"]
    for family, members in families.items():
        parts.append(f"\n## {family}\n\n| metric | better | per | needs | formula |\n|---|---|---|---|---|\n")
        for card in members:
            needs = ", ".join(need.replace("_", " ") for need in card.needs)
            arrow = {"higher": "↑", "lower": "↓", "neutral": ""}[card.direction]
            row = [f"[{card.name}]({card.name}.md)", arrow, card.level, needs, _cell(card.formula)]
            parts.append("| " + " | ".join(row) + " |\n")
    names = ", ".join(f"`{name}`" for name in with_weights)
    parts.append(
        f"\n## Cards that need the weights\n\n{names}: `stepbench list metrics` shows them once these are here.\n"
    )
    return "".join(parts)


def _validity(answers: list[Answer]) -> str:
    amounts = "".join(
        f"| {name} | {', '.join(f'{amount:g}' for amount in steps)} |\n" for name, steps in CORRUPTIONS.items()
    )
    return (
        f"{MADE_BY}\n# Validity\n\nWhat every metric that runs without foreign weights does on clips that are wrong in "
        "a known way: `stepbench metrics selftest` prints this table anew and ends with code 12 if a metric does not "
        f"do what it promises.\n\n{LEGEND}\n\n{markdown(rows_of(answers))}\n"
        "Amounts: noise in levels of 255 (standard deviation), blur in pixels (sigma) and jitter likewise of a frame "
        "whose shorter side is 64, compression as crf of H.264, flicker in percent of full scale. `frozen` repeats the "
        "first frame; `wrong-prompt` leaves the clip and exchanges what it is held against.\n\n"
        f"| corruption | amounts |\n|---|---|\n{amounts}"
    )


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("](", "]\\(").replace("\n", " ")


if __name__ == "__main__":
    wanted = pages()
    stale = [path for path, text in wanted.items() if not path.is_file() or path.read_text(encoding="utf-8") != text]
    extra = sorted(set(PAGES.glob("*.md")) - set(wanted))
    if "--check" in sys.argv and (stale or extra):
        sys.exit(f"out of date: {', '.join(path.name for path in [*stale, *extra])}; run `python docs/metric_pages.py`")
    for path in extra:
        path.unlink()
    for path in stale:
        path.write_text(wanted[path], encoding="utf-8")
