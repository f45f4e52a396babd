"""The exported pages say what the board says, escape what strangers wrote, and come out the same every time."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from board_runs import NASTY
from bs4 import BeautifulSoup
from hostile_names import EVIL

from stepbench.board import BoardError, build_board, open_board, vote_tables
from stepbench.board.read import DamagedBoardError
from stepbench.errors import ExitCode, UsageError
from stepbench.site import export_site
from stepbench.site.drawings import LOOKS, verdict_marker
from stepbench.site.words import LANGUAGES, all_texts


def read(path: Path) -> BeautifulSoup:
    return BeautifulSoup(path.read_text(encoding="utf-8"), "html.parser")


def data(path: Path) -> Any:
    return json.loads(re.fullmatch(r"stepbenchData\(\"[^\"]*\",(.*)\);\n", path.read_text(), re.DOTALL)[1])


def files(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def first(site: Path, pattern: str) -> Path:
    return next(iter(sorted(site.glob(pattern))))


def test_every_number_of_the_board_stands_on_its_page(site: Path, board: Path):
    summary = open_board(board).summary(cut="all")
    for place, metric_id in enumerate(open_board(board).tables()[0]["metric_ids"]):
        rows = read(first(site, f"table-*-{place}.html")).select('tr[data-cut="all:"]')
        own = summary[summary.metric_id == metric_id].set_index("run")
        assert len(rows) == len(own) == 3
        for row in rows:
            cells = [cell.get_text() for cell in row.select("td")]
            facts = own.loc[cells[-1]]
            assert float(row.select("td")[1]["data-value"]) == facts["mean"]
            assert (cells[0], cells[2], cells[4]) == (facts["rank"], facts["interval"], facts["scored"])


def test_whiskers_end_where_the_intervals_do(site: Path):
    page = read(first(site, "table-*-0.html"))
    assert len(page.select("svg line.whisker")) == 3
    assert page.select_one("svg")["aria-label"].startswith("Shine ↑: mean and 95 % interval of 3 runs")


def test_compare_pages_hold_all_pairs(site: Path, board: Path):
    pairs = open_board(board).pairs(open_board(board).tables()[0]["table_id"], cut="all")
    rows = read(first(site, "compare-*-0.html")).select("tbody tr")
    assert len(rows) == 3
    stated = {float(row.select("td")[3]["data-value"]) for row in rows}
    assert stated == set(pairs[pairs.metric_id == pairs.metric_id.iloc[0]].difference)


def test_strangers_texts_stay_texts_and_pages_ask_for_nothing(site: Path):
    pages = list(site.glob("*.html"))
    assert len(pages) == 1 + 1 + 1 + 4 * 2 + 1 + 3
    for path in pages:
        page = read(path)
        assert "49" not in page.title.get_text()
        assert not page.select("img, iframe, b, [onerror], [onclick]"), path.name
        for tag, attribute in (("script", "src"), ("link", "href"), ("a", "href"), ("video", "src")):
            for element in page.select(tag):
                target = element[attribute].partition("#")[0]
                assert not target or (site / target).is_file(), f"{path.name} points to {target}"
        assert all(script.get_text() == "" for script in page.select("script")), "scripts are files"
        policy = page.select_one("meta[http-equiv]")["content"]
        assert "default-src 'none'" in policy
        assert "http" not in policy
    named = read(first(site, "table-*-0.html")).select("th[scope=row] a")
    assert EVIL in [link.get_text() for link in named]


def test_withdrawn_runs_are_struck_through_with_the_reason(site: Path):
    struck = read(first(site, "table-*-0.html")).select_one("tr.withdrawn")
    assert struck.select_one("s").get_text() == "toy:last (withdrawn)"
    assert "wrong <b>weights</b>" in struck.get_text()


def test_withdrawn_runs_have_no_rank_and_leave_those_of_others_as_they_were(board: Path, site: Path):
    for metric, rows in open_board(board).summary(cut="all").groupby("metric_id"):
        ranks = rows.set_index("run")["rank"]
        assert ranks["last"] == "", metric
        assert set(ranks[["best", "second"]]) <= {"1", "2", "1–2"}, metric
        assert set(rows.n_ranked) == {2}, metric
    cost = read(first(site, "cost-*-0.html"))
    assert len(cost.select("svg .mark")) == 2
    assert "toy:last" in cost.select_one("tr.withdrawn s").get_text()


def test_human_votes_stand_on_a_page_of_their_own(site: Path, board: Path):
    page = read(site / "human.html")
    (study,) = open_board(board).studies()
    assert "Simulated: 8 of 24 judgements" in page.get_text()
    ratings, duels, annotators, agreement, metrics = page.select("table")
    wanted = vote_tables.rating_rows(study, "overall")
    assert [row.select("td")[1].get_text() for row in ratings.select("tbody tr")] == wanted.rating.tolist()
    assert [row.select("th, td")[4].get_text() for row in duels.select("tbody tr")] == [
        row["win_rate"] for row in vote_tables.duel_rows(study, "overall").to_dict("records")
    ]
    assert "sim-1 (simulated)" in annotators.get_text()
    assert "Krippendorff's alpha" in agreement.get_text()
    assert {row.select("td")[0].get_text() for row in metrics.select("tbody tr")} == {"Shine ↑", "Wobble ↓"}
    assert len(page.select("svg line.whisker")) == 2


def test_history_has_runs_and_verdicts_of_gates(site: Path):
    page = read(first(site, "history-*-0.html"))
    runs, gates = page.select("table")
    assert len(runs.select("tbody tr")) == len(page.select("figure svg .mark")) == 3
    assert [one.get_text(strip=True) for one in page.select(".legend li")] == ["regression", "no gate"]
    (gate,) = gates.select("tbody tr")
    assert [cell.get_text() for cell in gate.select("th, td")][1:4] == ["regression", "last", "best"]
    assert "Shine ↑: regression" in gate.get_text()
    assert runs.select_one(".tone.worse").get_text() == "Withdrawn: wrong <b>weights</b>"


def test_runs_that_are_left_out_are_named_with_the_reason(site: Path):
    text = read(site / "index.html").get_text(" ")
    assert "broken" in text
    assert "not JSON" in text


def test_gallery_data_are_those_of_the_board(site: Path, board: Path):
    opened = open_board(board)
    (prompts,) = [data(path) for path in (site / "data").glob("prompts-*.js")]
    assert prompts[0][2] == NASTY
    runs = opened.runs().set_index("run")
    shown = [data(path) for path in sorted((site / "data").glob("samples-*.js"))]
    assert len(shown) == 3
    for rows in shown:
        assert len(rows) == len(prompts)
        assert all((site / row["clip"]).is_file() for row in rows if row["clip"])
    outcomes = sorted(tuple(row["outcome"] for row in rows) for rows in shown)
    wanted = sorted(tuple(opened.samples(part).outcome) for part in runs.part.dropna())
    assert outcomes == wanted
    texts = "".join(path.read_text() for path in (site / "data").glob("*.js"))
    assert texts.isascii()


def test_downloads_hold_the_tables(site: Path, board: Path):
    opened = open_board(board)
    table_id = opened.tables()[0]["table_id"]
    stem = site / "data" / f"summary-{table_id}"
    pd.testing.assert_frame_equal(pd.read_parquet(f"{stem}.parquet"), opened.summary(table_id))
    records = json.loads(Path(f"{stem}.json").read_text())
    assert len(pd.read_csv(f"{stem}.csv")) == len(records) > 0
    for column in pd.read_parquet(f"{stem}.parquet").select_dtypes("number"):
        exact = pd.read_parquet(f"{stem}.parquet")[column].astype(float).tolist()
        assert [np.nan if row[column] is None else row[column] for row in records] == pytest.approx(
            exact, rel=1e-15, nan_ok=True
        )


def test_equal_boards_give_equal_bytes_and_replace_the_old_export(site: Path, board: Path, tmp_path: Path):
    again = export_site(board, tmp_path / "again")
    assert files(again.path) == files(site)
    (again.path / "stale.html").write_text("old")
    assert files(export_site(board, tmp_path / "again").path) == files(site)


def test_other_folders_are_left_alone(board: Path, tmp_path: Path):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.tex").write_text("work")
    with pytest.raises(UsageError, match="holds something else than an export"):
        export_site(board, tmp_path / "mine")
    with pytest.raises(BoardError, match="no board in"):
        export_site(tmp_path, tmp_path / "site")
    with pytest.raises(UsageError, match="do not speak 'tlh'"):
        export_site(board, tmp_path / "site", language="tlh")
    assert not (tmp_path / "site").exists()


@pytest.mark.parametrize("language", LANGUAGES)
def test_pages_speak_the_language(board: Path, tmp_path: Path, language: str):
    page = read(export_site(board, tmp_path / "site", language=language).path / "index.html")
    assert page.html["lang"] == language
    assert page.h1.get_text() == all_texts()["board"][language]


def test_every_text_is_there_in_every_language_with_the_same_values():
    for key, texts in all_texts().items():
        assert set(texts) == set(LANGUAGES), key
        values = [sorted(re.findall(r"\{(\w+)\}", text)) for text in texts.values()]
        assert values == [values[0]] * 3, key


def test_an_empty_board_has_a_page(tmp_path: Path):
    (tmp_path / "runs").mkdir()
    build_board(tmp_path / "runs", tmp_path / "board")
    site = export_site(tmp_path / "board", tmp_path / "site").path
    assert "No run is on this board yet" in (site / "index.html").read_text()


def test_clips_from_an_object_store_are_linked_and_not_copied(board: Path, tmp_path: Path):
    address = "https://clips.example.org/board/{name}"
    build_board(board.parent / "runs", tmp_path / "board", clips_url=address)
    opened = open_board(tmp_path / "board")
    clips = opened.samples(opened.runs().part.dropna().iloc[0])["clip"]
    assert clips.iloc[0].startswith("https://clips.example.org/board/")
    assert (tmp_path / "board" / "clips" / clips.iloc[0].removeprefix("https://clips.example.org/board/")).is_file()
    exported = export_site(tmp_path / "board", tmp_path / "site")
    assert (exported.clips, (exported.path / "clips").exists()) == (0, False)
    policy = read(exported.path / "index.html").select_one("meta[http-equiv]")["content"]
    assert "media-src 'self' file: https://clips.example.org;" in policy


@pytest.mark.parametrize(
    "address",
    ["clips/{name}", "https://x/clips", "https://x/{name}/{name}", "javascript:{name}", "https://x/ {name}",
     "https://me:secret@x/{name}", "https://x/{name}/{other}", "https:///{name}", "https://x'; y/{name}"],
)  # fmt: skip
def test_addresses_of_clips_are_checked(board: Path, tmp_path: Path, address: str):
    with pytest.raises(UsageError, match=r"--clips-url"):
        build_board(board.parent / "runs", tmp_path / "board", clips_url=address)


def test_export_from_the_command_line(stepbench: Callable[..., Any], board: Path, tmp_path: Path):
    ended = stepbench("leaderboard", "export", board, "-o", tmp_path / "site", "--lang", "ja", "--json")
    (record,) = ended.records()
    assert record["pages"] == 15
    assert record["largest"] < 60_000
    assert stepbench("leaderboard", "export", tmp_path, "-o", tmp_path / "site2").code == ExitCode.USAGE


def test_pages_of_very_many_runs_leave_categories_to_the_runs_own_pages(
    board: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("stepbench.site.pages.MOST_ROWS_PER_TABLE", 5)
    site = export_site(board, tmp_path / "site").path
    assert {row["data-cut"] for row in read(first(site, "table-*-0.html")).select("tbody tr")} == {"all:"}
    assert "category:animals" in {row["data-cut"] for row in read(first(site, "run-*.html")).select("tbody tr")}


def test_markers_of_verdicts_differ_in_colour_and_in_shape():
    markers = [BeautifulSoup(verdict_marker(verdict, verdict or "none")[0], "html.parser") for verdict in LOOKS]
    shapes = [mark.select_one(".mark") for mark in markers]
    assert len({shape["class"][1] for shape in shapes}) == len(LOOKS)
    assert len({(shape.name, shape.get("points")) for shape in shapes}) == len(LOOKS)


def test_a_board_without_its_clips_is_not_exported(board: Path, tmp_path: Path):
    copy = Path(shutil.copytree(board, tmp_path / "board"))
    shutil.rmtree(copy / "clips")
    with pytest.raises(DamagedBoardError, match=r"clips/.*\.mp4 is missing"):
        export_site(copy, tmp_path / "site")
    assert not (tmp_path / "site").exists()
    data = copy / open_board(copy).info["data"]
    (data / "pairs.parquet").write_bytes(b"torn")
    with pytest.raises(DamagedBoardError, match=r"pairs\.parquet cannot be read"):
        export_site(copy, tmp_path / "site")
