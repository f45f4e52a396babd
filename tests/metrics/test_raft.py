"""RAFT as an option: how its weights are found and read, and what becomes of its flow. Weights are made up here."""

from __future__ import annotations

import hashlib
import sys
from pathlib import Path

import clips
import corpora
import numpy as np
import pytest
import torch
from torchvision.models.optical_flow import Raft_Large_Weights, raft_large

import metrics
from metrics.backbones import raft as raft_module
from metrics.backbones.raft import RaftFlow, load_raft
from metrics.errors import ClipError, UnavailableMetricError
from metrics.functional import vbench_static
from metrics.weights import WEIGHTS

METRICS = ("dynamic_degree", "vbench_flicker")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A weights folder with a file of the format that torchvision publishes, of random values."""
    path = tmp_path_factory.mktemp("weights")
    state = raft_large(weights=None).state_dict()
    generator = torch.Generator().manual_seed(0)
    for name, tensor in state.items():
        if tensor.is_floating_point() and "running" not in name:
            state[name] = tensor + 0.02 * torch.randn(tensor.shape, generator=generator)
    torch.save(state, path / "raft-large")
    return path


@pytest.fixture
def weights(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("STEPBENCH_WEIGHTS", str(folder))
    return folder / "raft-large"


@pytest.fixture
def raft(weights: Path, monkeypatch: pytest.MonkeyPatch) -> RaftFlow:
    """With two refinements in place of twenty, to save time."""
    loaded = load_raft()
    monkeypatch.setattr(loaded, "refinements", 2, raising=True)
    return loaded


def test_the_published_file_is_the_one_that_torchvision_names():
    published = WEIGHTS["raft-large"]
    assert published.address == Raft_Large_Weights.C_T_SKHT_V2.url
    assert published.licence == "BSD-3-Clause"
    assert "ff5fadd5" in published.note


def test_flow_is_that_of_torchvision_on_frames_from_minus_one_to_one(raft: RaftFlow, weights: Path):
    network = raft_large(weights=None).eval()
    network.load_state_dict(torch.load(weights, weights_only=True))
    clip = corpora.pan("coffee", frames=3, side=128)
    frames = clip.float() / 127.5 - 1
    with torch.inference_mode():
        expected = network(frames[:2], frames[1:], num_flow_updates=2)[-1]
    found = raft(clip.permute(0, 2, 3, 1).contiguous().numpy())
    assert found.shape == (2, 128, 128, 2)
    assert found.transpose(0, 3, 1, 2) == pytest.approx(expected.numpy(), abs=1e-4)
    assert np.abs(found).max() > 0.1, "this network must say something for the comparison to prove anything"


def test_other_sizes_are_padded_by_their_border_and_cut_again(raft: RaftFlow):
    pixels = clips.as_levels(corpora.pan("coffee", frames=2, side=136)[..., :131, :133]).astype(np.uint8)
    flow = raft(pixels)
    assert flow.shape == (1, 131, 133, 2)
    padded = np.pad(pixels, ((0, 0), (2, 3), (1, 2), (0, 0)), mode="edge")
    assert flow == pytest.approx(raft(padded)[:, 2:-3, 1:-2], abs=1e-4)


def test_frames_without_a_full_pyramid_are_refused(raft: RaftFlow):
    with pytest.raises(ClipError, match=r"(?s)RAFT needs frames of at least 128 x 128 pixels, got 127 x 200.*dis"):
        raft(np.zeros((2, 127, 200, 3), np.uint8))


@pytest.mark.parametrize("name", METRICS)
def test_the_card_of_an_object_with_raft_has_an_id_of_its_own(name: str, weights: Path):
    with_raft, with_dis = metrics.build(name, flow="raft"), metrics.build(name)
    digest = hashlib.sha256(weights.read_bytes()).hexdigest()[:12]
    assert (with_raft.card.backbone, with_raft.card.weights_hash) == ("raft-large", digest)
    assert with_raft.card.id == with_dis.card.id.replace("@1:", f"@1:{digest}:").replace("max256-dis", "native-raft20")
    assert with_raft.card.id != with_dis.card.id == metrics.describe(name).id


def test_metrics_with_raft_score_clips_by_its_flow(raft: RaftFlow):
    clip = corpora.pan("coffee", frames=3, side=128)[None]
    dynamic = metrics.build("dynamic_degree", flow="raft")
    dynamic.update(clip, fps=8)
    assert float(dynamic.compute()) == float(metrics.functional.dynamic_degree(clip, fps=8, flow=raft))
    assert vbench_static(clip, flow=raft).shape == (1,)


def test_two_metrics_share_one_network_and_one_flow(raft: RaftFlow, monkeypatch: pytest.MonkeyPatch):
    built = {name: metrics.build(name, flow="raft") for name in METRICS}
    assert {id(metric.estimator) for metric in built.values()} == {id(raft)}
    pairs = []
    monkeypatch.setattr(raft, "_pair", lambda before, after: pairs.append(1) or np.zeros((128, 128, 2), np.float32))
    scores = metrics.score_view(metrics.ClipView(clips.example(0, frames=5, side=128), fps=8), built)
    assert {name: score.status for name, score in scores.items()} == dict.fromkeys(METRICS, "ok")
    assert len(pairs) == 4 + 2, "four steps, and from the first frame to the last and back"


def test_missing_weights_are_named_with_the_command_that_fetches_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("STEPBENCH_WEIGHTS", str(tmp_path))
    with pytest.raises(UnavailableMetricError, match=r"(?s)raft-large are not at.*stepbench weights pull raft-large"):
        metrics.build("dynamic_degree", flow="raft")


@pytest.mark.parametrize("content", ["text", "other tensors", "cut short"])
def test_a_file_that_is_something_else_is_refused(
    content: str, tmp_path: Path, folder: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("STEPBENCH_WEIGHTS", str(tmp_path))
    path = tmp_path / "raft-large"
    if content == "text":
        path.write_text("<html>not found</html>")
    elif content == "cut short":
        path.write_bytes((folder / "raft-large").read_bytes()[:1000])
    else:
        torch.save({"weight": torch.zeros(3)}, path)
    with pytest.raises(UnavailableMetricError, match=r"(?s)does not hold the weights of RAFT.*weights pull"):
        metrics.build("vbench_flicker", flow="raft")


def test_a_file_that_would_run_code_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("STEPBENCH_WEIGHTS", str(tmp_path))
    torch.save({"weight": tmp_path}, tmp_path / "raft-large")  # a path is no tensor, and needs code to come back
    with pytest.raises(UnavailableMetricError, match="UnpicklingError"):
        load_raft()
    assert list(tmp_path.iterdir()) == [tmp_path / "raft-large"]


def test_without_torchvision_the_way_out_is_named(weights: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(sys.modules, "torchvision.models.optical_flow", None)
    raft_module._load.cache_clear()
    with pytest.raises(UnavailableMetricError, match=r"(?s)RAFT needs torchvision.*pip install torchvision"):
        metrics.build("dynamic_degree", flow="raft")
    assert metrics.build("dynamic_degree").card.backbone is None
