"""Voting in a real browser: two annotators at once, by keyboard; and nothing that is served tells who made a clip."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from real_browser import NEEDS_CHROMIUM, Watch, real_browser
from served_pages import serving
from voting_study import NASTY, SECRET, make_voting_study

from stepbench.preferences import Study
from stepbench.preferences.protocol import load_protocol

pytestmark = NEEDS_CHROMIUM

ATTACK = "<img src=x onerror=alert(1)>"
KEYS = {"1": "a", "2": "b", "t": "tie", "b": "both_bad", "s": "skip"}


@dataclass
class Served:
    """A running voting server, and the study it serves."""

    address: str
    study: Study


@dataclass
class Person:
    """An annotator in a browser of their own, what it got from the server, and what the annotator answered."""

    page: Any
    got: list[bytes] = field(default_factory=list)
    given: dict[str, str] = field(default_factory=dict)

    def join(self, address: str, name: str) -> None:
        self.page.goto(address)
        self.page.get_by_label("Your name").fill(name)
        self.page.get_by_role("button", name="Start").click()
        self.page.locator(".vote").wait_for()

    def at_hand(self) -> str:
        """The id of the assignment on screen."""
        source = self.page.locator(".vote video").first.get_attribute("src")
        return urlsplit(source).path.split("/")[2]

    def watch(self) -> None:
        self.page.keyboard.press("Space")
        self.page.locator(".vote:not(.locked)").wait_for()

    def answer(self, key: str, *, watch: bool = True) -> None:
        """Judge the pair on screen, and wait until it is gone."""
        assignment = self.at_hand()
        if watch and key != "s":
            self.watch()
        self.page.keyboard.press(key)
        self.page.keyboard.press("Enter")
        self.page.locator(f".vote video[src*='{assignment}']").first.wait_for(state="detached")
        self.page.locator(".vote video").first.or_(self.page.get_by_text("That was all")).wait_for()
        self.given[assignment] = KEYS[key]

    def done(self) -> bool:
        return self.page.locator(".vote").count() == 0


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """A server of a study of six pairs, one of them gold and one for practice; it must end well when interrupted."""
    protocol = load_protocol("pairwise")[1].replace('en = "flickers"', f'en = "{ATTACK}"')
    protocol = protocol.replace("free_text = false", "free_text = true")
    study = make_voting_study(tmp_path_factory.mktemp("voting"), protocol, real=4)
    with closing(study), serving("prefs", "serve", study.folder) as server:
        yield Served(server.address, study)
    first, second = server.said.splitlines()
    assert first == f"voting on {server.address} (Ctrl-C ends it)"
    assert f"{server.address}/join#sb1." in second


@pytest.fixture(scope="module")
def people() -> Iterator[tuple[Person, Person]]:
    """Two annotators, each with cookies of their own, whose browsers write down all that they get."""
    watch = Watch()
    with real_browser() as browser:
        made = [_person(browser, watch) for _ in range(2)]
        yield made[0], made[1]
    assert watch.broken == []


def _person(browser: Any, watch: Watch) -> Person:
    person = Person(browser.new_context(locale="en-GB").new_page())
    page, got = person.page, person.got
    page.set_default_timeout(60_000)
    watch.on(page)
    page.on("websocket", lambda socket: socket.on("framereceived", lambda frame: got.append(_bytes(frame))))
    page.on("response", lambda response: got.append(json.dumps([response.url, response.headers]).encode()))
    return person


def _bytes(frame: bytes | str) -> bytes:
    return frame if isinstance(frame, bytes) else frame.encode()


def test_two_annotators_vote_a_study_through_by_keyboard(served: Served, people: tuple[Person, Person]):
    ann, bob = people
    ann.join(served.address, NASTY)
    bob.join(served.address, "bob@example.org")
    assert "/join" not in ann.page.url
    assert ann.page.get_by_text("Practice 1 of 1").count() == 1

    # Locked until watched: keys do nothing before.
    ann.page.keyboard.press("1")
    ann.page.keyboard.press("Enter")
    assert ann.page.locator(".send").is_disabled()
    ann.answer("1")
    ann.page.get_by_text("the last pair, the clip on the").wait_for()
    bob.answer("2")

    # A reload in the middle of a pair brings the same pair back.
    before = ann.at_hand()
    ann.watch()
    ann.page.reload()
    ann.page.locator(".vote video").first.wait_for()
    assert ann.at_hand() == before

    ann.answer("1")
    ann.page.keyboard.press("u")
    ann.page.get_by_text("Your last vote is taken back").wait_for()
    ann.page.locator(f".vote video[src*='{before}']").first.wait_for()
    ann.page.get_by_role("button", name=ATTACK).click()
    ann.page.get_by_label("Comment").fill(NASTY + " 1 2 t b s u")
    ann.page.locator(".vote .prompt").click()
    ann.answer("t")
    assert ann.given[before] == "tie"

    answers = {id(ann): iter("1s2b"), id(bob): iter("2t1b1")}
    while not (ann.done() and bob.done()):
        for person in people:
            if not person.done():
                person.answer(next(answers[id(person)]))

    votes = served.study.votes()
    with served.study.database.reading() as connection:
        rows = connection.exec_driver_sql("SELECT vote_id, assignment_id FROM vote WHERE action = 'vote'").all()
    assignment_of = dict(rows)
    stored = {assignment_of[vote_id]: winner for vote_id, winner in zip(votes["vote_id"], votes["winner"], strict=True)}
    assert stored == ann.given | bob.given
    assert len(votes) == 12
    assert votes["annotator"].nunique() == 2
    history = served.study.votes(include_superseded=True)
    assert len(history) == 13, "the vote taken back is still in the record"
    assert votes.loc[votes["winner"] == "tie", "reasons"].iloc[0] == ["flicker"]
    with served.study.database.reading() as connection:
        assert connection.exec_driver_sql("SELECT text FROM comment").scalars().all() == [NASTY + " 1 2 t b s u"]
    watched = votes[votes["winner"] != "skip"]
    assert (watched["watch_a_s"] > 0.2).all()
    assert (watched["watch_b_s"] > 0.2).all()


def test_nothing_an_annotator_got_tells_who_made_a_clip(served: Served, people: tuple[Person, Person]):
    ann, _ = people
    got = [*ann.got, ann.page.content().encode()]
    for assignment in ann.given:
        for side in "ab":
            answer = ann.page.request.get(f"{served.address}/clips/{assignment}/{side}.mp4")
            assert answer.ok
            got += [answer.body(), json.dumps(answer.headers).encode()]
    for path in ("", "join", "admin", "clips/x/a.mp4", "_stcore/host-config", "nowhere"):
        answer = ann.page.request.get(f"{served.address}/{path}")
        got += [answer.body(), json.dumps(answer.headers).encode()]
    everything = b"\0".join(got)
    assert b"a toy, number 1" in everything, "the frames of the socket were not written down"
    assert b"ftyp" in everything, "no clip was"

    telling = {SECRET}
    pairs = served.study.pairs()
    for row in pairs.to_dict("records"):
        for number in "12":
            telling |= {row[f"{name}_{number}"] for name in ("model", "run", "sample_key", "clip", "clip_sha256")}
            telling |= {Path(row[f"clip_{number}"]).stem, row[f"clip_sha256_{number}"][:12]}
        telling |= {row["note"]} - {None}
    assert len(telling) > 20
    found = {word for word in telling if word.encode() in everything}
    assert found == set()
    # Nor does anything say which pairs are tests of the annotator.
    assert b"gold" not in b"\0".join(ann.got)


def test_a_link_works_in_a_tab_that_shows_the_page_without_one(served: Served, people: tuple[Person, Person]):
    page = people[0].page.context.browser.new_context(locale="en-GB").new_page()
    page.set_default_timeout(60_000)
    page.goto(served.address)
    page.get_by_label("Your name").wait_for()
    page.goto(f"{served.address}/join#sb1.token")
    page.get_by_label("Your name").wait_for(state="hidden")
    assert page.locator("[name=token]").input_value() == "sb1.token"
    assert page.url == f"{served.address}/join", "the token stays in the address"


@pytest.mark.parametrize("sent", ["new Uint8Array(5_000_000)", "new Uint8Array([1, 2, 3])"])
def test_oversized_and_malformed_messages_close_their_connection_alone(
    served: Served, people: tuple[Person, Person], sent: str
):
    ann, _ = people
    before = len(served.study.votes())
    closed = ann.page.evaluate(
        f"""() => new Promise((done) => {{
            const socket = new WebSocket(location.origin.replace("http", "ws") + "/_stcore/stream", ["streamlit"]);
            socket.onopen = () => socket.send({sent});
            socket.onclose = (event) => done(event.code);
        }})"""
    )
    # Of a message that is too large the browser may see no more than that the connection is gone (1006).
    assert closed in (1002, 1006, 1009)
    assert len(served.study.votes()) == before
    assert ann.page.request.get(f"{served.address}/").ok, "the server goes on"


def test_phone_width_keys_and_view(served: Served, people: tuple[Person, Person]):
    """A third annotator finds nothing left, on a phone, in Japanese."""
    ann, _ = people
    page = ann.page.context.browser.new_context(locale="ja-JP", viewport={"width": 390, "height": 800}).new_page()
    page.set_default_timeout(60_000)
    page.goto(served.address)
    page.get_by_label("お名前").fill("花子")
    page.get_by_role("button", name="開始").click()
    page.locator(".vote").wait_for()
    assert page.evaluate("document.documentElement.scrollWidth") <= 390, "the page is wider than a phone"
    assert page.get_by_text("練習 1 / 1").count() == 1
    videos = page.locator(".vote video")
    page.keyboard.press("f")
    visible = "videos => videos.map(video => getComputedStyle(video).visibility)"
    assert videos.evaluate_all(visible) == ["visible", "hidden"]
    page.keyboard.press("f")
    assert videos.evaluate_all(visible) == ["hidden", "visible"]
    page.keyboard.press("g")
    assert videos.evaluate_all(visible) == ["visible", "visible"]
    page.keyboard.press("ArrowRight")
    assert page.locator(".vote output").inner_text() == "2 / 4"
    # A and B in turn stand at the same moment.
    moments = "videos => videos.map(video => Math.floor(video.currentTime * 8))"
    for _ in range(3):
        assert videos.evaluate_all(moments) == [1, 1]
        page.keyboard.press("f")
        assert sorted(videos.evaluate_all(visible)) == ["hidden", "visible"]
    page.keyboard.press("g")
    for way in (lambda: page.keyboard.press("z"), lambda: page.get_by_role("button", name="全画面").click()):
        way()
        page.wait_for_function("document.fullscreenElement !== null")
        assert videos.evaluate_all(visible) == ["visible", "visible"]
        way()
        page.wait_for_function("document.fullscreenElement === null")
    assert page.locator(".vote.locked").count() == 1, "stepping is not watching"
    page.keyboard.press("?")
    assert page.get_by_text("同じ位置で A と B を切り替え", exact=True).is_visible()


def test_a_clip_that_a_broken_network_swallowed_is_asked_for_again(served: Served, people: tuple[Person, Person]):
    ann, _ = people
    page = ann.page.context.browser.new_context().new_page()
    page.set_default_timeout(60_000)
    asked: list[str] = []

    def swallow(route: Any) -> None:
        asked.append(route.request.url)
        route.abort() if len(asked) <= 2 else route.continue_()

    page.route("**/clips/**", swallow)
    person = Person(page)
    person.join(served.address, "cut off")
    page.get_by_text("A clip of this pair cannot be played. Please skip the pair.").wait_for()
    assert page.get_by_text("This clip cannot be played here.").count() >= 1
    page.locator(".vote video").nth(1).wait_for()
    person.watch()
    assert page.get_by_text("cannot be played").count() == 0
    assert len(asked) > 2
