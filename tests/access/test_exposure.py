"""A server that others can reach does not start without a lock."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest

from stepbench.access import exposure
from stepbench.access.exposure import (
    ACCESS_VARIABLE,
    Access,
    choose_access,
    is_loopback,
    role_of_account,
    served_access,
    to_environment,
)
from stepbench.access.invitations import Invitations
from stepbench.access.listening import check_port, server_command, site
from stepbench.errors import EnvironmentUnfitError, UsageError

WHOLE = """
[auth]
redirect_uri = "https://votes.example.org/oauth2callback"
cookie_secret = "PRIVATE"
client_id = "id"
client_secret = "PRIVATE"
server_metadata_url = "https://accounts.example.org/.well-known/openid-configuration"
[access]
admins = ["Boss@example.org"]
annotators = ["@example.org"]
"""


@pytest.mark.parametrize("address", ["127.0.0.1", "::1", "localhost", "127.9.9.9"])
def test_on_this_machine_a_name_is_enough(tmp_path: Path, address: str):
    assert choose_access(address, tmp_path, secrets=tmp_path / "none") == Access(way="local")


@pytest.mark.parametrize("address", ["0.0.0.0", "::", "192.168.1.7", "example.org"])
def test_beyond_it_the_server_refuses_to_start_without_a_lock(tmp_path: Path, address: str):
    with pytest.raises(UsageError, match="can be reached from other machines, and there is no invitation"):
        choose_access(address, tmp_path, secrets=tmp_path / "none")
    with pytest.raises(UsageError, match="a local name is not enough"):
        choose_access(address, tmp_path, way="local", secrets=tmp_path / "none")
    invitations = Invitations(tmp_path)
    invitations.invite("ann")
    assert choose_access(address, tmp_path, secrets=tmp_path / "none") == Access(way="invite")
    invitations.withdraw(invitations.all()[0].id)
    with pytest.raises(UsageError, match="no invitation that is good"):
        choose_access(address, tmp_path, secrets=tmp_path / "none")


def test_behind_a_proxy_invitations_can_be_asked_for(tmp_path: Path):
    with pytest.raises(UsageError, match="--access invite needs invitations"):
        choose_access("127.0.0.1", tmp_path, way="invite", secrets=tmp_path / "none")
    Invitations(tmp_path).invite("ann")
    assert choose_access("127.0.0.1", tmp_path, way="invite").way == "invite"


def test_accounts_need_a_whole_table_and_a_list(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    secrets = tmp_path / "secrets.toml"
    with pytest.raises(UsageError, match="no secrets file"):
        choose_access("0.0.0.0", tmp_path, way="oidc", secrets=secrets)
    for text, problem in (
        ("[auth", "not TOML"),
        ("[auth]\nredirect_uri = 'PRIVATE'\n", "lacks cookie_secret, client_id, client_secret, server_metadata_url"),
        (WHOLE.partition("[access]")[0], "lists nobody"),
    ):
        secrets.write_text(text, encoding="utf-8")
        with pytest.raises(UsageError, match=problem) as caught:
            choose_access("0.0.0.0", tmp_path, way="oidc", secrets=secrets)
        assert "PRIVATE" not in str(caught.value)
    secrets.write_text(WHOLE, encoding="utf-8")
    monkeypatch.setattr(exposure, "find_spec", lambda name: None)
    with pytest.raises(EnvironmentUnfitError, match="authlib"):
        choose_access("0.0.0.0", tmp_path, secrets=secrets)
    monkeypatch.setattr(exposure, "find_spec", lambda name: name)
    access = choose_access("0.0.0.0", tmp_path, secrets=secrets)
    assert (access.way, access.secrets) == ("oidc", str(secrets))
    assert "PRIVATE" not in str(to_environment(access))
    assert role_of_account("boss@EXAMPLE.org", access) == "admin"
    assert role_of_account("ann@example.org", access) == "annotator"
    assert role_of_account("ann@example.org.evil.net", access) is None
    assert role_of_account("", access) is None


def test_the_server_is_told_and_does_not_guess(monkeypatch: pytest.MonkeyPatch):
    access = Access(way="oidc", secrets="/x", admins=("a@b",))
    for key, value in to_environment(access).items():
        monkeypatch.setenv(key, value)
    assert served_access() == access
    monkeypatch.delenv(ACCESS_VARIABLE)
    with pytest.raises(EnvironmentUnfitError, match="does not know whom to let in"):
        served_access()


def test_loopback_is_told_from_other_addresses():
    assert not is_loopback("127.0.0.1.example.org")
    assert not is_loopback("")


def test_ports_are_checked_before_the_server_starts():
    for port in (0, 65536):
        with pytest.raises(UsageError, match="a port lies between"):
            check_port("127.0.0.1", port)
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        with pytest.raises(UsageError, match="cannot listen on"):
            check_port("127.0.0.1", taken.getsockname()[1])
    with pytest.raises(UsageError, match="not an address of this machine"):
        check_port("no such host", 8501)


def test_a_missing_leaderboard_is_named(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("stepbench.access.listening.find_spec", lambda name: None)
    with pytest.raises(EnvironmentUnfitError, match="'leaderboard' is not installed"):
        server_command("leaderboard.server", "127.0.0.1", 8501)


def test_site_is_what_a_browser_opens():
    assert site("0.0.0.0", 80) == "http://127.0.0.1:80"
    assert site("::1", 80) == "http://[::1]:80"
