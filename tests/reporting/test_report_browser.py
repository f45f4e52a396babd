"""The page in a real browser, opened from disk: no request leaves it, clips play in step, it fits a dark phone."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from board_runs import NASTY, level, make_run, suite
from real_browser import NEEDS_CHROMIUM, Watch, assert_in_step, moments, real_browser

from stepbench.reporting import write_report

FRAMES, FPS = 24, 8

pytestmark = NEEDS_CHROMIUM


@pytest.fixture(scope="module")
def page_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A report of two runs of 3-second clips; the second failed at one prompt."""
    root = tmp_path_factory.mktemp("page")
    geometry = {"frames": FRAMES, "height": 24, "width": 24, "fps": FPS}
    runs = []
    for name, mean in (("left", 3.0), ("right", 1.0)):
        values = {
            "shine": lambda prompt_id, _, mean=mean: mean + 9.0 * (prompt_id == "p0-en") * mean,
            "wobble": level(mean),
        }
        failed = ["p1-en"] if name == "right" else []
        runs.append(make_run(root, name, values, on=suite(prompts=2), geometry=geometry, failed=failed))
    write_report(runs, root / "report.html", lead="shine")
    return root / "report.html"


@pytest.fixture
def page(page_file: Path) -> Iterator[Any]:
    """The page on a dark phone; whatever it asks for and whatever breaks in it is noted."""
    watch = Watch()
    with real_browser() as browser:
        context = browser.new_context(viewport={"width": 390, "height": 800}, color_scheme="dark")
        page = context.new_page()
        page.set_default_timeout(20_000)
        watch.on(page, console=True)
        page.goto(page_file.as_uri())
        yield page
    assert watch.broken == []
    assert watch.asked == [page_file.as_uri()]


def test_clips_of_a_row_play_in_step_and_obey_the_keys(page: Any) -> None:
    row = page.get_by_role("group", name="Clips of p0-en, seed 0").first
    assert row.locator(".prompt").inner_text() == NASTY
    videos = row.locator("video")
    assert videos.count() == 2
    assert videos.first.evaluate("video => video.controls") is False
    row.get_by_role("button", name="Play all clips of this row").click()
    assert_in_step(page, videos, FPS)

    row.get_by_role("button", name="Pause all clips of this row").click()
    row.focus()
    page.keyboard.press("Home")
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowRight")
    assert row.locator("output").inner_text() == f"3 / {FRAMES}"
    assert [int(position * FPS) for position in moments(videos)] == [2, 2]
    row.get_by_label("Frame", exact=True).fill("10")
    assert [int(position * FPS) for position in moments(videos)] == [10, 10]
    row.focus()
    page.keyboard.press("End")
    assert row.get_by_label("Frame", exact=True).get_attribute("aria-valuetext") == f"frame {FRAMES} of {FRAMES}"


def test_the_page_fits_a_phone_in_the_dark(page: Any) -> None:
    assert page.evaluate("document.documentElement.scrollWidth") <= 390, "the page is wider than a phone"
    paper = page.evaluate("getComputedStyle(document.body).backgroundColor")
    ink = page.evaluate("getComputedStyle(document.body).color")
    brightness = [sum(map(int, colour[4:-1].split(","))) / 3 for colour in (paper, ink)]
    assert brightness[0] < 60, "the paper is not dark"
    assert brightness[1] > 180, "the ink is not light"
    page.emulate_media(color_scheme="light")
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    widths = page.locator(".figures svg").evaluate_all("all => all.map(svg => svg.getBoundingClientRect().width)")
    assert min(widths) > 300, "plots are too small to read"


def test_paper_gets_everything_that_is_folded_away(page: Any) -> None:
    assert page.locator("details:not([open])").count() > 0
    page.evaluate("dispatchEvent(new Event('beforeprint'))")
    assert page.locator("details:not([open])").count() == 0
    page.evaluate("dispatchEvent(new Event('afterprint'))")
    assert page.locator("details:not([open])").count() > 0
