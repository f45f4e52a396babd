"""Every command that a page shows works: those that can run offline are run, all others are parsed."""

from __future__ import annotations

import glob
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from functools import cache
from pathlib import Path

import cyclopts
import pytest
from shown_commands import ROOT, Block, blocks, lines, pages, stepbench_calls, words

from stepbench.cli.main import build_app

PAGES = {str(page.relative_to(ROOT)): page for page in pages()}


@cache
def blocks_of(name: str) -> list[Block]:
    return blocks(PAGES[name].read_text(encoding="utf-8"))


def runnable(name: str, *, slow: bool) -> list[Block]:
    return [block for block in blocks_of(name) if not block.not_run and (slow or not block.slow)]


SHOWN = [name for name in PAGES if blocks_of(name)]
FAST = [name for name in SHOWN if any(block.language == "bash" for block in runnable(name, slow=False))]
SLOW = [name for name in SHOWN if any(block.slow for block in runnable(name, slow=True))]


@pytest.fixture
def shell(workplace: Path, stepbench, monkeypatch: pytest.MonkeyPatch) -> Callable[[str, int], None]:
    """Runs a line in a scratch folder with the examples in it; `stepbench` alone runs in this process."""
    shutil.copytree(ROOT / "examples", workplace / "examples")
    programs = workplace / ".programs"
    programs.mkdir()
    for program, command in {"stepbench": "-m stepbench", "python": ""}.items():
        (programs / program).write_text(f'#!/bin/sh\nexec "{sys.executable}" {command} "$@"\n', encoding="utf-8")
        (programs / program).chmod(0o755)
    monkeypatch.setenv("PATH", f"{programs}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.syspath_prepend(str(workplace))
    monkeypatch.setenv("PYTHONPATH", f"{workplace}{os.pathsep}{ROOT}")

    def run(line: str, code: int) -> None:
        split = words(line)
        if split[0] == "stepbench" and not {"&&", "|", ">", ";"} & set(split) and "$" not in line:
            found = [sorted(glob.glob(word)) or [word] for word in split[1:]]
            ended = stepbench(*(word for several in found for word in several))
            assert ended.code == code, f"{line}\nended with {ended.code}:\n{ended.out}{ended.err}"
        else:
            done = subprocess.run(["bash", "-c", line], capture_output=True, text=True, timeout=3600, check=False)
            assert done.returncode == code, f"{line}\nended with {done.returncode}:\n{done.stdout}{done.stderr}"

    return run


def follow(page: list[Block], shell: Callable[[str, int], None]) -> None:
    for block in page:
        if block.language != "bash":
            Path(block.title).parent.mkdir(parents=True, exist_ok=True)
            Path(block.title).write_text(block.body, encoding="utf-8")
            continue
        for line, code in [*lines(block.first), *lines(block.body)]:
            shell(line, code)


@pytest.mark.parametrize("name", FAST)
def test_commands_of_the_page_run(name, shell):
    follow(runnable(name, slow=False), shell)


@pytest.mark.slow
@pytest.mark.parametrize("name", SLOW)
def test_long_commands_of_the_page_run(name, shell):
    follow(runnable(name, slow=True), shell)


def parse(call: list[str]) -> None:
    """Bind the call's options, as the program does before it starts.

    Raises:
        CycloptsError: A command or option that does not exist, or a value that it does not take.
    """
    build_app().parse_args(call, exit_on_error=False, print_error=False)


@pytest.mark.parametrize("name", SHOWN)
def test_commands_of_the_page_parse(name, workplace):
    for block in blocks_of(name):
        for line, _ in lines(block.body) if block.language == "bash" else ():
            for call in stepbench_calls(line):
                try:
                    parse(call)
                except cyclopts.CycloptsError as error:
                    pytest.fail(f"{name}, block of line {block.line}: {line}\n{error}")


@pytest.mark.parametrize("name", sorted(PAGES))
def test_no_command_stands_outside_of_a_block_that_is_looked_at(name):
    text = re.sub(r"^ *```.*?^ *```", "", PAGES[name].read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL)
    assert not re.findall(r"^(?: {4}|\t)(?:\$ )?(?:stepbench|torchrun|python -m) .*", text, flags=re.MULTILINE)


@pytest.mark.parametrize("name", sorted(PAGES))
def test_commands_named_in_sentences_exist(name, workplace):
    text = re.sub(r"^ *```.*?^ *```", "", PAGES[name].read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL)
    for span in re.findall(r"`stepbench ([^`]+)`", text):
        names = re.match(r"(?:[a-z][a-z-]* ?)*", span)
        assert names is not None
        app = build_app()
        for word in names[0].split():
            if app.default_command is not None:
                break
            assert word in [*app], f"{name}: `stepbench {span}`: no command {word!r}"
            app = app[word]
        if app.default_command is None:
            continue
        options = {option for argument in app.assemble_argument_collection() for option in argument.names}
        options |= {"--help", "--config", "--debug", "--json"}
        for option in re.findall(r"(?<!\S)--?[a-z][a-z-]*", span):
            assert option in options, f"{name}: `stepbench {span}`: no option {option}"


@pytest.mark.parametrize(
    ("call", "complaint"),
    [
        (["rnu"], "Unknown command"),
        (["prefs", "serv"], "Unknown command"),
        (["run", "-M", "x", "-t", "y", "--lmit", "3"], "Unknown option"),
        (["gate", "runs/a", "--baseline", "runs/b"], "--policy"),
        (["run", "-M", "x", "-t", "y", "--limit", "some"], "Invalid value"),
    ],
)
def test_a_wrong_command_on_a_page_would_be_found(call, complaint, workplace):
    with pytest.raises(cyclopts.CycloptsError, match=complaint):
        parse(call)


def test_a_failing_command_on_a_page_would_be_found(shell):
    with pytest.raises(AssertionError, match="ended with 2"):
        shell("stepbench list prompts", 0)
    shell("stepbench list prompts", 2)
    with pytest.raises(AssertionError, match="ended with 1"):
        shell("cat no-such-file && true", 0)


PAGE = """
<!-- first:
stepbench run -M world:exact -t moving-shapes
-->
```bash
stepbench gate runs/a \\
    --baseline runs/b | cat      # exit code 10: fell
```

1. <!-- not run: needs a GPU -->

   ```bash
   torchrun --nproc-per-node 2 -m stepbench run -M 'command:a {prompt}' && echo done
   ```

```toml title="gate.toml"
alpha = 0.1
```

```python
no = "file"
```
"""


def test_blocks_are_read_with_their_marks():
    gate, gpu, policy = blocks(PAGE.replace("1. <!--", "   <!--"))
    assert gate.first == "stepbench run -M world:exact -t moving-shapes"
    assert list(lines(gate.body)) == [("stepbench gate runs/a --baseline runs/b | cat      # exit code 10: fell", 10)]
    assert [*stepbench_calls(next(lines(gate.body))[0])] == [["gate", "runs/a", "--baseline", "runs/b"]]
    assert (gpu.not_run, gpu.line) == ("needs a GPU", 12)
    assert [*stepbench_calls(gpu.body)] == [["run", "-M", "command:a {prompt}"]]
    assert [*stepbench_calls("podman build -t stepbench . && A=1 stepbench doctor")] == [["doctor"]]
    assert (policy.title, policy.body) == ("gate.toml", "alpha = 0.1\n")


def test_a_mark_without_reason_or_block_is_refused():
    with pytest.raises(ValueError, match="gives no reason"):
        blocks("<!-- not run: -->\n```bash\nls\n```\n")
    with pytest.raises(ValueError, match="before no block"):
        blocks("<!-- slow: minutes -->\n\ntext\n\n```bash\nls\n```\n")
