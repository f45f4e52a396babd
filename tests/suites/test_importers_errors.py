"""Bad prompt files are refused, with the file, the line and the way out."""

from __future__ import annotations

import json
import re

import pytest

from stepbench.errors import SuiteError, UsageError
from stepbench.suites.importers import read_prompt_file, write_imported_suite

BAD_FILES = {
    "empty": ("a.txt", "", r"a\.txt:1: the file is empty"),
    "blank": ("a.txt", " \n\n", r"a\.txt:1: the file is empty"),
    "csv without rows": ("a.csv", "text\n", r"a\.csv:1: no prompts"),
    "csv without text column": ("a.csv", "caption,language\na,en\n", r"a\.csv:1: the header needs a column `text` or"),
    "csv with a short row": ("a.csv", "text,language\na cat\n", r"a\.csv:2: 1 cells under a header of 2"),
    "csv with a column twice": ("a.csv", "text,text\na,b\n", r"a\.csv:1: column 'text' stands twice"),
    "csv with broken quotes": ("a.csv", 'text\nfine\n"open\n', r"a\.csv:3: not CSV: unexpected end of data"),
    "csv with an empty prompt": ("a.csv", "text,language\n  ,en\n", r"a\.csv:2: empty prompt"),
    "csv with a bad split": ("a.csv", "text,split\na,dev\n", r"a\.csv:2: split 'dev' is neither train nor test"),
    "csv with a bad language": ("a.csv", "text,language\na,e\n", r"a\.csv:2: language 'e' is no language code"),
    "csv with an id twice": ("a.csv", "id,text\nx,a\nX,b\n", r"a\.csv:3: duplicate id 'X', first used at .*a\.csv:2"),
    "csv with an unsafe id twice": ("a.csv", "id,text\na b,x\na b,y\n", r"a\.csv:3: duplicate id 'a b'"),
    "jsonl with a torn line": ("a.jsonl", '{"text": "a"}\n{"text": \n', r"a\.jsonl:2: not JSON: Expecting value"),
    "jsonl with a number": ("a.jsonl", '{"text": "a"}\n{"text": 1}\n', r"a\.jsonl:2: text must be text, got \[1\]"),
    "jsonl without text": ("a.jsonl", '{"text": "a"}\n{"id": "b"}\n', r"a\.jsonl:2: no `text` and no `prompt`"),
    "jsonl with two texts": ("a.jsonl", '{"text": "a", "prompt": "b"}\n', r"a\.jsonl:1: `text` and `prompt` differ"),
    "jsonl with bad tags": ("a.jsonl", '{"text": "a", "tags": "x;y"}\n', r"a\.jsonl:1: tags must be a list of texts"),
    "jsonl with a bad label": ("a.jsonl", '{"text": "a", "category": []}\n', r"a\.jsonl:1: category must be text"),
    "jsonl with bad truth": ("a.jsonl", '{"text": "a", "ground_truth": [1]}\n', r"ground_truth must be an object"),
    "json list of numbers": ("a.json", "[\n1]", r"a\.json:2: a row is an object, got 1"),
    "json with NaN": ("a.json", '{"text": "a", "ground_truth": {"x": NaN}}', r"a\.json:1: .*NaN is no JSON number"),
    "json with a key twice": ("a.json", '{"0": {"prompt": "a"}, "0": {"prompt": "b"}}', r"key '0' stands twice"),
    "json nested without end": ("a.json", "[" * 100_000, r"a\.json:1: not JSON"),
    "half a surrogate": ("a.jsonl", r'{"text": "cat \ud83d"}', r"a\.jsonl:1: half a surrogate pair"),
    "text like json": ("a.txt", "[cinematic] a cat\n", r"a\.txt:1: not JSON(.|\n)*say format text"),
    "evalcrafter key": ("a.json", '{"0": {"prompt": "a"}, "1": 3}', r"a\.json:1: entry '1' needs a prompt, got 3"),
    "evalcrafter attributes": ("a.json", '{"0": {"prompt": "a", "attributes": 1}}', r"attributes must be an object"),
    "compbench entry": ("motion_binding.json", '[{"prompt": "a"},\n{"x": 1}]', r"binding\.json:2: an entry needs a pr"),
    "127 lines": ("Step-Video-T2V-Eval", "一只猫\n" * 127, r"has 128 prompts, this file has 127"),
    "129 lines": ("step_video_eval.txt", "一只猫\n" * 129, r"has 128 prompts, this file has 129"),
}


