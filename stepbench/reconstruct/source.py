"""A run whose clips are what other clips are made from."""

from __future__ import annotations

from pathlib import Path

from stepbench.errors import Refused, StepbenchError
from stepbench.records import Prompt, Settings, Suite, SuiteCard
from stepbench.runs.run import Run
from stepbench.runs.score_worker import ClipFile
from stepbench.video import VideoClip

_MISSING = "no source clip: "


class SourceUnavailableError(StepbenchError):
    """There is no source clip for a sample, which is recorded as failed with this text."""


class SourceRun:
    """The clips of one run, by prompt and seed.

    A planned sample without a clip is handed on as it is, failed or refused, so gaps stay in the denominator.
    """

    def __init__(self, run: Run) -> None:
        self.folder: Path = run.folder
        self._rows = {(row["prompt_id"], row["seed"]): row for row in run.samples().to_dict("records")}

    def identify(self, prompt: Prompt, seed: int) -> dict[str, str | None]:
        """What goes into the settings of a sample: the clip's path in the run folder and its sha256, or None."""
        row = self._rows.get((prompt.id, seed), {})
        made = row.get("outcome") == "ok"
        return {"clip": row["clip"] if made else None, "sha256": row["clip_sha256"] if made else None}

    def read(self, prompt_id: str, seed: int, source: Settings) -> VideoClip:
        """The clip that `identify` named.

        Raises:
            Refused: The source was refused.
            SourceUnavailableError: There is no clip.
            VideoError: Its file is gone, damaged, or no longer the one that was named.
        """
        if source["clip"] is None:
            row = self._rows.get((prompt_id, seed), {})
            outcome, error = row.get("outcome"), row.get("error")
            if outcome == "refused":
                raise Refused(f"the source was refused: {error}")
            reason = (error or "it was not made yet").removeprefix(_MISSING)
            raise SourceUnavailableError(_MISSING + reason)
        return ClipFile(path=self.folder / source["clip"], sha256=source["sha256"]).read()


def derived_suite(run: Run, name: str, version: str) -> Suite:
    """The prompts of a run as a suite of its own, since clips made from its clips answer another question.

    Args:
        run: The run.
        name: Name of the suite.
        version: Tells suites apart whose prompts are equal and whose source clips are not.
    """
    old, prompts = run.info["suite"], tuple(run.prompts.values())
    card = SuiteCard(
        name=name[:100],
        version=version,
        title=f"clips made from those of {old['name']}",
        licence=old["licence"],
        languages=tuple(dict.fromkeys(prompt.language for prompt in prompts)),
        source=f"run {run.name}",
        citation="",
    )
    return Suite(card=card, prompts=prompts)
