"""A run held against a quality policy: a verdict for every clip, with reasons, and what people decided beside it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.resources import files
from typing import TYPE_CHECKING, Any

from stepbench.errors import NothingSelectedError, UsageError
from stepbench.review.decisions import Choice, append_decision, standing_decisions
from stepbench.review.findings import WORSE, Finding, Verdict, find_in_clip, overall, worst
from stepbench.review.policy import AXES, Policy
from stepbench.runs.folder import RunFolder

if TYPE_CHECKING:
    from stepbench.runs.run import Run


@dataclass(frozen=True, kw_only=True)
class ClipReview:
    """Where one clip stands.

    Attributes:
        sample: Row of the run's samples.
        findings: One per rule that was for it.
        verdict: Of the policy by itself.
        decision: The last row that a person wrote about this very clip, or None.
        overtaken: What the policy found since then that the person did not know of; a person must look again.
    """

    sample: dict[str, Any]
    findings: tuple[Finding, ...]
    verdict: Verdict
    decision: dict[str, Any] | None = None
    overtaken: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """`PROMPT-ID-sSEED`, as `show` and `review --decide` take it."""
        return f"{self.sample['prompt_id']}-s{self.sample['seed']}"

    @property
    def standing(self) -> Verdict:
        """What counts: the person's decision where it still holds, else the policy's verdict."""
        if self.decision is None:
            return self.verdict
        if self.decision["decision"] == "accept" and self.overtaken:
            return "reject" if self.verdict == "reject" else "review"
        return self.decision["decision"]

    def axis(self, axis: str) -> Verdict | None:
        """The worst verdict on one axis; None where it was not looked at."""
        return worst([finding.verdict for finding in self.findings if finding.axis == axis])

    @property
    def reasons(self) -> list[str]:
        """Why it is not simply accepted, rejections first."""
        told = [finding for finding in self.findings if finding.reason]
        ordered = sorted(told, key=lambda finding: -WORSE[finding.verdict])
        return [f"{finding.axis}: {finding.reason}" for finding in ordered]

    def to_json(self) -> dict[str, Any]:
        """The clip as one record."""
        sample = {key: self.sample[key] for key in ("sample_key", "clip_sha256", "prompt_id", "seed", "text", "clip")}
        decision = self.decision
        return {
            "sample": self.name,
            **sample,
            "preview": self.sample["preview"],
            "standing": self.standing,
            "verdict": self.verdict,
            "axes": {axis: self.axis(axis) for axis in AXES},
            "reasons": self.reasons,
            "decision": decision and {key: decision[key] for key in ("decision", "by", "why", "at")},
            "overtaken": list(self.overtaken),
        }


@dataclass(frozen=True, kw_only=True)
class Review:
    """A whole run.

    Attributes:
        clips: The clips that were made, in plan order.
        without_clip: Samples that failed, were refused or were not tried.
    """

    run: Run
    policy: Policy
    clips: tuple[ClipReview, ...]
    without_clip: int

    @property
    def counts(self) -> dict[str, int]:
        """How many stand as accept, review and reject, and how many samples have no clip."""
        counted = Counter(clip.standing for clip in self.clips)
        return {**{verdict: counted[verdict] for verdict in WORSE}, "no clip": self.without_clip}

    @property
    def queue(self) -> list[ClipReview]:
        """The clips that wait for a person, in plan order."""
        return [clip for clip in self.clips if clip.standing == "review"]

    @property
    def unscored(self) -> list[str]:
        """Metrics of the policy that the run has no score of at all."""
        wanted = [metric for rules in self.policy.rules.values() for metric in rules]
        known = {card["name"] for card in self.run.metric_cards.values()}
        return [name for name in dict.fromkeys(wanted) if name not in known and name != "named_characters"]


def review_run(run: Run, policy: Policy) -> Review:
    """Hold every clip of a run against a policy, and see what people have decided.

    A metric that was not scored, failed or is unavailable sends the clip to a person, and so does a prompt that names a
    character, brand or person. Decisions belong to the clip's bytes: a clip that was made anew is looked at anew.

    Raises:
        NothingSelectedError: The run has no clip.
        UsageError: A threshold that contradicts a metric's direction.
    """
    samples = run.samples()
    made: Any = samples[samples["outcome"] == "ok"]
    if made.empty:
        raise NothingSelectedError(
            f"{run.folder} has no clip to review", hint="`stepbench show RUN` lists the failures"
        )
    scores = _scores(run)
    names = _named(made["text"].unique().tolist(), policy)
    decided = standing_decisions(RunFolder(run.folder))
    clips = []
    for sample in made.to_dict("records"):
        own = scores.get((sample["prompt_id"], sample["seed"]), {}) | names.get(sample["text"], {})
        findings = tuple(find_in_clip(policy, sample["language"], own))
        decision = decided.get((sample["sample_key"], sample["clip_sha256"]))
        now = {f"{finding.axis}.{finding.rule}" for finding in findings if finding.verdict != "accept"}
        overtaken = tuple(sorted(now - set(decision["known"]))) if decision else ()
        clips.append(
            ClipReview(
                sample=sample, findings=findings, verdict=overall(findings), decision=decision, overtaken=overtaken
            )
        )
    return Review(run=run, policy=policy, clips=tuple(clips), without_clip=len(samples) - len(made))


def decide(review: Review, sample: str, choice: Choice, *, by: str, why: str) -> dict[str, Any]:
    """Write down what a person decided about one clip, named as `PROMPT-ID-sSEED` or by its sample key's beginning.

    Raises:
        UsageError: No or several such clips, or an empty name or reason.
        IncompleteError: The row cannot be saved.
    """
    found = [clip for clip in review.clips if clip.name == sample or clip.sample["sample_key"].startswith(sample)]
    if len(found) != 1:
        raise UsageError(
            f"{len(found)} clips of {review.run.name} answer to {sample!r}",
            hint="give PROMPT-ID-sSEED, such as p001-s0; a sample that failed has no clip to decide on",
        )
    clip = found[0]
    return append_decision(
        RunFolder(review.run.folder),
        clip.sample,
        choice,
        by=by,
        why=why,
        policy=review.policy,
        findings=clip.findings,
        verdict=clip.verdict,
    )


def _scores(run: Run) -> dict[tuple[str, int], dict[str, list[dict[str, Any]]]]:
    found: dict[tuple[str, int], dict[str, list[dict[str, Any]]]] = {}
    for row in run.scores().to_dict("records"):
        row["direction"] = run.metric_cards[row["metric_id"]]["direction"]
        found.setdefault((row["prompt_id"], row["seed"]), {}).setdefault(row["metric"], []).append(row)
    return found


def _named(texts: Sequence[str], policy: Policy) -> dict[str, dict[str, list[dict[str, Any]]]]:
    """Prompt text -> a score row that says which names it holds.

    Made here rather than taken from the run, since it needs no clip: by the list of the metric, the persons that come
    with this package, and the policy's own list together.
    """
    if not any("named_characters" in rules for rules in policy.rules.values()):
        return {}
    import torch

    from metrics.governance.named_characters import NamedCharacters
    from metrics.view import ClipView

    persons = files("stepbench.review") / "data" / "persons.txt"
    lists = [NamedCharacters(), NamedCharacters(names=str(persons))]
    lists += [NamedCharacters(names=policy.names)] if policy.names else []
    nothing = torch.zeros(1, 3, 1, 1, dtype=torch.uint8)
    found = {}
    for text in texts:
        reasons = dict.fromkeys(filter(None, (one.reason(ClipView(nothing, prompt=text)) for one in lists)))
        row = {"value": float(bool(reasons)), "status": "ok", "error": None, "direction": "lower"}
        found[text] = {"named_characters": [row | {"note": "; ".join(reasons)}]}
    return found