@pytest.mark.parametrize("case", BAD_FILES)
def test_bad_files_are_refused(tmp_path, case):
    name, content, message = BAD_FILES[case]
    path = tmp_path / name
    path.write_bytes(content.encode("utf-8"))
    with pytest.raises(SuiteError, match=message):
        read_prompt_file(path)


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        ("text", r"full\.json:3: an entry is an object, got 'text'"),
        ({"dimension": ["a"]}, r"full\.json:3: prompt_en must be text, got None"),
        ({"prompt_en": "b", "dimension": []}, r"full\.json:3: dimension must be a list of names, got \[\]"),
        ({"prompt_en": "b", "dimension": [1]}, r"full\.json:3: dimension must be a list of names"),
        ({"prompt_en": "b", "dimension": "a", "prompt_cn": 1}, r"full\.json:3: prompt_cn must be text, got 1"),
    ],
)
def test_bad_vbench_entries_are_named_by_line(tmp_path, entry, message):
    path = tmp_path / "full.json"
    path.write_text('[\n{"prompt_en": "a", "dimension": ["x"]},\n' + json.dumps(entry) + "\n]")
    with pytest.raises(SuiteError, match=message):
        read_prompt_file(path)


def test_a_forced_format_is_checked_as_well(tmp_path):
    path = tmp_path / "a.json"
    path.write_text('{"prompt_en": "a"}')
    with pytest.raises(SuiteError, match=r"a\.json:1: a full_info file is a JSON list"):
        read_prompt_file(path, layout="vbench")
    path.write_text('["a"]')
    with pytest.raises(SuiteError, match="is an object of numbered prompts, this is a list"):
        read_prompt_file(path, layout="evalcrafter")
    path.write_text('{"x": {"prompt": "a"}}')
    with pytest.raises(SuiteError, match="key 'x' is no number"):
        read_prompt_file(path, layout="evalcrafter")


def test_all_bad_rows_are_named_at_once_and_counted(tmp_path):
    path = tmp_path / "a.jsonl"
    path.write_text("".join(f'{{"id": "{number}"}}\n' for number in range(25)))
    with pytest.raises(SuiteError, match=r"a\.jsonl:1: (.|\n)*a\.jsonl:20: (.|\n)*\.\.\. and 5 more") as caught:
        read_prompt_file(path)
    assert "a.jsonl:21" not in str(caught.value)


def test_another_encoding_is_named_with_its_line(tmp_path):
    path = tmp_path / "a.txt"
    path.write_bytes("plain\n运动员在球场\n".encode("gb18030"))
    with pytest.raises(SuiteError, match=r"a\.txt:2: not UTF-8(.|\n)*iconv"):
        read_prompt_file(path)


def test_paths_and_names_that_cannot_be_used(tmp_path):
    with pytest.raises(UsageError, match=re.escape(f"no prompt file at {tmp_path / 'none.txt'}")):
        read_prompt_file(tmp_path / "none.txt")
    with pytest.raises(UsageError, match=r"no prompt format 'vbenhc'(.|\n)*vbench"):
        read_prompt_file(tmp_path, layout="vbenhc")
    with pytest.raises(UsageError, match=r"format csv is a file"):
        read_prompt_file(tmp_path, layout="csv")
    with pytest.raises(UsageError, match=r"neither a suite folder nor a folder of prompt files"):
        read_prompt_file(tmp_path)
    with pytest.raises(SuiteError, match=r"holds no NNNN\.txt"):
        read_prompt_file(tmp_path, layout="evalcrafter")
    with pytest.raises(SuiteError, match="holds no T2V-CompBench file"):
        read_prompt_file(tmp_path, layout="compbench")


def test_two_files_for_one_category(tmp_path):
    (tmp_path / "7_numeracy.txt").write_text("a\n")
    (tmp_path / "generative_numeracy.json").write_text('[{"prompt": "a"}]')
    with pytest.raises(SuiteError, match=r"7_numeracy\.txt and generative_numeracy\.json are both generative_numeracy"):
        read_prompt_file(tmp_path)


def test_an_existing_suite_is_not_overwritten(tmp_path):
    path = tmp_path / "a.txt"
    path.write_text("a cat\n")
    imported = read_prompt_file(path)
    write_imported_suite(imported, tmp_path / "suite")
    with pytest.raises(UsageError, match="already holds a suite"):
        write_imported_suite(imported, tmp_path / "suite")
