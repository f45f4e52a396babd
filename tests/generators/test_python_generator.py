"""`python:MODULE:FUNCTION`."""

from __future__ import annotations

import sys

import numpy as np
import pytest

from stepbench.errors import Refused, UsageError
from stepbench.generators.registry import make_generator
from stepbench.records import Prompt, Request
from stepbench.video import read_clip

PROMPT = Prompt(id="p1", text="a red circle", language="en", category="a")
MODULE = '''
import numpy as np
from stepbench import Refused

FRAMES = np.zeros((2, 3, 8, 8), dtype=np.uint8)

def plain(prompt, seed):
    """Two black frames.

    More words.
    """
    return FRAMES

def named(text, seed, steps=10, size="small", *, guidance):
    return FRAMES + seed + steps

def open_ended(prompt, **settings):
    return np.full((2, 3, 8, 8), settings["seed"] + settings["fps"], np.uint8)

def rated(prompt, seed, fps=12):
    return np.full((2, 3, 8, 8), fps, np.uint8)

def refusing(prompt, seed):
    raise Refused("no")

def same_file(prompt, seed):
    from stepbench.video import write_master
    write_master("out.mkv", FRAMES + seed, 8)
    return "out.mkv"

def tensor(prompt, seed):
    import torch
    return torch.from_numpy(FRAMES)

def piecewise(prompt, seed):
    import torch
    yield FRAMES
    yield torch.from_numpy(FRAMES + seed)

def seedless(prompt):
    return FRAMES

def unhashable(prompt, seed, weights=np.zeros(3)):
    return FRAMES

number = 3
'''


@pytest.fixture
def module(workplace, monkeypatch):
    (workplace / "my_model.py").write_text(MODULE, encoding="utf-8")
    monkeypatch.setattr(sys, "path", list(sys.path))
    monkeypatch.delitem(sys.modules, "my_model", raising=False)
    yield workplace / "my_model.py"
    sys.modules.pop("my_model", None)


def generate(spec, workplace, seed=0, **settings):
    generator = make_generator(spec)
    resolved = generator.resolve(PROMPT, seed, settings)
    scratch = workplace / "scratch"
    scratch.mkdir(exist_ok=True)
    return generator.generate(
        Request(prompt_id="p1", text=PROMPT.text, seed=seed, settings=resolved, output_dir=scratch)
    )


def test_a_function_found_in_the_current_folder_makes_clips(module, workplace):
    clip = generate("python:my_model:plain", workplace)
    assert (clip.frames.shape, clip.frames.dtype, clip.fps) == ((2, 3, 8, 8), np.uint8, 8.0)
    card = make_generator("python:my_model:plain").card
    assert card.name == "python:my_model:plain"
    assert card.description == "Two black frames."


def test_the_revision_is_the_hash_of_the_source(module):
    first = make_generator("python:my_model:plain").card
    module.write_text(MODULE + "\n# changed\n", encoding="utf-8")
    second = make_generator("python:my_model:plain").card
    assert first.revision != second.revision


def test_settings_are_the_parameters_of_the_function(module, workplace):
    generator = make_generator("python:my_model:named")
    assert generator.resolve(PROMPT, 0, {"guidance": 3}) == {"fps": 8, "steps": 10, "size": "small", "guidance": 3}
    # What a suite offers and the function has no parameter for is no error, and no setting of the clip.
    offered = {"frames": 5, "height": 8, "width": 8, "fps": 16, "negative_prompt": "blurry", "guidance": 1, "steps": 2}
    assert generator.resolve(PROMPT, 0, offered) == {"fps": 16, "steps": 2, "size": "small", "guidance": 1}
    assert generate("python:my_model:named", workplace, seed=1, guidance=1).frames.max() == 11
    with pytest.raises(UsageError, match="has no setting 'stesp'") as caught:
        generator.resolve(PROMPT, 0, {"stesp": 3, "guidance": 1})
    assert "steps" in caught.value.hint
    with pytest.raises(UsageError, match="python:my_model:named needs the setting 'guidance'"):
        generator.resolve(PROMPT, 0, {})


