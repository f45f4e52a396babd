from __future__ import annotations

import json
import math

import pytest

from stepbench.errors import UsageError
from stepbench.generators.diffusers import DiffusersGenerator
from stepbench.generators.diffusers_settings import CallSettings
from stepbench.records import Prompt
from stepbench.runs.plan import sample_key

ENGLISH = Prompt(id="p", text="a red circle", language="en", category="c")
CHINESE = Prompt(id="q", text="红色的圆形", language="zh", category="c")


class Pipeline:
    """The call of a pipeline, with one parameter of every kind."""

    def __call__(
        self,
        prompt=None,
        video_length=16,
        num_inference_steps=50,
        guidance_scale=7.5,
        sigmas=None,
        crop=(0, 0),
        eta=0.0,
        dtype_of_noise=complex,
        clean_caption=False,
        seed=0,
        generator=None,
        latents=None,
        prompt_embeds=None,
        callback_on_step_end=None,
        **options,
    ): ...


def resolve(text=ENGLISH.text, **settings):
    return CallSettings(Pipeline, can_tile=True).resolve("toy", text, {"fps": 8, **settings})


@pytest.fixture
def saved_index(tmp_path):
    """A folder that names a pipeline class and holds no weights."""
    pytest.importorskip("diffusers")

    def save(class_name, **components):
        (tmp_path / "model_index.json").write_text(json.dumps({"_class_name": class_name, **components}))
        return DiffusersGenerator(str(tmp_path))

    return save


def test_defaults_of_the_call_are_filled_in_under_common_names():
    assert resolve() == {
        "frames": 16,
        "steps": 50,
        "guidance": 7.5,
        "crop": (0, 0),
        "eta": 0.0,
        "clean_caption": False,
        "fps": 8,
        "dtype": "bfloat16",
        "vae_tiling": False,
    }


def test_arguments_go_back_under_the_names_of_the_call():
    call = CallSettings(Pipeline, can_tile=False)
    settings = call.resolve("toy", "", {"fps": 8, "frames": 4, "steps": 2, "sigmas": [1.0, 0.5]})
    assert call.arguments(settings) == {
        "video_length": 4,
        "num_inference_steps": 2,
        "guidance_scale": 7.5,
        "sigmas": [1.0, 0.5],
        "crop": (0, 0),
        "eta": 0.0,
        "clean_caption": False,
    }


def test_what_a_suite_offers_is_dropped_where_the_call_has_no_such_parameter():
    assert resolve(height=64, width=64, negative_prompt="") == resolve()


def test_equal_numbers_make_one_key():
    def key(**settings):
        return sample_key({}, "text", 0, resolve(**settings))

    assert key(guidance=5, steps=30) == key(guidance=5.0, steps=30.0)
    assert key(guidance=5) != key(guidance=5.5)
    assert key(sigmas=None, guidance=None) == key()


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (
            {"num_inference_steps": 30},
            "'num_inference_steps' is called 'steps' for every generator\n  hint: write steps=30",
        ),
        ({"step": 30}, "toy has no setting 'step'\n  hint: did you mean steps"),
        ({"latents": 1}, "toy has no setting 'latents'"),
        ({"generator": 1}, "toy has no setting 'generator'"),
        ({"frames": 0}, "frames must be a whole number from 1 up, got 0"),
        ({"frames": 2.5}, "frames must be a whole number from 1 up, got 2.5"),
        ({"frames": True}, "frames must be a whole number from 1 up, got True"),
        ({"steps": math.inf}, "steps must be a whole number from 1 up, got inf"),
        ({"steps": "many"}, "steps must be a whole number from 1 up, got 'many'"),
        ({"fps": None}, "does not say at what rate its frames play\n  hint: add --set fps=N"),
        ({"fps": 0}, "fps must be above 0, got 0"),
        ({"fps": "fast"}, "fps must be a number from 0 up, got 'fast'"),
        ({"guidance": math.inf}, "guidance must be a number from 0 up, got inf"),
        ({"guidance": -1}, "guidance must be a number from 0 up, got -1"),
        ({"dtype": "int8"}, "dtype must be one of bfloat16, float16, float32, got 'int8'"),
        ({"vae_dtype": 32}, "vae_dtype must be one of bfloat16, float16, float32, got 32"),
        ({"vae_tiling": "on"}, "vae_tiling must be true or false, got 'on'"),
    ],
)
def test_wrong_settings_are_named(settings, message):
    with pytest.raises(UsageError, match=message):
        resolve(**settings)


