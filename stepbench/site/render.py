"""From a template and its values to the text of a page, with the menu, the policy and the language around it."""

from __future__ import annotations

from functools import cache
from importlib.resources import files
from typing import Any
from urllib.parse import urlsplit

from jinja2 import Environment, PackageLoader, StrictUndefined

from stepbench import __version__
from stepbench.site.content import SiteContent
from stepbench.site.words import Words


class Renderer:
    """Renders the pages of one export: `page("methods.html", "methods", "methods", cards=...)` is (name, text)."""

    def __init__(self, content: SiteContent, words: Words) -> None:
        self.content, self.words = content, words

    def __call__(self, name: str, template: str, tab: str, **values: Any) -> tuple[str, str]:
        """A page's name and text.

        Args:
            name: File name.
            template: Name of the template without its ending.
            tab: Key of the menu's entry that is marked as the one shown.
            values: What the template needs; `table` also decides where the menu leads.
        """
        text = (
            _environment()
            .get_template(f"{template}.html")
            .render(
                words=self.words,
                language=self.words.language,
                tab=tab,
                tabs=_tabs(values.get("table", self._only_table())),
                version=__version__,
                info=self.content.board.info,
                clips_origin=_origin(self.content.clips_url),
                **values,
            )
        )
        return name, text

    def _only_table(self) -> dict[str, Any] | None:
        """The table that pages without one of their own lead to, where there is no choice."""
        tables = list(self.content.tables.values())
        return tables[0] if len(tables) == 1 else None

    def links(self, table: dict[str, Any], stem: str, here: int) -> list[tuple[str, str, bool]]:
        """Title, page and whether it is this one, of a table's metrics; pages are `stem-0.html` and on."""
        titles = self.content.titles(table).values()
        return [(title, f"{stem}-{place}.html", place == here) for place, title in enumerate(titles)]


@cache
def asset(package: str, name: str) -> str:
    """A style sheet or script that goes along as it is."""
    return (files(package) / "templates" / name).read_text(encoding="utf-8")


def _tabs(table: dict[str, Any] | None) -> list[tuple[str, str]]:
    if table is None:
        return [("home", "index.html"), ("human", "human.html"), ("methods", "methods.html")]
    table_id = table["table_id"]
    return [
        ("home", "index.html"),
        ("board", f"table-{table_id}-0.html"),
        ("compare", f"compare-{table_id}-0.html"),
        ("gallery", f"gallery-{table_id}.html"),
        ("history", f"history-{table_id}-0.html"),
        ("cost", f"cost-{table_id}-0.html"),
        ("human", "human.html"),
        ("methods", "methods.html"),
    ]


def _origin(address: str) -> str:
    """Scheme and host that the pages may load clips from."""
    parts = urlsplit(address)
    return f"{parts.scheme}://{parts.netloc}" if address else ""


@cache
def _environment() -> Environment:
    return Environment(
        loader=PackageLoader("stepbench.site"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
