"""A run into MLflow, in a local SQLite store or on a tracking server: metrics with intervals, parameters, clips."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Any

from stepbench.errors import IncompleteError
from stepbench.reporting.long_form import csv_text
from stepbench.reporting.markdown import markdown_text
from stepbench.runs.journal import saving
from stepbench.tracking.content import Logged

STORE = "mlflow.db"


def log_to_mlflow(content: Logged, out: str, *, step: int) -> str:
    """Log one MLflow run into `out` and return the command that shows it.

    Args:
        out: A folder, which gets a SQLite store and the artifacts, or the address of a tracking server (`http://...`).
        step: Step of every metric, such as the training step of the checkpoint that made the clips.

    Raises:
        IncompleteError: The store cannot be written, or the server says no.
    """
    from mlflow.entities import Metric, Param, RunTag
    from mlflow.exceptions import MlflowException
    from mlflow.tracking import MlflowClient

    remote = "://" in out
    folder = Path(out).resolve()
    if not remote:
        with saving(folder):
            folder.mkdir(parents=True, exist_ok=True)
    uri = out if remote else f"sqlite:///{folder / STORE}"
    made = content.report.runs[0]
    when = _milliseconds(made.updated_at or made.created_at)
    try:
        client = MlflowClient(tracking_uri=uri)
        run = client.create_run(
            _experiment(client, content.group, None if remote else folder / "artifacts"),
            start_time=_milliseconds(made.created_at),
            run_name=content.name,
        )
        key = run.info.run_id
        client.log_batch(
            key,
            params=[Param(name, value) for name, value in content.parameters.items()],
            tags=[
                RunTag("stepbench.run", content.name),
                RunTag("mlflow.note.content", "\n\n".join(content.report.summary)),
            ],
        )
        metrics = [Metric(name, value, when, step) for name, value in content.numbers.items()]
        # A batch holds at most 1000 metrics.
        for start in range(0, len(metrics), 1000):
            client.log_batch(key, metrics=metrics[start : start + 1000])
        client.log_text(key, markdown_text(content.report), "report.md")
        client.log_text(key, csv_text(content.report), "metrics.csv")
        for clip in content.clips:
            client.log_artifact(key, str(clip.preview), f"clips/{clip.name}")
            client.log_text(key, clip.caption, f"clips/{clip.name}/caption.txt")
        client.set_terminated(key, end_time=when)
    except (MlflowException, OSError) as error:
        raise IncompleteError(
            f"MLflow at {uri} took no or not all results: {error}", hint="start the server, or give a folder with -o"
        ) from error
    return f"mlflow ui --backend-store-uri {uri} (of the full mlflow package)" if not remote else out


def _experiment(client: Any, name: str, artifacts: Path | None) -> str:
    known = client.get_experiment_by_name(name)
    if known is not None:
        return known.experiment_id
    return client.create_experiment(name, artifact_location=artifacts.as_uri() if artifacts else None)


def _milliseconds(when: str) -> int:
    return int(datetime.fromisoformat(when).timestamp() * 1000)
