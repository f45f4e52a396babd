"""What `stepbench prefs export --to dpo` writes is what `stepbench train dpo` takes."""

from __future__ import annotations

import json
from pathlib import Path

from small_model import noise_clip, write_clips, write_model

from stepbench.preferences.formats.votes_table import votes_frame, write_parquet


def vote(number: int, annotator: str) -> dict:
    sides = {}
    for side in "ab":
        sides |= {f"model_{side}": f"m-{side}", f"run_{side}": "r", f"clip_{side}": f"{number}{side}.mkv"}
    return sides | {
        "vote_id": f"v{number}-{annotator}",
        "pair_id": f"pair-{number}",
        "kind": "real",
        "dimension": "overall",
        "winner": "a" if number % 2 else "b",
        "prompt_id": f"p{number}",
        "text": f"prompt {number}",
        "language": "en",
        "category": "none",
        "annotator": annotator,
        "simulated": True,
    }


def test_exported_preferences_train(stepbench, workplace):
    clips = {f"{number}{side}.mkv": noise_clip(number) // (1 + (side == "b")) for number in range(8) for side in "ab"}
    write_clips(Path("study"), clips)
    write_parquet(votes_frame(vote(number, who) for number in range(8) for who in "xy"), Path("study/votes.parquet"))
    write_model(Path("model"))
    ended = stepbench(
        "prefs", "export", "study/votes.parquet", "--to", "dpo", "-o", "prefs", "--val", "0.3", "--test", "0"
    )
    assert ended.code == 0, ended.err
    data = ("--data", "prefs/train.jsonl", "--test", "prefs/val.jsonl")
    settings = (
        "--set",
        "steps=2",
        "--set",
        "batch_size=2",
        "--set",
        "warmup_steps=0",
        "--set",
        "label_smoothing=votes",
    )
    ended = stepbench(
        *("train", "dpo", "--model", "model", *data, "--out", "run", "--export", "tuned", *settings),
        *("--samples", "0", "--device", "cpu", "--json"),
    )
    assert ended.code == 0, ended.err
    assert Path("tuned/transformer").is_dir()
    counts = json.loads(Path("prefs/manifest.json").read_text("utf-8"))["splits"]
    used = f"{counts['train']['pairs']} pairs, {counts['val']['pairs']} held out"
    assert used in Path("run/origin.json").read_text("utf-8")
