"""A real Chromium for tests, and what a page in it asks for and breaks on."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
NEEDS_CHROMIUM = [
    pytest.mark.browser,
    pytest.mark.skipif(CHROMIUM is None, reason="no Chromium is installed"),
]
"""The `pytestmark` of a file whose tests open a browser."""

SWITCHES = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
]


@contextmanager
def real_browser() -> Iterator[Any]:
    """A Chromium with a home of its own: it neither finds nor leaves a profile."""
    from playwright.sync_api import sync_playwright

    environment = {"PATH": os.environ["PATH"]}
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=SWITCHES, env=environment)
        yield browser
        browser.close()


@dataclass
class Watch:
    """What pages asked for, save what they carry within themselves, and what broke in them."""

    asked: list[str] = field(default_factory=list)
    broken: list[str] = field(default_factory=list)

    def on(self, page: Any, *, console: bool = False) -> None:
        """Watch a page; with `console`, whatever it writes there counts as broken."""
        page.on("request", lambda request: self._ask(request.url))
        page.on("pageerror", lambda error: self.broken.append(str(error)))
        page.on("dialog", lambda dialog: self.broken.append(f"a dialog opened: {dialog.message}"))
        if console:
            page.on("console", lambda message: self.broken.append(message.text))

    def _ask(self, url: str) -> None:
        if not url.startswith(("data:", "blob:")):
            self.asked.append(url)


def moments(videos: Any) -> list[float]:
    """Where the first two videos stand, in seconds, read in one go."""
    return videos.evaluate_all("videos => videos.slice(0, 2).map(video => video.currentTime)")


def assert_in_step(page: Any, videos: Any, fps: float) -> None:
    """Two videos that play get on, and are never more than a frame apart."""
    seen = []
    while len(seen) < 20:
        page.wait_for_timeout(100)
        seen.append(moments(videos))
    assert max(left for left, _ in seen) > 1.0, "the left clip does not play"
    assert max(right for _, right in seen) > 1.0, "the right clip does not play"
    assert max(abs(left - right) * fps for left, right in seen) <= 1.0
