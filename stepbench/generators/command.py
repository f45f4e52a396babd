"""`command:"PROGRAM ... {prompt} ... {output}"`: any program that writes a clip becomes a generator."""

from __future__ import annotations

import os
import shlex
import shutil
import signal
import string
import subprocess
from contextlib import suppress
from pathlib import Path
from typing import Any

from stepbench.canonical import sha256_file, sha256_json
from stepbench.errors import Refused, UsageError
from stepbench.generators.protocol import Clip
from stepbench.records import GeneratorCard, Prompt, Request, Settings

REFUSED_STATUS = 77
"""A program that declines a prompt exits with this status; the last line it prints is the reason."""

_BUILT_IN = ("prompt", "seed", "output", "negative_prompt")


class CommandFailedError(Exception):
    """The program ended badly or wrote no clip; the sample is recorded as failed with this text."""


class CommandGenerator:
    """Runs a program once per sample, without a shell, so no prompt can inject anything.

    Args:
        template: Words as in a shell. `{prompt}`, `{seed}`, `{output}`, `{negative_prompt}` and `{SETTING}` are
            replaced inside words; prompt, seed and output also stand in the environment as `STEPBENCH_PROMPT`,
            `STEPBENCH_SEED`, `STEPBENCH_OUTPUT`. The program must write a video to `{output}` (a `.mp4` path; another
            container may be written beside it under the same stem).
    """

    def __init__(self, template: str) -> None:
        self._words = shlex.split(template)
        if not self._words:
            raise UsageError("command: needs a program", hint='for example command:"python make.py {prompt} {output}"')
        self._fields = {field for word in self._words for field in _fields_of(word)}
        program = shutil.which(self._words[0])
        if program is None:
            raise UsageError(f"no program {self._words[0]!r} on the PATH", hint="give its full path")
        self.card = GeneratorCard(
            name=f"command:{template}",
            revision=_hash_of_files(self._words, program),
            description="external program",
        )

    def resolve(self, prompt: Prompt, seed: int, settings: Settings) -> dict[str, Any]:
        """All settings pass; those the template names must be there.

        Raises:
            UsageError: The template names a setting that is not given.
        """
        missing = self._fields - {*_BUILT_IN, *settings}
        if missing:
            name = sorted(missing)[0]
            raise UsageError(
                f"the command uses {{{name}}}, but there is no such setting",
                hint=f"add --set {name}=VALUE, or write {{{{ and }}}} for braces",
            )
        return dict(settings)

    def generate(self, request: Request) -> Clip:
        """Run the program for one request.

        Raises:
            Refused: Exit status 77.
            CommandFailedError: Any other status, a timeout, or no clip at the output path.
        """
        output = request.output_dir / "clip.mp4"
        values = {
            "negative_prompt": "",
            **request.settings,
            "prompt": request.text,
            "seed": request.seed,
            "output": output,
        }
        status, text = self._run([_fill(word, values) for word in self._words], values, request)
        last_line = text.strip().splitlines()[-1] if text.strip() else ""
        if status == REFUSED_STATUS:
            raise Refused(last_line or f"the program exited with status {REFUSED_STATUS}")
        if status != 0:
            raise CommandFailedError(f"exit status {status}: {last_line}")
        written = sorted(path for path in request.output_dir.glob("clip.*") if path.stat().st_size > 0)
        if not written:
            raise CommandFailedError(f"exit status 0, but no clip at {{output}}; last line: {last_line!r}")
        return Clip(path=output if output in written else written[0])

    def _run(self, words: list[str], values: dict[str, Any], request: Request) -> tuple[int, str]:
        environment = os.environ | {
            f"STEPBENCH_{key.upper()}": str(values[key]) for key in ("prompt", "seed", "output")
        }
        # A process group of its own: a timeout must also end what the program started.
        process = subprocess.Popen(
            words,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env=environment,
            text=True,
            errors="replace",
            start_new_session=True,
        )
        try:
            text, _ = process.communicate(timeout=request.timeout)
        except subprocess.TimeoutExpired as error:
            _kill_group(process)
            raise CommandFailedError(f"timed out after {request.timeout:g} s") from error
        except BaseException:
            _kill_group(process)
            raise
        return process.returncode, text


def _kill_group(process: subprocess.Popen[str]) -> None:
    """End the program and all it started, whether or not the program itself is still there."""
    # macOS says "not permitted" of a group that is gone.
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    if process.stdout is not None:
        process.stdout.close()


def command_generator(argument: str) -> CommandGenerator:
    """Factory of the `command` family; quotes round the whole argument are allowed."""
    text = argument.strip()
    if len(text) > 1 and text[0] == text[-1] and text[0] in "\"'":
        text = text[1:-1]
    return CommandGenerator(text)


def _fields_of(word: str) -> set[str]:
    try:
        parts = list(string.Formatter().parse(word))
    except ValueError as error:
        raise UsageError(f"unbalanced braces in {word!r}: {error}", hint="write {{ and }} for plain braces") from error
    for _, field, format_spec, conversion in parts:
        if format_spec or conversion:
            raise UsageError(
                f"{{{field}}} in {word!r} stands with a format or conversion", hint="values are put in as they are"
            )
    return {field for _, field, _, _ in parts if field is not None}


def _fill(word: str, values: dict[str, Any]) -> str:
    return "".join(
        literal + (str(values[field]) if field is not None else "")
        for literal, field, _, _ in string.Formatter().parse(word)
    )


def _hash_of_files(words: list[str], program: str) -> str:
    """Hash of the scripts the command names, so that an edited script is another revision. The PATH's own programs
    (an interpreter, say) count by name only."""
    # Unlike Path.is_file, os.path.isfile has an answer for a word that is longer than any file name.
    named = [Path(word) for word in words[1:] if os.path.isfile(word)]
    if os.sep in words[0]:
        named.insert(0, Path(program))
    return sha256_json([sha256_file(path) for path in named])[:16]
