"""Every prompt format in, the right suite out."""

from __future__ import annotations

import json
import unicodedata
from collections import Counter
from pathlib import Path

import pytest

from stepbench.records import SAFE_ID
from stepbench.suites.importers import PROMPT_FORMATS, read_prompt_file, step_video_eval

FACADES = unicodedata.normalize("NFD", "the façades of old houses")
LONG = "a very long prompt about nothing at all, " * 6 + "ends."


def write(path: Path, content: str | bytes) -> Path:
    path.write_bytes(content if isinstance(content, bytes) else content.encode("utf-8"))
    return path


def write_json(path: Path, value: object) -> Path:
    return write(path, json.dumps(value, ensure_ascii=False, indent=2))


def chinese_lines(count: int) -> str:
    return "".join(f"第{number}个提示：一只猫在草地上奔跑。\n" for number in range(1, count + 1))


class TestStepVideoEval:
    def test_categories_follow_the_order_of_the_lines(self, tmp_path):
        imported = read_prompt_file(write(tmp_path / "anything.txt", chinese_lines(128)))
        suite = imported.suite
        assert suite.name == "step-video-eval"
        assert [prompt.id for prompt in suite.prompts][:2] == ["step-video-eval-001", "step-video-eval-002"]
        assert suite.prompts[-1].id == "step-video-eval-128"
        # Table 7 of the report: 11 categories of 11 or 12 prompts.
        assert list(Counter(prompt.category for prompt in suite.prompts).items()) == [
            ("Sports", 12),
            ("Food", 11),
            ("Scenery", 12),
            ("Animals", 12),
            ("Festivals", 11),
            ("Combination Concepts", 12),
            ("Surreal", 11),
            ("People", 12),
            ("3D Animation", 12),
            ("Cinematography", 11),
            ("Style", 12),
        ]
        assert (suite.prompts[11].category, suite.prompts[12].category) == ("Sports", "Food")
        assert {prompt.language for prompt in suite.prompts} == {"zh"}

    def test_another_hash_is_reported_and_the_pinned_one_is_not(self, tmp_path, monkeypatch):
        path = write(tmp_path / "a.txt", chinese_lines(128))
        changed = read_prompt_file(path).report
        assert "differs from the pinned one" in changed.text()
        monkeypatch.setattr(step_video_eval, "PINNED_SHA256", changed.sha256)
        pinned = read_prompt_file(path).report
        assert pinned.notes == ()
        assert pinned.detected == "the pinned sha256"

    def test_blank_lines_and_windows_line_ends_count_for_nothing(self, tmp_path):
        unix = read_prompt_file(write(tmp_path / "a.txt", chinese_lines(128)))
        dos = read_prompt_file(
            write(tmp_path / "b.txt", b"\xef\xbb\xbf" + ("\n\n" + chinese_lines(128)).replace("\n", "\r\n").encode())
        )
        assert dos.suite.hash == unix.suite.hash


VBENCH_ENTRIES: list[dict] = [
    {"prompt_en": "a cat", "dimension": ["subject_consistency", "dynamic_degree"]},
    {"prompt_en": "A cat", "dimension": ["color"], "auxiliary_info": {"color": {"color": "red"}}},
    {"prompt_en": "a cat", "dimension": ["object_class"], "auxiliary_info": {"object_class": {"object": "cat"}}},
    {"prompt_en": FACADES, "dimension": ["scene"], "prompt_cn": "老房子"},
    {"prompt_en": LONG, "dimension": "scene"},
    {"prompt_en": 'AC/DC plays "live"', "dimension": ["human_action"], "video_list": ["x.mp4"]},
]