def test_functions_may_take_any_setting(module, workplace):
    generator = make_generator("python:my_model:open_ended")
    assert generator.resolve(PROMPT, 0, {"frames": 5, "odd": 1}) == {"fps": 8, "frames": 5, "odd": 1}
    assert generate("python:my_model:open_ended", workplace, seed=3, fps=4).frames.max() == 7


def test_the_function_is_told_the_rate_if_it_asks(module, workplace):
    clip = generate("python:my_model:rated", workplace)
    assert (clip.frames.max(), clip.fps) == (12, 12.0)
    clip = generate("python:my_model:plain", workplace, fps=24)
    assert clip.fps == 24.0


@pytest.mark.parametrize("fps", ["fast", 0, -1, True, None])
def test_impossible_rates_are_refused_before_any_work(module, fps):
    with pytest.raises(UsageError, match="fps must be a number above 0, got"):
        make_generator("python:my_model:plain").resolve(PROMPT, 0, {"fps": fps})


def test_refusals_and_tensors_pass_through(module, workplace):
    with pytest.raises(Refused, match="no"):
        generate("python:my_model:refusing", workplace)
    assert isinstance(generate("python:my_model:tensor", workplace).frames, np.ndarray)


def test_a_function_may_yield_its_clip_piece_by_piece(module, workplace):
    from stepbench.generators.single import generate_clip

    generator = make_generator("python:my_model:piecewise")
    facts = generate_clip(generator, "a red circle", seed=3, settings={}, path=workplace / "clip.mkv")
    assert facts["frames"] == 4
    np.testing.assert_array_equal(read_clip(workplace / "clip.mkv").frames[:, 0, 0, 0], [0, 0, 3, 3])


def test_a_file_that_is_overwritten_by_the_next_call_does_not_change_the_last_clip(module, workplace):
    import stepbench

    (workplace / "s").mkdir()
    (workplace / "s" / "suite.toml").write_text(
        'name = "s"\nversion = "1"\ntitle = ""\nlicence = ""\nlanguages = ["en"]\nsource = ""\ncitation = ""\n',
        encoding="utf-8",
    )
    (workplace / "s" / "prompts.jsonl").write_text(
        '{"id": "p1", "text": "a", "language": "en", "category": "c"}\n', encoding="utf-8"
    )
    run = stepbench.run("python:my_model:same_file", workplace / "s", seeds=range(3), metrics=[])
    assert [read_clip(run.clip("p1", seed)).frames.max() for seed in range(3)] == [0, 1, 2]


@pytest.mark.parametrize(
    ("argument", "message"),
    [
        ("my_model", "python: needs MODULE:FUNCTION, got 'my_model'"),
        (":plain", "python: needs MODULE:FUNCTION"),
        ("no_such_module:plain", "cannot import 'no_such_module'"),
        ("my_model:plane", "module 'my_model' has no function 'plane'"),
        ("my_model:number", "module 'my_model' has no function 'number'"),
        ("my_model:seedless", "takes no parameter `seed`"),
        ("broken:f", "generator 'python:broken:f' cannot be loaded: SyntaxError"),
        ("script:f", "generator 'python:script:f' cannot be loaded: SystemExit: 0"),
    ],
)
def test_what_is_no_generator_function_is_refused(module, workplace, argument, message):
    (workplace / "broken.py").write_text("def f(:\n", encoding="utf-8")
    (workplace / "script.py").write_text("import sys\nsys.exit(0)\n", encoding="utf-8")
    with pytest.raises(UsageError, match=message):
        make_generator(f"python:{argument}")


def test_settings_without_a_json_form_are_refused_before_any_work(module, make_suite):
    import stepbench

    with pytest.raises(UsageError, match="the settings of python:my_model:unhashable are not plain JSON values"):
        stepbench.run("python:my_model:unhashable", make_suite("one"), metrics=[])
