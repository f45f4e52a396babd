"""Layouts that name a clip by a number: EvalCrafter and T2V-CompBench."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import PurePosixPath

from stepbench.errors import UsageError
from stepbench.layouts.placement import Placement
from stepbench.records import Prompt, Suite
from stepbench.suites.importers import compbench, evalcrafter


class EvalCrafterNames:
    """`0000.mp4`: the number EvalCrafter gave the prompt, or else the prompt's position in the suite."""

    def __init__(self, suite: Suite) -> None:
        self._numbers: dict[str, int] = {}
        for position, prompt in enumerate(suite.prompts):
            number = evalcrafter.number_of(prompt.tags)
            self._numbers[prompt.id] = position if number is None else number

    def place(self, files: Sequence[PurePosixPath]) -> list[Placement]:
        """One placement per file.

        Raises:
            UsageError: The files are numbered from 0001, so that every clip would go to its neighbour's prompt.
        """
        prompt_ids = {number: prompt_id for prompt_id, number in self._numbers.items()}
        numbers = {_number(file) for file in files}
        first, beyond = min(prompt_ids), max(prompt_ids) + 1
        if first not in numbers and beyond in numbers:
            raise UsageError(
                f"this layout numbers clips from {first:04d} to {beyond - 1:04d}, "
                f"but there is a {beyond:04d} and no {first:04d}",
                hint="rename the clips, or list them in a manifest (layout manifest)",
            )
        return [_placement(file, prompt_ids, "the suite") for file in files]

    def why_missing(self, prompt: Prompt, seed: int) -> str:
        """The name that was looked for."""
        return f"no file {self._numbers[prompt.id]:04d}.mp4"


class CompBenchNames:
    """`<category>/0001.mp4`: the number is the prompt's place in its category, so a gap moves no other clip."""

    def __init__(self, suite: Suite) -> None:
        self._prompt_ids: dict[str, dict[int, str]] = {}
        self._names: dict[str, str] = {}
        for prompt in suite.prompts:
            category = _category_key(prompt.category)
            numbers = self._prompt_ids.setdefault(category, {})
            numbers[len(numbers) + 1] = prompt.id
            self._names[prompt.id] = f"{category}/{len(numbers):04d}.mp4"

    def place(self, files: Sequence[PurePosixPath]) -> list[Placement]:
        """One placement per file. With one category in the suite, its clips may lie in the folder itself.

        Raises:
            UsageError: A category's files are numbered from 0000.
        """
        placements = []
        for file in files:
            category = self._category_of(file)
            if category is None:
                placements.append(Placement(file=file, note="in no folder of one of the suite's categories"))
                continue
            if _number(file) == 0:
                raise UsageError(
                    f"this layout numbers the clips of a category from 0001, but there is {file}",
                    hint="rename the clips, or list them in a manifest (layout manifest)",
                )
            placements.append(_placement(file, self._prompt_ids[category], f"category {category}"))
        return placements

    def why_missing(self, prompt: Prompt, seed: int) -> str:
        """The name that was looked for."""
        return f"no file {self._names[prompt.id]}"

    def _category_of(self, file: PurePosixPath) -> str | None:
        named = [_category_key(part) for part in reversed(file.parts[:-1])]
        known = [category for category in named if category in self._prompt_ids]
        only = list(self._prompt_ids) if len(self._prompt_ids) == 1 else []
        return next(iter(known + only), None)


def _category_key(name: str) -> str:
    return compbench.category_of(name) or name.lower()


def _number(file: PurePosixPath) -> int | None:
    # Nine digits are more than any suite has, and short enough to be read as a number without fear.
    return int(file.stem) if file.stem.isascii() and file.stem.isdecimal() and len(file.stem) <= 9 else None


def _placement(file: PurePosixPath, prompt_ids: Mapping[int, str], where: str) -> Placement:
    number = _number(file)
    if number is None:
        return Placement(file=file, note="the name is not a number")
    if number not in prompt_ids:
        return Placement(file=file, note=f"{where} has no prompt number {number}")
    return Placement(file=file, prompt_id=prompt_ids[number])