class TestVBench:
    def test_equal_texts_merge_and_nothing_else_does(self, tmp_path):
        path = write_json(tmp_path / "full_info.json", VBENCH_ENTRIES)
        imported = read_prompt_file(path)
        first, twin, facades, long, slash = imported.suite.prompts
        assert first.tags == ("dimension:subject_consistency", "dimension:dynamic_degree", "dimension:object_class")
        assert first.category == "subject_consistency"
        assert first.ground_truth == {"auxiliary_info": {"object_class": {"object": "cat"}}}
        assert (twin.text, twin.ground_truth) == ("A cat", {"auxiliary_info": {"color": {"color": "red"}}})
        assert facades.text == FACADES
        assert facades.ground_truth == {"prompt_cn": "老房子"}
        assert long.text == LONG
        assert slash.text == 'AC/DC plays "live"'
        report = imported.report
        assert (report.format, report.n_rows, report.n_prompts) == ("vbench", 6, 5)
        (merged, into), *others = report.merged.items()
        assert not others
        assert (merged.rpartition(":")[2], into.rpartition(":")[2]) == ("20", "2")
        assert report.look_alikes == ((first.id, twin.id),)
        assert report.ignored_keys == ()

    def test_ids_are_safe_numbered_and_readable(self, tmp_path):
        suite = read_prompt_file(write_json(tmp_path / "a.json", VBENCH_ENTRIES)).suite
        assert [prompt.id for prompt in suite.prompts] == [
            "vbench-0001-a-cat",
            "vbench-0002-a-cat",
            "vbench-0003-the-facades-of-old-houses",
            "vbench-0004-a-very-long-prompt-about-nothing-at-all",
            "vbench-0005-ac-dc-plays-live",
        ]

    def test_contradicting_auxiliary_info_is_kept_twice_and_equal_info_once(self, tmp_path):
        entries = [
            {"prompt_en": "x", "dimension": ["a"], "auxiliary_info": {"a": 1}},
            {"prompt_en": "x", "dimension": ["b"], "auxiliary_info": {"a": 2}},
            {"prompt_en": "x", "dimension": ["c"], "auxiliary_info": {"a": 1}},
        ]
        (prompt,) = read_prompt_file(write_json(tmp_path / "a.json", entries)).suite.prompts
        assert prompt.ground_truth == {"auxiliary_info": {"a": 1}, "more_auxiliary_info": [{"a": 2}]}


class TestEvalCrafter:
    def test_metadata_keeps_numbers_attributes_and_repeated_texts(self, tmp_path):
        path = write_json(
            tmp_path / "metadata.json",
            {
                "0000": {"prompt": "two dogs ", "attributes": {"count": "2 dog"}},
                "0002": {"prompt": "a cow", "attributes": {}},
                "0003": {"prompt": "a cow", "attributes": {}},
            },
        )
        imported = read_prompt_file(path)
        dogs, cow, again = imported.suite.prompts
        assert (dogs.id, dogs.text) == ("evalcrafter-0000", "two dogs ")
        assert dogs.tags == ("evalcrafter:0000", "attribute:count")
        assert dogs.ground_truth == {"attributes": {"count": "2 dog"}}
        assert (cow.id, again.id) == ("evalcrafter-0002", "evalcrafter-0003")
        assert imported.report.same_text == (("evalcrafter-0002", "evalcrafter-0003"),)
        assert imported.report.look_alikes == ()

    def test_a_text_file_and_a_folder_give_the_same_suite(self, tmp_path):
        texts = ["two dogs ", "a cow", "a cow"]
        listed = read_prompt_file(write(tmp_path / "evalcrafter_prompt.txt", "\n".join(texts)))
        folder = tmp_path / "prompts"
        folder.mkdir()
        for number, text in enumerate(texts):
            write(folder / f"{number:04d}.txt", text + "\n")
        write(folder / "notes.md", "not a prompt")
        assert listed.report.format == "evalcrafter"
        assert read_prompt_file(folder).suite.hash == listed.suite.hash


NUMERACY: list[dict] = [{"prompt": "two cats", "objects": "cats", "numbers": "2"}, {"prompt": "three dogs"}]


class TestCompBench:
    def test_the_file_name_gives_the_category(self, tmp_path):
        imported = read_prompt_file(write_json(tmp_path / "generative_numeracy.json", NUMERACY))
        first, second = imported.suite.prompts
        assert imported.report.format == "compbench"
        assert (first.id, first.category) == ("generative_numeracy-0001", "generative_numeracy")
        assert first.ground_truth == {"attributes": {"objects": "cats", "numbers": "2"}}
        assert second.ground_truth is None

    def test_a_folder_is_read_in_the_order_of_the_benchmark(self, tmp_path):
        write(tmp_path / "7_numeracy.txt", "two cats\nthree dogs\n")
        write(tmp_path / "1_consistent_attr.txt", "a red car\n")
        write(tmp_path / "README.md", "about")
        suite = read_prompt_file(tmp_path).suite
        assert [prompt.id for prompt in suite.prompts] == [
            "consistent_attribute_binding-0001",
            "generative_numeracy-0001",
            "generative_numeracy-0002",
        ]

    def test_an_unknown_category_keeps_the_name_of_its_file(self, tmp_path):
        path = write_json(tmp_path / "my_category.json", NUMERACY)
        assert {p.category for p in read_prompt_file(path, layout="compbench").suite.prompts} == {"my_category"}


