"""Signing in with an account of an OpenID provider, in a real browser, from the button to the page and out again."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from board_runs import level, make_run
from openid_provider import CLIENT, SECRET, Provider, openid_provider
from test_browser import wait_for

from stepbench.board import build_board

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(CHROMIUM is None, reason="no Chromium is installed"),
]


@pytest.fixture
def provider() -> Iterator[Provider]:
    with openid_provider() as started:
        yield started


@pytest.fixture
def served(tmp_path: Path, free_port: int, provider: Provider) -> Iterator[str]:
    """A board for the accounts of one domain."""
    make_run(tmp_path / "runs", "one", {"shine": level(5.0, 1), "wobble": level(1.0, 1)})
    board = build_board(tmp_path / "runs", tmp_path / "board").path
    address = f"http://127.0.0.1:{free_port}"
    (tmp_path / "secrets.toml").write_text(
        f'[auth]\nredirect_uri = "{address}/oauth2callback"\ncookie_secret = "{"c" * 40}"\n'
        f'client_id = "{CLIENT}"\nclient_secret = "{SECRET}"\n'
        f'server_metadata_url = "{provider.address}/.well-known/openid-configuration"\n'
        '[access]\nviewers = ["@example.org"]\n',
        encoding="utf-8",
    )
    command = [sys.executable, "-m", "stepbench", "leaderboard", "serve", str(board), "--port", str(free_port)]
    command += ["--access", "oidc", "--secrets", str(tmp_path / "secrets.toml")]
    server = subprocess.Popen(command, cwd=Path(__file__).parents[2], stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    try:
        wait_for(f"{address}/_stcore/health", server)
        yield address
    finally:
        server.send_signal(signal.SIGINT)
        server.communicate(timeout=20)


def test_an_account_on_the_list_gets_in_and_no_other(served: str, provider: Provider):
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        switches = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--no-first-run"]
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=switches, env={"PATH": os.environ["PATH"]})

        def comes(**account: Any) -> Any:
            """Somebody in a browser of their own presses the button."""
            provider.account = account
            page = browser.new_context(locale="ja-JP").new_page()
            page.set_default_timeout(60_000)
            page.goto(served)
            page.get_by_text("主催者の名簿に載っている方").wait_for()
            assert page.get_by_role("heading", name="ランキング").count() == 0
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
        page.wait_for_url(f"{served}/**")
        page.goto(served)
        page.get_by_role("button", name="サインイン").wait_for()
        assert page.get_by_role("heading", name="ランキング").count() == 0
        browser.close()
