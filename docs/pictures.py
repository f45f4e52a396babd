"""Takes the pictures of the pages for these documents: `python docs/pictures.py BOARD OPEN_STUDY VOTED_STUDY`.

Pairs of the first study are still open to be voted on; the second has votes, for the organiser's page. Needs Chromium.
"""

from __future__ import annotations

import io
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from PIL import Image
from playwright.sync_api import sync_playwright

IMAGES = Path(__file__).with_name("images")
SWITCHES = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--no-first-run"]
READY = "() => document.querySelectorAll('[data-testid=stSkeleton]').length === 0"
HEIGHT = "Math.max(...[...document.querySelectorAll('[data-testid=stMain], html')].map((one) => one.scrollHeight))"

BOARD: dict[str, Any] = {  # picture -> page, width, colours, language
    "leaderboard-overview": ("", 1280, "light", "en-GB"),
    "leaderboard-model": ("model", 1280, "light", "en-GB"),
    "leaderboard-compare": ("compare", 1280, "light", "en-GB"),
    "leaderboard-gallery": ("gallery", 1280, "dark", "en-GB"),
    "leaderboard-human": ("human", 1280, "light", "en-GB"),
    "leaderboard-history": ("history", 1280, "light", "en-GB"),
    "leaderboard-methods": ("methods", 1280, "light", "ja-JP"),
    "leaderboard-submit": ("submit", 1280, "light", "zh-CN"),
    "leaderboard-phone": ("gallery", 390, "dark", "zh-CN"),
}
VOTING: dict[str, Any] = {
    "voting": (1280, "light", "en-GB"),
    "voting-dark": (1280, "dark", "ja-JP"),
    "voting-phone": (390, "light", "zh-CN"),
}
SITE = {"site-overview": "table-*-0.html", "site-history": "history-*-0.html", "site-human": "human.html"}


def main(board: str, open_study: str, voted_study: str) -> None:
    """Take all pictures, with one server after the other."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=SWITCHES)
        with served("leaderboard", "serve", board) as (address, _):
            for name, (page, *look) in BOARD.items():
                take(browser, name, f"{address}/{page}", *look)
        with served("prefs", "serve", open_study) as (address, _):
            for name, look in VOTING.items():
                take(browser, name, address, *look, before=join)
        with served("prefs", "serve", voted_study) as (address, output):
            invitation = next(word for word in output.split() if "/join#" in word)
            take(browser, "voting-organiser", invitation, 1280, "light", "en-GB", before=organise)
        with tempfile.TemporaryDirectory() as folder:
            stepbench = [sys.executable, "-m", "stepbench"]
            subprocess.run([*stepbench, "leaderboard", "export", board, "-o", f"{folder}/site"], check=True)
            for name, pattern in SITE.items():
                take(browser, name, next(Path(folder, "site").glob(pattern)).as_uri(), 1280, "light", "en-GB")
        browser.close()


@contextmanager
def served(*command: str) -> Iterator[tuple[str, str]]:
    """A server of stepbench: its address, and what it printed first."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = str(probe.getsockname()[1])
    started = [sys.executable, "-u", "-m", "stepbench", *command, "--port", port]
    server: Any = subprocess.Popen(started, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    try:
        printed = [server.stdout.readline() for _ in range(2 if command[0] == "prefs" else 1)]
        while server.poll() is None and socket.socket().connect_ex(("127.0.0.1", int(port))):
            time.sleep(0.2)
        yield f"http://127.0.0.1:{port}", "".join(printed)
    finally:
        server.terminate()
        server.communicate()


def join(page: Any) -> None:
    """Give a name, and watch the first pair."""
    page.locator("input[name=name]").fill("Ann")
    page.locator("form:not([hidden]) button").click()
    page.locator(".vote video").first.wait_for()
    page.keyboard.press("Space")
    page.locator(".vote:not(.locked)").wait_for()


def organise(page: Any) -> None:
    """Use the organiser's invitation."""
    page.locator("form:not([hidden]) button").click()
    page.get_by_role("link", name="Organiser").click()
    page.get_by_role("heading", name="Invitations").wait_for()


def take(browser: Any, name: str, address: str, width: int, colours: str, locale: str, before: Any = None) -> None:
    """One picture, as high as the page, with few colours so that it stays small."""
    page = browser.new_context(viewport={"width": width, "height": 900}, color_scheme=colours, locale=locale).new_page()
    page.set_default_timeout(90_000)
    page.goto(address, wait_until="load")
    if before is not None:
        before(page)
    elif address.startswith("http"):
        page.locator("[data-testid=stApp][data-test-script-state=notRunning] h1").wait_for()
    page.wait_for_function(READY)
    page.wait_for_timeout(1000)
    page.set_viewport_size({"width": width, "height": min(page.evaluate(HEIGHT), 1500)})
    page.wait_for_timeout(1500)
    picture = Image.open(io.BytesIO(page.screenshot())).convert("RGB")
    picture.quantize(128).save(IMAGES / f"{name}.png", optimize=True)
    page.context.close()


if __name__ == "__main__":
    main(*sys.argv[1:])
