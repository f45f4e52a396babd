"""One run as the board keeps it: facts, aggregates, cost, samples and scores, made once and reused while it stands."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from stepbench.board.folder import SCHEMA, BoardFolder, folder_in_one_step
from stepbench.board.previews import publish_preview
from stepbench.board.run_checks import check_cards, check_texts
from stepbench.canonical import canonical_json, sha256_file, sha256_json
from stepbench.comparability import GEOMETRY
from stepbench.errors import RunFolderError
from stepbench.runs.folder import RunFolder, write_atomically
from stepbench.runs.run import Run
from stepbench.runs.summary import summarize

if TYPE_CHECKING:
    import pandas as pd

FINISHED = ("complete", "incomplete")
"""Statuses of runs whose every planned sample has been tried."""

FACTS = (
    "run_id",
    "generator",
    "revision",
    "weights_hash",
    "licence",
    "description",
    "suite",
    "settings",
    "seeds",
    "plan_hash",
    "reference",
    "created_at",
    "updated_at",
    "stepbench",
)
"""What is told of every run on the board: columns of `runs.parquet`. Settings and seeds are canonical JSON."""

SAMPLE_COLUMNS = (
    "prompt_id",
    "seed",
    "text",
    "language",
    "category",
    "unit",
    "outcome",
    "error",
    "clip",
    "no_clip",
    "frames",
    "fps",
    "height",
    "width",
    "seconds_total",
)

_PART_FILES = ("run.json", "samples.parquet", "scores.parquet")
_RUN_FILES = ("run.json", "plan.jsonl", "prompts.jsonl", "samples*.jsonl", "scores/*.jsonl")


@dataclass(frozen=True, kw_only=True)
class Part:
    """What `parts/<digest>/` holds.

    Attributes:
        digest: Of the run's files; equal files need no second look.
        status: `complete`, or `incomplete` where samples or scores failed.
        facts: Values of `FACTS`.
        key: What two runs must share to stand in one table.
        cards: metric_id -> metric card.
        summary: As `summarize` made it from the rows; nothing is taken from the run's own aggregates.
        cost: Seconds per clip (`seconds` with `low` and `high`), `stages` in seconds, `peak_memory_bytes` and `joules`;
            None where the run did not measure it.
    """

    digest: str
    status: str
    facts: dict[str, Any]
    key: dict[str, Any]
    cards: dict[str, dict[str, Any]]
    summary: dict[str, Any]
    cost: dict[str, Any]
    folder: Path

    @property
    def table_id(self) -> str:
        """Names the table the run stands in."""
        return sha256_json(self.key)[:12]

    def samples(self) -> pd.DataFrame:
        """One row per planned sample, in plan order."""
        import pandas as pd

        return pd.read_parquet(self.folder / "samples.parquet")

    def scores(self) -> pd.DataFrame:
        """Long form: one row per sample and metric that was tried."""
        import pandas as pd

        return pd.read_parquet(self.folder / "scores.parquet")


def take_in(path: Path, board: BoardFolder) -> Part:
    """The part of the run in `path`, read anew only where its files have changed.

    Raises:
        RunFolderError: The folder holds no run, or one that is not finished.
        IncompleteError: The part cannot be saved.
    """
    info = RunFolder(path).read_info()
    if info["status"] not in FINISHED:
        raise RunFolderError(f"the run is {info['status']}, not finished", hint="the same run command continues it")
    digest = _digest(path)
    folder = board.parts / digest
    if not _is_whole(folder, board):
        run = Run(path)
        check_cards(run.metric_cards)
        samples, scores = _samples(run, board), run.scores()
        with folder_in_one_step(folder) as scratch:
            samples.to_parquet(scratch / "samples.parquet", index=False)
            columns = ["prompt_id", "seed", "metric_id", "value", "status", "error"]
            scores[columns].to_parquet(scratch / "scores.parquet", index=False)
            record = {
                "status": info["status"],
                "facts": _facts(run),
                "key": _key(run, samples),
                "cards": run.metric_cards,
                "cost": _cost(run),
            }
            text = json.dumps({**record, "summary": _summary(run)}, ensure_ascii=False, allow_nan=False)
            write_atomically(scratch / "run.json", text + "\n")
    record = json.loads((folder / "run.json").read_text(encoding="utf-8"))
    return Part(digest=digest, folder=folder, **record)


def _digest(path: Path) -> str:
    """Hash over the content of the run's records and over name, size and time of its clips."""
    digest = hashlib.sha256(f"board {SCHEMA}".encode())
    for pattern in _RUN_FILES:
        for file in sorted(path.glob(pattern)):
            digest.update(f"{file.relative_to(path)} {sha256_file(file)}\n".encode())
    for clip in sorted((path / "clips").glob("*")):
        stat = clip.stat()
        digest.update(f"{clip.name} {stat.st_size} {stat.st_mtime_ns}\n".encode())
    return digest.hexdigest()