def test_chinese_is_not_sent_where_cleaning_deletes_it():
    assert resolve(CHINESE.text)["clean_caption"] is False
    assert resolve(clean_caption=True)["clean_caption"] is True
    with pytest.raises(
        UsageError, match=r"deletes all Chinese characters, and the prompt is '红色的圆形'\n  hint: add --set c"
    ):
        resolve(CHINESE.text, clean_caption=True)


def test_real_pipelines_are_understood_without_weights(saved_index):
    wan = saved_index("WanPipeline", vae=["diffusers", "AutoencoderKLWan"])
    assert wan.resolve(ENGLISH, 0, {"fps": 16}) == {
        "frames": 81,
        "height": 480,
        "width": 832,
        "steps": 50,
        "guidance": 5.0,
        "negative_prompt": None,
        "max_sequence_length": 512,
        "fps": 16,
        "dtype": "bfloat16",
        "vae_tiling": False,
    }
    with pytest.raises(UsageError, match="negative_prompt must be text, got 3"):
        wan.resolve(ENGLISH, 0, {"fps": 16, "negative_prompt": 3})
    ltx = saved_index("LTXPipeline").resolve(ENGLISH, 0, {})
    assert (ltx["frames"], ltx["fps"]) == (161, 25)
    assert "vae_tiling" not in ltx
    latte = saved_index("LattePipeline")
    with pytest.raises(UsageError, match="clean_caption deletes all Chinese characters"):
        latte.resolve(CHINESE, 0, {"fps": 8})
    assert latte.resolve(CHINESE, 0, {"fps": 8, "clean_caption": False})["frames"] == 16


def test_no_negative_prompt_is_not_an_empty_one(saved_index):
    wan = saved_index("WanPipeline")
    none, empty = (wan.resolve(ENGLISH, 0, {"fps": 16, **more}) for more in ({}, {"negative_prompt": ""}))
    assert sample_key({}, "text", 0, none) != sample_key({}, "text", 0, empty)


@pytest.mark.parametrize(
    ("class_name", "message"),
    [
        ("FluxPipeline", "FluxPipeline makes no video from a text: its call has no prompt, or no number of frames"),
        ("StableVideoDiffusionPipeline", "StableVideoDiffusionPipeline makes no video from a text"),
        ("WanImageToVideoPipeline", "WanImageToVideoPipeline makes no video from a text alone: it needs image"),
        (
            "LTXImageToVideoPipeline",
            "LTXImageToVideoPipeline makes no video from a text alone: it starts from pictures",
        ),
        ("VideoOracle", r"diffusers \S+ has no pipeline 'VideoOracle'\n  hint: pip install --upgrade diffusers"),
        ("AutoencoderKLWan", "has no pipeline 'AutoencoderKLWan'"),
    ],
)
def test_other_tasks_are_refused(saved_index, class_name, message):
    with pytest.raises(UsageError, match=message):
        saved_index(class_name).resolve(ENGLISH, 0, {"fps": 8})


def test_code_of_a_component_is_not_run(saved_index):
    generator = saved_index("WanPipeline", transformer=["my_model", "MyTransformer"], vae=[None, None])
    with pytest.raises(UsageError, match=r"component transformer \(my_model.MyTransformer\) brings its own code"):
        generator.resolve(ENGLISH, 0, {"fps": 8})
