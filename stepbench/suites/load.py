"""From what a user typed after `-t` to a suite."""

from __future__ import annotations

import difflib
import os
from collections.abc import Sequence
from pathlib import Path

from stepbench.errors import NothingSelectedError, UsageError
from stepbench.records import Prompt, Suite
from stepbench.suites.format import CARD_FILE, PROMPTS_FILE, read_suite
from stepbench.suites.registry import suite_folders, suite_problems

SPLITS = ("train", "test", "all")


def load_suite(name: str | Path) -> Suite:
    """A suite by its name, its folder, or a file in a peer's own format.

    Args:
        name: Name of an installed suite, path of a suite folder, or path of a prompt file (VBench `full_info` JSON,
            Step-Video-T2V-Eval text, CSV, JSONL) or folder (EvalCrafter, T2V-CompBench).

    Raises:
        UsageError: Nothing of that name or path exists; close names are offered.
        SuiteError: The suite breaks its format; every problem is listed with file and line.
    """
    folders = suite_folders()
    if str(name) in folders:
        return read_suite(folders[str(name)])
    # Unlike the methods of Path, these have an answer for a text that is longer than any file name.
    if any(os.path.isfile(os.path.join(name, file)) for file in (CARD_FILE, PROMPTS_FILE)):
        return read_suite(Path(name))
    if os.path.exists(name):
        from stepbench.suites.importers import read_prompt_file

        return read_prompt_file(Path(name)).suite
    if str(name) in (problems := suite_problems()):
        raise UsageError(problems[str(name)], hint="give the folder's path, or uninstall the package that brings it")
    close = difflib.get_close_matches(str(name), folders, n=3)
    raise UsageError(
        f"no suite {str(name)!r}: neither an installed suite nor a folder nor a file",
        hint=f"did you mean {' or '.join(close)}?" if close else f"installed suites: {', '.join(sorted(folders))}",
    )


def select_prompts(
    suite: Suite,
    *,
    split: str | None = None,
    languages: Sequence[str] = (),
    categories: Sequence[str] = (),
    ids: Sequence[str] = (),
    limit: int | None = None,
) -> tuple[Prompt, ...]:
    """The prompts of a suite that a run works on, in suite order.

    Args:
        split: `train`, `test` or `all`; None takes the suite's default split.
        languages: Keep these languages; empty keeps all.
        categories: Keep these categories; empty keeps all.
        ids: Keep these prompt ids; empty keeps all.
        limit: Keep the first so many of what is left.

    Raises:
        UsageError: A language, category or id the suite does not have.
        NothingSelectedError: Nothing is left.
    """
    wanted = split or suite.card.default_split or "all"
    if wanted not in SPLITS:
        raise UsageError(f"no split {wanted!r}", hint=f"choose from {', '.join(SPLITS)}")
    _refuse_unknown("language", languages, {prompt.language for prompt in suite.prompts})
    _refuse_unknown("category", categories, {prompt.category for prompt in suite.prompts})
    _refuse_unknown("prompt id", ids, {prompt.id for prompt in suite.prompts})
    kept = [
        prompt
        for prompt in suite.prompts
        if (wanted == "all" or prompt.split in (wanted, None))
        and (not languages or prompt.language in languages)
        and (not categories or prompt.category in categories)
        and (not ids or prompt.id in ids)
    ]
    if limit is not None:
        if limit < 0:
            raise UsageError(f"limit cannot be negative, got {limit}", hint="leave -L out to take every prompt")
        kept = kept[:limit]
    if not kept:
        raise NothingSelectedError(
            f"no prompt of suite {suite.name!r} is left by split={wanted}, languages={list(languages)}, "
            f"categories={list(categories)}, ids={list(ids)}, limit={limit}",
            hint="`stepbench list prompts -t SUITE` shows what there is",
        )
    return tuple(kept)


def _refuse_unknown(kind: str, wanted: Sequence[str], known: set[str]) -> None:
    for value in wanted:
        if value not in known:
            close = difflib.get_close_matches(value, known, n=3) or sorted(known)[:12]
            raise UsageError(f"the suite has no {kind} {value!r}", hint=f"choose from {', '.join(close)}")
