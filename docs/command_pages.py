"""Write the command reference in docs/commands/ from the commands themselves: `python docs/command_pages.py`."""

from __future__ import annotations

import inspect
import re
import sys
import types
import typing
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cyclopts

from stepbench.cli.main import COMMANDS, build_app

FOLDER = Path(__file__).resolve().parent / "commands"
MADE = "<!-- made by docs/command_pages.py -->\n\n"
GUIDES = {
    "compare": "statistics.md",
    "cost": "cost.md",
    "gate": "gate.md",
    "generate": "models.md",
    "leaderboard": "leaderboard.md",
    "list": "metrics/README.md",
    "log": "report.md#experiment-trackers",
    "merge": "scaling.md#shards",
    "metrics": "validity.md",
    "power": "gate.md#how-many-prompts",
    "prefs": "preference-studies.md",
    "pull": "scaling.md#results-at-another-address",
    "reconstruct": "models.md#autoencoders-stepbench-reconstruct",
    "report": "report.md",
    "review": "review.md",
    "run": "run-folder.md",
    "score": "networks.md",
    "show": "run-folder.md",
    "sweep": "sweep.md",
    "train": "training.md",
    "weights": "networks.md#weights",
}
"""Command -> the page that explains what it is about, where there is one."""


def pages() -> dict[Path, str]:
    """Path of each page -> its text."""
    app = build_app()
    made = {FOLDER / "README.md": MADE + _index(app)}
    return made | {FOLDER / f"{name}.md": MADE + _page(app, name) for name in COMMANDS}


def options_of(app: cyclopts.App) -> list[Any]:
    """What a command takes, positions first, without the groups that hold several options."""
    taken = [one for one in app.assemble_argument_collection(parse_docstring=True) if one.name != "*" and one.show]
    return sorted(taken, key=lambda one: one.name.startswith("-"))


def environment_variable(path: tuple[str, ...], name: str) -> str:
    """The variable that an option is also read from, such as STEPBENCH_PREFS_PLAN_VOTES."""
    words = [*(part.upper() for part in path), name.lstrip("-").upper().replace("-", "_").replace(".", "_")]
    return "STEPBENCH_" + "_".join(words)


def walk(app: cyclopts.App, path: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], cyclopts.App]]:
    """The command itself and all below it, with their names, in the order in which they are defined."""
    yield path, app
    for name in app:
        if not name.startswith("-"):
            yield from walk(app[name], (*path, name))


def _index(app: cyclopts.App) -> str:
    lines = ["# Commands", "", "`stepbench COMMAND --help` prints what these pages say.", ""]
    lines += ["| command | does |", "|---|---|"]
    for name, line in COMMANDS.items():
        below = [path[-1] for path, _ in walk(app[name], (name,))][1:]
        words = f"; {', '.join(f'`{word}`' for word in below)}" if below else ""
        lines.append(f"| [`{name}`]({name}.md){words} | {_cell(line)} |")
    lines += ["", "## For every command", "", _everywhere(), ""]
    return "\n".join(lines)


def _everywhere() -> str:
    return (
        "- `--config FILE.toml`: options from a file, its keys are option names. The command line wins; unknown keys "
        "are refused.\n"
        "- Environment: each option is also read from the variable in its row. Weaker than the command line, "
        "stronger than the file.\n"
        "- `--debug`: the traceback of an error.\n"
        "- `--json`, where it is listed: records as JSON lines on stdout; text for people goes to stderr.\n"
        "- [Exit codes](../exit-codes.md) are the same for all commands."
    )


def _page(app: cyclopts.App, name: str) -> str:
    lines = [f"# stepbench {name}", "", COMMANDS[name], *_guide(GUIDES.get(name)), ""]
    for path, command in walk(app[name], (name,)):
        if command.default_command is None:
            continue
        lines += [f"## {' '.join(path)}", ""] if len(path) > 1 else []
        lines += _command(path, command)
    return "\n".join(lines)


def _guide(target: str | None) -> list[str]:
    page = FOLDER.parent / (target or "").partition("#")[0]
    if not page.is_file():
        return []
    title = re.search(r"^# (.+)$", page.read_text(encoding="utf-8"), flags=re.MULTILINE)
    return ["", f"More about it: [{title[1] if title else target}](../{target})"]


def _command(path: tuple[str, ...], command: cyclopts.App) -> list[str]:
    taken = options_of(command)
    usage = ["stepbench", *path, *(_usage(one) for one in taken if one.required or not one.name.startswith("-"))]
    optional = any(not one.required and one.name.startswith("-") for one in taken)
    lines = ["```text", " ".join(usage + ["[OPTIONS]"] * optional), "```", "", _description(command), ""]
    if taken:
        lines += ["| option | takes | default | environment variable | meaning |", "|---|---|---|---|---|"]
    for one in taken:
        names = ", ".join(f"`{name}`" for name in one.names)
        variable = environment_variable(path, one.name)
        cells = [names, _takes(one), _default(one), f"`{variable}`", _cell(one.parameter.help or "")]
        lines.append(f"| {' | '.join(cells)} |")
    return [*lines, ""] if taken else lines


def _usage(argument: Any) -> str:
    word = argument.name
    if word.startswith("-"):
        word = f"{word} {_kind(argument.hint)}"
    return word if argument.required else f"[{word}]"


def _description(command: cyclopts.App) -> str:
    text = inspect.getdoc(command.default_command) or ""
    return re.split(r"\n+(?:Args|Raises|Returns):\n", text)[0].strip()


def _takes(argument: Any) -> str:
    choices = argument.get_choices()
    if choices:
        return ", ".join(f"`{choice}`" for choice in choices)
    return "" if argument.hint is bool else _cell(_kind(argument.hint))


def _kind(hint: Any) -> str:
    if isinstance(hint, types.UnionType) or typing.get_origin(hint) is typing.Union:
        return " or ".join(_kind(part) for part in typing.get_args(hint) if part is not type(None))
    origin, parts = typing.get_origin(hint), typing.get_args(hint)
    if origin is typing.Annotated:
        return _kind(parts[0])
    if origin is typing.Literal:
        return "|".join(map(str, parts))
    if origin is tuple and parts[-1] is not Ellipsis:
        return " ".join(_kind(part) for part in parts)
    if origin in {list, tuple}:
        return f"{_kind(parts[0])} ..."
    return {Path: "PATH", str: "TEXT", int: "INTEGER", float: "NUMBER", bool: ""}.get(hint, str(hint))


def _default(argument: Any) -> str:
    if argument.required:
        return "needed"
    default = argument.field_info.default
    says_nothing = default is None or default is False or default is inspect.Parameter.empty or default in ("", ())
    return "" if says_nothing else f"`{default}`"


def _cell(text: str) -> str:
    """Text for a table: one line, and what looks like markup stays text."""
    return re.sub(r"([|<>*\[\]])", r"\\\1", " ".join(text.split()))


if __name__ == "__main__":
    wanted = pages()
    old = {path: path.read_text(encoding="utf-8") for path in FOLDER.glob("*.md")}
    if "--check" in sys.argv and old != wanted:
        sys.exit("docs/commands is out of date; run `python docs/command_pages.py`")
    FOLDER.mkdir(exist_ok=True)
    for path in old.keys() - wanted.keys():
        path.unlink()
    for path, text in wanted.items():
        path.write_text(text, encoding="utf-8")
