"""The exported pages opened from disk in a real browser: filter, sort, play in step; no request leaves the disk."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from board_runs import NASTY
from real_browser import NEEDS_CHROMIUM, Watch, assert_in_step, real_browser

FRAMES, FPS = 24, 8

pytestmark = NEEDS_CHROMIUM


@pytest.fixture
def page(site: Path) -> Iterator[Any]:
    """The first page on a dark phone; whatever is asked for and whatever breaks is noted."""
    watch = Watch()
    with real_browser() as browser:
        page = browser.new_context(viewport={"width": 390, "height": 800}, color_scheme="dark").new_page()
        page.set_default_timeout(20_000)
        watch.on(page, console=True)
        page.goto((site / "index.html").as_uri())
        yield page
    assert watch.broken == []
    assert [url for url in watch.asked if not url.startswith(site.as_uri())] == []


def test_the_board_is_filtered_and_sorted_and_clips_play_in_step(page: Any) -> None:
    page.get_by_role("link", name="toys 1").click()
    rows = page.locator("tbody tr:not([hidden])")
    assert rows.count() == 3
    assert page.evaluate("document.documentElement.scrollWidth") <= 390, "the page is wider than a phone"
    page.get_by_role("button", name="Mean").press("Enter")
    assert rows.first.locator("td").last.inner_text() == "last"
    page.get_by_role("button", name="Mean").press("Enter")
    assert rows.first.locator("td").last.inner_text() == "best"
    page.get_by_label("Filter rows").fill("withdrawn last")
    assert rows.count() == 1
    assert page.locator(".count").inner_text() == "1 / 3"
    page.get_by_label("Filter rows").fill("")
    page.get_by_label("Prompts of").select_option("animals")
    assert rows.count() == 3
    assert rows.first.get_attribute("data-cut") == "category:animals"

    page.get_by_role("link", name="Gallery").click()
    row = page.get_by_role("group", name="p0-en, seed 0")
    assert row.locator(".prompt").inner_text() == NASTY
    videos = row.locator("video")
    assert videos.count() == 2
    row.get_by_role("button", name="Play all clips of this row").click()
    assert_in_step(page, videos, FPS)
    row.get_by_role("button", name="Pause all clips of this row").click()
    row.focus()
    page.keyboard.press("Home")
    page.keyboard.press("ArrowRight")
    assert row.locator("output").inner_text() == f"2 / {FRAMES}"

    page.locator("#b").select_option(label="toy:last (withdrawn)")
    page.get_by_label("Search prompts").fill("NUMBER 1")
    assert page.locator("#pairs .pair").count() == 1
    assert "Failed: RuntimeError: no <b>luck</b>" in page.locator(".reason").inner_text()

    for name in ("History", "Quality against cost", "Human votes"):
        page.get_by_role("navigation", name="Leaderboard").get_by_role("link", name=name).click()
        page.get_by_role("heading", level=1, name=name).wait_for()
        assert page.locator("svg .mark").count() >= 2
        assert page.evaluate("document.documentElement.scrollWidth") <= 390, f"{name} is wider than a phone"
