"""Write the file tree in README.md from the first line of each module's docstring: `python docs/file_tree.py`."""

from __future__ import annotations

import ast
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PACKAGES = ("stepbench", "metrics", "reference_model", "leaderboard", "benchmarks")
BEGIN, END = "<!-- file tree: made by docs/file_tree.py -->", "<!-- end of file tree -->"
WIDTH = 120


def file_tree() -> str:
    """All modules, indented by folder, each with the first line of its docstring."""
    lines: list[str] = []
    for package in PACKAGES:
        lines += _folder(ROOT / package, 0)
    return "\n".join(lines)


def readme_with_tree(readme: str) -> str:
    """The README with a fresh tree between its two marks."""
    before, _, rest = readme.partition(BEGIN)
    _, _, after = rest.partition(END)
    return f"{before}{BEGIN}\n```text\n{file_tree()}\n```\n{END}{after}"


def _folder(folder: Path, depth: int) -> list[str]:
    if not any(folder.rglob("*.py")):
        return []
    lines = [_line(folder.name + "/", _first_line(folder / "__init__.py"), depth)]
    for path in sorted(folder.glob("*.py")):
        if path.name != "__init__.py":
            lines.append(_line(path.name, _first_line(path), depth + 1))
    for child in sorted(path for path in folder.iterdir() if path.is_dir() and path.name != "__pycache__"):
        lines += _folder(child, depth + 1)
    return lines


def _line(name: str, text: str, depth: int) -> str:
    line = f"{'  ' * depth}{name:<{28 - 2 * depth}} {text}".rstrip()
    return line if len(line) <= WIDTH else line[:WIDTH].rpartition(" ")[0].rstrip(" ,;:") + " ..."


def _first_line(path: Path) -> str:
    if not path.is_file():
        return ""
    return (ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or "").split("\n")[0].rstrip(".")


if __name__ == "__main__":
    target = ROOT / "README.md"
    old = target.read_text(encoding="utf-8")
    new = readme_with_tree(old)
    if "--check" in sys.argv and new != old:
        sys.exit("README.md: the file tree is out of date; run `python docs/file_tree.py`")
    target.write_text(new, encoding="utf-8")
