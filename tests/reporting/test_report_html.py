"""The page: nothing from outside, strangers' texts as texts, pictures with words, tables that screen readers follow."""

from __future__ import annotations

import base64
import hashlib
import re
import shutil
from html.parser import HTMLParser
from pathlib import Path
from xml.etree import ElementTree

import pytest
from board_runs import level, make_run, suite
from test_report_build import with_set_metric

from stepbench.errors import UsageError
from stepbench.reporting import ExampleOptions, Report, build_report, write_report
from stepbench.reporting.html import html_page

VOID = {"meta", "input", "br", "link", "img", "hr"}


class Page(HTMLParser):
    """Elements with their attributes and texts; fails where a tag is not closed in order."""

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[str] = []
        self.open: list[str] = []
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if not self.open or self.open[-1] not in ("style", "script"):
            self.texts.append(data)

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.elements if name == tag]


@pytest.fixture(scope="module")
def page(report: Report) -> Page:
    return Page(html_page(report))


def test_strangers_texts_come_out_as_they_went_in(tmp_path: Path, nasty: tuple[str, str]) -> None:
    prompt, name = nasty
    values = {"shine": lambda prompt_id, _: float(prompt_id == "p0-en"), "wobble": level(1)}
    outcomes = {"failed": ["p1-en"], "refused": ["p1-zh"]}
    runs = [
        make_run(tmp_path, "nasty", values, generator=name, on=suite(prompts=4), **outcomes),
        make_run(tmp_path, "plain", values, on=suite(prompts=4)),
    ]
    examples = ExampleOptions(count=4, videos="none", lead="shine")
    page = Page(html_page(build_report(runs, examples=examples)))
    text = "\n".join(page.texts)
    assert prompt in text
    assert text.count(name) > 10
    assert "no <b>luck</b>" in text
    assert "not <i>this</i> one" in text
    assert "**odd** <b>name</b>" in text
    assert len(page.all("script")) == 1
    assert page.all("b") == page.all("i") == []
    assert not [key for _, attributes in page.elements for key in attributes if key.startswith("on")]


def test_nothing_is_asked_for_and_only_the_own_script_may_run(page: Page, report: Report) -> None:
    addresses = [
        value
        for tag, attributes in page.elements
        for key, value in attributes.items()
        if key in ("src", "href", "poster", "srcset", "data", "action") and tag != "a"
    ]
    assert addresses
    assert all(value is not None and value.startswith("data:") for value in addresses)
    assert all((link["href"] or "").startswith("#") for link in page.all("a"))
    text = html_page(report)
    assert "url(" not in text
    assert "@import" not in text
    (script,) = re.findall(r"<script>(.*?)</script>", text, flags=re.DOTALL)
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    policy = next(meta["content"] for meta in page.all("meta") if meta.get("http-equiv") == "Content-Security-Policy")
    assert policy is not None
    assert f"script-src 'sha256-{digest}'" in policy
    assert "default-src 'none'" in policy


def test_pictures_have_words_and_tables_have_heads(page: Page) -> None:
    assert all(svg.get("role") == "img" and svg.get("aria-label") for svg in page.all("svg"))
    labels = [svg["aria-label"] or "" for svg in page.all("svg")]
    assert "Shine by category: mean and 95 % interval of 3 runs; higher is better" in labels
    assert "Wobble by language: mean and 95 % interval of 2 runs; lower is better" in labels
    assert any(label.startswith("Shine against seconds per clip of 3 runs") for label in labels)
    assert all(video.get("aria-label") for video in page.all("video"))
    assert all(head.get("scope") for head in page.all("th"))
    assert all(region.get("aria-label") for _, region in page.elements if region.get("role") == "region")
    ids = [attributes["id"] for _, attributes in page.elements if "id" in attributes]
    assert len(ids) == len(set(ids))
    assert {link["href"][1:] for link in page.all("a") if link["href"]} <= set(ids)


def test_every_picture_is_well_formed(report: Report) -> None:
    pictures = re.findall(r"<svg .*?</svg>", html_page(report), flags=re.DOTALL)
    assert len(pictures) > 12
    for picture in pictures:
        ElementTree.fromstring(picture)


