"""The leaderboard in a real browser, served as a user serves it."""

from __future__ import annotations

import os
import tarfile
import urllib.error
import urllib.request
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pandas as pd
import pytest
from board_runs import NASTY, level, make_run, suite
from real_browser import NEEDS_CHROMIUM, Watch, assert_in_step, moments, real_browser
from served_pages import REPOSITORY, serving
from submitted_runs import sum_up

from stepbench.board import build_board
from stepbench.submissions.limits import MIB, MOST_MIB
from stepbench.suites.format import write_suite

pytestmark = NEEDS_CHROMIUM

FRAMES, FPS = 24, 8
COLOUR = "pill => getComputedStyle(pill).color"


@dataclass(frozen=True)
class Served:
    """A running leaderboard."""

    address: str
    board: Path


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """A leaderboard of two runs of 3-second clips; it must end well when it is interrupted."""
    root = tmp_path_factory.mktemp("served")
    geometry = {"frames": FRAMES, "height": 24, "width": 24, "fps": FPS}
    for name, mean in (("left", 3.0), ("right", 1.0)):
        values = {"shine": level(mean), "wobble": level(mean)}
        sum_up(make_run(root / "runs", name, values, on=suite(prompts=2), geometry=geometry, failed=["p1-zh"]))
    install_suite(root / "packages")
    board = build_board(root / "runs", root / "board").path
    paths = [str(REPOSITORY), str(root / "packages"), os.environ.get("PYTHONPATH", "")]
    environment = {"PYTHONPATH": os.pathsep.join(filter(None, paths)), "TMPDIR": str(root / "scratch")}
    (root / "scratch").mkdir()
    with serving("leaderboard", "serve", board, **environment) as server:
        yield Served(server.address, board)
    assert server.said == f"leaderboard on {server.address} (Ctrl-C ends it)\n"


def install_suite(packages: Path) -> None:
    """Make the suite of the runs known by name, as a package that brings suites of its own does."""
    made = suite(prompts=2)
    write_suite(packages / "toy_suites" / "toys", made.card, made.prompts)
    (packages / "toy_suites" / "__init__.py").write_text("")
    about = packages / "toy_suites-1.dist-info"
    about.mkdir()
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: toy-suites\nVersion: 1\n")
    (about / "entry_points.txt").write_text("[stepbench.suites]\ntoys = toy_suites\n")


@pytest.fixture
def page(served: Served) -> Iterator[Any]:
    """A page that records what it asks for and what goes wrong in it."""
    watch = Watch()
    with real_browser() as browser:
        page = browser.new_page()
        page.set_default_timeout(20_000)
        watch.on(page)
        yield page
    assert watch.broken == []
    assert {urlsplit(url).hostname for url in watch.asked} == {"127.0.0.1"}


def test_overview_and_gallery_in_a_browser(page: Any, served: Served) -> None:
    page.goto(served.address)
    page.get_by_role("heading", name="All metrics").wait_for()
    # The grid is a drawing; this table inside it is what screen readers get.
    cells = page.locator("[data-testid=stDataFrame] [role=gridcell]")
    cells.first.wait_for(state="attached")
    assert {"toy:left", "toy:right", "3/4"} <= set(cells.all_text_contents())
    page.get_by_label("Shine: mean and 95 % interval of 2 runs; higher is better").wait_for()

    page.get_by_role("link", name="Play the clips side by side").click()
    pair = page.get_by_role("group", name="clips of A · toy:left and B · toy:right").first
    assert pair.locator(".prompt").inner_text() == NASTY
    assert pair.locator("figcaption").all_inner_texts() == ["A · toy:left", "B · toy:right"]
    refused = page.get_by_role("group", name="p1-zh")
    assert refused.locator(".reason").all_inner_texts() == ["Failed: RuntimeError: no <b>luck</b>"] * 2
    assert refused.get_by_role("button", name="Play both clips").is_disabled()

    videos = page.locator("video")
    assert videos.first.evaluate("video => getComputedStyle(video).imageRendering") == "pixelated"
    pair.get_by_role("button", name="Play both clips").click()
    assert_in_step(page, videos, FPS)

    pair.get_by_role("button", name="Pause both clips").click()
    pair.focus()
    page.keyboard.press("Home")
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowRight")
    assert pair.locator("output").inner_text() == f"3 / {FRAMES}"
    assert [int(position * FPS) for position in moments(videos)] == [2, 2]
    page.keyboard.press("End")
    assert pair.get_by_label("Frame", exact=True).get_attribute("aria-valuetext") == f"Frame {FRAMES} / {FRAMES}"

    page.set_viewport_size({"width": 390, "height": 800})
    assert page.evaluate("document.documentElement.scrollWidth") <= 390, "the page is wider than a phone"


