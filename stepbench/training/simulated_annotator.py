"""Preferences of a simulated annotator, who knows what a clip of the moving-shapes world ought to show.

Every row made here says who made it: these are no human votes.
"""

from __future__ import annotations

import json
import math
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import UInt8
from rich.console import Console
from rich.progress import track

from reference_model.sampling.pipeline import TextToVideoPipeline
from reference_model.training.cache import claim_folder, state_digest
from stepbench.runs.journal import Journal, read_journal, saving
from stepbench.training.moving_shapes import MovingShapesClips
from stepbench.training.obedience import GRADED
from stepbench.video import write_master
from stepbench.worlds.moving_shapes.measure import measure_clip

ANNOTATOR = "simulated: counts what is right by the ground truth of the moving-shapes world, and likes clean outlines"
FIT_WEIGHT = 10.0
"""A tenth of intersection over union with a clean outline counts as much as one right answer."""
CERTAINTY = 2.0
"""A clip whose score is higher by d gets `1 / (1 + exp(-CERTAINTY * d))` of the votes."""
LEAST_DIFFERENCE = 0.2
"""Of scores; what is closer is a tie."""
OWNER_FILE = "votes.json"
JUDGED_FILE = "judged.jsonl"
PREFERENCES_FILE = "preferences.jsonl"


def simulate_preferences(
    pipeline: TextToVideoPipeline,
    source: MovingShapesClips,
    folder: Path,
    *,
    prompts: int,
    clips_per_prompt: int = 4,
    prompts_per_batch: int = 8,
    max_seconds: float | None = None,
    progress: bool = True,
) -> bool:
    """Samples several clips per prompt and compares each with a clip that the world draws; ties teach nothing.

    So the preferences tell the model apart from what it imitates, as in self-play fine-tuning (Chen et al. 2024, arXiv
    2401.01335; for diffusion models Yuan et al. 2024, arXiv 2402.10210). Between clips of one model the annotator sees
    little but chance.

    Prompts whose clips have been judged already are not sampled again. At the end there is a JSONL file
    `PREFERENCES_FILE` as `reference_model.training.preferences.read_preferences` takes it.

    Args:
        pipeline: The model that is to become better, with its own settings of sampling.
        source: Its scenes 0 to `prompts - 1` are asked for, in both languages by turns.
        folder: Gets the clips and the judgements; belongs to this model, these settings and this source alone.
        prompts: How many scenes.
        clips_per_prompt: Each with a seed of its own.
        prompts_per_batch: Prompts sampled together.
        max_seconds: Stop before the batch that would end later than this; None means no limit.
        progress: Show a bar on stderr.

    Returns:
        Whether all prompts are judged; the preferences are written only then.

    Raises:
        CheckpointError: The folder belongs to something else.
        IncompleteError: Something cannot be written.
    """
    deadline = math.inf if max_seconds is None else time.monotonic() + max_seconds
    with saving(folder):
        claim_folder(folder / OWNER_FILE, _owner(pipeline, source, clips_per_prompt))
        done = {row["scene"] for row in read_journal(folder / JUDGED_FILE)}
        todo = [scene for scene in range(prompts) if scene not in done]
        batches = [todo[start : start + prompts_per_batch] for start in range(0, len(todo), prompts_per_batch)]
        lasted = 0.0
        with Journal(folder / JUDGED_FILE) as journal:
            for scenes in track(
                batches, description="simulated votes", console=Console(stderr=True), disable=not progress
            ):
                began = time.monotonic()
                if began + lasted > deadline:
                    return False
                journal.append(list(_judge(pipeline, source, scenes, clips_per_prompt, folder)))
                lasted = time.monotonic() - began
        rows = sorted(read_journal(folder / JUDGED_FILE), key=lambda row: row["scene"])
        pairs = [pair for row in rows if row["scene"] < prompts for pair in preferences_of(row)]
        partial = folder / f".{PREFERENCES_FILE}.partial"
        partial.write_text("".join(json.dumps(pair, ensure_ascii=False) + "\n" for pair in pairs), encoding="utf-8")
        partial.replace(folder / PREFERENCES_FILE)
    return True


def preferences_of(row: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Each clip of the model with the world's clip, where one of the two has a higher score.

    Args:
        row: `prompt`, `clips` (files) and `world` (the file of the world's clip), `right` (number of right answers of
            each, the world's last) and `fit` (likewise, from 0 to 1: how much of the object is one of the world's
            shapes, whichever).
    """
    *scores, world = [annotator_score(right, fit) for right, fit in zip(row["right"], row["fit"], strict=True)]
    for clip, score in zip(row["clips"], scores, strict=True):
        if abs(world - score) >= LEAST_DIFFERENCE:
            winner, loser = (row["world"], clip) if world > score else (clip, row["world"])
            yield {
                "prompt": row["prompt"],
                "chosen": winner,
                "rejected": loser,
                "share": 1 / (1 + math.exp(-CERTAINTY * abs(world - score))),
                "annotator": ANNOTATOR,
            }


def annotator_score(right: float, fit: float) -> float:
    """What the annotator goes by, from the number of right answers and the fit of the outline, 0 to 1."""
    return right + FIT_WEIGHT * fit


def outline_fit(frames: UInt8[np.ndarray, "t 3 h w"]) -> float:
    """How much of the object is one of the world's shapes, whichever: intersection over union, 0 without an object."""
    groups = measure_clip(frames).groups
    return groups[0].overlap if groups else 0.0


def _judge(
    pipeline: TextToVideoPipeline, source: MovingShapesClips, scenes: Sequence[int], per_prompt: int, folder: Path
) -> Iterator[dict[str, Any]]:
    prompts = [source.prompt(scene) for scene in scenes]
    seeds = [[scene * per_prompt + number for number in range(per_prompt)] for scene in scenes]
    device = next(pipeline.transformer.parameters()).device
    with torch.autocast(device.type, torch.bfloat16):
        made = pipeline(prompts, seeds=seeds, batch_size=len(scenes) * per_prompt)
    (folder / "clips").mkdir(exist_ok=True)
    for row, (scene, prompt) in enumerate(zip(scenes, prompts, strict=True)):
        drawn = source[scene]
        shown = [(clip.frames, clip.fps) for clip in made[row * per_prompt : (row + 1) * per_prompt]]
        files = [f"clips/{scene:06d}-{number}.mkv" for number in range(per_prompt)] + [f"clips/{scene:06d}-world.mkv"]
        right, fit = [], []
        for (frames, fps), file in zip([*shown, (drawn.frames, drawn.fps)], files, strict=True):
            write_master(folder / file, frames.numpy(), fps)
            answers = source.judge(scene, frames)
            right.append(int(sum(answers[name] for name in GRADED if name in answers)))
            fit.append(outline_fit(frames.numpy()))
        *clips, world = files
        judged = {"scene": scene, "prompt": prompt, "clips": clips, "world": world, "right": right, "fit": fit}
        yield {**judged, "annotator": ANNOTATOR}


def _owner(pipeline: TextToVideoPipeline, source: MovingShapesClips, per_prompt: int) -> dict[str, Any]:
    return {
        "annotator": ANNOTATOR,
        "transformer": state_digest(pipeline.transformer),
        "sampling": pipeline.sampling.to_dict(),
        "source": source.description,
        "clips_per_prompt": per_prompt,
    }
