"""Invitations: signed, expiring, for one browser; forged, replayed, expired and withdrawn ones are refused."""

from __future__ import annotations

import base64
import json
import sqlite3
import stat
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stepbench.access.invitations import DAY, SECRET_VARIABLE, Invitations
from stepbench.access.roles import AccessError, Visitor
from stepbench.access.tokens import read_token, sign
from stepbench.errors import UsageError

NASTY = "<script>alert(1)</script> & ann@example.org"
KEY = b"k" * 32


@pytest.fixture
def now() -> list[float]:
    return [1_750_000_000.0]


@pytest.fixture
def invitations(tmp_path: Path, now: list[float]) -> Invitations:
    return Invitations(tmp_path, clock=lambda: now[0])


@given(st.dictionaries(st.text(), st.text() | st.integers() | st.none()))
def test_what_was_signed_comes_back(payload):
    assert read_token(sign(payload, KEY), KEY) == payload


@given(st.data())
def test_any_other_character_anywhere_is_a_forgery(data):
    token = sign({"name": "ann", "role": "annotator"}, KEY)
    place = data.draw(st.integers(0, len(token) - 1))
    other = data.draw(st.sampled_from("AZaz09-_.=\n é").filter(lambda letter: letter != token[place]))
    with pytest.raises(AccessError, match=r"not an invitation|not made by this server"):
        read_token(token[:place] + other + token[place + 1 :], KEY)


@pytest.mark.parametrize("token", ["", "x", "sb1..", "sb1.e30." + "A" * 43 + "\n", "A" * 100_000, "sb1.e30"])
def test_other_texts_are_no_invitations(token):
    with pytest.raises(AccessError, match="not an invitation of this server"):
        read_token(token, KEY)


def test_the_right_form_with_another_secret_is_refused():
    with pytest.raises(AccessError, match="not made by this server"):
        read_token(sign({"role": "admin"}, b"x" * 32), KEY)


def test_an_invitation_lets_one_browser_in(invitations: Invitations):
    token = invitations.invite(NASTY, role="annotator", days=2)
    cookie, seconds = invitations.accept(token)
    assert seconds == pytest.approx(2 * DAY, abs=1)
    assert invitations.visitor(cookie) == Visitor(name=NASTY, role="annotator")
    again, _ = invitations.accept(token, cookie)
    assert again == cookie, "the same browser may open the link again"


def test_a_replayed_invitation_is_refused_and_counted(invitations: Invitations):
    token = invitations.invite("ann")
    cookie, _ = invitations.accept(token)
    for held in (None, "", "nonsense", f"{token}.guess", cookie[:-1] + ("A" if cookie[-1] != "A" else "B")):
        with pytest.raises(AccessError, match="used in another browser") as caught:
            invitations.accept(token, held)
        assert caught.value.reason == "used"
    (one,) = invitations.all()
    assert (one.refused, one.refused_at is not None) == (5, True)
    assert invitations.visitor(cookie).name == "ann", "who came first stays in"


def test_of_many_browsers_at_once_one_gets_in(invitations: Invitations):
    token = invitations.invite("ann")

    def enter(_: int) -> str | None:
        try:
            return invitations.accept(token)[0]
        except AccessError:
            return None

    with ThreadPoolExecutor(8) as pool:
        cookies = [cookie for cookie in pool.map(enter, range(16)) if cookie]
    assert len(cookies) == 1
    assert invitations.all()[0].refused == 15


def test_a_cookie_without_the_browsers_half_is_refused(invitations: Invitations):
    token = invitations.invite("ann")
    with pytest.raises(AccessError, match="belongs to another browser"):
        invitations.visitor(f"{token}.guess")
    invitations.accept(token)
    for cookie in (f"{token}.guess", f"{token}."):
        with pytest.raises(AccessError, match="belongs to another browser"):
            invitations.visitor(cookie)
    for cookie in (None, "", token, "a.b"):
        with pytest.raises(AccessError, match="not an invitation"):
            invitations.visitor(cookie)


