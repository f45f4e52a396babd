"""Building: broken runs become rows, builds are repeatable, and a board is replaced in one step."""

from __future__ import annotations

import fcntl
import json
import shutil
from pathlib import Path

import pytest
from board_runs import level, make_run, rewrite

from stepbench.board import BoardError, build_board, open_board
from stepbench.board.folder import folder_in_one_step
from stepbench.errors import IncompleteError, NothingSelectedError, UsageError

TWO = {"shine": level(1.0), "wobble": level(2.0)}


def test_broken_and_unfinished_runs_become_rows_with_a_reason(runs: Path, tmp_path: Path):
    rewrite(runs / "best", status="interrupted")
    (runs / "second" / "run.json").write_text("{not json", encoding="utf-8")
    (runs / "last" / "plan.jsonl").unlink()
    (runs / "half").mkdir()
    (runs / "half" / "samples.jsonl").touch()
    (runs / "notes").mkdir()
    rewrite(Path(shutil.copytree(runs / "twin", runs / "newer")), schema=99)
    (Path(shutil.copytree(runs / "twin", runs / "odd")) / "prompts.jsonl").write_text("", encoding="utf-8")
    built = build_board(runs, tmp_path / "board")
    assert built.runs == ("twin",)
    reasons = {item.run: (item.status, item.reason) for item in built.left_out}
    assert set(reasons) == {"best", "second", "last", "half", "newer", "odd"}
    assert reasons["best"] == ("interrupted", "the run is interrupted, not finished; the same run command continues it")
    for run, words in {
        "second": "not JSON",
        "last": "plan.jsonl is missing",
        "half": "run.json is missing",
        "newer": "schema 99",
        "odd": "lacks prompt 'p0-en', which is planned",
    }.items():
        assert reasons[run][0] == "broken"
        assert words in reasons[run][1]
    table = open_board(built.path).runs().set_index("run")
    assert table.on_board.to_dict() == {"twin": True} | dict.fromkeys(reasons, False)
    assert table.reason["second"] == reasons["second"][1]


def change_lines(path: Path, **fields: object) -> None:
    """Set fields in every line of a JSONL file."""
    rows = [{**json.loads(line), **fields} for line in path.read_text(encoding="utf-8").splitlines()]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")


def test_odd_runs_are_left_out_and_harm_no_other(runs: Path, tmp_path: Path):
    for name in ("number", "sideways", "untitled", "nan", "list", "bare"):
        shutil.copytree(runs / "twin", runs / name)
    change_lines(runs / "number" / "prompts.jsonl", category=5)
    cards = json.loads((runs / "twin" / "run.json").read_text(encoding="utf-8"))["metric_cards"]
    shine = cards["shine@1:native"]
    rewrite(runs / "sideways", metric_cards={**cards, "shine@1:native": {**shine, "direction": "sideways"}})
    rewrite(runs / "untitled", metric_cards={**cards, "shine@1:native": {**shine, "title": None}})
    change_lines(runs / "nan" / "scores" / "shine@1:native.jsonl", value=float("nan"))
    (runs / "list" / "run.json").write_text("[]", encoding="utf-8")
    rewrite(runs / "bare", generator={"name": "bare"})
    built = build_board(runs, tmp_path / "board")
    assert built.runs == ("best", "last", "second", "twin")
    reasons = {item.run: item.reason for item in built.left_out}
    assert "category must be text that is not empty, got 5" in reasons["number"]
    assert "direction must be higher, lower, neutral, got 'sideways'" in reasons["sideways"]
    assert "title must be text, got None" in reasons["untitled"]
    assert "nan" in reasons["nan"]
    assert "KeyError" in reasons["bare"]
    assert set(reasons) == {"number", "sideways", "untitled", "nan", "list", "bare"}
    with pytest.raises(NothingSelectedError, match="is on suite 'others'"):
        build_board(runs, tmp_path / "board", suite="others")


def test_one_odd_card_does_not_turn_a_table_upside_down(runs: Path, tmp_path: Path):
    cards = json.loads((runs / "best" / "run.json").read_text(encoding="utf-8"))["metric_cards"]
    turned = {**cards["shine@1:native"], "direction": "lower"}
    rewrite(runs / "best", metric_cards={**cards, "shine@1:native": turned})
    board = open_board(build_board(runs, tmp_path / "board").path)
    assert board.cards()["shine@1:native"]["direction"] == "higher"


def test_the_board_of_an_empty_folder_is_empty(tmp_path: Path):
    (tmp_path / "runs").mkdir()
    built = build_board(tmp_path / "runs", tmp_path / "board")
    board = open_board(built.path)
    assert (built.runs, built.left_out, built.tables, built.clips) == ((), (), 0, 0)
    assert board.runs().empty
    assert board.summary().empty
    assert board.tables() == []


