"""Previews on a board: linked under neutral names, never anything from outside a run."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pandas as pd
import pytest
from board_runs import level, make_run

from stepbench.board import build_board, open_board, previews
from stepbench.canonical import sha256_file
from stepbench.video import read_clip


def samples_of(board: Path, run: str):
    opened = open_board(board)
    return opened.samples(opened.runs().set_index("run").part[run])


def change_preview(run: Path, preview: str) -> None:
    """Let the first sample name another preview."""
    lines = (run / "samples.jsonl").read_text(encoding="utf-8").splitlines()
    lines[0] = json.dumps({**json.loads(lines[0]), "preview": preview})
    (run / "samples.jsonl").write_text("\n".join(lines) + "\n", encoding="utf-8")


def test_clips_are_hard_links_named_by_their_content(made_runs: Path, tmp_path: Path):
    build_board(made_runs, tmp_path / "board")
    samples = samples_of(tmp_path / "board", "last")
    made = samples[samples.outcome == "ok"]
    assert made["clip"].notna().all()
    assert samples.loc[samples.outcome != "ok", "clip"].isna().all()
    for row in made.to_dict(orient="records"):
        clip = tmp_path / "board" / row["clip"]
        assert re.fullmatch(r"clips/([0-9a-f]{2})/\1[0-9a-f]{62}\.mp4", row["clip"])
        assert clip.stem == sha256_file(clip)
        assert clip.samefile(made_runs / "last" / "clips" / f"{row['prompt_id']}-s{row['seed']}.mp4")


def test_no_name_of_a_run_model_or_prompt_is_in_any_file_name(made_runs: Path, tmp_path: Path):
    build_board(made_runs, tmp_path / "board")
    names = {path.name for path in (tmp_path / "board").rglob("*")}
    named = {"board.json", ".building", "parts", "pairs", "clips", "run.json", "pair.parquet"}
    named |= {f"{table}.json" for table in ("tables", "cards", "advisories", "gates", "studies")}
    named |= {f"{table}.parquet" for table in ("runs", "summary", "pairs", "covariances", "samples", "scores")}
    assert all(re.fullmatch(r"(data-)?[0-9a-f]+(\.mp4)?", name) for name in names - named)


def test_clips_are_copied_where_links_do_not_reach(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    run = make_run(tmp_path / "runs", "one")

    def refuse(*_: object) -> None:
        raise OSError(18, "Invalid cross-device link")

    monkeypatch.setattr(previews.os, "link", refuse)
    built = build_board(tmp_path / "runs", tmp_path / "board")
    row = samples_of(built.path, "one").iloc[0]
    clip = built.path / row["clip"]
    original = run / "clips" / f"{row.prompt_id}-s{row.seed}.mp4"
    assert not clip.samefile(original)
    assert clip.read_bytes() == original.read_bytes()


def test_runs_that_kept_masters_only_get_previews(tmp_path: Path):
    run = make_run(tmp_path / "runs", "one", keep="masters", limit=2)
    assert not list((run / "clips").glob("*.mp4"))
    built = build_board(tmp_path / "runs", tmp_path / "board")
    clip = built.path / samples_of(built.path, "one")["clip"][0]
    assert read_clip(clip).frames.shape == (4, 3, 16, 16)
    assert clip.stem == sha256_file(clip)
    assert not list((built.path / "clips").glob(".*"))


def test_a_preview_outside_its_run_is_not_published(tmp_path: Path):
    run = make_run(tmp_path / "runs", "one", limit=2)
    secret = tmp_path / "secret.mp4"
    secret.write_text("secret", encoding="utf-8")
    (run / "clips" / "link.mp4").symlink_to(secret)
    for number, preview in enumerate(["../../secret.mp4", str(secret), "clips/link.mp4"]):
        change_preview(run, preview)
        built = build_board(tmp_path / "runs", tmp_path / f"board{number}")
        row = samples_of(built.path, "one").iloc[0]
        assert pd.isna(row["clip"])
        assert "lies outside its run folder" in row.no_clip
        assert sha256_file(secret) not in {path.stem for path in built.path.rglob("*.mp4")}


def test_clips_that_cannot_be_shown_say_why(tmp_path: Path):
    run = make_run(tmp_path / "runs", "one", {"shine": level(1.0), "wobble": level(1.0)}, keep="masters", limit=3)
    masters = sorted((run / "clips").glob("*.mkv"))
    masters[0].unlink()
    masters[1].write_bytes(masters[1].read_bytes()[:300])
    built = build_board(tmp_path / "runs", tmp_path / "board")
    samples = samples_of(built.path, "one")
    reasons = dict(zip(zip(samples.prompt_id, samples.seed, strict=True), samples.no_clip, strict=True))
    assert "is missing" in reasons["p0-en", 0]
    assert re.search("cut off|broken after|not a readable video", reasons["p0-zh", 0])
    assert built.clips == 1
