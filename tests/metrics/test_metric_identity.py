"""An option that changes a number changes the id, and what has another id is not put together."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import clips
import numpy as np
import pytest
import torch
from random_weights import i3d_state, write_trunk
from torchmetrics.functional.image import structural_similarity_index_measure
from toy_backbones import Levels, noise

import metrics
from metrics import clip_features
from metrics.backbones import load_backbone
from metrics.clip_features import Handle
from metrics.errors import MetricError
from metrics.functional import frechet_distance
from metrics.fvd import FVD
from metrics.options import options_of


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("identity")
    torch.save(i3d_state(4), folder / "i3d-kinetics-400")
    for net in ("alex", "squeeze"):
        write_trunk(folder, net)
    return folder


@pytest.fixture
def weights_here(files: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    monkeypatch.setenv("STEPBENCH_WEIGHTS", str(files))
    yield files
    clip_features._loaded.cache_clear()  # other tests are about weights that are not there


CHANGES = {
    "resize filter": ("fvd", {"resize": "antialias"}, "16f-224-antialias"),
    "frames": ("fvd", {"frames": 12}, "12f-224-bilinear"),
    "stride": ("fvd", {"stride": 2}, "16f-stride2-224-bilinear"),
    "precision": ("fvd", {"precision": "bf16"}, "16f-224-bilinear-bf16-folded"),
    "ddof": ("fvd", {"ddof": 0}, "16f-224-bilinear-ddof0"),
    "which clips count, n rule": ("fvd_infinity", {"seed": 1}, "16f-224-bilinear-seed1"),
    "seeds": ("random_feature_distance", {"seeds": 2}, "16f-64-antialias-2seeds"),
    "frames of a random network": ("random_feature_distance", {"frames": 8}, "8f-64-antialias-5seeds"),
    "net": ("lpips", {"net": "squeeze"}, "native-squeeze"),
    "precision of lpips": ("lpips", {"precision": "bf16"}, "native-alex-bf16-trunk"),
}


@pytest.mark.parametrize("what", CHANGES)
def test_every_choice_is_in_the_id(what: str, weights_here: Path):
    name, options, policy = CHANGES[what]
    usual, other = metrics.build(name), metrics.build(name, **options)
    assert other.card.policy == policy
    assert other.card.id != usual.card.id
    assert set(options) <= set(options_of(name))
    with pytest.raises(MetricError, match=r"only equal metrics can be merged, got .* for "):
        usual.merge_state(other)


def test_other_weights_and_another_rule_for_n_have_other_ids(weights_here: Path, tmp_path: Path, monkeypatch):
    usual, extrapolated = metrics.build("fvd"), metrics.build("fvd_infinity")
    assert usual.card.id.partition("@")[0] != extrapolated.card.id.partition("@")[0]
    torch.save(i3d_state(5), tmp_path / "i3d-kinetics-400")
    monkeypatch.setenv("STEPBENCH_WEIGHTS", str(tmp_path))
    retrained = FVD(load_backbone("i3d"))
    assert retrained.card.policy == usual.card.policy
    assert retrained.card.weights_hash != usual.card.weights_hash
    with pytest.raises(MetricError, match="only equal metrics can be merged"):
        usual.merge_state(retrained)


def test_the_pages_of_metrics_without_weights_here_name_the_policy_that_they_have(weights_here: Path):
    pages = Path(__file__).parents[2] / "docs" / "metrics"
    for name in ("fvd", "kvd", "rfvd", "fvd_infinity"):
        card = metrics.build(name).card
        page = (pages / f"{card.name}.md").read_text(encoding="utf-8")
        assert f"| frames and size | {card.policy} |" in page
        assert card.formula.replace("|", "\\|") in page


def test_a_stride_sees_every_so_many_frames(weights_here: Path):
    clip = torch.from_numpy(np.random.default_rng(0).integers(0, 256, (1, 23, 3, 32, 32), dtype=np.uint8))
    strided, plain = (load_backbone("i3d", frames=12, stride=stride) for stride in (2, 1))
    assert torch.equal(strided.features(clip), plain.features(clip[:, ::2]))
    with pytest.raises(MetricError, match="needs at least 23 frames, got a clip of 22"):
        strided.features(clip[:, :22])


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("fvd", {"stride": 0}, "i3d: stride must be a whole number of at least 1, got 0"),
        ("fvd", {"resize": "cubic"}, "i3d: resize must be bilinear or antialias, got 'cubic'"),
        ("fvd", {"precision": "fp8"}, "i3d: precision must be float32 or bf16, got 'fp8'"),
        ("fvd", {"ddof": 2}, r"ddof must be 1 .* got 2"),
        ("lpips", {"precision": "half"}, "lpips: precision must be float32 or bf16, got 'half'"),
    ],
)
def test_choices_that_there_are_not_are_refused(name: str, options: dict, message: str, weights_here: Path):
    with pytest.raises(MetricError, match=message):
        metrics.build(name, **options)


def test_options_of_a_backbone_need_one_that_is_named():
    with pytest.raises(MetricError, match=r"given as an object, so frames cannot be chosen any more"):
        FVD(Levels(), frames=8)
    with pytest.raises(MetricError, match="given as an object, so stride"):
        Handle(Levels(), stride=2)


def test_ddof_is_the_divisor_of_covariances():
    x, y = np.random.default_rng(0).standard_normal((2, 9, 4))
    n = len(x)
    # The means' part stays, the rest is linear in both covariances.
    of_means = float(np.square(x.mean(0) - y.mean(0)).sum())
    expected = of_means + (float(frechet_distance(x, y)) - of_means) * (n - 1) / n
    assert float(frechet_distance(x, y, ddof=0)) == pytest.approx(expected, rel=1e-12)
    metric = FVD(Levels(), ddof=0)
    metric.update(noise(12), noise(12, seed=1))
    rows = [Levels().features(noise(12, seed=seed)).numpy() for seed in (0, 1)]
    with pytest.warns(metrics.errors.MetricWarning):
        assert float(metric.compute()) == pytest.approx(float(frechet_distance(*rows, ddof=0)), rel=1e-9)


def test_bf16_stays_near(weights_here: Path):
    target = clips.batch(2)
    preds = torch.stack([clips.with_noise(clip, 8) for clip in target])
    whole, half = (metrics.functional.lpips(preds, target, precision=precision) for precision in ("float32", "bf16"))
    assert half.tolist() == pytest.approx(whole.tolist(), rel=0.03)
    assert half.tolist() != whole.tolist()


def test_clip_metrics_with_other_ids_are_not_merged(weights_here: Path):
    alex, squeeze = metrics.build("lpips"), metrics.build("lpips", net="squeeze")
    with pytest.raises(MetricError, match=r"got lpips@1:.*native-squeeze for lpips@1:.*native-alex"):
        alex.merge_state(squeeze)


def test_states_of_clip_metrics_with_other_ids_are_not_taken_in(weights_here: Path):
    batch = clips.batch(2)
    flicker, sharpness = metrics.build("flicker"), metrics.build("sharpness")
    for metric in (flicker, sharpness):
        metric.persistent(True)
        metric.update(batch)
    with pytest.raises(MetricError, match="saved state is not one of flicker@1:native\n  hint: build"):
        flicker.load_state_dict(sharpness.state_dict())
    with pytest.raises(MetricError, match="states of different metrics, options, backbones or weights"):
        flicker.merge_state(dict(sharpness.metric_state))
    alex, squeeze = metrics.build("lpips"), metrics.build("lpips", net="squeeze")
    for metric in (alex, squeeze):
        metric.persistent(True)
    alex.update(batch, batch)
    with pytest.raises(MetricError, match=r"saved state is not one of lpips@1:.*native-squeeze"):
        squeeze.load_state_dict(alex.state_dict())


def test_ssim_is_not_the_ssim_of_torchmetrics():
    # They pad by reflection and keep the border; ours counts windows inside the frame alone.
    clip, blurred = clips.example(0), clips.blurred(clips.example(0), 1.5)
    theirs = float(structural_similarity_index_measure(blurred / 255, clip / 255, data_range=1.0))
    ours = float(metrics.functional.ssim(blurred[None], clip[None]))
    assert abs(theirs - ours) > 1e-3
    assert theirs == pytest.approx(ours, abs=0.05)
