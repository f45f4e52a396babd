"""Metrics of sets of clips: what they refuse, what they warn of, and that no split of the clips moves their value."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
import torch
from safetensors.torch import load as read_safetensors
from safetensors.torch import save as write_safetensors
from torch import Tensor
from torchmetrics import MetricCollection
from toy_backbones import Blind, FrameLevels, Levels, noise, registered

import metrics
from metrics.backbones import load_backbone
from metrics.errors import ClipError, FeatureError, MetricError, MetricWarning, UndefinedScoreError
from metrics.fid import FID
from metrics.functional import frechet_distance, kernel_distance
from metrics.fvd import FVD, RFVD
from metrics.fvd_infinity import FVDInfinity
from metrics.kvd import KVD
from metrics.random_features import RandomFeatureDistance
from metrics.set_metric import SetMetric

PREDS, TARGET = noise(24), noise(24, seed=1, top=200)

toys = pytest.fixture(autouse=True)(registered)
quiet = pytest.mark.filterwarnings("ignore::metrics.errors.MetricWarning")

BUILDERS = {
    "fvd": lambda: FVD("toy"),
    "kvd": lambda: KVD("toy"),
    "fid": lambda: FID("toy-frames", frames=3),
    "fvd_infinity": lambda: FVDInfinity("toy"),
    "rfvd": lambda: RFVD("toy"),
    "random": lambda: RandomFeatureDistance([Levels(weights_hash=f"{seed:06}") for seed in range(2)]),
}


def value(metric: SetMetric, preds: Tensor = PREDS, target: Tensor = TARGET) -> float:
    metric.update(preds, target)
    return float(metric.compute())


def rng() -> np.random.Generator:
    return np.random.default_rng(0)


def levels(clips: Tensor) -> np.ndarray:
    return Levels().features(clips).numpy()


@quiet
def test_each_metric_is_its_distance_on_the_features_of_its_backbone():
    x, y = levels(PREDS), levels(TARGET)
    assert value(FVD("toy")) == pytest.approx(float(frechet_distance(x, y)), rel=1e-12)
    assert value(RFVD("toy")) == pytest.approx(float(frechet_distance(x, y)), rel=1e-12)
    assert value(KVD("toy")) == pytest.approx(float(kernel_distance(x, y)), rel=1e-12)
    frames = [np.concatenate(clips[:, :3].double().mean(dim=(3, 4)).float().numpy()) for clips in (PREDS, TARGET)]
    assert value(FID("toy-frames", frames=3)) == pytest.approx(float(frechet_distance(*frames)), rel=1e-12)


@quiet
def test_random_feature_distance_is_the_mean_over_seeds():
    clips, other = noise(6, frames=16), noise(6, seed=1, frames=16, top=99)
    each = []
    for seed in range(3):
        network = load_backbone("random-3d", seed=seed)
        each.append(float(frechet_distance(network.features(clips), network.features(other))))
    assert len(set(each)) == 3
    metric = metrics.build("random-feature-distance", seeds=3)
    assert value(metric, clips, other) == pytest.approx(np.mean(each), rel=1e-6)


@quiet
@pytest.mark.parametrize("build", BUILDERS.values(), ids=BUILDERS)
def test_no_split_and_no_order_of_the_clips_moves_a_single_bit(build):
    whole = build()
    whole.update(PREDS, TARGET)
    paired = whole.distance.paired
    shards = [build() for _ in range(4)]
    for shard, chosen in zip(shards, (slice(9, 24), slice(9, 9), slice(0, 2), slice(2, 9)), strict=True):
        if paired:
            shard.update(PREDS[chosen], TARGET[chosen])
        else:
            shard.update(PREDS[chosen])
            shard.update(target=TARGET[chosen].flip(0))
    for shard in shards[1:]:
        shards[0].merge_state(shard)
    assert torch.equal(shards[0].compute(), whole.compute())
    if whole.card.name != "fvd_infinity_toy":
        assert shards[0].floor(rng=rng()) == whole.floor(rng=rng())
    assert shards[0].interval(rng=rng(), draws=5) == whole.interval(rng=rng(), draws=5)


@quiet
def test_features_made_earlier_give_the_value_of_clips():
    clips, cached = FVD("toy"), FVD("toy")
    cached.update_features(clips.features_of(PREDS))
    cached.update_features(reference_features=clips.features_of(TARGET).numpy())
    assert float(cached.compute()) == value(clips)
    assert clips.features_of(PREDS[:0]).shape == (0, 6)


@quiet
def test_more_clips_after_a_value_give_another_value():
    metric = FVD("toy")
    metric.update(PREDS[:8], TARGET)
    first = float(metric.compute())
    metric.update_features(levels(PREDS[8:]))
    assert float(metric.compute()) == value(FVD("toy")) != first
    metric.reset()
    assert value(metric) == value(FVD("toy"))


@quiet
def test_forward_adds_clips_and_gives_no_value_of_a_batch():
    metric = FVD("toy")
    assert metric(PREDS[:1], TARGET[:1]) is None
    assert metric(PREDS[1:], TARGET[1:]) is None
    assert float(metric.compute()) == value(FVD("toy"))


def test_compute_gives_a_float64_scalar_and_warns_once():
    metric = FVD("toy")
    metric.update(PREDS, TARGET)
    with pytest.warns(MetricWarning, match="fvd_toy of 24 clips against 24: fewer than 256 clips$"):
        first = metric.compute()
    assert (first.dtype, first.shape) == (torch.float64, ())
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert torch.equal(metric.compute(), first)


def test_fewer_points_than_dimensions_are_warned_of_where_covariances_count():
    few = slice(0, 6)
    for build, reason in (
        (BUILDERS["fvd"], "fewer than 256 clips and 6 clips in 6 dimensions"),
        (BUILDERS["kvd"], "fewer than 256 clips$"),
        (BUILDERS["fid"], "fewer than 256 clips$"),
        (lambda: FID(FrameLevels(1), frames=1), "fewer than 256 clips$"),
        (BUILDERS["random"], "fewer than 256 clips and 6 clips in 6 dimensions"),
    ):
        metric = build()
        metric.update(PREDS[few], TARGET[few])
        with pytest.warns(MetricWarning, match=f"of 6 clips against 6: {reason}"):
            metric.compute()


def test_enough_clips_are_not_warned_of():
    metric = FVD("toy")
    metric.update_features(rng().standard_normal((256, 6)), rng().standard_normal((300, 6)))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert float(metric.compute()) >= 0


@quiet
def test_an_unbiased_distance_keeps_its_sign():
    metric, random, values = KVD("toy"), rng(), []
    for _ in range(20):
        metric.reset()
        metric.update_features(*random.standard_normal((2, 40, 6)))
        values.append(float(metric.compute()))
    assert min(values) < 0 < max(values)
    assert metric.card.range == (None, None)


@pytest.mark.parametrize("build", BUILDERS.values(), ids=BUILDERS)
def test_a_side_with_fewer_than_two_clips_has_no_value(build):
    metric = build()
    metric.update(PREDS[:1], TARGET[:1])
    with pytest.raises(UndefinedScoreError, match=r"(?s)at least 2 clips with at least 2 .*got 1 and 1.*both sides"):
        metric.compute()


def test_both_sides_are_needed():
    metric = FVD("toy")
    metric.update(PREDS)
    for compute in (metric.compute, lambda: metric.floor(rng=rng()), lambda: metric.interval(rng=rng())):
        with pytest.raises(UndefinedScoreError, match="got 24 and 0"):
            compute()


def test_clips_without_finite_features_are_named_and_nothing_of_the_batch_stays():
    bad = PREDS.clone()
    bad[5, 0, 0, 0, 0] = bad[7, 0, 0, 0, 0] = 13
    bad[:5, 0, 0, 0, 0] = bad[6, 0, 0, 0, 0] = 0
    metric = FVD(Blind())
    with pytest.raises(
        FeatureError, match=r"(?s)hold NaN or infinity for \d+ of 24, the first at index 5.*look at that"
    ):
        metric.update(TARGET, bad)
    with pytest.raises(FeatureError, match=r"reference features: .* for 1 of 2, the first at index 1"):
        metric.update_features(np.zeros((2, 6)), np.array([[0.0] * 6, [0.0] * 5 + [np.inf]]))
    assert metric.metric_state["features"] == metric.metric_state["reference_features"] == []


def test_what_is_no_batch_of_clips_or_no_matrix_of_features_is_refused():
    metric = FVD("toy")
    with pytest.raises(ClipError, match=r"uint8.*float32"):
        metric.update(PREDS.float())
    with pytest.raises(ClipError, match=r"5 axes.*got 4"):
        metric.update(target=PREDS[0])
    with pytest.raises(FeatureError, match=r"features by toy:.*:all-native have shape \(n, 6\), got \(3, 5\)"):
        metric.update_features(np.zeros((3, 5)))


@pytest.mark.parametrize("rows", [np.zeros((3, 6)) + 1j, torch.zeros(3, 6) + 1j, "text", [[1.0] * 6, [2.0] * 5]])
def test_features_are_real_numbers(rows):
    with pytest.raises(FeatureError, match="features must be an array of real numbers, got "):
        FVD("toy").update_features(rows)


def test_pairs_come_together():
    metric = RFVD("toy")
    for sides in ((PREDS, TARGET[:3]), (PREDS, None), (None, TARGET), (3, 3)):
        with pytest.raises(MetricError, match=r"(?s)comes with its original.*same order"):
            metric.update(*sides)
    with pytest.raises(MetricError, match="got 2 of the one and 3 of the other"):
        metric.update_features(np.zeros((2, 6)), np.zeros((3, 6)))
    FVD.update(metric, PREDS[:2], TARGET[:3])
    with pytest.raises(UndefinedScoreError, match="compares pairs, got 2 clips and 3 originals"):
        metric.compute()


@quiet
def test_the_interval_of_pairs_draws_them_together():
    # The same clip on both sides: whatever pairs are drawn, nothing differs.
    pairs, sets = RFVD("toy"), FVD("toy")
    for metric in (pairs, sets):
        metric.update(PREDS, PREDS)
        assert float(metric.compute()) == pytest.approx(0, abs=1e-9)
    low, high = pairs.interval(rng=rng(), draws=50)
    assert 0 <= low <= high < 1e-9
    assert sets.interval(rng=rng(), draws=50).high > 1


@quiet
def test_floor_and_interval_stand_beside_the_value():
    metric = FVD("toy")
    found = value(metric, PREDS, noise(60, seed=1, top=200))
    floor, interval = metric.floor(rng=rng()), metric.interval(rng=rng())
    assert floor.n == 24
    assert 0 < floor.value < interval.low < found < interval.high
    assert metric.floor(rng=rng()) == floor
    assert metric.interval(rng=rng(), level=0.5).high < interval.high


def test_the_floor_needs_two_halves():
    metric = FVD("toy")
    metric.update(PREDS, TARGET[:3])
    with pytest.raises(UndefinedScoreError, match="at least 4 reference clips, got 3"):
        metric.floor(rng=rng())


def test_objects_with_other_cards_cannot_be_merged():
    for first, second in (
        (FVDInfinity("toy", seed=0), FVDInfinity("toy", seed=1)),
        (FVD("toy"), FVD(Levels(weights_hash="ba9876543210"))),
        (FVD("toy"), FVD(Levels(policy="16f-native"))),
        (FID("toy-frames", frames=2), FID("toy-frames", frames=3)),
        (FVD("toy"), KVD("toy")),
    ):
        with pytest.raises(MetricError, match=f"only equal metrics can be merged, got {second.card.id}"):
            first.merge_state(second)


def test_bare_states_of_other_features_cannot_be_merged():
    other = FVD(Levels(policy="16f-native"))
    other.update(PREDS, TARGET)
    with pytest.raises(MetricError, match="different metrics, options, backbones or weights"):
        FVD("toy").merge_state(dict(other.metric_state))


@quiet
def test_states_survive_a_file_that_nothing_is_unpickled_from():
    metric = FVD("toy")
    metric.persistent(True)
    empty = metric.state_dict()
    assert {name: tuple(tensor.shape) for name, tensor in empty.items()} == {
        "features": (0, 6),
        "reference_features": (0, 6),
        "identity": (),
    }
    expected = value(metric)
    content = write_safetensors(metric.state_dict())
    restored = FVD("toy")
    restored.load_state_dict(read_safetensors(content))
    assert float(restored.compute()) == expected
    restored.update(PREDS[:3])
    assert len(restored.metric_state["features"]) == 2
    with pytest.raises(MetricError, match="saved features are not those of toy:0123456789ab:16f-native"):
        FVD(Levels(policy="16f-native")).load_state_dict(read_safetensors(content))
    fresh = FVD("toy")
    fresh.load_state_dict(empty)
    with pytest.raises(UndefinedScoreError, match="got 0 and 0"), pytest.warns(UserWarning, match="before the ``upd"):
        fresh.compute()


@quiet
def test_a_collection_runs_the_network_once_for_metrics_on_the_same_features():
    backbone = Levels()
    together = MetricCollection({"fvd": FVD(backbone), "kvd": KVD(backbone), "infinity": FVDInfinity(backbone)})
    together.update(PREDS[:12], TARGET[:12])
    seen = backbone.seen
    together.update(PREDS[12:], TARGET[12:])
    assert backbone.seen == seen + 24
    assert {name: float(found) for name, found in together.compute().items()} == {
        "fvd": value(FVD("toy")),
        "kvd": value(KVD("toy")),
        "infinity": value(FVDInfinity("toy")),
    }


@quiet
def test_copies_share_the_network_and_moving_takes_the_state_along():
    metric = FVD(Levels())
    metric.update(PREDS, TARGET)
    copy = metric.clone()
    copy.update(PREDS[:1])
    assert len(metric.metric_state["features"]) == 1
    assert copy._handles[0].on("cpu") is metric._handles[0].on("cpu")
    moved = metric.to("cpu", torch.float16)
    assert moved.metric_state["features"][0].dtype == torch.float32
    elsewhere = FVD(Levels()).to("meta")
    elsewhere.update(PREDS, TARGET)
    assert elsewhere.metric_state["features"][0].device.type == "meta"


def test_lower_is_better_and_the_state_is_no_parameter():
    metric = FVD("toy")
    assert metric.higher_is_better is False
    assert metric.state_dict() == {}


def test_a_card_names_backbone_weights_policy_and_options():
    assert FVD("toy").card.id == "fvd_toy@1:0123456789ab:all-native"
    assert FID("toy-frames", frames=3).card.id == "fid_toy_frames@1:0123456789ab:3f-first"
    assert FVDInfinity("toy", seed=4).card.id == "fvd_infinity_toy@1:0123456789ab:all-native-seed4"
    assert RFVD("toy").card.id == "rfvd_toy@1:0123456789ab:all-native"
    assert RandomFeatureDistance(seeds=2).card.name == "random_feature_distance"
    assert FVDInfinity("toy", seed=4).feature_id == FVD("toy").feature_id == "toy:0123456789ab:all-native"
    ids = {RandomFeatureDistance(seeds=seeds).card.id for seeds in (1, 2, 3)}
    assert len(ids) == 3
    for build in BUILDERS.values():
        card = build().card
        assert (card.level, card.needs, card.direction) == ("set", ("reference",), "lower")
    assert RFVD("toy").card.family == "reconstruction"


def test_a_random_backbone_is_never_called_fvd():
    for build in (FVD, KVD, RFVD, FVDInfinity):
        with pytest.raises(MetricError, match=r"(?s)'random-3d' is untrained.*use random_feature_distance"):
            build("random-3d")
    with pytest.raises(MetricError, match="FID names a distance on trained features"):
        FID("random-2d")


def test_backbones_of_the_wrong_kind_are_refused():
    with pytest.raises(MetricError, match="sees single frames, not clips"):
        FVD("toy-frames")
    with pytest.raises(MetricError, match="sees whole clips, not single frames"):
        FID("toy")
    with pytest.raises(MetricError, match=r"of single frames is wanted, got 'toy' without sample, frame_features"):
        FID(Levels())
    with pytest.raises(MetricError, match="of clips is wanted, got 'dict' without name, weights_hash"):
        FVD({})
    with pytest.raises(MetricError, match=r"(?s)samples 2 frames of each clip, not 3.*frames=2"):
        FID(FrameLevels(2), frames=3).update(PREDS)


def test_averaged_backbones_must_be_of_one_kind_and_differ_in_weights():
    with pytest.raises(MetricError, match="at least one random backbone"):
        RandomFeatureDistance([])
    with pytest.raises(MetricError, match="at least one random backbone"):
        RandomFeatureDistance(seeds=0)
    with pytest.raises(MetricError, match="must agree in name, policy and dimensions"):
        RandomFeatureDistance([Levels(), Levels("other")])
    with pytest.raises(MetricError, match="must have weights of their own"):
        RandomFeatureDistance([Levels(), Levels()])


def test_a_seed_below_zero_is_refused():
    with pytest.raises(MetricError, match="a seed is 0 or above, got -1"):
        FVDInfinity("toy", seed=-1)
