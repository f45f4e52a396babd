"""One clip from one text, outside any run."""

from __future__ import annotations

import pytest

from stepbench.errors import ExitCode, IncompleteError, UsageError
from stepbench.generators.registry import make_generator
from stepbench.generators.single import generate_clip
from stepbench.video import probe, read_clip


@pytest.fixture
def generate(workplace):
    def make(text="a red circle", name="clip.mkv", *, spec="python:toy_generators:obedient", seed=0, **settings):
        path = workplace / "new" / name
        return generate_clip(make_generator(spec), text, seed=seed, settings=settings, path=path)

    return make


def test_the_suffix_decides_the_codec(generate, workplace):
    facts = generate(seed=3)
    assert facts == {
        "path": str(workplace / "new" / "clip.mkv"),
        **{"frames": 5, "height": 32, "width": 32, "fps": 8.0, "seed": 3},
        "settings": {"fps": 8},
        "generator": "python:toy_generators:obedient",
    }
    assert probe(workplace / "new/clip.mkv").codec == "ffv1"
    generate(name="clip.mp4")
    assert probe(workplace / "new/clip.mp4").codec == "h264"
    assert sorted(path.name for path in (workplace / "new").iterdir()) == ["clip.mkv", "clip.mp4"]


def test_text_and_seed_decide_the_clip(generate, workplace):
    def pixels(*arguments, **options):
        return read_clip(workplace / "new" / generate(*arguments, **options)["path"]).frames.tobytes()

    assert pixels(seed=1) == pixels(seed=1)
    assert pixels(seed=1) != pixels(seed=2)
    assert pixels("a") != pixels("b")


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"text": " "}, UsageError, "need a text and a seed from 0 up, got ' ' and 0"),
        ({"seed": -1}, UsageError, "need a text and a seed from 0 up, got 'a red circle' and -1"),
        ({"name": "clip.gif"}, UsageError, "cannot write clip.gif"),
        ({"stesp": 3}, UsageError, "has no setting 'stesp'"),
        ({"text": "refuse it"}, IncompleteError, "python:toy_generators:obedient refused: not this one"),
        ({"text": "fail it"}, IncompleteError, "python:toy_generators:obedient failed: RuntimeError: no luck"),
        ({"text": "floats"}, IncompleteError, "made no usable clip: a clip must be uint8"),
        ({"spec": "command:true {output}"}, IncompleteError, "failed: CommandFailedError: exit status 0, but no clip"),
    ],
)
def test_what_goes_wrong_is_said_and_leaves_no_file(generate, workplace, arguments, error, message):
    with pytest.raises(error, match=message) as caught:
        generate(**arguments)
    assert caught.value.exit_code == (ExitCode.USAGE if error is UsageError else ExitCode.INCOMPLETE)
    assert not list(workplace.glob("new/*"))


def test_a_place_that_cannot_be_written_is_named(generate, workplace):
    (workplace / "new").touch()
    with pytest.raises(IncompleteError, match=r"cannot save .*new/clip.mkv"):
        generate()