def test_what_is_missing_is_a_dash_and_a_count(page: Page, report: Report) -> None:
    text = " ".join(" ".join(page.texts).split())
    assert "Wobble" in text
    assert re.search(r"\^~\\ – – 0 0/40 –", text), "the run that was not scored by wobble"


def test_equal_runs_give_equal_bytes(runs: dict[str, Path], tmp_path: Path) -> None:
    for name in ("one", "two"):
        write_report(
            [runs["base"], runs["gaps"]], *(tmp_path / f"{name}.{end}" for end in ("html", "md", "tex", "json"))
        )
    for end in ("html", "md", "tex", "json"):
        assert (tmp_path / f"one.{end}").read_bytes() == (tmp_path / f"two.{end}").read_bytes()


def test_clips_can_be_linked_or_left_out_or_exceed_the_budget(runs: dict[str, Path], tmp_path: Path) -> None:
    chosen = [runs["base"], runs["better"]]
    linked = write_report(chosen, tmp_path / "linked.html", videos="link", examples=1)
    addresses = [side.clip for group in linked.examples for example in group.examples for side in example.sides]
    assert addresses
    assert all(address and (tmp_path / address).stat().st_size > 0 for address in addresses)
    assert all(re.fullmatch(r"linked_clips/clips/../[0-9a-f]{64}\.mp4", address or "") for address in addresses)

    for videos, budget, reason in (("none", 24.0, "left out of this page"), ("embed", 1e-4, "exceeds its share")):
        bare = write_report(chosen, tmp_path / "bare.html", videos=videos, video_budget_mb=budget, examples=1)
        sides = [side for group in bare.examples for example in group.examples for side in example.sides]
        assert all(side.clip is None and reason in side.reason for side in sides)
        assert "<video" not in (tmp_path / "bare.html").read_text(encoding="utf-8")


def test_options_out_of_range_are_refused(runs: dict[str, Path], tmp_path: Path) -> None:
    page = tmp_path / "page.html"
    with pytest.raises(UsageError, match="videos must be embed, link or none, got 'stream'"):
        write_report([runs["base"]], page, videos="stream")
    with pytest.raises(UsageError, match="budget must be above 0 MB, got 0"):
        write_report([runs["base"]], page, video_budget_mb=0)
    with pytest.raises(UsageError, match="need a file to write to"):
        write_report([runs["base"]])
    with pytest.raises(UsageError, match="no report format 'pdf'"):
        write_report([runs["base"]], tmp_path / "page.pdf")
    with pytest.raises(UsageError, match="clips can be linked from an HTML page only"):
        build_report([runs["base"]], examples=ExampleOptions(videos="link"))
    assert not page.exists()


def test_large_clips_are_shown_smaller(tmp_path: Path) -> None:
    size = {"frames": 8, "height": 512, "width": 512, "fps": 8}
    run = make_run(tmp_path, "large", {"shine": level(1), "wobble": level(1)}, on=suite(prompts=2), geometry=size)
    preview = next((run / "clips").glob("*.mp4")).stat().st_size
    shown = write_report([run], tmp_path / "r.html", examples=1, video_budget_mb=0.9 * preview * 2 / 1e6)
    sides = [side for group in shown.examples for example in group.examples for side in example.sides]
    assert {side.note for side in sides} == {"shown smaller than it was scored, to fit the page"}
    for side in sides:
        assert side.clip is not None
        assert len(base64.b64decode(side.clip.partition(",")[2])) <= 0.9 * preview


def test_set_metrics_have_a_section_of_their_own(runs: dict[str, Path], tmp_path: Path) -> None:
    shutil.copytree(runs["base"], tmp_path / "base")
    with_set_metric(tmp_path / "base", 40.0)
    page = Page(html_page(build_report([tmp_path / "base"])))
    text = " ".join(" ".join(page.texts).split())
    assert "fvd ↓ toy:base 40.0 [39.0, 41.0] 40 / 64 7.5 (at 32) few clips" in text.replace("\u00a0", " ")