def test_an_invitation_ends_in_time_and_when_withdrawn(invitations: Invitations, now: list[float]):
    first, second = (invitations.accept(invitations.invite(name, days=1))[0] for name in ("ann", "bob"))
    assert invitations.live() == 2
    invitations.withdraw(invitations.all()[0].id)
    ids = {one.id: one.withdrawn_at for one in invitations.all()}
    assert sum(value is not None for value in ids.values()) == 1
    refused = []
    for cookie in (first, second):
        try:
            invitations.visitor(cookie)
        except AccessError as error:
            refused.append(error.reason)
    assert refused == ["withdrawn"]
    now[0] += DAY + 1
    assert invitations.live() == 0
    with pytest.raises(AccessError, match=r"has ended|was withdrawn"):
        invitations.visitor(second)
    with pytest.raises(AccessError, match="has ended"):
        invitations.accept(invitations.invite("cy", days=1e-9))
    with pytest.raises(UsageError, match="no invitation 'nope'"):
        invitations.withdraw("nope")


def test_an_expiry_cannot_be_moved(invitations: Invitations):
    head, body, signature = invitations.invite("ann", days=1).split(".")
    payload = json.loads(base64.urlsafe_b64decode(body + "=" * (-len(body) % 4)))
    payload |= {"ends": payload["ends"] + 10**9, "role": "admin"}
    body = base64.urlsafe_b64encode(json.dumps(payload).encode()).rstrip(b"=").decode()
    with pytest.raises(AccessError, match="not made by this server, or was changed"):
        invitations.accept(f"{head}.{body}.{signature}")


def test_invitations_of_another_study_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv(SECRET_VARIABLE, "one secret for both of these servers")
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
    one, two = (Invitations(tmp_path / name) for name in ("one", "two"))
    with pytest.raises(AccessError, match="for another study or board"):
        two.accept(one.invite("ann"))
    token = one.invite("ann")
    with sqlite3.connect(one.file) as connection:
        connection.execute("DELETE FROM invitation")
    with pytest.raises(AccessError, match="not known here"):
        one.accept(token)


def test_forgetting_a_name_ends_its_invitations(invitations: Invitations):
    cookie, _ = invitations.accept(invitations.invite("Ann"))
    other, _ = invitations.accept(invitations.invite("Bob"))
    assert invitations.forget("Ann") == 1
    with pytest.raises(AccessError, match="was withdrawn"):
        invitations.visitor(cookie)
    assert invitations.visitor(other).name == "Bob"


def test_the_file_is_the_owners_and_holds_no_name(invitations: Invitations):
    cookie, _ = invitations.accept(invitations.invite("ann@example.org"))
    content = b"".join(file.read_bytes() for file in invitations.file.parent.iterdir())
    assert b"ann@example" not in content
    assert cookie.rpartition(".")[2].encode() not in content
    assert stat.S_IMODE(invitations.file.stat().st_mode) == 0o600


@pytest.mark.parametrize("name", ["", "  ", "a\x00b", "a\nb", "a\u202eb", "x" * 201])
def test_names_that_cannot_be_seen_are_refused(invitations: Invitations, name: str):
    with pytest.raises(UsageError, match="characters that can be seen"):
        invitations.invite(name)


def test_roles_and_times_are_checked(invitations: Invitations):
    with pytest.raises(UsageError, match="role must be one of viewer, annotator, admin, got 'root'"):
        invitations.invite("ann", role="root")  # pyright: ignore[reportArgumentType]
    for days in (0, -1, 367, float("nan")):
        with pytest.raises(UsageError, match="lasts up to 366 days"):
            invitations.invite("ann", days=days)


def test_a_short_secret_and_a_missing_folder_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    with pytest.raises(UsageError, match="no folder"):
        Invitations(tmp_path / "none")
    monkeypatch.setenv(SECRET_VARIABLE, "short")
    with pytest.raises(UsageError, match="at least 32 characters, it has 5"):
        Invitations(tmp_path)


def test_each_role_includes_those_below():
    assert Visitor(name="a", role="admin").may("viewer")
    assert Visitor(name="a", role="annotator").may("annotator")
    assert not Visitor(name="a", role="annotator").may("admin")
    assert not Visitor(name="a", role="viewer").may("annotator")
