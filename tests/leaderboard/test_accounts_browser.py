"""Signing in with an account of an OpenID provider, in a real browser, from the button to the page and out again."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from board_runs import level, make_run
from openid_provider import CLIENT, SECRET, Provider, openid_provider
from real_browser import NEEDS_CHROMIUM, real_browser
from served_pages import free_port, serving

from stepbench.board import build_board

pytestmark = NEEDS_CHROMIUM


@pytest.fixture
def provider() -> Iterator[Provider]:
    with openid_provider() as started:
        yield started


@pytest.fixture
def served(tmp_path: Path, provider: Provider) -> Iterator[str]:
    """A board for the accounts of one domain."""
    make_run(tmp_path / "runs", "one", {"shine": level(5.0, 1), "wobble": level(1.0, 1)})
    board = build_board(tmp_path / "runs", tmp_path / "board").path
    port = free_port()
    address = f"http://127.0.0.1:{port}"
    (tmp_path / "secrets.toml").write_text(
        f'[auth]\nredirect_uri = "{address}/oauth2callback"\ncookie_secret = "{"c" * 40}"\n'
        f'client_id = "{CLIENT}"\nclient_secret = "{SECRET}"\n'
        f'server_metadata_url = "{provider.address}/.well-known/openid-configuration"\n'
        '[access]\nviewers = ["@example.org"]\n',
        encoding="utf-8",
    )
    words = ("leaderboard", "serve", board, "--access", "oidc", "--secrets", tmp_path / "secrets.toml")
    with serving(*words, port=port) as server:
        yield server.address


def test_an_account_on_the_list_gets_in_and_no_other(served: str, provider: Provider):
    with real_browser() as browser:

        def comes(**account: Any) -> Any:
            """Somebody in a browser of their own presses the button."""
            provider.account = account
            page = browser.new_context(locale="ja-JP").new_page()
            page.set_default_timeout(60_000)
            page.goto(served)
            page.get_by_text("主催者の名簿に載っている方").wait_for()
            assert page.get_by_role("heading", name="ランキング").count() == 0
            with page.expect_response("**/oauth2callback*"):
                page.get_by_role("button", name="サインイン").click()
            return page

        # The first that anybody asks of this server is a page deep inside: no page is run past the frame.
        deep = browser.new_context(locale="ja-JP").new_page()
        deep.goto(f"{served}/gallery")
        deep.get_by_text("主催者の名簿に載っている方").wait_for(timeout=60_000)

        page = comes(email="ann@example.org", email_verified=True)
        page.get_by_role("heading", name="ランキング").wait_for()
        page.reload()
        page.get_by_role("heading", name="ランキング").wait_for()

        page = comes(email="eve@evil.net", email_verified=True)
        page.get_by_text("名簿に載っていません").wait_for()
        page.get_by_role("button", name="サインアウト").click()
        page.get_by_role("button", name="サインイン").wait_for()

        page = comes(email="ann@example.org", email_verified=False)
        page.get_by_text("名簿に載っていません").wait_for()

        provider.forged = True
        page = comes(email="ann@example.org", email_verified=True)
        page.wait_for_load_state()
        page.goto(served)
        page.get_by_role("button", name="サインイン").wait_for()
        assert page.get_by_role("heading", name="ランキング").count() == 0
