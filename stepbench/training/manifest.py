"""`captions.jsonl`: which clips a training folder holds, and what is said about each."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from stepbench.errors import SuiteError, UsageError
from stepbench.suites.importers.source import numbered_lines, parse_json, read_text

MANIFEST_FILE = "captions.jsonl"
SHOWN_PROBLEMS = 20

Split = Literal["train", "test"]


@dataclass(frozen=True, kw_only=True)
class ManifestRow:
    """One clip.

    Attributes:
        where: `file:line`, for messages.
        file: Path below the folder.
        captions: What is said about it, each text exactly as it stands; may be empty.
        fps: Frames per second; None means what the file says.
        split: `train`, `test`, or None where the row leaves it open.
    """

    where: str
    file: PurePosixPath
    captions: tuple[str, ...]
    fps: float | None = None
    split: Split | None = None


class _Row(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, allow_inf_nan=False)

    file: str = Field(min_length=1)
    caption: str | None = None
    captions: list[str] | None = Field(default=None, min_length=1)
    fps: float | None = Field(default=None, gt=0)
    split: Split | None = None

    @model_validator(mode="after")
    def _plain(self) -> _Row:
        if self.caption is not None and self.captions is not None:
            raise ValueError("give caption or captions, not both")
        for text in self.texts:
            if not text.strip():
                raise ValueError(f"empty caption {text!r}")
            text.encode("utf-8")
        path = PurePosixPath(self.file)
        if path.is_absolute() or ".." in path.parts or "\\" in self.file:
            raise ValueError(f"file must lie in the folder, with / between names, got {self.file!r}")
        return self

    @property
    def texts(self) -> tuple[str, ...]:
        return tuple(self.captions or ([] if self.caption is None else [self.caption]))


def read_manifest(folder: Path, *, captions_needed: bool) -> tuple[list[ManifestRow], list[str]]:
    """The rows of `folder/captions.jsonl`, and every problem in it as `file:line: rule: value`.

    Args:
        folder: Clips and the manifest.
        captions_needed: Whether a row without a caption is a problem.

    Raises:
        UsageError: No such folder or manifest, or it is not UTF-8.
    """
    path = folder / MANIFEST_FILE
    if not path.is_file():
        raise UsageError(
            f"no {MANIFEST_FILE} in {str(folder)!r}",
            hint=f'a folder of clips holds {MANIFEST_FILE}, a line {{"file": "a.mp4", "caption": "..."}} for each clip',
        )
    rows: list[ManifestRow] = []
    problems: list[str] = []
    first_lines: dict[PurePosixPath, int] = {}
    for line, text in numbered_lines(_text(path)):
        where = f"{path}:{line}"
        try:
            row = _Row.model_validate(parse_json(text, path, line))
        except SuiteError as error:
            problems.append(error.message)
            continue
        except ValidationError as error:
            problems += [f"{where}: {problem}" for problem in _explain(error)]
            continue
        file = PurePosixPath(row.file)
        first = first_lines.setdefault(file, line)
        if first != line:
            problems.append(f"{where}: {row.file!r} stands on line {first} already; give all captions in one row")
        if captions_needed and not row.texts:
            problems.append(f"{where}: missing key 'caption' or 'captions'")
        rows.append(ManifestRow(where=where, file=file, captions=row.texts, fps=row.fps, split=row.split))
    if not rows and not problems:
        problems.append(f"{path}: no clips")
    return rows, problems


def refuse_clips(folder: Path, problems: list[str]) -> None:
    """Raises one `UsageError` that lists the problems, if there are any."""
    if not problems:
        return
    shown = "\n  ".join(problems[:SHOWN_PROBLEMS])
    rest = len(problems) - SHOWN_PROBLEMS
    more = f"\n  ... and {rest} more" if rest > 0 else ""
    raise UsageError(
        f"{folder} cannot be trained on:\n  {shown}{more}",
        hint="mend or remove the lines named above; nothing was started",
    )


def _text(path: Path) -> str:
    try:
        return read_text(path)
    except SuiteError as error:
        raise UsageError(error.message, hint=error.hint) from error


def _explain(error: ValidationError) -> list[str]:
    return [_sentence(item) for item in error.errors()]


def _sentence(item: Any) -> str:
    key = ".".join(str(part) for part in item["loc"])
    known = ", ".join(_Row.model_fields)
    sentences = {
        "extra_forbidden": f"unknown key {key!r}; known: {known}",
        "missing": f"missing key {key!r}",
        "model_type": f"a JSON object was expected, got {item['input']!r:.80}",
        "value_error": item["msg"].removeprefix("Value error, "),
    }
    return sentences.get(item["type"], f"{key}: {item['msg']}, got {item['input']!r:.80}")
