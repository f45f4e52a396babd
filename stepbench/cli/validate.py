"""`stepbench validate PATH`: a suite folder, a prompt file or a run folder against its format."""

from __future__ import annotations

from pathlib import Path

from stepbench.cli.options import Json
from stepbench.cli.output import note, print_records
from stepbench.errors import ExitCode, UsageError


def validate_command(path: Path, /, *, json: Json = False) -> int:
    """Check a suite or a run; every problem is named with its file and line.

    Exit code 2 for a suite that breaks the format, 3 for a run with gaps or changed files.

    Args:
        path: Suite folder, suite name, prompt file, or run folder.
    """
    from stepbench.runs.validate import run_problems
    from stepbench.suites import suite_folders
    from stepbench.suites.format import CARD_FILE, PROMPTS_FILE, inspect_suite

    path = suite_folders().get(str(path), path)
    if (path / "run.json").is_file():
        kind, problems, code = "run", run_problems(path), ExitCode.INCOMPLETE
    elif (path / CARD_FILE).is_file() or (path / PROMPTS_FILE).is_file():
        kind, problems, code = "suite", inspect_suite(path)[1], ExitCode.USAGE
    elif path.is_file():
        from stepbench.suites import load_suite

        load_suite(path)
        kind, problems, code = "prompt file", [], ExitCode.USAGE
    else:
        raise UsageError(
            f"{path} is neither a suite nor a run", hint=f"a suite folder holds {CARD_FILE}, a run folder run.json"
        )
    if json:
        print_records([{"path": str(path), "kind": kind, "valid": not problems, "problems": problems}])
    else:
        for problem in problems:
            print(problem)
    note(f"{kind} {path}: {'valid' if not problems else f'{len(problems)} problems'}")
    return code if problems else ExitCode.OK