def _is_whole(folder: Path, board: BoardFolder) -> bool:
    if not all((folder / name).is_file() for name in _PART_FILES):
        return False
    import pandas as pd

    clips = pd.read_parquet(folder / "samples.parquet", columns=["clip"])["clip"].dropna()
    return all((board.path / name).is_file() for name in clips)


def _samples(run: Run, board: BoardFolder) -> pd.DataFrame:
    frame = run.samples()
    check_texts(frame)
    shown = [publish_preview(run.folder, row, board.path) for row in frame.to_dict(orient="records")]
    frame = frame.assign(
        # Translations of one prompt are one unit of inference, as in the run's own aggregates.
        unit=frame.pair_id.where(frame.pair_id.notna(), frame.prompt_id),
        clip=[name for name, _ in shown],
        no_clip=[reason for _, reason in shown],
    )
    return frame.loc[:, list(SAMPLE_COLUMNS)]


def _facts(run: Run) -> dict[str, Any]:
    info, reference, environment = run.info, run.info["reference"], run.info["environment"]
    found = {
        **{name: info[name] for name in ("run_id", "plan_hash", "created_at", "updated_at")},
        **{name: info["generator"][name] for name in ("revision", "weights_hash", "licence", "description")},
        "generator": run.generator_name,
        "suite": info["suite"]["name"],
        "settings": canonical_json(info["settings"]),
        "seeds": canonical_json(info["seeds"]),
        "reference": reference["run_id"] if reference else None,
        "stepbench": environment["stepbench"] if environment else None,
    }
    return {name: None if found[name] is None else str(found[name]) for name in FACTS}


def _cost(run: Run) -> dict[str, Any]:
    from stepbench.reporting.costs import cost_of

    cost = asdict(cost_of(run.name, run, run.generator_name))
    return {name: cost[name] for name in ("seconds", "low", "high", "stages", "peak_memory_bytes", "joules")}


def _key(run: Run, samples: pd.DataFrame) -> dict[str, Any]:
    """The fields in which two runs must agree for their numbers to mean the same; see `stepbench.comparability`."""
    suite, settings = run.info["suite"], run.info["settings"]
    sent = sorted(set(zip(samples.prompt_id, samples.text, strict=True)))
    return {
        "suite": {name: str(suite[name]) for name in ("name", "version", "hash")},
        "prompts": sha256_json(sent),
        "n_prompts": len(sent),
        "seeds": sorted(int(seed) for seed in samples.seed.unique()),
        "negative_prompt": settings.get("negative_prompt") or "",
        **{name: _rate_or_size(settings.get(name)) for name in GEOMETRY},
    }


def _rate_or_size(value: Any) -> float | None:
    # 8 and 8.0 frames per second are the same rate.
    return float(value) if isinstance(value, int | float) else None


def _summary(run: Run) -> dict[str, Any]:
    files = RunFolder(run.folder)
    scores = {metric_id: files.read_scores(metric_id) for metric_id in run.metric_cards}
    plan = [(key, prompt) for key, prompt, _ in run.planned]
    return summarize(plan, files.read_samples(), scores, run.metric_cards)
