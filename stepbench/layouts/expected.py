"""Which clips a folder should hold."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from stepbench.layouts.placement import Placement
from stepbench.records import Prompt, Suite

Key = tuple[str | None, int]


def expected_clips(
    placements: Sequence[Placement], suite: Suite, *, samples: int | None, listed: bool
) -> dict[Key, Prompt]:
    """(prompt id, sample index) -> prompt, in suite order.

    Args:
        placements: What is there.
        suite: The prompts.
        samples: Clips per prompt, or None to infer their indices by category, since suites ask for more in some
            categories than in others (VBench 25 for flicker, 5 elsewhere). Indices that leave few gaps are taken as
            counted from 0, others (such as seeds) as they are. A category without any clip goes by the one with fewest.
        listed: Whether a manifest lists the indices, so that a gap between them means nothing.
    """
    if samples is not None:
        seeds: Mapping[str, Sequence[int]] = {prompt.category: range(samples) for prompt in suite.prompts}
    else:
        seeds = _inferred(placements, suite, listed)
    return {(prompt.id, seed): prompt for prompt in suite.prompts for seed in seeds[prompt.category]}


def _inferred(placements: Sequence[Placement], suite: Suite, listed: bool) -> dict[str, Sequence[int]]:
    categories = {prompt.id: prompt.category for prompt in suite.prompts}
    found: dict[str, set[int]] = {category: set() for category in categories.values()}
    for placed in placements:
        if placed.prompt_id is not None:
            found[categories[placed.prompt_id]].add(placed.seed)
    served = {
        category: sorted(seeds) if listed else _with_gaps_filled(seeds) for category, seeds in found.items() if seeds
    }
    fewest = min(served.values(), key=len, default=[0])
    return {category: served.get(category, fewest) for category in found}


def _with_gaps_filled(seeds: set[int]) -> list[int]:
    counted = range(max(seeds) + 1)
    return list(counted) if 2 * len(seeds) > len(counted) else sorted(seeds)
