"""Reads the commands that pages show: their ```bash blocks, the files they need, and what keeps them from being run."""

from __future__ import annotations

import re
import shlex
import textwrap
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]

_BLOCK = re.compile(
    r"(?P<marks>(?:^[ ]*<!--(?:(?!-->).)*-->\s*)*)"
    r"^(?P<indent>[ ]*)```(?P<language>bash|python|toml|json|yaml)(?: +title=\"(?P<title>[^\"]+)\")?\n"
    r"(?P<body>.*?)^(?P=indent)```[ ]*$",
    re.MULTILINE | re.DOTALL,
)
_OPERATORS = {"&&", "||", "|", ";", "&", ">", ">>", "<", "(", ")", ");"}
_MARK = re.compile(r"<!--\s*(?P<kind>not run|slow|first):\s*(?P<text>.*?)-->", re.DOTALL)


@dataclass(frozen=True)
class Block:
    """One fenced block of a page.

    Attributes:
        line: Its first line in the page, for messages.
        title: The file that the block is the content of, or empty.
        not_run: Why its commands cannot be run here, or empty.
        slow: Why its commands are run among the slow tests only, or empty.
        first: Commands that stand in a comment of the page and make what the block starts from.
    """

    line: int
    language: str
    body: str
    title: str = ""
    not_run: str = ""
    slow: str = ""
    first: str = ""


def pages() -> list[Path]:
    """All pages that may show commands, without the generated ones."""
    folders = [ROOT.glob("*.md"), (ROOT / "docs").rglob("*.md"), (ROOT / "examples").glob("*.md")]
    found = {page for folder in folders for page in folder if page.name != "CHANGELOG.md"}
    return sorted(page for page in found if not page.read_text(encoding="utf-8").startswith("<!-- made by"))


def blocks(text: str) -> list[Block]:
    """The blocks of a page in order: those with commands, and those that are the content of a file.

    Raises:
        ValueError: A mark without a reason, or a mark that stands before no block.
    """
    found = []
    for match in _BLOCK.finditer(text):
        if match["language"] != "bash" and not match["title"]:
            continue
        marks = {mark["kind"].replace(" ", "_"): mark["text"].strip() for mark in _MARK.finditer(match["marks"])}
        line = text[: match.start("indent")].count("\n") + 1
        if not all(marks.values()):
            raise ValueError(f"line {line}: a mark gives no reason")
        found.append(
            Block(line, match["language"], textwrap.dedent(match["body"]), title=match["title"] or "", **marks)
        )
    marked = sum(len(_MARK.findall(match["marks"])) for match in _BLOCK.finditer(text) if match["language"] == "bash")
    if marked != len(_MARK.findall(text)):
        raise ValueError("a mark stands before no block of commands")
    return found


def lines(body: str) -> Iterator[tuple[str, int]]:
    """Each command line of a block, continued lines joined, with the exit code that its comment names (0 if none)."""
    for line in re.sub(r"\s*\\\n\s*", " ", body).splitlines():
        if line.strip() and not line.lstrip().startswith("#"):
            code = re.search(r"#.*exit code (\d+)", line)
            yield line.strip(), int(code[1]) if code else 0


def words(line: str) -> list[str]:
    """A line as the shell splits it, operators such as && by themselves, comments gone."""
    lexer = shlex.shlex(line, posix=True, punctuation_chars=True)
    lexer.whitespace_split = True
    return list(lexer)


def stepbench_calls(line: str) -> Iterator[list[str]]:
    """The arguments of each `stepbench` in a line, also behind `python -m` and `torchrun`."""
    call: list[str] | None = None
    before = ";"
    for word in [*words(line), ";"]:
        if word in _OPERATORS:
            if call is not None:
                yield [part for part in call if part != "--debug"]
            call = None
        elif call is not None:
            call.append(word)
        # Elsewhere the word is an argument, such as the name of an image.
        elif word == "stepbench" and (before in _OPERATORS or before == "-m" or re.match(r"[A-Z_]+=", before)):
            call = []
        before = word
