"""Votes of the simulated annotator: which pairs, with which shares, said to be simulated in every row."""

from __future__ import annotations

import json
import math

import pytest
import torch
from world_pipeline import WorldPipeline, changed, with_wrong_colour

from reference_model.errors import CheckpointError
from reference_model.training.data import TrainingClip
from reference_model.training.preferences import read_preferences
from stepbench.errors import IncompleteError
from stepbench.training.moving_shapes import MovingShapesClips
from stepbench.training.simulated_annotator import PREFERENCES_FILE, preferences_of, simulate_preferences
from stepbench.video import read_clip


@pytest.fixture(scope="module")
def source():
    return MovingShapesClips("train", seed=7)


def of_four_kinds(scene, seed):
    """Of each four clips of a prompt: the truth, a wrong colour, wrong colour and shape, the truth."""
    if seed % 4 in (0, 3):
        return scene
    scene = with_wrong_colour(scene)
    if seed % 4 == 1:
        return scene
    return changed(scene, shape="circle" if scene.objects[0].shape != "circle" else "square")


def simulate(pipeline, source, folder, prompts=3, **options):
    return simulate_preferences(
        pipeline, source, folder, prompts=prompts, **{"prompts_per_batch": 2, "progress": False, **options}
    )


def rows_of(folder, name=PREFERENCES_FILE):
    return [json.loads(line) for line in (folder / name).read_text(encoding="utf-8").splitlines()]


def decode(path):
    clip = read_clip(path)
    return TrainingClip(frames=torch.from_numpy(clip.frames), fps=clip.fps)


@pytest.fixture(scope="module")
def votes(source, tmp_path_factory):
    folder = tmp_path_factory.mktemp("votes")
    assert simulate(WorldPipeline(of_four_kinds), source, folder)
    return folder


def test_clips_with_fewer_right_answers_lose_to_the_world_and_ties_are_left_out(votes, source):
    rows = rows_of(votes)
    for scene in range(3):
        own = [row for row in rows if row["prompt"] == source.prompt(scene)]
        found = {int(row["rejected"][-5]): row["share"] for row in own if row["chosen"].endswith("-world.mkv")}
        # The model's clips 0 and 3 show the truth, as the world's does; their outlines may still differ a little.
        assert found.keys() >= {1, 2}
        for number, margin in ((1, 1), (2, 2)):
            assert found[number] == pytest.approx(1 / (1 + math.exp(-2 * margin)), abs=0.15)
        assert all(row["share"] < 0.8 for row in own if row["chosen"][-5] in "03" or row["rejected"][-5] in "03")
    assert {row["prompt"].isascii() for row in rows} == {True, False}


def test_every_row_says_that_it_is_simulated(votes):
    for name in (PREFERENCES_FILE, "judged.jsonl"):
        assert all(row["annotator"].startswith("simulated: ") for row in rows_of(votes, name))
    assert json.loads((votes / "votes.json").read_text(encoding="utf-8"))["annotator"].startswith("simulated: ")


def test_training_reads_the_file(votes, source):
    pairs = read_preferences(votes / PREFERENCES_FILE, decode)
    assert len(pairs) >= 6
    (pair,) = [pair for pair, row in zip(pairs, rows_of(votes), strict=True) if row["rejected"] == "clips/000000-1.mkv"]
    winner, loser = pair.winner.read(), pair.loser.read()
    assert winner.fps == 8
    assert torch.equal(winner.frames, source[0].frames)
    assert loser.frames.shape == (17, 3, 64, 64)
    assert source.judge(0, loser.frames)["colour"] == 0


def test_pairs_by_hand():
    row = {"prompt": "p", "clips": ["a", "b", "c"], "world": "w", "right": [2, 5, 4, 4], "fit": [0.8, 0.8, 0.81, 0.8]}
    pairs = [(pair["chosen"], pair["rejected"], pair["share"]) for pair in preferences_of(row)]
    assert pairs == [("w", "a", share_at(2)), ("b", "w", share_at(1))]


def test_of_equally_right_clips_the_cleaner_outline_wins():
    row = {"prompt": "p", "clips": ["a"], "world": "w", "right": [4, 4], "fit": [0.83, 0.9]}
    (pair,) = preferences_of(row)
    assert (pair["chosen"], pair["rejected"], pair["share"]) == ("w", "a", share_at(0.7))
    assert pair["annotator"].startswith("simulated: ")


def share_at(difference):
    return pytest.approx(1 / (1 + math.exp(-2 * difference)))


def test_an_interrupted_call_goes_on(votes, source, tmp_path):
    class Killed(WorldPipeline):
        def __call__(self, prompts, **options):
            if len(self.made) >= 8:
                raise KeyboardInterrupt
            return super().__call__(prompts, **options)

    killed = Killed(of_four_kinds)
    with pytest.raises(KeyboardInterrupt):
        simulate(killed, source, tmp_path)
    assert not (tmp_path / PREFERENCES_FILE).exists()
    pipeline = same_weights(WorldPipeline(of_four_kinds), killed)
    assert simulate(pipeline, source, tmp_path)
    assert {prompt for prompt, _ in pipeline.made} == {source.prompt(2)}
    assert (tmp_path / PREFERENCES_FILE).read_bytes() == (votes / PREFERENCES_FILE).read_bytes()

    pipeline.made.clear()
    assert simulate(pipeline, source, tmp_path, prompts=2)
    assert pipeline.made == []
    kept = {source.prompt(scene) for scene in (0, 1)}
    assert rows_of(tmp_path) == [row for row in rows_of(votes) if row["prompt"] in kept]


def test_when_the_time_is_up_there_is_more_to_do(source, tmp_path):
    pipeline = WorldPipeline()
    assert not simulate(pipeline, source, tmp_path, max_seconds=0.0)
    assert len(pipeline.made) <= 8
    assert not (tmp_path / PREFERENCES_FILE).exists()


def same_weights(pipeline, other):
    pipeline.transformer.load_state_dict(other.transformer.state_dict())
    return pipeline


def test_a_folder_belongs_to_one_model_and_its_settings(source, tmp_path):
    pipeline = WorldPipeline()
    simulate(pipeline, source, tmp_path, prompts=0)
    with pytest.raises(CheckpointError, match="clips_per_prompt was 4, is 3"):
        simulate(pipeline, source, tmp_path, prompts=0, clips_per_prompt=3)
    with pytest.raises(CheckpointError, match=r"source was '.* seed 7.*', is '.* seed 8"):
        simulate(pipeline, MovingShapesClips("train", seed=8), tmp_path, prompts=0)
    with torch.no_grad():
        pipeline.transformer.bias += 1
    with pytest.raises(CheckpointError, match="transformer was '"):
        simulate(pipeline, source, tmp_path, prompts=0)


def test_votes_that_cannot_be_saved_are_said_to_be(source, tmp_path):
    (tmp_path / "file").write_text("", encoding="utf-8")
    with pytest.raises(IncompleteError, match="cannot save"):
        simulate(WorldPipeline(), source, tmp_path / "file" / "votes", prompts=1)
