"""Small studies with clips, for tests of the voting pages. Every name that an annotator must not see holds SECRET."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from stepbench.preferences import Study
from stepbench.preferences.study_folder import new_study
from stepbench.video import write_preview

NASTY = "<script>alert('x')</script> **bold** :red[x] $y$ [link](javascript:alert(1)) `code` & \"quotes\""
FRAMES, FPS = 4, 8.0
SECRET = "SECRET"


def make_voting_study(
    root: Path, protocol: str = "pairwise", *, real: int = 3, gold: int = 1, practice: int = 1
) -> Study:
    """A study in `root/study`; every real pair wants two votes, the better clip of gold and practice is number 1.

    Names of generators, runs, keys and source files hold `SECRET`; the first prompt is `NASTY`.
    """
    protocol_file = root / "protocol.toml"
    root.mkdir(parents=True, exist_ok=True)
    protocol_file.write_text(protocol, encoding="utf-8")
    study = new_study(root / "study", protocol=str(protocol_file) if "\n" in protocol else protocol, seed=1)
    kinds = ["real"] * real + ["gold"] * gold + ["calibration"] * practice
    study.add_pairs([_pair(root, number, kind) for number, kind in enumerate(kinds)], target_votes=2)
    return study


def _pair(root: Path, number: int, kind: str) -> dict[str, Any]:
    clips = [root / f"{SECRET}-{name}-{number}.mp4" for name in ("alpha", "beta")]
    for place, clip in enumerate(clips):
        frames = np.full((FRAMES, 3, 48, 64), 30 + 20 * number, dtype=np.uint8)
        for frame in range(FRAMES):
            frames[frame, place, 10:30, frame * 8 : frame * 8 + 20] = 250
        write_preview(clip, frames, FPS)
    return {
        "pair_id": f"pair-{number}",
        "prompt_id": f"p{number}",
        "text": NASTY if number == 0 else f"a toy, number {number}",
        "language": "en",
        "kind": kind,
        "expected": None if kind == "real" else "1",
        "note": None if kind == "real" else f"{SECRET} damage",
        **{
            f"{name}_{place}": value
            for place, model in ((1, "alpha"), (2, "beta"))
            for name, value in {
                "model": f"{SECRET}{model}",
                "run": f"{SECRET}-run-{model}",
                "seed": 0,
                "sample_key": f"5ec4e{place}" * 5,
                "clip": str(clips[place - 1]),
            }.items()
        },
    }
