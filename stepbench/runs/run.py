"""A run folder opened for reading: its samples, scores and summary as data frames."""

from __future__ import annotations

import json
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from stepbench.errors import RunFolderError
from stepbench.records import Prompt
from stepbench.runs.folder import RunFolder
from stepbench.runs.journal import read_journal
from stepbench.runs.set_members import set_key, set_members

if TYPE_CHECKING:
    import pandas as pd

_SAMPLE_FACTS = ("clip", "clip_sha256", "preview", "frames", "fps", "height", "width", "bytes", "attempt", "error")
_SUMMARY_FACTS = (
    *("metric", "metric_id", "direction", "unit", "n_planned", "n_scored", "n_failed", "n_refused", "coverage"),
    *("n_units", "mean", "low", "high", "method"),
)
_SET_FACTS = (
    *("metric_id", "metric", "set_key", "value", "low", "high", "method", "n", "n_reference", "n_units"),
    *("floor", "floor_n", "caution", "status", "error"),
)


class Run:
    """One run, read from its folder. Cheap to make; every table is read when it is asked for.

    Raises:
        RunFolderError: The folder holds no run, or one that this version cannot read.
    """

    def __init__(self, path: str | Path) -> None:
        self.folder = Path(path)
        self._files = RunFolder(self.folder)
        self.info: dict[str, Any] = self._files.read_info()

    @property
    def name(self) -> str:
        """The run id."""
        return self.info["run_id"]

    @property
    def generator_name(self) -> str:
        """The generator's name as its card gives it."""
        return self.info["generator"]["name"]

    @property
    def suite_hash(self) -> str:
        """Content hash of the suite the run was planned from."""
        return self.info["suite"]["hash"]

    @property
    def metric_cards(self) -> dict[str, dict[str, Any]]:
        """metric_id -> card of every metric the run was scored with."""
        return self.info["metric_cards"]

    @cached_property
    def prompts(self) -> dict[str, Prompt]:
        """Prompt id -> prompt, of the planned prompts."""
        rows = read_journal(self._files.prompts)
        try:
            return {row["id"]: Prompt(**{**row, "tags": tuple(row.get("tags", ()))}) for row in rows}
        except (KeyError, TypeError) as error:
            raise RunFolderError(
                f"{self._files.prompts}: a line is no prompt: {error}", hint="restore it from a copy"
            ) from error

    @cached_property
    def planned(self) -> list[tuple[str, Prompt, int]]:
        """(sample_key, prompt, seed) of every planned sample, in plan order."""
        rows = self._files.read_plan(self.info)
        lost = next((row["prompt_id"] for row in rows if row["prompt_id"] not in self.prompts), None)
        if lost is not None:
            raise RunFolderError(
                f"{self._files.prompts} lacks prompt {lost!r}, which is planned",
                hint="restore it from a copy, or delete it and run the same command again",
            )
        return [(row["sample_key"], self.prompts[row["prompt_id"]], row["seed"]) for row in rows]

    def samples(self) -> pd.DataFrame:
        """One row per planned sample, in plan order; `outcome` is missing (NaN) where nothing has been tried yet."""
        import pandas as pd

        made = self._files.read_samples()
        rows = []
        for key, prompt, seed in self.planned:
            row = made.get(key, {})
            rows.append(
                {
                    "sample_key": key,
                    "prompt_id": prompt.id,
                    "seed": seed,
                    "text": prompt.text,
                    "language": prompt.language,
                    "category": prompt.category,
                    "pair_id": prompt.pair_id,
                    "tags": prompt.tags,
                    "outcome": row.get("outcome"),
                    **{name: row.get(name) for name in _SAMPLE_FACTS},
                    "seconds_total": row.get("seconds", {}).get("total"),
                    "peak_memory_bytes": row.get("peak_memory_bytes"),
                }
            )
        return pd.DataFrame(rows)

    def scores(self) -> pd.DataFrame:
        """Long form: one row per sample and metric that was tried; `value` is NaN unless `status` is `ok`.

        `note` says what a person should know beside the value, such as why a clip is flagged for review. Of set metrics
        there are the clips that could not be taken in; their values are in `set_scores`.
        """
        import pandas as pd

        made = self._files.read_samples()
        rows = []
        for metric_id, card in self.metric_cards.items():
            by_key = self._files.read_scores(metric_id)
            for key, prompt, seed in self.planned:
                row = by_key.get(key)
                if row is None or made.get(key, {}).get("clip_sha256") != row["clip_sha256"]:
                    continue
                rows.append(
                    {
                        "sample_key": key,
                        "prompt_id": prompt.id,
                        "seed": seed,
                        "language": prompt.language,
                        "category": prompt.category,
                        "pair_id": prompt.pair_id,
                        "metric_id": metric_id,
                        "metric": card["name"],
                        "value": row["value"],
                        "n": row["n"],
                        "status": row["status"],
                        "error": row["error"],
                        "note": row.get("note", ""),
                    }
                )
        columns = [
            "sample_key",
            "prompt_id",
            "seed",
            "language",
            "category",
            "pair_id",
            "metric_id",
            "metric",
            "value",
            "n",
            "status",
            "error",
            "note",
        ]
        return pd.DataFrame(rows, columns=columns).astype({"value": "float64"})

    def set_scores(self) -> pd.DataFrame:
        """One row per set metric that was tried on the clips that stand now.

        Columns: metric_id, metric, set_key, value (NaN unless `status` is `ok`), low, high, method (of the interval),
        n, n_reference, n_units (prompts), floor (real against real), floor_n, caution (why not to trust it far),
        status, error.
        """
        import pandas as pd

        made, rows = self._files.read_samples(), []
        for metric_id, card in self.metric_cards.items():
            if card.get("level") != "set":
                continue
            scores = self._files.read_scores(metric_id)
            row = scores.get(set_key(set_members([key for key, _, _ in self.planned], made, scores), made))
            if row is not None:
                rows.append({**row, "metric_id": metric_id, "metric": card["name"]})
        return pd.DataFrame(rows, columns=list(_SET_FACTS)).astype({"value": "float64"})

    def summary(self) -> pd.DataFrame:
        """One row per metric: counts, coverage, mean, interval and method, as in `summary.json`.

        Raises:
            RunFolderError: The run has no summary yet.
        """
        import pandas as pd

        rows = self.read_summary()["metrics"]
        plain = [{name: value for name, value in row.items() if not name.startswith("by_")} for row in rows]
        return pd.DataFrame(plain, columns=list(_SUMMARY_FACTS))

    def read_summary(self) -> dict[str, Any]:
        """The whole parsed `summary.json`, groups included.

        Raises:
            RunFolderError: The run has no summary yet.
        """
        if not self._files.summary.is_file():
            raise RunFolderError(
                f"{self.folder} has no summary.json: the run is {self.info['status']}",
                hint="run the same command again to finish it",
            )
        return json.loads(self._files.summary.read_text(encoding="utf-8"))

    def clip(self, prompt_id: str, seed: int) -> Path | None:
        """The master clip of a sample, or None where there is none."""
        made = self._files.read_samples()
        rows = [
            made.get(key, {}) for key, prompt, own_seed in self.planned if (prompt.id, own_seed) == (prompt_id, seed)
        ]
        return self.folder / rows[0]["clip"] if rows and rows[0].get("clip") else None


def open_run(path: str | Path) -> Run:
    """Open the run folder at `path`.

    Raises:
        RunFolderError: It holds no run, or one that this version cannot read.
    """
    return Run(path)
