"""A visitor of the leaderboard in a real browser: opens addresses, clicks and types, and is told when the page stands.

A page stands when its script has ended, every table and chart on it has been drawn, and the browser has nothing left to
do. All times are the browser's own: from the start of the navigation, or from the click or key that the page got.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from leaderboard.translation import Words

OVERVIEW, FRAME, GALLERY, COMPARE = (Words(page, "en") for page in ("overview", "frame", "gallery", "compare"))

WATCH = """
window.acted = 0;
for (const kind of ['click', 'keydown'])
  addEventListener(kind, (event) => { if (event.isTrusted) window.acted = performance.now(); }, true);
window.ended = -1;
new MutationObserver(() => {
  const app = document.querySelector('[data-testid=stApp]');
  const state = app && app.dataset.testScriptState;
  if (state === 'notRunning' && window.lastState !== state) window.ended = performance.now();
  window.lastState = state;
}).observe(document, { subtree: true, childList: true, attributes: true, attributeFilter: ['data-test-script-state'] });
"""
"""Runs before the page's own scripts."""

STANDS = """async () => {
  const frame = () => new Promise(requestAnimationFrame);
  const all = (test) => [...document.querySelectorAll(test)];
  const drawn = () =>
    window.ended > window.acted && window.lastState === 'notRunning' && document.querySelector('h1') &&
    !all('[data-testid=stSkeleton]').length &&
    all('[data-testid=stDataFrame], [data-testid=stVegaLiteChart]').every((one) => one.querySelector('canvas, svg'));
  while (!drawn()) await frame();
  await new Promise(requestIdleCallback);
  while (!drawn()) await frame();
  return (performance.now() - window.acted) / 1000;
}"""


class Visitor:
    """One visitor with an empty browser cache."""

    def __init__(self, page: Any, address: str) -> None:
        self.page = page
        self.address = address
        page.add_init_script(WATCH)
        page.set_default_timeout(120_000)

    def open(self, path: str = "") -> float:
        """Seconds from the start of the navigation until the page stands."""
        self.page.goto(f"{self.address}/{path}", wait_until="commit")
        return self.page.evaluate(STANDS)

    def act(self, do: Callable[[Any], object]) -> float:
        """Seconds from the last click or key in `do` until the page stands again."""
        do(self.page)
        return self.page.evaluate(STANDS)


def prepare(page: Any) -> None:
    """Open the parts of the first page that are shut, which costs the server nothing."""
    for title in (OVERVIEW("filters"), OVERVIEW("weights")):
        page.get_by_text(title, exact=True).click()


def interactions() -> dict[str, Callable[[Any], object]]:
    """What a visitor does on the pages, in this order, by name."""
    return {
        "sort by another metric": _pill("Made-up 05 ↑"),
        "sort by a third metric": _pill("Made-up 10 ↑"),
        "one category": _pill("food"),
        "one language": _pill("zh"),
        "words to filter by": _typed(OVERVIEW("search"), "model 12"),
        "other words to filter by": _typed(OVERVIEW("search"), "model"),
        "one more column": _picked(OVERVIEW("columns"), "Made-up 09 ↑"),
        "a metric to weigh": _picked(FRAME("metric"), "Made-up 03 ↓"),
        "another metric to weigh": _picked(FRAME("metric"), "Made-up 00 ↑"),
        "to the model page": _page(FRAME("model")),
        "to the compare page": _page(FRAME("compare")),
        "compare: another metric": _pill("Made-up 05 ↑"),
        "compare: by category": _pill(FRAME("cut_category")),
        "to the gallery": _page(FRAME("gallery")),
        "gallery: words in prompts": _typed(GALLERY("search"), "number 7"),
        "to the history": _page(FRAME("history")),
        "to the methods": _page(FRAME("methods")),
        "back to the leaderboard": _page(FRAME("overview")),
    }


ADDRESSES = {
    "shared address: filter and category": "?find=model+12&category=food",
    "shared address: weighted score": "?weight=2:made_up_00@1:none&weight=1:made_up_03@1:none",
    "shared address: gallery": "gallery?a=run-0001&b=run-0002",
    "shared address: compare": "compare?runs=run-0001&runs=run-0002&runs=run-0003",
    "shared address: model": "model?run=run-0007",
    "shared address: history": "history",
}


def _pill(name: str) -> Callable[[Any], object]:
    return lambda page: page.get_by_role("radio", name=name, exact=True).first.click()


def _page(name: str) -> Callable[[Any], object]:
    def do(page: Any) -> None:
        page.keyboard.press("Escape")
        page.get_by_role("link", name=name, exact=True).first.click()

    return do


def _typed(label: str, text: str) -> Callable[[Any], object]:
    def do(page: Any) -> None:
        field = page.get_by_label(label, exact=True).first
        field.fill(text)
        field.press("Enter")

    return do


def _picked(label: str, option: str) -> Callable[[Any], object]:
    def do(page: Any) -> None:
        # A list of options that stands open hides all else, and one shuts when the page scrolls.
        page.keyboard.press("Escape")
        field = page.get_by_role("combobox", name=label, exact=True).last
        field.evaluate("(field) => field.scrollIntoView({ block: 'center', behavior: 'instant' })")
        field.click()
        field.press_sequentially(option.split()[1])
        page.get_by_role("option", name=option, exact=True).first.click()

    return do


@contextmanager
def browser() -> Iterator[Callable[[str], Visitor]]:
    """Gives visitors by the server's address."""
    from playwright.sync_api import sync_playwright

    path = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))))
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=path, args=["--no-sandbox", "--disable-gpu"])
        yield lambda address: Visitor(started.new_page(viewport={"width": 1280, "height": 900}), address)
        started.close()
