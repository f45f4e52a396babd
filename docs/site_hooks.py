"""Hooks of the site (mkdocs.yml): pages from outside docs/, links to them, and a navigation that has every page."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from mkdocs.structure.files import File, Files

ROOT = Path(__file__).resolve().parent.parent
SECTIONS = {
    "Tutorials": "tutorials/researcher tutorials/regression-team tutorials/stakeholder tutorials/study "
    "tutorials/model-developer",
    "Guides": "models http-generator parallelism scaling networks statistics sweep cost gate report review "
    "preference-studies voting preference-data training leaderboard submitting deploy examples/README CONTRIBUTING",
    "Commands": "commands/README",
    "Python": "python/README python/stepbench",
    "Metrics": "metrics/README validity metric-options metric-oracles",
    "Facts": "run-folder exit-codes performance CHANGELOG",
}
"""Section -> its first pages in order. One that is not written yet is left out; those not named here follow by name."""

_OUTSIDE = ("README.md", "CONTRIBUTING.md", "CHANGELOG.md", "examples/")


def on_files(files: Files, config: Any) -> Files:
    """Add the README as front page, what it links to beside it, and set the navigation."""
    readme = (ROOT / "README.md").read_text(encoding="utf-8").partition("\n## Files\n")[0]
    files.append(File.generated(config, "index.md", content=_inside(readme, "")))
    for name in ("CONTRIBUTING.md", "CHANGELOG.md"):
        files.append(File.generated(config, name, content=_inside((ROOT / name).read_text(encoding="utf-8"), "")))
    for path in sorted((ROOT / "examples").iterdir()):
        if path.is_file():
            name = f"examples/{path.name}"
            if path.suffix == ".md":
                text = path.read_text(encoding="utf-8").replace("](../docs/", "](../")
                files.append(File.generated(config, name, content=text))
            else:
                files.append(File.generated(config, name, abs_src_path=str(path)))
    config.nav = navigation(file.src_uri for file in files.documentation_pages())
    return files


def on_page_markdown(markdown: str, page: Any, config: Any, files: Any) -> str:
    """Point links that leave docs/ at the copies of their targets in the site, and drop the mark of generated pages."""
    markdown = re.sub(r"\A<!-- made by [^>]*-->\s*", "", markdown)  # only a heading at the top becomes the title
    depth = page.file.src_uri.count("/")
    for outside in _OUTSIDE:
        inside = outside.replace("README.md", "index.md")
        markdown = markdown.replace(f"]({'../' * (depth + 1)}{outside}", f"]({'../' * depth}{inside}")
    return markdown


def navigation(pages: Iterable[str]) -> list[dict[str, Any]]:
    """Every page in one section: by `SECTIONS`, else in the section of its folder, else among the guides."""
    left = sorted(set(pages) - {"index.md"})
    order = {
        section: [f"{name}.md" for name in first.split() if f"{name}.md" in left] for section, first in SECTIONS.items()
    }
    placed = {page for own in order.values() for page in own}
    for page in left:
        if page not in placed:
            section = page.partition("/")[0].capitalize() if "/" in page else "Guides"
            order.setdefault(section, []).append(page)
    return [{"Start": "index.md"}, *({section: own} for section, own in order.items() if own)]


def _inside(text: str, prefix: str) -> str:
    return re.sub(r"\]\(docs/", f"]({prefix}", text)