class TestTables:
    def test_csv_with_all_columns(self, tmp_path):
        path = write(
            tmp_path / "a.csv",
            "id,prompt,language,category,tags,pair_id,split,author\r\n"
            'p1,"He said ""go, now""\nand went", en ,Motion,fast; two people ,x,train,me\r\n'
            "\r\n"
            "p2,  一只猫 ,,,,,,\r\n",
        )
        imported = read_prompt_file(path)
        first, second = imported.suite.prompts
        assert first.text == 'He said "go, now"\nand went'
        assert (first.id, first.language, first.category, first.pair_id) == ("p1", "en", "Motion", "x")
        assert (first.tags, first.split) == (("fast", "two people"), "train")
        assert (second.text, second.language, second.category) == ("  一只猫 ", "zh", "uncategorised")
        assert imported.report.ignored_keys == ("author",)
        assert imported.report.n_guessed_languages == 1
        assert "left out    author" in imported.report.text()

    @pytest.mark.parametrize("delimiter", [",", ";", "\t"])
    def test_csv_delimiters(self, tmp_path, delimiter):
        path = write(tmp_path / "a.csv", f"text{delimiter}category\na cat{delimiter}Animals\n")
        (prompt,) = read_prompt_file(path).suite.prompts
        assert (prompt.text, prompt.category) == ("a cat", "Animals")

    def test_a_csv_under_another_ending_is_known_by_its_header(self, tmp_path):
        report = read_prompt_file(write(tmp_path / "list.txt", "text,language\na cat,en\n")).report
        assert (report.format, report.detected) == ("csv", "a header of known columns")

    def test_json_lines_of_our_own_rows(self, tmp_path):
        rows = [
            {"id": "b", "text": "x", "language": "en", "category": "C", "tags": ["t"], "ground_truth": {"n": [1]}},
            {"prompt": "y", "model": "m"},
            {"id": 7, "text": "z", "prompt": "z"},
        ]
        path = write(tmp_path / "a.jsonl", "".join(json.dumps(row) + "\n" for row in rows))
        imported = read_prompt_file(path)
        assert [prompt.id for prompt in imported.suite.prompts] == ["b", "0002-y", "7"]
        assert imported.suite.prompts[0].ground_truth == {"n": [1]}
        assert imported.report.ignored_keys == ("model",)

    def test_a_json_list_of_texts_or_rows(self, tmp_path):
        suite = read_prompt_file(write_json(tmp_path / "a.json", ["a cat", {"prompt": "a dog"}])).suite
        assert [prompt.text for prompt in suite.prompts] == ["a cat", "a dog"]

    def test_plain_text_keeps_lines_exactly(self, tmp_path):
        path = write(tmp_path / "My Prompts.txt", " a cat\u2028sits \r\n\r\n“quoted”, with/slash\r\n")
        imported = read_prompt_file(path)
        assert [prompt.text for prompt in imported.suite.prompts] == [" a cat\u2028sits ", "“quoted”, with/slash"]
        assert imported.suite.name == "my-prompts"
        assert imported.report.format == "text"

    def test_utf16_with_a_mark_is_read(self, tmp_path):
        (prompt,) = read_prompt_file(write(tmp_path / "a.txt", "une façade\n".encode("utf-16"))).suite.prompts
        assert prompt.text == "une façade"

    def test_unsafe_ids_are_replaced_and_stay_findable(self, tmp_path):
        path = write(tmp_path / "a.csv", "id,text\nscene 1/ä,a cat\n")
        imported = read_prompt_file(path)
        (prompt,) = imported.suite.prompts
        assert prompt.id == "0001-a-cat"
        assert prompt.tags == ("id:scene 1/ä",)
        assert imported.report.renamed == {"scene 1/ä": "0001-a-cat"}


def test_a_format_can_be_forced(tmp_path):
    path = write(tmp_path / "evalcrafter.txt", "a cat\n")
    assert read_prompt_file(path).suite.name == "evalcrafter"
    forced = read_prompt_file(path, layout="text")
    assert (forced.suite.prompts[0].id, forced.report.detected) == ("0001-a-cat", "as asked")


def test_every_format_gives_safe_ids_of_bounded_length(tmp_path):
    for name in ("csv", "jsonl", "text"):
        content = {"csv": f"text\n{'w' * 300}\n", "jsonl": json.dumps({"text": "w" * 300}), "text": "w" * 300}[name]
        (prompt,) = read_prompt_file(write(tmp_path / f"{name}.x", content), layout=name).suite.prompts
        assert SAFE_ID.fullmatch(prompt.id)
        assert len(prompt.id) < 60
    assert set(PROMPT_FORMATS) == {"step-video-eval", "vbench", "evalcrafter", "compbench", "csv", "jsonl", "text"}
