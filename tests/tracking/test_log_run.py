"""Runs in experiment trackers: read back with the trackers' own readers, the numbers are those of the run."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from board_runs import NASTY

from stepbench.errors import EnvironmentUnfitError, IncompleteError, NothingSelectedError, UsageError
from stepbench.reporting import build_report
from stepbench.runs.run import open_run
from stepbench.tracking import log_run
from stepbench.tracking.content import Logged, logged, safe
from stepbench.tracking.dataset_card import dataset_card


@pytest.fixture
def content(run_folder: Path, tmp_path: Path) -> Logged:
    return logged(run_folder, scratch=tmp_path)


def test_content_is_the_run_in_flat_names(content: Logged, run_folder: Path) -> None:
    report = build_report([run_folder])
    shine = next(row for row in report.overall() if row.metric == "shine")
    numbers = content.numbers
    assert (numbers["metric/shine"], numbers["metric/shine/low"]) == (shine.mean, shine.low)
    assert numbers["metric/shine/prompts"] == 4
    assert numbers["metric/shine/coverage"] == 6 / 8
    assert numbers["samples/failed"] == numbers["samples/refused"] == 1
    assert "category/__odd__ _b_name__b_/wobble" in numbers
    assert "cost/joules_per_clip" not in numbers
    assert content.parameters["setting.frames"] == "4"
    assert content.parameters["suite_hash"] == report.runs[0].suite_hash
    assert [clip.name for clip in content.clips] == ["p0-en-s0", "p0-zh-s0", "p1-zh-s0", "p2-en-s0"]
    assert content.clips[0].caption.startswith(f"{NASTY} (prompt p0-en, seed 0): shine ")
    assert safe("a/b:c 中文-1.0") == "a_b_c 中文-1.0"


def test_tensorboard_reads_it_back(run_folder: Path, content: Logged, tmp_path: Path) -> None:
    pytest.importorskip("tensorboard")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    assert (
        log_run(run_folder, "tensorboard", tmp_path / "tb", step=7, clips=1)
        == f"tensorboard --logdir {tmp_path / 'tb'}"
    )
    read = EventAccumulator(str(tmp_path / "tb" / "tried"), size_guidance={"images": 0})
    read.Reload()
    assert set(read.Tags()["scalars"]) == set(content.numbers)
    for name, value in content.numbers.items():
        (event,) = read.Scalars(name)
        assert (event.step, event.value) == (7, pytest.approx(value, rel=1e-6))
    (picture,) = read.Images("clips/p0-en-s0")
    assert (picture.width, picture.height, picture.encoded_image_string[:6]) == (16, 16, b"GIF89a")
    text = read.Tensors("report/text_summary")[0].tensor_proto.string_val[0].decode()
    assert text.startswith("# toy:tried on toys")
    assert "_hparams_/session_start_info" in read.summary_metadata


# Of MLflow itself, with the present SQLAlchemy.
@pytest.mark.filterwarnings("ignore:The ``noload`` loader strategy is deprecated")
def test_mlflow_reads_it_back(run_folder: Path, content: Logged, tmp_path: Path) -> None:
    pytest.importorskip("mlflow")
    pytest.importorskip("alembic")
    from mlflow.tracking import MlflowClient

    for _ in range(2):
        log_run(run_folder, "mlflow", tmp_path / "ml", step=3, clips=1)
    client = MlflowClient(tracking_uri=f"sqlite:///{tmp_path / 'ml' / 'mlflow.db'}")
    experiment = client.get_experiment_by_name("toys")
    assert experiment is not None
    runs = client.search_runs([experiment.experiment_id])
    assert [run.info.status for run in runs] == ["FINISHED", "FINISHED"]
    data = runs[0].data
    assert data.metrics == {name: pytest.approx(value) for name, value in content.numbers.items()}
    assert data.params == content.parameters
    assert data.tags["stepbench.run"] == "tried"
    assert client.get_metric_history(runs[0].info.run_id, "metric/shine")[0].step == 3
    artifacts = {item.path for item in client.list_artifacts(runs[0].info.run_id)}
    assert artifacts == {"clips", "metrics.csv", "report.md"}


def test_wandb_keeps_it_offline(run_folder: Path, tmp_path: Path) -> None:
    pytest.importorskip("wandb")
    look = log_run(run_folder, "wandb", tmp_path / "wb", clips=1)
    (folder,) = (tmp_path / "wb" / "wandb").glob("offline-run-*")
    assert look == f"wandb sync {folder}"
    (record,) = folder.glob("*.wandb")
    kept = record.read_bytes()
    for name in (b"metric/shine", b"setting.frames", b"category/__odd__ _b_name__b_/wobble"):
        assert name in kept
    (clip,) = folder.glob("files/media/videos/clips/*.mp4")
    assert clip.stat().st_size > 0
    (table,) = folder.glob("files/media/table/*.json")
    rows = json.loads(table.read_text(encoding="utf-8"))
    assert rows["columns"][:4] == ["metric", "cut", "group", "mean"]
    assert len(rows["data"]) == len(build_report([run_folder]).rows)


def test_hf_dataset_folder_loads(run_folder: Path, tmp_path: Path) -> None:
    out = tmp_path / "set"
    log_run(run_folder, "hf-dataset", out)
    run = open_run(run_folder)
    samples = pd.read_parquet(out / "samples.parquet")
    assert list(samples.prompt_id) == list(run.samples().prompt_id)
    assert list(samples.outcome) == ["ok", "ok", "failed", "ok", "ok", "refused", "ok", "ok"]
    assert samples.text[0] == NASTY
    made = samples[samples.outcome == "ok"]
    assert all((out / name).stat().st_size > 0 for name in made["clip"])
    assert samples[samples.outcome != "ok"]["clip"].isna().all()
    scores = pd.read_parquet(out / "scores.parquet")
    assert sorted(scores.value) == sorted(run.scores().value)
    datasets = pytest.importorskip("datasets")
    loaded = datasets.load_dataset(str(out))["test"]
    assert loaded["text"][0] == NASTY
    assert datasets.load_dataset(str(out), "summary")["test"].num_rows == len(build_report([run_folder]).rows)


def test_the_card_is_yaml_above_a_report_without_live_markup(run_folder: Path) -> None:
    yaml = pytest.importorskip("yaml")
    card = dataset_card(
        build_report([run_folder]),
        licence="My own: #1",
        languages=["en", "no"],
        rows=1000,
        tables=("samples", "scores"),
    )
    _, header, body = card.split("---\n", 2)
    read = yaml.safe_load(header)
    assert (read["license"], read["license_name"]) == ("other", "My own: #1")
    assert read["language"] == ["en", "no"]
    assert read["size_categories"] == ["1K<n<10K"]
    assert [config["config_name"] for config in read["configs"]] == ["samples", "scores"]
    assert read["configs"][0]["default"] is True
    assert "# toy:tried on toys" in body
    assert "<b>" not in body.replace("\\<", "").replace("\\>", "")


def test_bad_input_has_a_clear_answer(run_folder: Path, tmp_path: Path) -> None:
    from board_runs import make_run, suite

    with pytest.raises(UsageError, match="runs cannot be logged to 'comet'"):
        log_run(run_folder, "comet", tmp_path)
    with pytest.raises(UsageError, match="step must be 0 or more, got -1"):
        log_run(run_folder, "hf-dataset", tmp_path / "new", step=-1)
    with pytest.raises(UsageError, match="clips must be 0 or more, got -2"):
        log_run(run_folder, "tensorboard", tmp_path / "new", clips=-2)
    with pytest.raises(UsageError, match="is not empty"):
        log_run(run_folder, "hf-dataset", run_folder)
    bare = make_run(tmp_path, "bare", None, on=suite(prompts=1))
    with pytest.raises(NothingSelectedError, match="bare has no scores"):
        log_run(bare, "hf-dataset", tmp_path / "new")
    (tmp_path / "file").write_text("in the way", encoding="utf-8")
    with pytest.raises(IncompleteError, match="file"):
        log_run(run_folder, "hf-dataset", tmp_path / "file" / "set")


@pytest.mark.filterwarnings("ignore:The ``noload`` loader strategy is deprecated")
def test_a_tracker_that_fails_is_no_crash(run_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("mlflow")
    wandb = pytest.importorskip("wandb")
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    # Port 9 is for throwing things away; nobody listens.
    with pytest.raises(IncompleteError, match=r"MLflow at http://127\.0\.0\.1:9 took no or not all results"):
        log_run(run_folder, "mlflow", "http://127.0.0.1:9")

    def down(**_: Any) -> None:
        raise wandb.errors.CommError("the service is down")

    monkeypatch.setattr(wandb, "init", down)
    with pytest.raises(IncompleteError, match="Weights & Biases took no or not all results: the service is down"):
        log_run(run_folder, "wandb", tmp_path / "wb")


def test_scores_without_a_value_are_nothing_to_log(tmp_path: Path) -> None:
    from board_runs import make_run, suite

    values = {"shine": lambda *_: 1.0, "wobble": lambda *_: 1.0}
    empty = make_run(tmp_path, "empty", values, on=suite(prompts=1), failed=["p0-en", "p0-zh"])
    with pytest.raises(NothingSelectedError, match="empty has no value of any metric"):
        log_run(empty, "hf-dataset", tmp_path / "new")


@pytest.mark.parametrize("to", ["tensorboard", "mlflow", "wandb"])
def test_a_missing_extra_gives_the_line_that_installs_it(
    to: str, run_folder: Path, stepbench: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, to, None)
    ended = stepbench("log", run_folder, "--to", to, "-o", "logs")
    assert ended.code == 12
    assert f"pip install 'stepbench[{to}]'" in ended.err
    assert not Path("logs").exists()


def test_a_folder_of_the_packages_name_does_not_pass_for_it(
    run_folder: Path, workplace: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (workplace / "wandb").mkdir()
    monkeypatch.setattr(sys, "path", [str(workplace)])
    monkeypatch.delitem(sys.modules, "wandb", raising=False)
    with pytest.raises(EnvironmentUnfitError, match="a folder of that name hides that it is missing"):
        log_run(run_folder, "wandb", workplace / "logs")
    monkeypatch.delitem(sys.modules, "wandb", raising=False)


def test_the_command_logs_every_run_it_is_given(run_folder: Path, stepbench: Callable[..., Any]) -> None:
    ended = stepbench("log", run_folder, "--to", "hf-dataset", "-o", "set", "--json")
    assert ended.code == 0, ended.err
    assert ended.records() == [
        {"run": str(run_folder), "to": "hf-dataset", "out": "set", "look_at": 'datasets.load_dataset("set")'}
    ]
    refused = stepbench("log", run_folder, run_folder, "--to", "hf-dataset", "-o", "sets")
    assert (refused.code, "holds one run, got 2" in refused.err) == (2, True)
    assert stepbench("log", run_folder, "--to", "comet", "-o", "x").code == 2
