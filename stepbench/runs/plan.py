"""The plan of a run: which samples there will be, each with the key under which it is cached and resumed. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, TypeVar

from stepbench.canonical import sha256_json
from stepbench.errors import UsageError
from stepbench.generators.protocol import Generator
from stepbench.records import Prompt, Settings, Suite

Planned = TypeVar("Planned")


LARGEST_SEED = 2**63 - 1
"""What torch, NumPy and Parquet hold alike."""


@dataclass(frozen=True, kw_only=True)
class PlannedSample:
    """One (prompt, seed) with everything the generator will be told.

    Attributes:
        key: `sample_key`, hex sha256 over generator identity, prompt text as sent, negative prompt, seed, settings.
    """

    key: str
    prompt: Prompt
    seed: int
    settings: Settings

    def to_json(self) -> dict[str, Any]:
        """The sample's line in `plan.jsonl`."""
        return {"sample_key": self.key, "prompt_id": self.prompt.id, "seed": self.seed}


@dataclass(frozen=True, kw_only=True)
class Plan:
    """All samples of a run, prompt by prompt, seeds within a prompt."""

    suite: Suite
    samples: tuple[PlannedSample, ...]

    @cached_property
    def hash(self) -> str:
        """Hex sha256 over the suite and the samples in order. Metrics, workers and machines have no part in it."""
        return sha256_json({"suite": self.suite.hash, "samples": [sample.to_json() for sample in self.samples]})


def make_plan(
    suite: Suite, prompts: Sequence[Prompt], generator: Generator, seeds: Sequence[int], overrides: Settings
) -> Plan:
    """Plan every (prompt, seed). Settings come from the suite, then the generator's card, then `overrides`.

    Raises:
        UsageError: No seed, a negative, repeated or too large one, or a setting the generator does not take.
    """
    if not seeds or len(set(seeds)) != len(seeds) or min(seeds) < 0:
        raise UsageError(f"seeds must be different numbers from 0 up, got {list(seeds)}", hint="write --seeds 0..3")
    if max(seeds) > LARGEST_SEED:
        raise UsageError(f"a seed is at most {LARGEST_SEED} (2^63 - 1), got {max(seeds)}", hint="write --seeds 0..3")
    offered = {**suite.card.defaults, **generator.card.defaults, **overrides}
    identity = generator.card.identity
    samples = []
    for prompt in prompts:
        for seed in seeds:
            settings = generator.resolve(prompt, seed, offered)
            try:
                key = sample_key(identity, prompt.text, seed, settings)
            except (TypeError, ValueError) as error:
                raise UsageError(
                    f"the settings of {generator.card.name} are not plain JSON values: {error}, got {settings!r:.200}",
                    hint="use texts, finite numbers, true, false, None and lists",
                ) from error
            samples.append(PlannedSample(key=key, prompt=prompt, seed=seed, settings=settings))
    return Plan(suite=suite, samples=tuple(samples))


def sample_key(identity: dict[str, str], text: str, seed: int, settings: Settings) -> str:
    """Hex sha256 of what decides a clip: generator identity, prompt text as sent, negative prompt, seed, settings."""
    return sha256_json(
        {
            "generator": identity,
            "prompt": text,
            "negative_prompt": settings.get("negative_prompt", ""),
            "seed": seed,
            "settings": {name: value for name, value in settings.items() if name != "negative_prompt"},
        }
    )


def plan_name(suite: str, generator: str, plan_hash: str) -> str:
    """`<suite>-<generator>-<8 hex of the plan hash>`: what a run is called unless it is given another name."""
    slug = re.sub(r"[^A-Za-z0-9.]+", "-", generator).strip("-.")[:40].strip("-.")
    return f"{suite}-{slug}-{plan_hash[:8]}"


def common_settings(samples: Iterable[PlannedSample]) -> dict[str, Any]:
    """The settings that are equal in all samples: those that describe the run as a whole."""
    iterator = iter(samples)
    common = dict(next(iterator).settings)
    for sample in iterator:
        common = {name: value for name, value in common.items() if sample.settings.get(name, ...) == value}
    return common


def shard_of(samples: Sequence[Planned], index: int, count: int) -> list[Planned]:
    """Every sample whose position in the plan is `index` modulo `count`, so 0/N and N/N name the same shard.

    Raises:
        UsageError: `count` below 1, or `index` outside 0..count.
    """
    if count < 1 or not 0 <= index <= count:
        raise UsageError(f"--shard must be i/N with 0 <= i <= N, got {index}/{count}", hint="for example --shard 1/4")
    return [sample for position, sample in enumerate(samples) if position % count == index % count]
