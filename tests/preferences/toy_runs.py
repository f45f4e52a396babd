"""Finished runs of toy generators, small enough to be made in every test session."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pytest

from stepbench.api import run
from stepbench.errors import Refused
from stepbench.generators.protocol import Clip
from stepbench.records import GeneratorCard, Prompt, Request, Settings, Suite, SuiteCard
from stepbench.runs.run import Run

GEOMETRY: Settings = {"frames": 8, "height": 32, "width": 32, "fps": 8}


def toy_suite(prompts: int = 6, *, text: str = "a toy", name: str = "toys") -> Suite:
    """Prompts in two categories."""
    rows = [
        Prompt(id=f"p{number}", text=f"{text}, number {number}", language="en", category="ab"[number % 2])
        for number in range(prompts)
    ]
    card = SuiteCard(
        name=name, version="1", title=name, licence="CC0-1.0", languages=("en",), source="tests", citation="none"
    )
    return Suite(card=card, prompts=tuple(rows))


class Toy:
    """Draws a square that moves over noise; refuses the prompts it is told to."""

    def __init__(self, name: str, refused: Iterable[str], same: bool) -> None:
        self.card = GeneratorCard(name=name, revision="1", description="draws")
        self.refused = set(refused)
        self.same = same

    def resolve(self, prompt: Prompt, seed: int, settings: Settings) -> Settings:
        return GEOMETRY

    def generate(self, request: Request) -> Clip:
        if request.prompt_id in self.refused:
            raise Refused("not this one")
        name = "" if self.same else self.card.name
        rng = np.random.default_rng([*f"{name}{request.text}".encode(), request.seed])
        frames = np.full((8, 3, 32, 32), 60, dtype=np.uint8)
        frames[:, :, ::2] = rng.integers(0, 120, (3, 1, 32), dtype=np.uint8)
        for index in range(8):
            frames[index, :, 8:24, index * 3 : index * 3 + 10] = rng.integers(160, 255, (3, 1, 1), dtype=np.uint8)
        return Clip(frames=frames, fps=8.0)


def toy_run(
    root: Path,
    name: str,
    *,
    generator: str | None = None,
    suite: Suite | None = None,
    seeds: Iterable[int] = (0,),
    refused: Iterable[str] = (),
    same: bool = False,
) -> Run:
    """A finished run without scores; `same` draws the same clips whatever the generator."""
    toy = Toy(generator or f"toy:{name}", refused, same)
    with pytest.MonkeyPatch.context() as patch:
        # Listing the installed packages takes longer than making the clips.
        patch.setattr("stepbench.provenance.distributions", list)
        return run(toy, suite or toy_suite(), metrics=(), seeds=tuple(seeds), out=root, run_id=name)
