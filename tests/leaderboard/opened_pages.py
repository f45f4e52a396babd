"""Pages of the leaderboard as tests open them, without a browser."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from streamlit.testing.v1 import AppTest

APP = Path(__file__).parents[2] / "leaderboard" / "app.py"


def opened(page: str = "", /, **parameters: str | Sequence[str]) -> AppTest:
    """A page after its first run, with the address's query parameters."""
    app = AppTest.from_file(APP, default_timeout=60).run()
    if page:
        app.switch_page(f"pages/{page}.py")
    for name, value in parameters.items():
        app.query_params[name] = value
    app.run()
    assert not app.exception
    return app


def pairs(app: AppTest) -> list[dict]:
    """The data of every pair of clips on the page."""
    return [json.loads(element.proto.json) for element in app.get("bidi_component")]


def parameter(app: AppTest, name: str) -> str | None:
    """A query parameter of the page's address."""
    values = app.query_params.get(name)
    return values[0] if isinstance(values, list) else values
