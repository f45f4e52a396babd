"""A class of the user's, and a package of somebody else's, as autoencoders."""

from __future__ import annotations

from importlib.metadata import EntryPoint

import numpy as np
import pytest

from stepbench.autoencoders import Autoencoder, Code, autoencoder_families, make_autoencoder, registry
from stepbench.errors import UsageError

TOYS = "python:toy_autoencoders"


@pytest.fixture(autouse=True)
def _in_workplace(workplace):
    """The toys are found from here."""


def test_bytes_count_by_their_length(small_clip):
    autoencoder = make_autoencoder(f"{TOYS}:Zlib")
    assert isinstance(autoencoder, Autoencoder)
    settings = autoencoder.resolve({"level": 9})
    code = autoencoder.encode(small_clip, settings)
    assert code.bits == 8 * len(code.data)
    assert np.array_equal(autoencoder.decode(code, settings), small_clip.frames)
    plain = autoencoder.encode(small_clip, autoencoder.resolve({"level": 0}))
    assert plain.bits > code.bits, "the setting reaches the class"


def test_a_code_says_its_own_size(small_clip):
    autoencoder = make_autoencoder(f"{TOYS}:Identity")
    code = autoencoder.encode(small_clip, {})
    assert code.bits == 8 * small_clip.frames.size
    assert np.array_equal(autoencoder.decode(code, {}), small_clip.frames)


def test_one_object_serves_all_clips(small_clip):
    autoencoder = make_autoencoder(f"{TOYS}:Zlib")
    autoencoder.prepare({"level": 1})
    made = autoencoder._instance({"level": 1})
    autoencoder.prepare({"level": 1})
    assert autoencoder._instance({"level": 1}) is made
    assert autoencoder._instance({"level": 2}).level == 2


def test_the_card_knows_the_source():
    card = make_autoencoder(f"{TOYS}:Identity").card
    assert card.name == "python:toy_autoencoders:Identity"
    assert card.description == "Nothing is lost."
    assert len(card.revision) == 16


def test_settings_are_those_of_the_class():
    demanding = make_autoencoder(f"{TOYS}:Demanding")
    assert demanding.resolve({"rate": 3}) == {"rate": 3, "mode": "fast"}
    with pytest.raises(UsageError, match=r"needs the setting 'rate'[\s\S]*--set rate=VALUE"):
        demanding.resolve({})
    with pytest.raises(UsageError, match=r"no setting 'rat'[\s\S]*rate"):
        demanding.resolve({"rat": 3})
    assert make_autoencoder(f"{TOYS}:AnySettings").resolve({"anything": 1}) == {"anything": 1}


def test_a_code_of_unknown_size_is_refused(small_clip):
    autoencoder = make_autoencoder(f"{TOYS}:Codeless")
    with pytest.raises(TypeError, match=r"encode must return bytes or a stepbench\.autoencoders\.Code, got ndarray"):
        autoencoder.encode(small_clip, {})


@pytest.mark.parametrize(
    ("argument", "message"),
    [
        ("", "needs MODULE:CLASS, got ''"),
        ("toy_autoencoders", "needs MODULE:CLASS"),
        ("no_such_module:Codec", "cannot import 'no_such_module'"),
        ("toy_autoencoders:Nothing", "no class 'Nothing'"),
        ("toy_autoencoders:np", "no class 'np'"),
        ("toy_autoencoders:OneWay", r"no method 'decode'[\s\S]*encode\(frames, fps\)"),
    ],
)
def test_classes_that_cannot_be_used(argument, message):
    with pytest.raises(UsageError, match=message):
        make_autoencoder(f"python:{argument}")


def test_unknown_families_are_answered_with_close_ones():
    with pytest.raises(UsageError, match=r"no autoencoder family 'h265' in 'h265:23'[\s\S]*h264"):
        make_autoencoder("h265:23")
    with pytest.raises(
        UsageError, match=r"no autoencoder family 'xyz'[\s\S]*h264:\.\.\. or python:\.\.\. or step-video"
    ):
        make_autoencoder("xyz:1")


def test_other_packages_bring_families(monkeypatch):
    points = [
        EntryPoint(name="mine", value="toy_autoencoders:AnySettings", group=registry.ENTRY_POINT_GROUP),
        EntryPoint(name="broken", value="no_such_module:make", group=registry.ENTRY_POINT_GROUP),
        EntryPoint(name="h264", value="no_such_module:make", group=registry.ENTRY_POINT_GROUP),
    ]
    monkeypatch.setattr(registry, "entry_points", lambda group: points)
    assert "from toy_autoencoders:AnySettings" in autoencoder_families()["mine"]
    with pytest.raises(UsageError, match=r"autoencoder 'mine:x' cannot be loaded: TypeError"):
        make_autoencoder("mine:x")
    with pytest.raises(UsageError, match=r"autoencoder 'broken:x' cannot be loaded: ModuleNotFoundError"):
        make_autoencoder("broken:x")
    assert make_autoencoder("h264:23").card.name == "h264:23", "built-in families stand"
    assert autoencoder_families()["h264"].startswith("h264:CRF")


def test_codes_are_what_the_protocol_says():
    assert Code(data=b"ab", bits=16) == Code(data=b"ab", bits=16)
