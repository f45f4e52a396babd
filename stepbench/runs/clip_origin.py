"""Where a clip comes from, as its master carries it in the container: written with the clip, read back from the file.

Nothing in it depends on when, where or by whom the clip was made, and it is written before the file is hashed: the same
plan gives the same bytes, whatever the run's folder is called and however many workers, shards or attempts it took.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

from stepbench import __version__
from stepbench.canonical import canonical_json
from stepbench.records import GeneratorCard, Settings
from stepbench.runs.plan import sample_key as key_of

FORMAT = 1
_MARK = "stepbench_clip"


def origin_text(
    card: GeneratorCard, text: str, settings: Settings, *, seed: int, run: str = "", sample_key: str = ""
) -> str:
    """The origin of a clip as canonical JSON: run, sample key, generator, settings, seed, prompt hash, version.

    Args:
        card: Of the generator.
        text: Prompt as sent; the hash of its UTF-8 bytes is kept, not the text.
        settings: All of them, as the generator resolved them.
        run: The name that follows from the plan (`plan.plan_name`); empty for a clip outside any run.
        sample_key: Of the planned sample; made from the rest where it is not given.
    """
    return canonical_json(
        {
            _MARK: FORMAT,
            "stepbench": __version__,
            "run": run,
            "sample_key": sample_key or key_of(card.identity, text, seed, settings),
            "generator": card.identity,
            "prompt_sha256": hashlib.sha256(text.encode()).hexdigest(),
            "seed": seed,
            "settings": dict(settings),
        }
    )


def read_origin(path: Path) -> dict[str, Any] | None:
    """What the container of `path` says about where the clip comes from; None where it says nothing of the kind.

    Anybody can write such a text into a file: it is a statement, not a proof.

    Raises:
        VideoError: The file is missing or no video.
    """
    from stepbench.video import read_comment

    try:
        told = json.loads(read_comment(path))
    except ValueError:
        # A comment of somebody else, or none.
        return None
    return told if isinstance(told, dict) and told.get(_MARK) == FORMAT else None
