"""Prompt alignment by a vision-language model that answers questions, once it has shown that it can."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from typing import Any

from metrics.backbones.clip_sampling import frames_seen
from metrics.base import ClipMetric
from metrics.card import MetricCard
from metrics.errors import UnavailableMetricError, UndefinedScoreError
from metrics.judges.canaries import LEAST_MASS, Canary, CanaryReport, ask_canaries, drawn_canaries
from metrics.judges.protocol import Judge
from metrics.judges.questions import questions_about
from metrics.judges.vision_language import find_judge
from metrics.view import ClipView
from metrics.weights import find_weights

WEIGHTS = "qwen2-vl-2b-instruct"


@lru_cache(maxsize=4)
def _report(judge: Judge, canaries: tuple[Canary, ...] | None) -> CanaryReport:
    return ask_canaries(judge, drawn_canaries() if canaries is None else canaries)


class _Judged(ClipMetric):
    """A metric by a judge.

    Args:
        weights: A name of `stepbench weights list`, or the folder of any vision-language model of `transformers`.
        judge: Another judge in its place.
        canaries: Other questions that it must answer first.
        **kwargs: Options of `torchmetrics.Metric`.

    Raises:
        UnavailableMetricError: The weights are not on this machine.
    """

    def __init__(
        self,
        *,
        weights: str | Path = WEIGHTS,
        judge: Judge | None = None,
        canaries: Sequence[Canary] | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.weights = weights
        self._given = judge
        self._canaries = None if canaries is None else tuple(canaries)
        self.card = replace(
            type(self).card,
            backbone=self.judge.name,
            weights_hash=self.judge.weights_hash,
            policy=self.judge.policy,
        )

    @property
    def judge(self) -> Judge:
        """The model; shared by all metrics of this process."""
        return self._given if self._given is not None else find_judge(self.weights)

    @property
    def canary_report(self) -> CanaryReport:
        """How the judge did on the questions with known answers; they are asked once."""
        return _report(self.judge, self._canaries)

    @classmethod
    def check_available(cls) -> None:
        """See the base; looks for the default weights."""
        find_weights(WEIGHTS)

    def note(self, view: ClipView) -> str:
        """Who judged, and how it did on the canaries."""
        report = self.canary_report
        return f"{self.judge.name}, {report.asked - len(report.wrong)} of {report.asked} canaries right"


class QuestionAnswering(_Judged):
    """Mean probability that a vision-language model gives to the right answers of yes-or-no questions about a clip.

    Questions come from the ground truth (`questions`), else the prompt itself is asked for. Before the first clip the
    model is asked about drawn clips; unless it answers all of these questions rightly, no score is given at all.
    Models are biased towards yes and shift with wording: compare generators by one model and one set of questions only.

    Example:
        >>> import metrics
        >>> judge = metrics.build("question_answering")                                      # doctest: +SKIP
        >>> judge.update(clips, prompts=["a cat surfs", "a red kite"])                       # doctest: +SKIP
        >>> judge.canary_report.accuracy                                                     # doctest: +SKIP
        1.0
    """

    companions = ("canary_accuracy",)
    card = MetricCard(
        name="question_answering",
        version=1,
        title="Question answering",
        direction="higher",
        unit="probability",
        range=(0.0, 1.0),
        level="clip",
        needs=("prompt",),
        family="prompt alignment",
        policy="8mid-yesno-v1",
        backbone=WEIGHTS,
        formula="mean over questions of p(right answer) / (p(yes) + p(no)), p of the next token after the question",
        source="form: VQAScore, Lin et al., ECCV 2024; canaries: ours",
        sees="whatever the model can tell of 8 frames: objects, attributes, counts, actions",
        blind_to="what happens between these frames; what the model cannot tell, where it answers by habit",
    )

    def frames_seen(self, frames: int) -> Sequence[int]:
        """Those that the judge looks at."""
        return frames_seen(self.judge, frames)

    def score(self, view: ClipView) -> float:
        """The probability for one clip.

        Raises:
            UnavailableMetricError: The judge failed a canary.
            UndefinedScoreError: It does not answer with yes or no, or the question cannot be put to it.
            MetricError: The ground truth's questions are no questions.
        """
        report = self.canary_report
        if report.wrong:
            raise UnavailableMetricError(
                f"the judge {self.judge.name} is refused: {len(report.wrong)} of {report.asked} canaries are wrong, "
                f"such as: {report.wrong[0]}",
                hint="take a stronger model: weights=NAME or FOLDER",
            )
        right = []
        for question, yes in questions_about(view.prompt or "", view.ground_truth):
            answer = self.judge.answer(view.frames, question)
            if answer.mass < LEAST_MASS:
                raise UndefinedScoreError(f"{self.judge.name} answers neither yes nor no to {question!r}")
            right.append(answer.yes if yes else 1 - answer.yes)
        return sum(right) / len(right)


class CanaryAccuracy(_Judged):
    """Share of questions with known answers that the judge of `question_answering` gets right; the clip is not seen."""

    card = MetricCard(
        name="canary_accuracy",
        version=1,
        title="Canary accuracy of the judge",
        direction="higher",
        unit="",
        range=(0.0, 1.0),
        level="clip",
        family="prompt alignment",
        policy="8mid-yesno-v1",
        backbone=WEIGHTS,
        formula="right answers / questions about drawn clips; a judge that always says the same has 0.5",
        source="ours",
        sees="judges that are broken, blind or too weak",
        blind_to="the clip; whether the judge is right about real ones",
    )

    def frames_seen(self, frames: int) -> Sequence[int]:
        """The first, as a view has one at least."""
        return range(1)

    def score(self, view: ClipView) -> float:
        """The same for every clip."""
        return self.canary_report.accuracy
