"""Layouts that name a clip by its prompt's text: VBench, and the runner of Step-Video-T2V."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import PurePosixPath

from stepbench.layouts.names import NameMatch, NameMatcher
from stepbench.layouts.placement import Placement
from stepbench.records import Prompt, Suite

MAX_INDEX = 9999
"""A larger number at the end of a name is a date or part of the prompt, not a sample index."""
STEP_VIDEO_LENGTH = 50
"""Characters of the prompt that the runner of Step-Video-T2V keeps."""


class VBenchNames:
    """`{prompt}-{index}.mp4`, in the folder itself or in folders below it, such as one per dimension."""

    def __init__(self, suite: Suite) -> None:
        self._matcher = NameMatcher((prompt.id, prompt.text) for prompt in suite.prompts)

    def place(self, files: Sequence[PurePosixPath]) -> list[Placement]:
        """One placement per file. A name without a number at its end is sample 0."""
        return [_placement(file, *self._match(file)) for file in files]

    def why_missing(self, prompt: Prompt, seed: int) -> str:
        """The name that was looked for."""
        return f"no file named {prompt.text}-{seed}.mp4, or nearly so"

    def _match(self, file: PurePosixPath) -> tuple[NameMatch, int]:
        # A slash in a prompt makes a folder of everything before it.
        for start in range(len(file.parts)):
            stem = str(PurePosixPath(*file.parts[start:]).with_suffix(""))
            for name, seed in _readings(stem):
                match = self._matcher.match_exactly(name)
                if match.prompt_id is not None:
                    return match, seed
        matches = [(self._matcher.match(name), seed) for name, seed in _readings(file.stem)]
        return next((found for found in matches if found[0].prompt_id is not None), matches[0])


class StepVideoNames:
    """`{first 50 characters of the prompt}-{suffix}.mp4`, the suffix being a clock time unless the user set one."""

    def __init__(self, suite: Suite) -> None:
        self._matcher = NameMatcher((prompt.id, prompt.text[:STEP_VIDEO_LENGTH]) for prompt in suite.prompts)

    def place(self, files: Sequence[PurePosixPath]) -> list[Placement]:
        """One placement per file. A number as suffix is the sample index; any other suffix, or none, is sample 0."""
        return [_placement(file, *self._match(file.stem)) for file in files]

    def why_missing(self, prompt: Prompt, seed: int) -> str:
        """The name that was looked for."""
        return f"no file named {prompt.text[:STEP_VIDEO_LENGTH]}-*.mp4 for sample {seed}"

    def _match(self, stem: str) -> tuple[NameMatch, int]:
        beginnings = [(stem[: hyphen.start()], 0) for hyphen in reversed(list(re.finditer("-", stem)))]
        readings = [*_readings(stem), *beginnings]
        for match_name in (self._matcher.match_exactly, self._matcher.match):
            for name, seed in readings:
                match = match_name(name)
                if match.prompt_id is not None:
                    return match, seed
        return self._matcher.match(stem), 0


def _readings(stem: str) -> list[tuple[str, int]]:
    """(name, sample index) that a stem may mean: with the number at its end taken off first, then as a whole."""
    numbered = re.fullmatch(r"(.*)-([0-9]+)", stem, flags=re.DOTALL)
    whole = (stem, 0)
    if numbered is None or int(numbered[2][:9]) > MAX_INDEX or len(numbered[2]) > 9:
        return [whole]
    return [(numbered[1], int(numbered[2])), whole]


def _placement(file: PurePosixPath, match: NameMatch, seed: int) -> Placement:
    return Placement(file=file, prompt_id=match.prompt_id, seed=seed, looseness=match.looseness, note=match.note)
