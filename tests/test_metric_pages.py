"""The pages about metrics are those that their cards and the measured answers give."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path
from types import ModuleType

import pytest

DOCS = Path(__file__).resolve().parents[1] / "docs"


@pytest.fixture
def pages(tmp_path, monkeypatch) -> ModuleType:
    monkeypatch.setenv("STEPBENCH_WEIGHTS", str(tmp_path))  # no page depends on what lies on this machine
    spec = importlib.util.spec_from_file_location("metric_pages", DOCS / "metric_pages.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_pages_are_up_to_date(pages):
    wanted = pages.pages()
    for path, text in wanted.items():
        assert path.read_text(encoding="utf-8") == text, f"{path.name}: run `python docs/metric_pages.py`"
    assert {path for path in wanted if path.parent.name == "metrics"} == set((DOCS / "metrics").glob("*.md"))


def test_a_metric_without_a_page_is_one_whose_weights_say_what_it_sees(pages):
    listed = {path.stem for path in pages.pages() if path.parent.name == "metrics"}
    assert {"fvd_i3d", "kvd_i3d", "rfvd_i3d", "fvd_infinity_i3d", "fid_inception", "lpips"} <= listed
    assert [name for name in pages.METRICS if pages._card(name) is None] == ["fvd_videomae", "kvd_videomae"]


def test_every_promise_holds_as_measured(pages):
    rows = [json.loads(line) for line in (DOCS / "metrics" / "measured.jsonl").read_text().splitlines()]
    assert not [row for row in rows if row["verdict"] == "failed"]
    promised = {answer.metric for own in pages._answers().values() for answer in own if answer.promised}
    assert {"psnr", "ssim", "flicker", "sharpness", "frame_consistency", "shape_alignment"} <= promised


def test_what_was_promised_is_what_the_cards_promise_now(pages):
    from metrics.registry import METRICS

    for name, own in pages._answers().items():
        card = getattr(METRICS[name].load(), "card", None)
        if card is not None:
            found = {answer.corruption: answer.promised for answer in own if answer.promised}
            assert found == {key: value for key, value in card.responses.items() if key in {a.corruption for a in own}}
