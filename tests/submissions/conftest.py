"""A finished run with real scores, made once; tests that change it take a copy."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from submitted_runs import pack_suite

from stepbench.api import run
from stepbench.generators.protocol import Clip
from stepbench.records import GeneratorCard, Prompt, Request, Settings
from stepbench.suites import load_suite


class Stripes:
    """Stripes that move by a pixel per frame, in a colour that the seed and the prompt decide."""

    card = GeneratorCard(name="toy:stripes", revision="1", description="moving stripes")

    def resolve(self, prompt: Prompt, seed: int, settings: Settings) -> Settings:
        """The size of the clips, whatever is asked for."""
        return {"frames": 4, "height": 16, "width": 16, "fps": 8}

    def generate(self, request: Request) -> Clip:
        """One clip."""
        rng = np.random.default_rng([request.seed, *request.text.encode()])
        picture = rng.integers(0, 256, size=(3, 4, 4), dtype=np.uint8).repeat(4, axis=1).repeat(4, axis=2)
        return Clip(frames=np.stack([np.roll(picture, shift, axis=2) for shift in range(4)]), fps=8.0)


@pytest.fixture(scope="session")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the suite and, in `runs/stripes`, a run on all of it."""
    root = tmp_path_factory.mktemp("submitted")
    suite = pack_suite(root / "mini", ["a cat", "a dog", "a bird"])
    with pytest.MonkeyPatch.context() as patch:
        # Listing the installed packages takes longer than making the clips.
        patch.setattr("stepbench.provenance.distributions", list)
        options: dict[str, Any] = {"metrics": ["flicker", "saturation"], "out": root / "runs", "run_id": "stripes"}
        run(Stripes(), load_suite(suite), seeds=(0, 1), **options)
    return root


@pytest.fixture
def place(made: Path, tmp_path: Path) -> Path:
    """A copy of `made` that the test may change."""
    return Path(shutil.copytree(made, tmp_path / "place"))


@pytest.fixture
def suite(made: Path) -> Any:
    """The suite of the run."""
    return load_suite(made / "mini")


@pytest.fixture
def check(suite: Any) -> Callable[..., Any]:
    """`check(path)` checks a submission on the suite, without computing scores unless told to."""
    from stepbench.submissions.check import check_submission

    def call(path: Path, **options: Any) -> Any:
        return check_submission(path, **{"suite": suite, "rescore": 0, **options})

    return call
