"""Finished run folders for tests of the board: tiny clips from a toy generator, scores as the test wants them."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from stepbench.api import run
from stepbench.errors import Refused
from stepbench.generators.protocol import Clip
from stepbench.records import GeneratorCard, Prompt, Request, Settings, Suite, SuiteCard

NASTY = "<script>alert('x')</script> **bold** :red[x] $y$ [link](javascript:alert(1)) `code` & \"quotes\""
"""A prompt that must come out on every page exactly as it went in."""

CATEGORIES = ("animals", "**odd** <b>name</b>")


def card(name: str, direction: str = "higher", version: int = 1) -> dict[str, Any]:
    """A metric card as `run.json` keeps it."""
    return {
        "id": f"{name}@{version}:native",
        "name": name,
        "version": version,
        "title": name.capitalize(),
        "direction": direction,
        "unit": "points",
        "range": [0.0, None],
        "level": "clip",
        "needs": [],
        "family": "toys",
        "policy": "native",
        "backbone": None,
        "weights_hash": "",
        "formula": "a * b_c",
        "source": "made for tests",
        "sees": "what the test says",
        "blind_to": "everything else",
    }


def suite(name: str = "toys", prompts: int = 10, **fields: Any) -> Suite:
    """A suite of English prompts with Chinese translations, in two categories; the first prompt is `NASTY`."""
    rows = [
        Prompt(
            id=f"p{number}-{language}",
            text=(NASTY if number == 0 else f"a toy number {number}") if language == "en" else f"玩具 {number}",
            language=language,
            category=CATEGORIES[number % 2],
            pair_id=f"p{number}",
        )
        for number in range(prompts)
        for language in ("en", "zh")
    ]
    about = {"title": name, "licence": "CC0-1.0", "languages": ("en", "zh"), "source": "tests", "citation": "none"}
    return Suite(card=SuiteCard(name=name, version="1", **{**about, **fields}), prompts=tuple(rows))


class Painter:
    """Paints a square that moves by one pixel per frame, in a colour of its own; refuses or fails where told to."""

    def __init__(self, name: str, trouble: Mapping[str, Exception], geometry: Settings) -> None:
        self.card = GeneratorCard(name=name, revision="1", description=f"paints as {name}")
        self.trouble = trouble
        self.geometry = geometry

    def resolve(self, prompt: Prompt, seed: int, settings: Settings) -> Settings:
        """The size of the clips, whatever is asked for."""
        return self.geometry

    def generate(self, request: Request) -> Clip:
        """One clip."""
        if request.prompt_id in self.trouble:
            raise self.trouble[request.prompt_id]
        colour = np.frombuffer(
            sha256(f"{self.card.name} {request.text} {request.seed}".encode()).digest()[:3], np.uint8
        )
        count, size = int(self.geometry["frames"]), int(self.geometry["height"])
        frames = np.zeros((count, 3, size, size), dtype=np.uint8)
        for index in range(count):
            frames[index, :, 4:12, index : index + 8] = colour[:, None, None]
        return Clip(frames=frames, fps=float(self.geometry["fps"]))


def make_run(
    root: Path,
    name: str,
    values: Mapping[str, Callable[[str, int], float]] | None = None,
    *,
    generator: str | None = None,
    on: Suite | None = None,
    cards: Iterable[dict[str, Any]] = (card("shine"), card("wobble", "lower")),
    seeds: Iterable[int] = (0,),
    failed: Iterable[str] = (),
    refused: Iterable[str] = (),
    geometry: Settings = {"frames": 4, "height": 16, "width": 16, "fps": 8},  # noqa: B006 - never changed
    **options: Any,
) -> Path:
    """A finished run in `root / name`.

    Args:
        values: Metric name -> (prompt id, seed) -> score; None scores nothing.
        generator: Name of the generator; by default `toy:` and the run's name.
    """
    trouble: dict[str, Exception] = {prompt: RuntimeError("no <b>luck</b>") for prompt in failed}
    trouble |= {prompt: Refused("not <i>this</i> one") for prompt in refused}
    painter = Painter(generator or f"toy:{name}", trouble, geometry)
    with pytest.MonkeyPatch.context() as patch:
        # Listing the installed packages takes longer than making the clips.
        patch.setattr("stepbench.provenance.distributions", list)
        made = run(painter, on or suite(), metrics=(), seeds=tuple(seeds), out=root, run_id=name, **options)
    info = json.loads((made.folder / "run.json").read_text(encoding="utf-8"))
    samples = made.samples()
    good = samples[samples.outcome == "ok"]
    for metric in cards if values is not None else ():
        info["metric_cards"][metric["id"]] = metric
        rows = [
            {
                "sample_key": row["sample_key"],
                "metric_id": metric["id"],
                "clip_sha256": row["clip_sha256"],
                "value": values[metric["name"]](row["prompt_id"], row["seed"]),
                "n": 1,
                "status": "ok",
                "error": None,
            }
            for row in good.to_dict(orient="records")
        ]
        text = "".join(json.dumps(row) + "\n" for row in rows)
        (made.folder / "scores" / f"{metric['id']}.jsonl").write_text(text, encoding="utf-8")
    rewrite(made.folder, **info)
    return made.folder


def rewrite(run: Path, **fields: Any) -> None:
    """Change fields of a run's `run.json`."""
    info = json.loads((run / "run.json").read_text(encoding="utf-8"))
    (run / "run.json").write_text(json.dumps({**info, **fields}), encoding="utf-8")


def level(mean: float, seed: int = 0) -> Callable[[str, int], float]:
    """Scores around `mean` that depend on the prompt far more than on the run."""

    def value(prompt_id: str, sample_seed: int) -> float:
        shared = np.random.default_rng([*prompt_id.encode(), sample_seed]).normal()
        own = np.random.default_rng([seed, *prompt_id.encode(), sample_seed]).normal(scale=0.3)
        return float(mean + shared + own)

    return value
