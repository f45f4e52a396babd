"""Clips without a comparison, in a real browser: rated one at a time, by keyboard, by words beside the numbers."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from real_browser import NEEDS_CHROMIUM, real_browser
from served_pages import serving
from voting_study import make_voting_study

from stepbench.preferences import Study

pytestmark = NEEDS_CHROMIUM

VISIBLE = "videos => videos.map(video => getComputedStyle(video).visibility)"


@pytest.fixture
def served(tmp_path: Path) -> Iterator[tuple[str, Study]]:
    """A study of one pair whose clips are rated from 1 to 5 on four questions."""
    study = make_voting_study(tmp_path, "likert", real=1, gold=0, practice=0)
    with closing(study), serving("prefs", "serve", study.folder) as server:
        yield server.address, study


def test_each_clip_is_rated_alone_after_it_was_watched(served: tuple[str, Study]):
    address, study = served
    with real_browser() as browser:
        page: Any = browser.new_context(locale="en-GB").new_page()
        page.set_default_timeout(60_000)
        page.goto(address)
        page.get_by_label("Your name").fill("ann")
        page.get_by_role("button", name="Start").click()
        videos = page.locator(".vote video")
        videos.first.wait_for()
        for place, grades in enumerate(("5432", "1234")):
            assert videos.evaluate_all(VISIBLE) == [["visible", "hidden"], ["hidden", "visible"]][place]
            assert page.get_by_text(["First clip", "Second clip"][place], exact=True).is_visible()
            page.keyboard.press("5")
            assert page.locator("[aria-pressed=true].of-a, [aria-pressed=true].of-b").count() == 4 * place
            page.keyboard.press("Space")
            page.get_by_text("Watched. Please rate this clip.").wait_for()
            # The words stand beside the numbers, and the other clip's numbers do not.
            assert page.get_by_text("smooth but for one moment").is_visible()
            assert page.get_by_role("button", name="4, smooth but for one moment").count() == 1
            assert page.locator(".send").is_disabled()
            for grade in grades:
                page.keyboard.press(grade)
        page.set_viewport_size({"width": 390, "height": 720})
        page.locator(".send").scroll_into_view_if_needed()
        assert abs(page.locator(".player").bounding_box()["y"]) <= 1, "the clips stay in sight, at the top edge"
        page.keyboard.press("Enter")
        page.get_by_text("That was all").wait_for()
    votes = study.votes()
    given = {side: votes[votes["rated_clip"] == side].set_index("dimension")["rating"].to_dict() for side in ("a", "b")}
    questions = ("instruction_following", "motion_smoothness", "physical_plausibility", "aesthetic_appeal")
    assert given == {
        "a": dict(zip(questions, (5, 4, 3, 2), strict=True)),
        "b": dict(zip(questions, (1, 2, 3, 4), strict=True)),
    }
