"""The command line: names and help of all commands, and the one place where errors become exit codes.

Commands load when they are called, so `stepbench --help` stays fast.
"""

from __future__ import annotations

import os
import signal
import sys
import tomllib
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any, NoReturn

import cyclopts
from cyclopts.config import Dict, Env

from stepbench import __version__
from stepbench.cli.streams import outlasting_readers
from stepbench.errors import ExitCode, StepbenchError

COMMANDS = {
    "demo": "The whole loop on the built-in world, offline, in minutes.",
    "run": "Plan, generate and score a suite; the same command again continues.",
    "generate": "Make one clip from one prompt.",
    "score": "Score a run that exists, without generating.",
    "reconstruct": "Benchmark autoencoders, H.264 among them: quality, compression and speed.",
    "compare": "Paired differences between runs, with intervals and corrected p values.",
    "sweep": "Runs over settings: quality against seconds, the Pareto set, what is not separable.",
    "cost": "What clips cost: seconds by stage, memory, joules, price per accepted clip.",
    "review": "Hold clips against a quality policy: accept, human review or reject, with reasons.",
    "gate": "Has a run lost more than a policy allows? Pass, regression or inconclusive.",
    "power": "Prompts or votes that an effect takes; the effect that can be seen with what there is.",
    "report": "One page of tables, plots and clips; or the table as LaTeX, Markdown, CSV, JSON.",
    "log": "Log runs to TensorBoard, MLflow, Weights & Biases, or as a Hugging Face data set folder.",
    "list": "List suites, prompts, generators, autoencoders, metrics, weights or runs.",
    "show": "Show a run, or one sample of it.",
    "validate": "Check a suite or a run folder against the format.",
    "merge": "Merge shards that were run in separate folders.",
    "pull": "Bring a run back from the address that it was copied to.",
    "import": "Bring in a folder of clips, or a peer's prompt file.",
    "metrics": "Check metrics on clips wrong in a known way and on votes; VBench's score.",
    "export": "Write a run's clips in a peer's layout.",
    "doctor": "Check what this machine can do.",
    "train": "Train the reference model: VAE, flow matching, distillation, preferences.",
    "weights": "List external weights, or check a model folder against its configs.",
    "prefs": "Preference studies: plan pairs, collect blind votes, look at their quality.",
    "leaderboard": "Build or serve the leaderboard.",
}
"""Command -> help line; command `x` is the function or app named `x` (with `_command` added) in `stepbench.cli.x`."""


def build_app(config: Path | None = None) -> cyclopts.App:
    """The app, its options also read from the environment and from `config`."""
    sources: list[Any] = [Env("STEPBENCH_")]
    if config is not None:
        sources.append(partial(_options_of_file, config))
    app = cyclopts.App(
        name="stepbench",
        help="Benchmarks for text-to-video models whose numbers can be reproduced, compared and trusted.",
        help_epilogue="Every command also takes --config FILE.toml (keys are option names) and --debug. Options can be "
        "set as STEPBENCH_<COMMAND>_<OPTION>. Exit codes: 0 ok, 2 usage, 3 incomplete, 4 not comparable, "
        "5 nothing selected, 10 regression, 11 inconclusive, 12 environment not fit, 130 interrupted.",
        version=__version__,
        config=sources,
        help_format="plaintext",
        result_action="return_value",
        suppress_keyboard_interrupt=False,
    )
    for name, help_line in COMMANDS.items():
        app.command(f"stepbench.cli.{_module(name)}:{name}_command", name=name, help=help_line)
    return app


def main(arguments: Sequence[str] | None = None) -> None:
    """Entry point of the `stepbench` command; ends the process with a documented exit code."""
    with outlasting_readers():
        _main(arguments)


def _main(arguments: Sequence[str] | None) -> NoReturn:
    tokens = list(sys.argv[1:] if arguments is None else arguments)
    debug = "--debug" in tokens
    tokens = [token for token in tokens if token != "--debug"]
    # Without this a `kill` would end the process before it could note that the run was interrupted.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        _end(_call(tokens))
    except StepbenchError as error:
        if debug:
            raise
        _complain(str(error))
        _end(error.exit_code)
    except KeyboardInterrupt:
        _complain("interrupted; what is done is saved, the same command continues")
        _end(ExitCode.INTERRUPTED)
    except Exception as error:
        if debug:
            raise
        _complain(f"unexpected crash: {type(error).__name__}: {error}\n  hint: --debug shows where; please report it")
        _end(1)


def _end(code: int) -> NoReturn:
    if int(os.environ.get("WORLD_SIZE", "1")) > 1:
        from reference_model.training.ending import leave

        leave(code)
    sys.exit(code)


def _call(tokens: list[str]) -> int:
    config, tokens = _take_config(tokens)
    try:
        result = build_app(config)(tokens, exit_on_error=False, print_error=False)
    except cyclopts.CycloptsError as error:
        command = f"{tokens[0]} " if tokens and tokens[0] in COMMANDS else ""
        _complain(f"{error}\n  hint: `stepbench {command}--help` lists what can be given")
        return ExitCode.USAGE
    if sys.stdout:
        # Here output that cannot be written is still an error that `main` can meet.
        sys.stdout.flush()
    return result if isinstance(result, int) else ExitCode.OK


def _options_of_file(path: Path, app: cyclopts.App, commands: tuple[str, ...], arguments: Any) -> None:
    """A configuration source: the file's keys are options of whichever command was called."""
    try:
        options: dict[str, Any] = tomllib.loads(path.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise StepbenchError(f"{path}: not TOML: {error}", hint="mend the line named above") from error
    for command in reversed(commands):
        options = {command: options}
    Dict(options, source=str(path))(app, commands, arguments)


def _take_config(tokens: list[str]) -> tuple[Path | None, list[str]]:
    for position, token in enumerate(tokens):
        name, equals, value = token.partition("=")
        if name != "--config":
            continue
        rest = tokens[position + 1 :]
        if not equals:
            if not rest:
                raise StepbenchError("--config needs a file", hint="write --config FILE.toml")
            value, rest = rest[0], rest[1:]
        if not Path(value).is_file():
            raise StepbenchError(f"no config file {value}", hint="write --config FILE.toml")
        return Path(value), tokens[:position] + rest
    return None, tokens


def _module(name: str) -> str:
    # `import` is a keyword of Python, `list` a name worth keeping free.
    return {"import": "import_", "list": "list_"}.get(name, name)


def _complain(text: str) -> None:
    print(f"stepbench: {text}", file=sys.stderr)


if __name__ == "__main__":
    main()
