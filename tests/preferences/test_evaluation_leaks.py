from __future__ import annotations

import json
from pathlib import Path

import pytest

from stepbench import load_suite
from stepbench.preferences.dpo.leaks import LeakError, evaluation_texts, refuse_leaks
from stepbench.suites.load import select_prompts

CARD = """\
name = "mine"
version = "1"
title = "Mine"
licence = "CC0-1.0"
languages = ["en", "zh"]
source = "made for tests"
citation = "none"
"""


def write_suite(folder: Path, rows: list[dict]) -> Path:
    folder.mkdir()
    (folder / "suite.toml").write_text(CARD, encoding="utf-8")
    lines = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
    (folder / "prompts.jsonl").write_text(lines, encoding="utf-8")
    return folder


def test_every_installed_suite_counts_and_training_splits_do_not():
    evaluation = evaluation_texts()
    assert {"moving-shapes", "step-essentials"} <= set(evaluation.suites)
    suite = load_suite("moving-shapes")
    for prompt in select_prompts(suite, split="test"):
        with pytest.raises(LeakError, match=f"is prompt {prompt.id} of suite moving-shapes"):
            refuse_leaks([("x", prompt.text, None)], evaluation)
    refuse_leaks([(p.id, p.text, p.pair_id) for p in select_prompts(suite, split="train")], evaluation)


def test_another_spelling_of_an_evaluation_prompt_is_found_by_name():
    prompt = select_prompts(load_suite("moving-shapes"), split="test", languages=["en"])[0]
    disguised = "  " + prompt.text.upper().replace(" ", "  ").rstrip(".") + " !"
    with pytest.raises(LeakError, match=f"mine-7 .* is prompt {prompt.id} of suite moving-shapes"):
        refuse_leaks([("mine-7", disguised, None)], evaluation_texts(["moving-shapes"]))


def test_a_suite_without_splits_counts_whole_and_so_do_translations(tmp_path):
    rows = [
        {"id": "e1", "text": "A cat.", "language": "en", "category": "c", "pair_id": "cat"},
        {"id": "z1", "text": "一只猫。", "language": "zh", "category": "c", "pair_id": "cat"},
    ]
    evaluation = evaluation_texts([write_suite(tmp_path / "mine", rows)])
    with pytest.raises(LeakError, match=r"ja-1 .* is a translation of prompt e1 of suite mine"):
        refuse_leaks([("ja-1", "猫が一匹", "cat")], evaluation)
    with pytest.raises(LeakError, match="2 prompts of the study are evaluation prompts"):
        refuse_leaks([("a", "a cat", None), ("b", "一只猫", None), ("c", "a dog", None)], evaluation)
    refuse_leaks([("c", "a dog", None)], evaluation)


def test_the_first_ten_are_listed_and_the_rest_counted(tmp_path):
    rows = [{"id": f"e{n}", "text": f"text {n}", "language": "en", "category": "c"} for n in range(14)]
    evaluation = evaluation_texts([write_suite(tmp_path / "mine", rows)])
    with pytest.raises(LeakError, match=r"14 prompts .*and 4 more"):
        refuse_leaks([(f"x{n}", f"Text {n}!", None) for n in range(14)], evaluation)
