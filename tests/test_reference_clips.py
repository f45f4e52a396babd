"""`python -m stepbench.reference_clips`: a folder of clips becomes the reference set of `near_duplicate`."""

from __future__ import annotations

import numpy as np
import pytest
import torch

import metrics
import stepbench as sb
from metrics.governance.reference_set import ReferenceSet
from stepbench.errors import NothingSelectedError
from stepbench.reference_clips import main, write_reference_set
from stepbench.video import write_master


def noise(seed: int) -> np.ndarray:
    small = np.random.default_rng(seed).integers(0, 256, (1, 3, 6, 6), dtype=np.uint8)
    return np.repeat(small.repeat(8, axis=2).repeat(8, axis=3), 5, axis=0)


@pytest.fixture
def folder(tmp_path):
    for name, seed in (("a/one.mkv", 1), ("a/two.mkv", 2)):
        (tmp_path / "clips" / name).parent.mkdir(parents=True, exist_ok=True)
        write_master(tmp_path / "clips" / name, noise(seed), 8)
    (tmp_path / "clips" / "notes.txt").write_text("no clip")
    return tmp_path / "clips"


def test_clips_are_called_by_their_path(folder, tmp_path, capsys):
    main([str(folder), str(tmp_path / "set.safetensors")])
    assert "2 clips described" in capsys.readouterr().out
    reference = ReferenceSet.load(tmp_path / "set.safetensors")
    assert reference.ids == ("a/one.mkv", "a/two.mkv")
    flag = metrics.build("near_duplicate", reference=tmp_path / "set.safetensors")
    assert flag.nearest(metrics.ClipView(torch.from_numpy(noise(2)))).id == "a/two.mkv"


def test_an_empty_folder_is_refused(tmp_path):
    with pytest.raises(NothingSelectedError, match="no clip below"):
        write_reference_set(tmp_path, tmp_path / "set.safetensors")


def test_notes_of_flags_are_in_the_rows_of_a_run(make_suite):
    suite = make_suite("Mickey Mouse surfs", "a cat surfs")
    run = sb.run("python:toy_generators:noise", suite, metrics=["named_characters", "flicker"], run_id="r")
    rows = run.scores().query("metric == 'named_characters'")
    assert rows["value"].tolist() == [1, 0]
    assert rows["note"].tolist() == ["the prompt names mickey mouse", ""]
    assert run.summary().set_index("metric").loc["named_characters", "mean"] == 0.5
