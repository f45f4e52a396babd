"""docs/training.md says what the recipes and the command really have."""

from __future__ import annotations

import dataclasses
import importlib.util
import re
from pathlib import Path

import pytest

from reference_model.training.dpo import DPORecipe
from reference_model.training.flow import FlowRecipe
from reference_model.training.vae import VAERecipe
from stepbench.cli import train as command
from stepbench.training.manifest import _Row

DOCS = Path(__file__).resolve().parents[2] / "docs"
PAGE = (DOCS / "training.md").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def tables():
    spec = importlib.util.spec_from_file_location("training_settings", DOCS / "training_settings.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_tables_of_settings_are_up_to_date(tables):
    assert tables.page_with_tables(PAGE) == PAGE, "run `python docs/training_settings.py`"


def test_every_setting_is_explained(tables):
    for recipe in tables.RECIPES.values():
        inherited = {field.name for field in dataclasses.fields(recipe)}
        assert inherited <= tables._meanings(recipe).keys()


def test_a_page_without_marks_is_refused(tables):
    with pytest.raises(ValueError, match="lacks the line"):
        tables.page_with_tables("no marks")


def test_settings_that_may_change_are_named():
    sentence = re.search(r"A run that goes on may have other values of (.*?)\. Any other", PAGE, re.DOTALL)
    assert sentence is not None
    assert set(re.findall(r"`(\w+)`", sentence[1])) - {"vae", "flow", "dpo"} == DPORecipe.MAY_CHANGE
    assert {"kept_change"} == DPORecipe.MAY_CHANGE - VAERecipe.MAY_CHANGE
    assert VAERecipe.MAY_CHANGE == FlowRecipe.MAY_CHANGE


def test_keys_of_the_manifest_are_named():
    table = PAGE[PAGE.index("| key | |") :]
    assert set(re.findall(r"`(file|caption|captions|fps|split)`", table)) == set(_Row.model_fields)


def test_options_on_the_page_exist():
    options = {field.name.rstrip("_").replace("_", "-") for field in dataclasses.fields(command.TrainingOptions)}
    options |= {field.name for field in dataclasses.fields(command.ClipOptions)} | {"vae", "steps", "test", "samples"}
    of_other_commands = {"standalone", "nproc-per-node", "seeds", "every-held-out"}
    named = set(re.findall(r"--([a-z][a-z-]*)", PAGE)) - of_other_commands
    assert named <= options
