from __future__ import annotations

import dataclasses
import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from metrics import METRICS, MetricCard, describe
from metrics.errors import CardError
from metrics.registry import BUILT_IN


def card(**changes: object) -> MetricCard:
    fields: dict[str, object] = {
        "name": "fvd-i3d",
        "version": 2,
        "title": "FVD",
        "direction": "lower",
        "unit": "",
        "range": (0.0, None),
        "level": "set",
        "needs": ("reference",),
        "family": "distribution",
        "policy": "16f-224-bilinear",
        "backbone": "i3d",
        "weights_hash": "9f3c1a",
        "formula": "f",
        "source": "s",
        "sees": "x",
        "blind_to": "y",
    }
    return MetricCard(**{**fields, **changes})  # type: ignore[arg-type]


def test_id_names_everything_that_makes_scores_comparable():
    assert card().id == "fvd-i3d@2:9f3c1a:16f-224-bilinear"
    assert card(name="flicker", version=1, backbone=None, weights_hash="", policy="native").id == "flicker@1:native"


def test_cards_are_frozen_and_take_keywords_only():
    with pytest.raises(dataclasses.FrozenInstanceError):
        card().version = 3  # type: ignore[misc]
    with pytest.raises(TypeError, match="positional"):
        MetricCard("psnr", 1)  # type: ignore[misc]


def test_to_dict_survives_json():
    as_dict = card().to_dict()
    assert json.loads(json.dumps(as_dict)) == as_dict
    assert as_dict["id"] == card().id
    assert as_dict["range"] == [0.0, None]
    assert as_dict["needs"] == ["reference"]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"name": "FVD"}, "name must be lower-case.*'FVD'"),
        ({"name": "a/b"}, "name must be lower-case.*'a/b'"),
        ({"name": ".hidden"}, "name must be"),
        ({"policy": "16f:224"}, "policy must be.*'16f:224'"),
        ({"policy": ""}, "policy must be"),
        ({"weights_hash": "xyz"}, "weights_hash must be 6 to 64 hex digits.*'xyz'"),
        ({"version": 0}, "version starts at 1, got 0"),
        ({"direction": "up"}, "direction must be one of higher, lower, neutral, got 'up'"),
        ({"level": "frame"}, "level must be one of clip, set, got 'frame'"),
        ({"needs": ("audio",)}, "needs may name reference, prompt, ground_truth, got 'audio'"),
        ({"range": (1.0, 0.0)}, "range must run from low to high"),
        ({"backbone": None}, "'9f3c1a' is given without a backbone"),
        ({"blind_to": " "}, "blind_to must not be empty"),
    ],
)
def test_bad_fields_are_refused(changes: dict[str, object], message: str):
    with pytest.raises(CardError, match=message):
        card(**changes)


LOOSE = st.text(alphabet="ab9._-/:@ A\n*é", min_size=1, max_size=5)


@given(name=LOOSE, policy=LOOSE)
@settings(max_examples=100, deadline=None)
def test_an_accepted_id_is_a_safe_file_name(name: str, policy: str):
    try:
        identity = card(name=name, policy=policy).id
    except CardError:
        return
    assert identity.isascii()
    assert not set(identity) & set('/\\<>"|?* \n\0')
    assert not identity.startswith((".", "-"))


def test_built_in_cards_have_distinct_ids_and_their_registry_names():
    cards = [describe(name) for name in BUILT_IN]
    assert [one.name for one in cards] == list(BUILT_IN)
    assert len({one.id for one in cards}) == len(cards)
    assert set(BUILT_IN) <= set(METRICS)