def test_a_second_build_changes_nothing(runs: Path, tmp_path: Path):
    board = tmp_path / "board"
    build_board(runs, board)

    def state() -> dict[Path, tuple[int, int]]:
        files = (path for path in board.rglob("*") if path.is_file() and path.name != ".building")
        return {path: (path.stat().st_mtime_ns, path.stat().st_ino) for path in files}

    before = state()
    assert build_board(runs, board).unchanged
    assert state() == before


def test_only_changed_runs_are_read_again(runs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    from stepbench.board import part

    board = tmp_path / "board"
    build_board(runs, board)
    published: list[Path] = []
    original = part.publish_preview

    def counting(run: Path, *arguments):
        published.append(run)
        return original(run, *arguments)

    monkeypatch.setattr(part, "publish_preview", counting)
    make_run(runs, "fifth", TWO)
    built = build_board(runs, board)
    assert {path.name for path in published} == {"fifth"}
    assert "fifth" in built.runs
    assert not built.unchanged


def test_equal_runs_give_equal_tables_wherever_they_are_built(runs: Path, tmp_path: Path):
    first, second = (build_board(runs, tmp_path / name).path for name in ("one", "two"))
    data = open_board(first).info["data"]
    assert open_board(second).info["data"] == data
    for name in ("runs.parquet", "summary.parquet", "tables.json", "cards.json"):
        assert (first / data / name).read_bytes() == (second / data / name).read_bytes()


def test_a_lost_clip_is_put_back(runs: Path, tmp_path: Path):
    board = build_board(runs, tmp_path / "board").path
    clip = next(board.glob("clips/*/*.mp4"))
    clip.unlink()
    build_board(runs, board)
    assert clip.is_file()


def test_an_open_board_stays_readable_through_the_next_build_and_is_swept_after_it(runs: Path, tmp_path: Path):
    path = build_board(runs, tmp_path / "board").path
    old = open_board(path)
    old_part = old.runs().set_index("run").part["best"]
    old_clip = path / old.samples(old_part)["clip"][0]
    shutil.rmtree(runs / "best")
    build_board(runs, path)
    assert "best" not in set(open_board(path).runs().run)
    assert len(old.summary()) > 0
    assert len(old.samples(old_part)) == 20
    assert old_clip.is_file()
    shutil.rmtree(runs / "last")
    build_board(runs, path)
    assert not old_clip.exists()
    assert not (path / "parts" / old_part).exists()
    assert not (path / old.info["data"]).exists()


def test_suite_takes_only_runs_on_it(runs: Path, tmp_path: Path):
    assert build_board(runs, tmp_path / "board", suite="toys").runs == ("best", "last", "second", "twin")
    (runs / "best" / "run.json").write_text("{", encoding="utf-8")
    assert build_board(runs, tmp_path / "board", suite="toys").runs == ("last", "second", "twin")
    with pytest.raises(NothingSelectedError, match=r"no run in .* is on suite 'others'"):
        build_board(runs, tmp_path / "board", suite="others")


def test_a_missing_folder_of_runs_is_an_error(tmp_path: Path):
    with pytest.raises(UsageError, match=r"no folder of runs at .*nowhere"):
        build_board(tmp_path / "nowhere", tmp_path / "board")


def test_a_folder_that_is_no_board_is_left_alone(runs: Path):
    with pytest.raises(BoardError, match=r"holds '.*' and no board"):
        build_board(runs, runs)
    assert not (runs / "parts").exists()


def test_two_builders_do_not_meet(runs: Path, tmp_path: Path):
    board = build_board(runs, tmp_path / "board").path
    with (board / ".building").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        with pytest.raises(BoardError, match="another process is building"):
            build_board(runs, board)


def test_boards_that_cannot_be_read_say_so_and_are_built_anew(runs: Path, tmp_path: Path):
    with pytest.raises(BoardError, match="no board in"):
        open_board(tmp_path / "board")
    board = build_board(runs, tmp_path / "board").path
    pointer = json.loads((board / "board.json").read_text(encoding="utf-8"))
    (board / "board.json").write_text(json.dumps({**pointer, "schema": 99}), encoding="utf-8")
    with pytest.raises(BoardError, match="schema 99, this version reads 3"):
        open_board(board)
    (board / "board.json").write_text("{", encoding="utf-8")
    with pytest.raises(BoardError, match="not JSON"):
        open_board(board)
    assert not build_board(runs, board).unchanged
    assert len(open_board(board).runs()) == 4


def test_a_folder_that_fails_halfway_leaves_nothing(tmp_path: Path):
    def fail_halfway() -> None:
        with folder_in_one_step(tmp_path / "data") as scratch:
            (scratch / "half").touch()
            raise OSError(28, "No space left on device")

    with pytest.raises(IncompleteError, match=r"cannot save .*data: No space left"):
        fail_halfway()
    assert list(tmp_path.iterdir()) == []
