"""What is asked about a clip: what its ground truth lists, or its prompt in a plain sentence."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from metrics.errors import MetricError, UndefinedScoreError

TEMPLATE = 'Does this video show what this text describes: "{prompt}"?'


def questions_about(prompt: str, ground_truth: Mapping[str, Any] | None) -> list[tuple[str, bool]]:
    """Questions, and whether a clip that obeys the prompt has yes as the answer.

    Args:
        prompt: The text that the clip was made from.
        ground_truth: May hold `questions`: texts whose answer is yes, or objects with `question` and `answer`, which
            is `yes` or `no`.

    Raises:
        MetricError: `questions` is something else.
        UndefinedScoreError: There are none, and the prompt has no word.
    """
    listed = (ground_truth or {}).get("questions")
    if listed is None:
        if not prompt.strip():
            raise UndefinedScoreError(f"there is nothing to ask about the prompt {prompt!r}")
        return [(TEMPLATE.format(prompt=prompt.strip()), True)]
    if not isinstance(listed, Sequence) or isinstance(listed, str) or not listed:
        raise MetricError(f"questions of a ground truth must be a list of at least one, got {listed!r}")
    return [_question(one) for one in listed]


def _question(listed: Any) -> tuple[str, bool]:
    if isinstance(listed, str) and listed.strip():
        return listed, True
    if isinstance(listed, Mapping) and set(listed) == {"question", "answer"} and listed["answer"] in ("yes", "no"):
        return str(listed["question"]), listed["answer"] == "yes"
    raise MetricError(
        f"a question must be a text, or have `question` and an `answer` of yes or no, got {listed!r}",
        hint='write {"question": "Is there a cat?", "answer": "yes"}',
    )
