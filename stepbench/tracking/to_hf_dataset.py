"""A run as a Hugging Face data set folder: Parquet tables, clips and a card; no library is needed to write it."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from stepbench.board.folder import folder_in_one_step
from stepbench.board.previews import CLIPS, publish_preview
from stepbench.errors import UsageError
from stepbench.runs.journal import saving
from stepbench.tracking.content import Logged
from stepbench.tracking.dataset_card import dataset_card

if TYPE_CHECKING:
    import pandas as pd

    from stepbench.runs.run import Run

TABLES = ("samples", "scores", "summary")


def write_hf_dataset(run: Run, content: Logged, out: str) -> str:
    """Write the folder `out`, which must be new or empty, and return the line that loads it.

    Raises:
        UsageError: The folder holds something.
        IncompleteError: It cannot be written.
    """
    folder = Path(out)
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise UsageError(f"{folder} is not empty", hint="give a new folder with -o")
    with saving(folder):
        folder.parent.mkdir(parents=True, exist_ok=True)
        if folder.exists():
            folder.rmdir()
    with folder_in_one_step(folder) as scratch:
        (scratch / CLIPS).mkdir()
        samples = _samples(run, scratch)
        tables = {"samples": samples, "scores": _scores(run), "summary": _summary(content)}
        for name in TABLES:
            with saving(folder):
                tables[name].to_parquet(scratch / f"{name}.parquet", index=False)
        card = dataset_card(
            content.report,
            licence=str(run.info["generator"]["licence"]),
            languages=sorted(samples.language.unique()),
            rows=len(samples),
            tables=TABLES,
        )
        with saving(folder):
            (scratch / "README.md").write_text(card, encoding="utf-8")
    return f'datasets.load_dataset("{folder}")'


def _samples(run: Run, folder: Path) -> pd.DataFrame:
    frame = run.samples()
    shown = [publish_preview(run.folder, row, folder)[0] for row in frame.to_dict(orient="records")]
    columns = ["sample_key", "prompt_id", "seed", "text", "language", "category", "outcome", "error", "clip"]
    columns += ["frames", "fps", "height", "width", "seconds_total", "peak_memory_bytes"]
    kept = frame.assign(clip=shown, outcome=frame.outcome.fillna("missing")).loc[:, columns]
    numbers = {"frames": "Int64", "height": "Int64", "width": "Int64", "peak_memory_bytes": "Int64", "fps": "float64"}
    # A column without a single value would have no type, and no reader could put two such files together.
    texts = {name: "string" for name in ("error", "clip")}
    return kept.astype({**numbers, **texts, "seconds_total": "float64"})


def _scores(run: Run) -> pd.DataFrame:
    columns = [
        "sample_key",
        "prompt_id",
        "seed",
        "language",
        "category",
        "metric",
        "metric_id",
        "value",
        "status",
        "error",
    ]
    return run.scores().loc[:, columns].astype({"error": "string", "value": "float64"})


def _summary(content: Logged) -> pd.DataFrame:
    import pandas as pd

    rows: list[dict[str, Any]] = [asdict(row) for row in content.report.rows]
    unranked = pd.DataFrame(rows).drop(columns=["rank_low", "rank_high", "n_ranked", "label"])
    return unranked.astype({name: "float64" for name in ("mean", "low", "high", "coverage")})
