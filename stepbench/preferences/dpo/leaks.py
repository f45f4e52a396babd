"""No evaluation prompt may become training data: texts are compared with the suites that are evaluated on."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from stepbench.errors import UsageError
from stepbench.preferences.dpo.prompt_texts import normalised_text
from stepbench.records import Suite
from stepbench.suites.load import load_suite
from stepbench.suites.registry import suite_folders


class LeakError(UsageError):
    """A prompt of an evaluation suite is about to become training data."""


@dataclass(frozen=True, kw_only=True)
class EvaluationTexts:
    """What must not be trained on.

    Attributes:
        suites: Name -> hash of each suite that was read.
        prompts: Normalised text -> (suite, prompt id).
        groups: Pair group -> (suite, prompt id): a translation of an evaluation prompt is as good as the prompt.
    """

    suites: Mapping[str, str]
    prompts: Mapping[str, tuple[str, str]]
    groups: Mapping[str, tuple[str, str]]


def evaluation_texts(names: Sequence[str | Path] | None = None) -> EvaluationTexts:
    """The prompts that suites are evaluated on: their test split, and all of a suite that has no splits.

    Args:
        names: Suites by name, folder or file; every installed suite unless given.

    Raises:
        UsageError: No such suite.
        SuiteError: One that breaks its format.
    """
    suites = [load_suite(name) for name in (sorted(suite_folders()) if names is None else names)]
    prompts: dict[str, tuple[str, str]] = {}
    groups: dict[str, tuple[str, str]] = {}
    for suite in suites:
        for prompt in _evaluated(suite):
            place = (suite.name, prompt.id)
            prompts.setdefault(normalised_text(prompt.text), place)
            if prompt.pair_id:
                groups.setdefault(prompt.pair_id, place)
    return EvaluationTexts(suites={suite.name: suite.hash for suite in suites}, prompts=prompts, groups=groups)


def refuse_leaks(prompts: Iterable[tuple[str, str, str | None]], evaluation: EvaluationTexts) -> None:
    """Stop if a prompt, or a translation of it, is evaluated on.

    Args:
        prompts: (prompt id, text, pair group) of everything that may be trained on.
        evaluation: What must not be.

    Raises:
        LeakError: Naming the first ten such prompts with the suites that they belong to.
    """
    found: dict[str, str] = {}
    for prompt_id, text, group in prompts:
        place = evaluation.prompts.get(normalised_text(text))
        how = "is"
        if place is None and group is not None:
            place, how = evaluation.groups.get(group), "is a translation of"
        if place is not None and prompt_id not in found:
            found[prompt_id] = f"{prompt_id} {text!r} {how} prompt {place[1]} of suite {place[0]}"
    if found:
        listed = "; ".join(list(found.values())[:10])
        more = f"; and {len(found) - 10} more" if len(found) > 10 else ""
        raise LeakError(
            f"{len(found)} prompts of the study are evaluation prompts: {listed}{more}",
            hint="collect votes on prompts of a training split; --evaluation-suite NAME says which suites count",
        )


def _evaluated(suite: Suite):
    return [prompt for prompt in suite.prompts if prompt.split in ("test", None)]
