"""The voting pages without a browser: who sees which page, in which language, and what the organiser's page shows."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import streamlit as st
from streamlit.testing.v1 import AppTest
from voting_study import NASTY, SECRET, make_voting_study

from leaderboard import door
from leaderboard.voting import visitor as shared
from stepbench.access.exposure import Access, to_environment
from stepbench.access.invitations import Invitations
from stepbench.preferences import Study
from stepbench.preferences.errors import StudyBusyError
from stepbench.preferences.served import STUDY_VARIABLE

APP = Path(__file__).parents[2] / "leaderboard" / "voting_app.py"
Open = Callable[..., AppTest]


@pytest.fixture
def study(tmp_path: Path) -> Iterator[Study]:
    with make_voting_study(tmp_path, real=2) as made:
        yield made


@pytest.fixture
def opened(study: Study, monkeypatch: pytest.MonkeyPatch) -> Iterator[Open]:
    """`opened("ann", role="admin", page="admin", lang="ja")`: the page as the holder of an invitation gets it."""
    monkeypatch.setenv(STUDY_VARIABLE, str(study.folder))
    for key, value in to_environment(Access(way="invite")).items():
        monkeypatch.setenv(key, value)
    invitations = Invitations(study.folder)

    def open_page(name: str | None, role: Any = "annotator", page: str = "", **parameters: str) -> AppTest:
        cookie = invitations.accept(invitations.invite(name, role=role))[0] if name else None
        monkeypatch.setattr(door, "cookie", lambda _: cookie)
        app = AppTest.from_file(APP, default_timeout=60)
        for key, value in parameters.items():
            app.query_params[key] = value
        app.run()
        if page:
            app.switch_page(f"voting/{page}.py").run()
        assert not app.exception
        return app

    yield open_page
    st.cache_resource.clear()


def pair_on(app: AppTest) -> dict[str, Any]:
    (element,) = app.get("bidi_component")
    return json.loads(element.proto.json)


def test_an_annotator_gets_a_pair_and_no_organisers_page(opened: Open, study: Study):
    app = opened(NASTY)
    data = pair_on(app)
    assert data["heading"] == "Practice 1 of 1: does not count"
    assert f"You vote as {NASTY}. Only a pseudonym is stored." in [element.value for element in app.text]
    assert SECRET not in json.dumps(data) + str(app)
    assert study.pseudonym(NASTY) is not None
    with pytest.raises(ValueError, match="Could not find a navigation page"):
        app.switch_page("voting/admin_page.py")
    page = AppTest.from_file(APP.parent / "voting" / "admin_page.py", default_timeout=60).run()
    assert "This page is for organisers" in page.warning[0].value
    assert not page.dataframe


@pytest.mark.parametrize(("lang", "word"), [("ja", "送信"), ("zh", "提交"), ("en", "Send"), ("xx", "Send")])
def test_the_address_chooses_the_language(opened: Open, lang: str, word: str):
    assert pair_on(opened("ann", lang=lang))["words"]["send"] == word


def test_a_viewer_looks_and_votes_not(opened: Open, study: Study):
    app = opened("vic", role="viewer")
    assert "not vote in it" in app.info[0].value
    assert not app.get("bidi_component")
    assert study.pseudonym("vic") is None


def test_who_has_no_invitation_or_no_longer_one_gets_nothing(opened: Open, study: Study):
    assert "has ended or was withdrawn" in opened(None).warning[0].value
    app = opened("ann")
    Invitations(study.folder).forget("ann")
    app.run()
    assert "has ended or was withdrawn" in app.warning[0].value
    assert not app.get("bidi_component")


def test_a_vote_from_the_screen_is_stored_and_the_next_pair_comes(
    opened: Open, study: Study, monkeypatch: pytest.MonkeyPatch
):
    sent: list[dict[str, Any]] = []
    shown: list[str] = []

    def screen(data: dict[str, Any], *, key: str) -> SimpleNamespace:
        shown.append(data["assignment"])
        return SimpleNamespace(vote=sent.pop() if sent else None, undo=None, beat=None)

    monkeypatch.setattr("leaderboard.components.vote.vote_screen", screen)
    app = opened("ann")
    first = shown[-1]
    answers = {"winners": {"overall": "a"}, "ratings": {}, "reasons": ["flicker"], "comment": ""}
    times = {"watch_a_s": 1.0, "watch_b_s": 1.0}
    sent.append({"assignment": first, "vote_id": "a" * 32, "skip": False, **answers, **times})
    app.run()
    assert shown[-1] != first
    assert study.votes()["reasons"].tolist() == [["flicker"]]
    assert "the last pair" in (app.success or app.warning)[0].value
    sent.append({"assignment": shown[-1], "vote_id": "../" * 10, "skip": False})
    app.run()
    assert "could not be taken" in app.warning[0].value
    assert len(study.votes()) == 1


def test_a_study_out_of_reach_is_said_and_comes_back(opened: Open, study: Study, monkeypatch: pytest.MonkeyPatch):
    def away(*_: object) -> None:
        raise StudyBusyError("the database is away")

    with monkeypatch.context() as patch:
        patch.setattr(Study, "own_progress", away)
        app = opened("ann")
        assert "cannot be reached just now" in app.info[0].value
    app.button[0].click().run()
    assert pair_on(app)["heading"].startswith("Practice")


def test_when_all_is_judged_the_page_says_so(opened: Open, study: Study):
    while (assignment := study.next_pair("ann")) is not None:
        study.vote(assignment, "a")
    app = opened("ann")
    assert app.success[0].value == "That was all. Thank you!"


def test_the_organisers_page_shows_the_study_and_names_no_generator(opened: Open, study: Study):
    for name in ("ann", "bob"):
        while (assignment := study.next_pair(name)) is not None:
            study.vote(assignment, "a")
    app = opened("boss", role="admin", page="admin_page")
    values = {metric.label: metric.value for metric in app.metric}
    assert (values["Votes"], values["Missing"], values["Annotators"]) == ("4 / 4", "0", "2")
    agreement, quality, rules, invited = (frame.value for frame in app.dataframe)
    assert agreement["dimension"].tolist() == ["all in all"]
    assert set(quality["annotator"]) == {study.pseudonym("ann"), study.pseudonym("bob")}
    assert quality["votes"].tolist() == [3, 3]
    assert dict(zip(rules["rule"], rules["limit"], strict=True))["passes fewer gold pairs than this share"] == 0.8
    assert len(invited) == 1
    everything = " ".join([str(app), *(frame.value.to_csv() for frame in app.dataframe)])
    assert SECRET not in everything
    app.button[1].click().run()
    (event,) = [row for row in study.events().to_dict("records") if row["kind"] == "exclusions_applied"]
    assert event["data"] == {"protocol_sha256": study.protocol_sha256, "excluded": {}}
    assert any("Last applied and logged" in element.value for element in app.text)


def test_an_invitation_tried_in_a_second_browser_shows(opened: Open, study: Study):
    invitations = Invitations(study.folder)
    token = invitations.invite("ann")
    invitations.accept(token)
    from stepbench.access.roles import AccessError

    with pytest.raises(AccessError, match="another browser"):
        invitations.accept(token)
    app = opened("boss", role="admin", page="admin_page")
    assert invitations.all()[0].id in app.warning[0].value


def test_accounts_get_the_role_of_the_list(study: Study, opened: Open, monkeypatch: pytest.MonkeyPatch):
    access = Access(way="oidc", annotators=("@example.org",))
    for key, value in to_environment(access).items():
        monkeypatch.setenv(key, value)

    def account(**claims: Any) -> AppTest:
        app = AppTest.from_file(APP, default_timeout=60)
        monkeypatch.setattr(shared.door.st, "user", SimpleNamespace(is_logged_in=bool(claims), get=claims.get))
        return app.run()

    app = account()
    assert [button.label for button in app.button] == ["Sign in"]
    assert not app.get("bidi_component")
    assert "not on the organiser's list" in account(email="eve@evil.net").error[0].value
    assert "not on the organiser's list" in account(email="a@example.org", email_verified=False).error[0].value
    assert pair_on(account(email="ann@example.org"))["heading"].startswith("Practice")
    assert study.pseudonym("ann@example.org") is not None
