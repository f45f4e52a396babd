"""All pairs that some runs allow: the same prompt and seed of two runs, or two seeds of one; both clips there."""

from __future__ import annotations

import filecmp
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path
from typing import Any

from stepbench.comparability import field_differences
from stepbench.errors import NotComparableError, NothingSelectedError, UsageError
from stepbench.preferences.pair_table import neutral_id
from stepbench.runs.run import Run

Sample = dict[str, Any]
Samples = dict[tuple[str, int], Sample]
"""Of one run, by prompt and seed."""


@dataclass(frozen=True, kw_only=True)
class Candidate:
    """Two clips that may be planned as a pair.

    Attributes:
        first: Row of the first run's samples, with `model`, `run` and `file` (the clip to be shown).
        second: The same of the second run, or of another seed of the same run.
    """

    pair_id: str
    first: Sample
    second: Sample

    @property
    def prompt_id(self) -> str:
        """The prompt of both."""
        return self.first["prompt_id"]

    @property
    def couple(self) -> tuple[str, str]:
        """The two models; twice the same one where two seeds are compared."""
        return self.first["model"], self.second["model"]


@dataclass(frozen=True)
class Candidates:
    """What can be planned, and how many pairs cannot, by reason."""

    pairs: tuple[Candidate, ...]
    left_out: dict[str, int]


def find_candidates(
    runs: Sequence[Run], known_models: dict[str, str], allow_incomparable: str | None, *, seeds: bool = False
) -> Candidates:
    """Every pair of every two runs, or of every two seeds.

    Args:
        runs: At least two, or one where seeds are compared.
        known_models: Run id -> model, of runs that the study knows already.
        allow_incomparable: Why runs on unequal suites or texts are wanted all the same.
        seeds: Pair the clips that one run made of a prompt with different seeds, instead of clips of two runs.

    Raises:
        UsageError: Too few runs, one of them twice, or a blank reason.
        NotComparableError: Suite or texts differ; names the fields.
        NothingSelectedError: Not one pair is left.
    """
    names = [run.name for run in runs]
    if len(set(names)) < len(names) or len(names) < (1 if seeds else 2):
        least, way_out = ("one", "") if seeds else ("two", "to compare the seeds of one run: --pairing seeds")
        raise UsageError(
            f"a study compares {least} or more different runs, got {', '.join(names) or 'none'}", hint=way_out
        )
    check_same_prompts(runs, allow_incomparable)
    models = model_names(runs, known_models)
    samples = {run.name: _samples(run, models[run.name]) for run in runs}
    pairs: list[Candidate] = []
    left_out: Counter[str] = Counter()
    for first, second in _of_two_seeds(samples) if seeds else _of_two_runs(samples):
        problem = _problem(first, second)
        if problem or first is None or second is None:
            left_out[problem] += 1
            continue
        pair_id = neutral_id("real", first["sample_key"], second["sample_key"])
        pairs.append(Candidate(pair_id=pair_id, first=first, second=second))
    if not pairs:
        reasons = "; ".join(f"{count}: {reason}" for reason, count in left_out.items()) or "one seed per prompt"
        raise NothingSelectedError(
            f"the runs {', '.join(names)} have no pair to judge ({reasons})",
            hint="run each prompt with two or more --seeds" if seeds else "run them on the same prompts, seeds",
        )
    return Candidates(tuple(pairs), dict(left_out))


def _of_two_runs(samples: dict[str, Samples]) -> Iterator[tuple[Sample | None, Sample | None]]:
    for one, two in combinations(samples.values(), 2):
        for key in sorted(one.keys() | two.keys()):
            yield one.get(key), two.get(key)


def _of_two_seeds(samples: dict[str, Samples]) -> Iterator[tuple[Sample, Sample]]:
    for own in samples.values():
        by_prompt: dict[str, list[Sample]] = {}
        for prompt, seed in sorted(own):
            by_prompt.setdefault(prompt, []).append(own[prompt, seed])
        for clips in by_prompt.values():
            yield from combinations(clips, 2)


def check_same_prompts(runs: Sequence[Run], allow_incomparable: str | None) -> None:
    """Raise `NotComparableError` unless all runs were made from one suite with the same words sent."""
    if allow_incomparable is not None and not allow_incomparable.strip():
        raise UsageError("incomparable runs need a reason, got a blank one", hint="say why in a few words")
    for run in runs[1:]:
        found = [
            difference
            for difference in field_differences(runs[0], run)
            if difference.field.startswith(("suite", "text sent"))
        ]
        if found and allow_incomparable is None:
            raise NotComparableError(
                f"runs {runs[0].name} and {run.name} cannot be judged side by side; they differ in"
                + "".join(f"\n  {difference}" for difference in found),
                hint='run both on the same suite, or pass --allow-incomparable "REASON"',
            )


def model_names(runs: Sequence[Run], known: dict[str, str]) -> dict[str, str]:
    """Run id -> what its model is called: the generator's name, or the run's id where two runs share a generator."""
    names = dict(known)
    uses = Counter(run.generator_name for run in runs)
    for run in runs:
        if run.name not in names:
            taken = run.generator_name in names.values() or uses[run.generator_name] > 1
            names[run.name] = run.name if taken else run.generator_name
    return names


def _samples(run: Run, model: str) -> Samples:
    rows = run.samples().to_dict(orient="records")
    return {(row["prompt_id"], int(row["seed"])): row | _place(run, row, model) for row in rows}


def _place(run: Run, row: Sample, model: str) -> Sample:
    # The master is what was scored; a run that dropped its masters still has the previews.
    files = [run.folder / row[name] for name in ("clip", "preview") if isinstance(row[name], str)]
    file: Path | None = next((path for path in files if path.is_file()), None)
    preview = run.folder / row["preview"] if isinstance(row["preview"], str) else None
    return {"model": model, "run": run.name, "file": file, "preview_file": preview}


def _problem(first: Sample | None, second: Sample | None) -> str:
    if first is None or second is None:
        return "planned in one of the two runs only"
    if first["text"] != second["text"]:
        return "the words sent differ"
    if first["outcome"] != "ok" or second["outcome"] != "ok":
        return "not made by both (failed, refused or not yet tried)"
    if first["file"] is None or second["file"] is None:
        return "the clip's file is missing"
    return "both clips are the same" if _same_pictures(first, second) else ""


def _same_pictures(first: Sample, second: Sample) -> bool:
    if first["clip_sha256"] == second["clip_sha256"]:
        return True
    # A master says who made it, so equal pixels have unequal files; previews hold pixels alone.
    previews = first["preview_file"], second["preview_file"]
    return all(file is not None and file.is_file() for file in previews) and filecmp.cmp(*previews, shallow=False)
