"""The exported pages opened from disk in a real browser: filter, sort, play in step; no request leaves the disk."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from board_runs import NASTY

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
FRAMES, FPS = 24, 8
POSITIONS = "videos => videos.map(video => video.currentTime)"

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(CHROMIUM is None, reason="no Chromium is installed"),
]


@pytest.fixture
def page(site: Path) -> Iterator[Any]:
    """The first page on a dark phone; whatever is asked for and whatever breaks is noted."""
    from playwright.sync_api import sync_playwright

    switches = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update"]
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=switches, env={"PATH": os.environ["PATH"]})
        page = browser.new_context(viewport={"width": 390, "height": 800}, color_scheme="dark").new_page()
        page.set_default_timeout(20_000)
        asked: list[str] = []
        broken: list[str] = []
        page.on("request", lambda request: asked.append(request.url))
        page.on("pageerror", lambda error: broken.append(str(error)))
        page.on("dialog", lambda dialog: broken.append(f"a dialog opened: {dialog.message}"))
        page.on("console", lambda message: broken.append(message.text))
        page.goto((site / "index.html").as_uri())
        yield page
        browser.close()
    assert broken == []
    assert [url for url in asked if not url.startswith(site.as_uri())] == []


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
    seen = []
    while len(seen) < 20:
        page.wait_for_timeout(100)
        seen.append(videos.evaluate_all(POSITIONS))
    assert max(left for left, _ in seen) > 1.0, "the left clip does not play"
    assert max(abs(left - right) * FPS for left, right in seen) <= 1.0
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