def test_clips_come_in_ranges_and_nothing_else_comes_at_all(served: Served) -> None:
    def get(path: str, **headers: str) -> Any:
        return urllib.request.urlopen(urllib.request.Request(f"{served.address}/{path}", headers=headers), timeout=10)

    clip = next(served.board.glob("clips/*/*.mp4"))
    name = clip.relative_to(served.board).as_posix()
    with get(name, Range="bytes=100-199") as answer:
        assert (answer.status, answer.read()) == (206, clip.read_bytes()[100:200])
        assert answer.headers["Content-Type"] == "video/mp4"
        assert "immutable" in answer.headers["Cache-Control"]
    for path in ("clips/aa/board.json", "clips/%2e%2e/board.json", "clips/aa/..%2f..%2fboard.json", f"{name}x"):
        with pytest.raises(urllib.error.HTTPError, match="HTTP Error 40"):
            get(path)


def test_filter_sort_follow_a_shared_address_and_download(page: Any, served: Served, tmp_path: Path) -> None:
    page.goto(served.address)
    page.get_by_role("radio", name="Wobble ↓").click()
    page.get_by_role("heading", name="Wobble ↓").wait_for()
    page.mouse.move(0, 0)
    # What is chosen can be read as well as what is not.
    page.wait_for_function(f"new Set([...document.querySelectorAll('button[role=radio]')].map({COLOUR})).size === 1")
    page.get_by_text("Filter runs and choose columns").click()
    search = page.get_by_label("Search runs")
    search.fill("right")
    search.press("Enter")
    page.get_by_label("Wobble: mean and 95 % interval of 1 runs; lower is better").wait_for()
    said = parse_qs(urlsplit(page.url).query)
    assert (said["metric"], said["find"]) == (["wobble@1:native"], ["right"])

    other = page.context.browser.new_page()
    other.goto(page.url)
    other.get_by_label("Wobble: mean and 95 % interval of 1 runs; lower is better").wait_for()
    assert other.get_by_label("Search runs").input_value() == "right"
    other.close()

    with page.expect_download() as download:
        page.get_by_test_id("stDownloadButton").get_by_role("button", name="CSV").click()
    download.value.save_as(tmp_path / "numbers.csv")
    table = pd.read_csv(tmp_path / "numbers.csv")
    assert set(table.run) == {"right"}
    assert set(table.metric_id) == {"shine@1:native", "wobble@1:native"}
    assert (table.low < table["mean"]).all()

    page.get_by_role("radio", name="日本語").click()
    page.get_by_role("heading", name="ランキング").wait_for()
    assert "lang=ja" in page.url
    page.goto(f"{served.address}/compare?lang=zh&runs=right&runs=left")
    page.get_by_role("heading", name="对比").wait_for()
    page.get_by_label("Shine 与 toy:right 的差值及 95 % 区间，共 1 行").wait_for()
    page.wait_for_function("document.documentElement.lang === 'zh' && document.title.startsWith('对比 · ')")


def test_archives_are_answered_and_nothing_of_them_is_kept(page: Any, served: Served, tmp_path: Path) -> None:
    runs = served.board.parent / "runs"
    before = {path: path.read_bytes() for path in runs.rglob("*") if path.is_file()}
    good, bomb, climber, torn, large = (
        tmp_path / name for name in ("good.tar.gz", "bomb.zip", "climber.zip", "torn.zip", "large.zip")
    )
    with tarfile.open(good, "w:gz") as archive:
        archive.add(runs / "left", "left")
    with zipfile.ZipFile(bomb, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("run.json", bytes(40 * MIB))
    with zipfile.ZipFile(climber, "w") as archive:
        archive.writestr("../../climbed.json", "{}")
    torn.write_bytes(good.read_bytes()[:100])
    with large.open("wb") as file:
        file.truncate((MOST_MIB + 1) * MIB)

    page.goto(f"{served.address}/submit")
    choose = page.locator("input[type=file]")
    answers = {
        good: "left: every check that can be made here passed",
        bomb: "times its size",
        climber: "holds the unsafe name",
        torn: "damaged archive",
        large: "or smaller",
    }
    for archive, answer in answers.items():
        choose.set_input_files(archive)
        page.get_by_text(answer).first.wait_for()
    choose.set_input_files(good)
    page.get_by_text(answers[good]).wait_for()
    assert page.get_by_text("suite: passed").is_visible()
    assert {path: path.read_bytes() for path in runs.rglob("*") if path.is_file()} == before
    scratch = served.board.parent / "scratch"
    assert list(scratch.iterdir()) == []
    assert list(served.board.parent.rglob("climbed.json")) == []
