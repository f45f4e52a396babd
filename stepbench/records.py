"""The frozen records that travel through stepbench: prompt -> suite -> request -> sample -> clip."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

from stepbench.canonical import sha256_json

Settings = Mapping[str, Any]
"""Everything beside prompt and seed that a generator is told: frames, height, width, fps, steps, guidance ..."""

Outcome = Literal["ok", "failed", "refused"]

SAFE_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")
"""Ids become file names on every system: letters, digits, dot, underscore and hyphen, at most 100 of them."""


@dataclass(frozen=True, kw_only=True)
class Prompt:
    """One text to be turned into a clip.

    Attributes:
        id: Safe id (`SAFE_ID`), unique in its suite; never changes its meaning.
        text: The text exactly as it is sent to the generator.
        language: BCP 47 code such as `en` or `zh`.
        category: The suite's own category name.
        tags: Free labels.
        pair_id: Links translations of one another.
        split: `train`, `test`, or None where the suite has no splits.
        ground_truth: What a correct clip must show, in the terms of the suite's world.
    """

    id: str
    text: str
    language: str
    category: str
    tags: tuple[str, ...] = ()
    pair_id: str | None = None
    split: str | None = None
    ground_truth: Mapping[str, Any] | None = None

    def to_json(self) -> dict[str, Any]:
        """The prompt as it stands in `prompts.jsonl`: absent fields are left out."""
        row = {"id": self.id, "text": self.text, "language": self.language, "category": self.category}
        optional = {
            "tags": list(self.tags) or None,
            "pair_id": self.pair_id,
            "split": self.split,
            "ground_truth": self.ground_truth,
        }
        return row | {name: value for name, value in optional.items() if value is not None}


@dataclass(frozen=True, kw_only=True)
class SuiteCard:
    """What `suite.toml` says about a suite.

    Attributes:
        defaults: Settings that a generator starts from, such as frames, height, width, fps, negative_prompt.
        default_split: The split used unless another is asked for; None means all prompts.
    """

    name: str
    version: str
    title: str
    licence: str
    languages: tuple[str, ...]
    source: str
    citation: str
    description: str = ""
    defaults: Mapping[str, Any] = field(default_factory=dict)
    default_split: str | None = None


@dataclass(frozen=True, kw_only=True)
class Suite:
    """A card and its prompts. `hash` changes when, and only when, something that decides a result changes."""

    card: SuiteCard
    prompts: tuple[Prompt, ...]
    folder: Path | None = field(default=None, compare=False)

    @property
    def name(self) -> str:
        """The card's name."""
        return self.card.name

    @cached_property
    def hash(self) -> str:
        """Hex sha256 over name, version, defaults and every field of every prompt, in order."""
        return sha256_json(
            {
                "name": self.card.name,
                "version": self.card.version,
                "defaults": dict(self.card.defaults),
                "prompts": [prompt.to_json() for prompt in self.prompts],
            }
        )

    def __len__(self) -> int:
        return len(self.prompts)


@dataclass(frozen=True, kw_only=True)
class GeneratorCard:
    """Who made a clip.

    Attributes:
        name: The name under which runs are listed, such as `world:exact`.
        revision: Version of the code or model.
        weights_hash: Hash of everything that decides the output beside code and settings; empty where there is none.
        licence: Licence of the model.
        defaults: Settings that the generator prefers to the suite's.
        parameters: Facts for readers (parameter count, source), not part of any key.
    """

    name: str
    revision: str
    weights_hash: str = ""
    licence: str = "unknown"
    description: str = ""
    defaults: Mapping[str, Any] = field(default_factory=dict)
    parameters: Mapping[str, Any] = field(default_factory=dict)

    @property
    def identity(self) -> dict[str, str]:
        """The part of the card that enters every sample key."""
        return {"name": self.name, "revision": self.revision, "weights_hash": self.weights_hash}


@dataclass(frozen=True, kw_only=True)
class Request:
    """What a generator is asked for. Its output may depend on nothing else.

    Attributes:
        prompt_id: For look-up in prepared folders; not part of the sample key.
        settings: The full settings of this sample, as the generator resolved them.
        output_dir: An existing scratch folder for programs that write files.
        timeout: Seconds the generator may take, None for no limit.
    """

    prompt_id: str
    text: str
    seed: int
    settings: Settings
    output_dir: Path
    timeout: float | None = None
