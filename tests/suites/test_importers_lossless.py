"""Whatever a prompt says, it comes out of an import and a written suite as it went in."""

from __future__ import annotations

import csv
import json
import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stepbench import load_suite
from stepbench.records import SAFE_ID
from stepbench.suites.importers import read_prompt_file, write_imported_suite

TEXTS = st.lists(
    st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=40).filter(lambda text: text.strip()),
    min_size=1,
    max_size=6,
)


def as_csv(texts: list[str], path: Path) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file, quoting=csv.QUOTE_ALL).writerows([["text"], *([text] for text in texts)])


def as_jsonl(texts: list[str], path: Path) -> None:
    path.write_bytes("".join(json.dumps({"prompt": text}) + "\n" for text in texts).encode())


def as_vbench(texts: list[str], path: Path) -> None:
    entries = [{"prompt_en": text, "dimension": ["d"]} for text in texts]
    path.write_text(json.dumps(entries, ensure_ascii=False), encoding="utf-8", newline="")


@pytest.mark.parametrize(("name", "write"), [("a.csv", as_csv), ("a.jsonl", as_jsonl), ("a.json", as_vbench)])
@given(texts=TEXTS)
@settings(max_examples=25, deadline=None)
def test_texts_survive_import_and_writing(name, write, texts):
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / name
        write(texts, path)
        imported = read_prompt_file(path)
        kept = list(dict.fromkeys(texts)) if write is as_vbench else texts
        assert [prompt.text for prompt in imported.suite.prompts] == kept
        ids = [prompt.id for prompt in imported.suite.prompts]
        assert len({prompt_id.casefold() for prompt_id in ids}) == len(kept)
        assert all(SAFE_ID.fullmatch(prompt_id) for prompt_id in ids)
        written = write_imported_suite(imported, Path(folder) / "suite")
        assert load_suite(written).hash == imported.suite.hash


def test_load_suite_takes_a_prompt_file(tmp_path):
    path = tmp_path / "prompts.txt"
    path.write_text("a cat\na dog\n", encoding="utf-8")
    assert [prompt.text for prompt in load_suite(path).prompts] == ["a cat", "a dog"]


def test_the_same_file_always_gives_the_same_suite(tmp_path):
    first, second = tmp_path / "a" / "p.txt", tmp_path / "b" / "p.txt"
    for path in (first, second):
        path.parent.mkdir()
        path.write_text("a cat\n", encoding="utf-8")
    assert read_prompt_file(first).suite.hash == read_prompt_file(second).suite.hash
    second.write_text("a cat.\n", encoding="utf-8")
    assert read_prompt_file(first).suite.card.version != read_prompt_file(second).suite.card.version
