"""The model cards of the shipped small models: what they say, what they are made from, and what is refused."""

from __future__ import annotations

import io
import json
import math
import re
import shutil
import sys

import numpy as np
import pandas as pd
import pytest
from card_folders import ENVIRONMENT, write_export, write_packed, write_run
from PIL import Image
from safetensors.numpy import save_file

from stepbench.errors import EnvironmentUnfitError, ExitCode, NothingSelectedError, UsageError
from stepbench.training.recipes import RECIPES
from stepbench.training.tiny_card import main, write_cards
from stepbench.training.tiny_card_curves import PANELS, curve_points, draw_curves
from stepbench.training.tiny_card_packed import read_packed_model
from stepbench.training.tiny_card_runs import read_training_run
from stepbench.training.tiny_card_scores import read_scores

VARIANTS = ("tiny", "tiny-turbo", "tiny-dpo")
MOST_BYTES = 80_000
OBEDIENCE = {
    "attribute": "shape",
    "share": 0.84375,
    "low": 0.711,
    "high": 0.977,
    "chance": 0.25,
    "shuffled": 0.3125,
    "share_en": 0.875,
    "share_zh": 0.8125,
    "clips": 64,
}
AGAINST = {
    "metric": "PSNR",
    "tiny": 29.5,
    "variant": 28.25,
    "difference": -1.25,
    "low": -2.0,
    "high": -0.5,
    "note": "n",
}
VAE = {
    "model": "H.264",
    "psnr": 29.24,
    "psnr_low": 28.6,
    "psnr_high": 29.9,
    "ssim": 0.914,
    "ssim_low": 0.906,
    "ssim_high": 0.922,
    "bits_per_pixel": 0.05,
}


def scores_of(name, **changes):
    own = {"vae": [VAE]} if name == "tiny" else {"against_tiny": [AGAINST]}
    return {"obedience": [OBEDIENCE], **own, "notes": [f"Scored {name}."], **changes}


@pytest.fixture
def scores(tmp_path):
    def write(content):
        file = tmp_path / "scores.json"
        file.write_text(content if isinstance(content, str) else json.dumps(content), encoding="utf-8")
        return file

    return write


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    out = tmp_path_factory.mktemp("runs")
    for stage in PANELS:
        write_run(out, stage, data=f"data of {stage}")
    for name in VARIANTS:
        write_export(out, name)
    return out


@pytest.fixture(scope="module")
def written(runs, tmp_path_factory):
    """Cards of all variants: name -> page."""
    weights = tmp_path_factory.mktemp("weights")
    for name in VARIANTS:
        write_packed(weights, name)
    file = weights / "scores.json"
    file.write_text(json.dumps({name: scores_of(name) for name in VARIANTS}), encoding="utf-8")
    command = ["--runs", str(runs), "--scores", str(file), "--weights", str(weights)]
    assert main(command) == ExitCode.OK
    return weights


def page_of(written, name):
    return (written / name / "README.md").read_text(encoding="utf-8")


def cells(page, first):
    """Cells of the only table row that begins so."""
    (line,) = [line for line in page.splitlines() if line.startswith(f"| {first} |")]
    return [cell.strip() for cell in line.strip("|").split("|")]


@pytest.mark.parametrize("name", VARIANTS)
def test_every_card_has_all_sections(written, runs, name):
    page = page_of(written, name)
    assert page.startswith(f"# Model card: `{name}`\n")
    sections = re.findall(r"^## (.*)$", page, re.MULTILINE)
    assert sections == ["Data", "Recipe", "Compute", "Scores", "Training curves", "Limits", "Licence"]
    assert "](curves.png)" in page
    assert "make train-tiny" in page
    assert "One object, no textures, no moving camera." in page
    assert "Apache-2.0" in page
    assert f"- Scored {name}." in page
    assert max(map(len, page.splitlines())) < 200
    # Folders of the machine that trained are nobody's business, and no field was left unfilled.
    assert str(runs) not in page
    assert not re.search(r"[{}]|nan|None", page)


def test_scores_become_tables(written):
    page = page_of(written, "tiny")
    assert cells(page, "shape") == ["shape", "0.844", "0.711 to 0.977", "0.250", "0.312", "0.875", "0.812", "64"]
    assert cells(page, "H.264") == ["H.264", "29.24", "28.60 to 29.90", "0.914", "0.906 to 0.922", "0.050"]
    against = ["PSNR", "29.500", "28.250", "-1.250", "-2.000 to -0.500", "n"]
    assert cells(page_of(written, "tiny-dpo"), "PSNR") == against
    assert "Beside" not in page
    assert "Reconstruction" not in page_of(written, "tiny-turbo")


def test_recipe_and_compute_are_those_of_the_runs(written):
    page = page_of(written, "tiny")
    vae, flow = RECIPES["tiny"]["vae"](), RECIPES["tiny"]["flow"]()
    assert cells(page, "`batch_size`")[1:] == [str(vae.batch_size), str(flow.batch_size)]
    assert cells(page, "`matrix_optimiser`")[1:] == ["adamw", "muon"]
    # `time_shift` is a setting of the transformer's run alone.
    assert cells(page, "`time_shift`")[1:] == ["–", "4.0"]
    assert cells(page, "`train_text`")[1:] == ["–", "yes"]
    assert "lora" not in page
    clips = f"{vae.steps * vae.batch_size:,} clips"
    machine = "2 cores of Some CPU, OMP_NUM_THREADS=1"
    assert cells(page, "VAE")[1:] == [f"{vae.steps:,}", clips, f"{vae.steps * 1.5 / 60:.1f}", machine]
    assert "Python 3.11.7, torch 2.15.0." in page
    assert "- VAE: data of vae\n- transformer and text encoders: data of flow\n" in page
    dpo = page_of(written, "tiny-dpo")
    assert cells(dpo, "`lora_layers`")[1:] == ["attention, mlp"]
    assert cells(dpo, "DPO")[2].endswith(" pairs")
    assert "../tiny/README.md" in dpo
    assert "../tiny/README.md" not in page


def test_settings_of_sampling_are_those_of_the_folder(written):
    assert cells(page_of(written, "tiny"), "sampling")[1] == "20 steps, guidance 3, solver `euler`"
    turbo = page_of(written, "tiny-turbo")
    assert cells(turbo, "sampling")[1] == "5 steps, no guidance, solver `euler`"
    assert cells(turbo, "clips")[1] == "17 frames of 64x48, 8 per second"
    assert "only meant for its 5 steps without guidance" in turbo
    # Taken from the folder that base.json names.
    assert cells(page_of(written, "tiny-dpo"), "sampling")[1].startswith("20 steps, guidance 3")
    assert cells(turbo, "parameters")[1] == "transformer 1,205; everything else is that of `../tiny`"
    assert cells(page_of(written, "tiny"), "parameters")[1] == "transformer 1,205"


def test_the_dpo_card_says_who_voted(written):
    page = " ".join(page_of(written, "tiny-dpo").split())
    assert "**The preferences come from a simulated annotator, not from people: no human voted.**" in page
    assert "optimised for the same checker that judges it" in page
    assert "1 / (1 + exp(-2 d))" in page


@pytest.mark.parametrize("name", VARIANTS)
def test_curves_are_a_small_picture(written, name):
    data = (written / name / "curves.png").read_bytes()
    assert len(data) < MOST_BYTES
    picture = Image.open(io.BytesIO(data)).convert("RGB")
    assert picture.width > 800
    assert len(picture.getcolors(maxcolors=1 << 20) or []) > 10


def test_the_same_again_gives_the_same_bytes(written, runs):
    before = {file: file.read_bytes() for file in written.rglob("*") if file.is_file()}
    folders = write_cards(runs, written / "scores.json", written)
    assert folders == [written / name for name in VARIANTS]
    assert {file: file.read_bytes() for file in written.rglob("*") if file.is_file()} == before


def test_curves_show_the_log(runs):
    run = read_training_run(runs, "flow")
    other = read_training_run(runs, "distill")
    assert draw_curves([run]) != draw_curves([other])


def test_only_figures_of_single_batches_are_smoothed():
    steps = np.arange(1, 91)
    noisy = np.where(steps % 3 == 0, 3.0, 0.0)
    log = pd.DataFrame({"step": steps, "loss": noisy, "test_loss": np.where(steps % 30 == 0, noisy, np.nan)})
    points = curve_points(log, {"loss": "training", "test_loss": "held out", "absent": "absent"})
    assert set(points["line"]) == {"training", "held out"}
    training, held_out = points[points["line"] == "training"], points[points["line"] == "held out"]
    # Windows of three rows hold one peak each.
    assert training["value"].to_numpy()[1:-1] == pytest.approx(1.0)
    assert held_out[["step", "value"]].to_numpy().tolist() == [[30, 3.0], [60, 3.0], [90, 3.0]]
    assert held_out["held_out"].all()
    assert curve_points(log, {"absent": "absent"}).empty


def test_a_run_that_is_not_finished_says_so(tmp_path, scores):
    for stage in ("vae", "flow"):
        write_run(tmp_path / "runs", stage)
    log = tmp_path / "runs" / "flow" / "log.csv"
    write_export(tmp_path / "runs", "tiny", step=RECIPES["tiny"]["flow"]().steps // 2 + 3)
    lines = log.read_text(encoding="utf-8").splitlines()
    # Stopped at the half, in the middle of a row.
    log.write_text("\n".join([*lines[:21], lines[21].split(",")[0]]), encoding="utf-8")
    write_packed(tmp_path / "weights", "tiny")
    gpu = {**ENVIRONMENT, "gpus": [{"name": "Some GPU"}], "variables": {}, "torch": None}
    file = tmp_path / "runs" / "vae" / "origin.json"
    record = json.loads(file.read_text(encoding="utf-8"))
    file.write_text(json.dumps({**record, "environment": gpu}), encoding="utf-8")
    write_cards(tmp_path / "runs", scores({"tiny": scores_of("tiny")}), tmp_path / "weights")
    page = page_of(tmp_path / "weights", "tiny")
    planned = RECIPES["tiny"]["flow"]().steps
    assert cells(page, "transformer and text encoders")[1] == f"{planned // 2:,} of {planned:,}"
    assert cells(page, "VAE")[4] == "Some GPU, 2 cores of Some CPU"
    assert "\nThis" not in page.partition("## Compute")[2]
    assert "Python 3.11.7; Python 3.11.7, torch 2.15.0." in page


def test_values_that_there_are_not_stay_empty(tmp_path, runs, scores):
    row = {**OBEDIENCE, "low": None, "high": None, "shuffled": math.nan, "share_zh": math.nan}
    write_packed(tmp_path, "tiny")
    write_cards(runs, scores({"tiny": {"obedience": [row]}}), tmp_path)
    assert cells(page_of(tmp_path, "tiny"), "shape") == ["shape", "0.844", "–", "0.250", "–", "0.875", "–", "64"]


def test_an_interval_of_no_width_may_be_off_by_rounding(scores):
    row = {**OBEDIENCE, "share": 0.1 + 0.2, "low": 0.3, "high": 0.3}
    assert read_scores(scores({"tiny": {"obedience": [row]}}), ["tiny"])["tiny"].obedience[0].high == 0.3


def test_variants_that_are_not_packed_get_no_card(tmp_path, runs, scores, capsys):
    write_packed(tmp_path, "tiny")
    command = ["--runs", str(runs), "--scores", str(scores({"tiny": scores_of("tiny")})), "--weights", str(tmp_path)]
    assert main(command) == ExitCode.OK
    assert "tiny-dpo: not packed, so no card" in capsys.readouterr().err
    assert not (tmp_path / "tiny-dpo").exists()


def test_nothing_packed(tmp_path, runs, scores, capsys):
    file = scores({"tiny": scores_of("tiny")})
    with pytest.raises(NothingSelectedError, match=r"no packed model in .*weights"):
        write_cards(runs, file, tmp_path / "weights")
    command = ["--runs", str(runs), "--scores", str(file), "--weights", str(tmp_path / "weights")]
    assert main(command) == ExitCode.NOTHING_SELECTED
    assert "--pack" in capsys.readouterr().err


def test_nothing_is_written_where_one_card_cannot_be_made(tmp_path, runs, scores):
    for name in ("tiny", "tiny-turbo"):
        write_packed(tmp_path / "weights", name)
    with pytest.raises(UsageError, match=r"scores\.json has no scores of tiny-turbo\n.*score the packed model"):
        write_cards(runs, scores({"tiny": scores_of("tiny")}), tmp_path / "weights")
    (tmp_path / "weights" / "tiny-turbo" / "sampling.json").write_text("{", encoding="utf-8")
    both = scores({name: scores_of(name) for name in ("tiny", "tiny-turbo")})
    with pytest.raises(UsageError, match=r"tiny-turbo is no packed model: .*not valid JSON"):
        write_cards(runs, both, tmp_path / "weights")
    assert not (tmp_path / "weights" / "tiny" / "README.md").exists()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("{", r"scores\.json is no JSON"),
        ("[]", "an object with a key for each variant, got list"),
        ({"tiny": scores_of("tiny"), "tiny-turbu": {}}, "unknown variant 'tiny-turbu'"),
        ({"tiny": {"notes": []}}, r"tiny\.obedience is missing"),
        ({"tiny": scores_of("tiny", obedience=[])}, r"tiny\.obedience: .*at least 1 item"),
        (
            {"tiny": scores_of("tiny", obedience=[{k: v for k, v in OBEDIENCE.items() if k != "shuffled"}])},
            r"tiny\.obedience\.0\.shuffled is missing\n  hint: the top of stepbench/training/tiny_card_scores\.py",
        ),
        ({"tiny": scores_of("tiny", vote=[])}, r"tiny\.vote is not known"),
        ({"tiny": scores_of("tiny", notes=[""])}, r"tiny\.notes\.0: .*at least 1 character, got ''"),
        ({"tiny": scores_of("tiny", obedience=[{**OBEDIENCE, "share": 84.4}])}, r"share: .*less than .*got 84\.4"),
        ({"tiny": scores_of("tiny", obedience=[{**OBEDIENCE, "share": math.nan}])}, r"share: .*finite number"),
        ({"tiny": scores_of("tiny", obedience=[{**OBEDIENCE, "share": "0.8"}])}, r"share: .*valid number, got '0\.8'"),
        ({"tiny": scores_of("tiny", obedience=[{**OBEDIENCE, "low": None}])}, "an interval has two ends or none"),
        (
            {"tiny": scores_of("tiny", vae=[{**VAE, "ssim_low": 0.95}])},
            r"tiny\.vae\.0: the interval must hold the value, got 0\.914 with 0\.95 to 0\.922",
        ),
        ({"tiny": scores_of("tiny", obedience=[{}] * 2)}, r"\.\.\. and 10 more"),
        ({"tiny": scores_of("tiny", against_tiny=[AGAINST])}, r"tiny\.against_tiny has no place on this card"),
    ],
)
def test_scores_that_do_not_fit(scores, content, message):
    with pytest.raises(UsageError, match=message):
        read_scores(scores(content), ["tiny"])


def test_scores_of_a_variant_that_do_not_fit(scores, tmp_path):
    with pytest.raises(UsageError, match=r"tiny-dpo\.vae has no place on this card\n.*leave vae out of tiny-dpo"):
        read_scores(scores({"tiny-dpo": scores_of("tiny-dpo", vae=[VAE])}), ["tiny-dpo"])
    file = scores({"tiny-dpo": scores_of("tiny-dpo", against_tiny=[{**AGAINST, "low": 0.0, "high": 1.0}])})
    with pytest.raises(UsageError, match=r"the interval must hold the value, got -1\.25 with 0 to 1"):
        read_scores(file, ["tiny-dpo"])
    with pytest.raises(UsageError, match=r"no scores at .*absent\.json: No such file"):
        read_scores(tmp_path / "absent.json", ["tiny"])


def test_runs_that_cannot_be_read(tmp_path):
    with pytest.raises(UsageError, match=r"no training run at .*vae: log\.csv is missing\n.*with stage vae done"):
        read_training_run(tmp_path, "vae")
    folder = write_run(tmp_path, "flow")
    (folder / "recipe.json").write_text("{}", encoding="utf-8")
    with pytest.raises(UsageError, match="flow cannot be read: 'batch_size'"):
        read_training_run(tmp_path, "flow")
    folder = write_run(tmp_path, "vae", environment={"python": "3.11"})
    with pytest.raises(UsageError, match="vae cannot be read: 'cpu'"):
        read_training_run(tmp_path, "vae")
    (folder / "log.csv").write_text("step,seconds\n", encoding="utf-8")
    with pytest.raises(UsageError, match=r"vae cannot be read: log\.csv has no rows"):
        read_training_run(tmp_path, "vae")


def test_weights_of_another_training(tmp_path, runs, scores):
    file = scores({"tiny": scores_of("tiny")})
    packed, out = write_packed(tmp_path / "weights", "tiny"), tmp_path / "runs"
    shutil.copytree(runs, out)
    steps = RECIPES["tiny"]["flow"]().steps
    for step in (steps - 1, steps + 20):
        (out / "models" / "tiny" / "training.json").write_text(json.dumps({"step": step}), encoding="utf-8")
        with pytest.raises(UsageError, match=f"tiny is from step {step:,}, but the run is at step {steps:,}"):
            write_cards(out, file, tmp_path / "weights")
    shutil.rmtree(out / "models" / "tiny")
    with pytest.raises(UsageError, match=r"tiny is not there, but the run is at step .*\n.*pack again"):
        write_cards(out, file, tmp_path / "weights")
    save_file({"a": np.ones(3, np.float16)}, packed / "transformer" / "w.safetensors")
    with pytest.raises(UsageError, match=r"w\.safetensors is not what .*tiny holds\n.*pack again"):
        write_cards(runs, file, tmp_path / "weights")


def test_a_damaged_model(tmp_path):
    folder = write_packed(tmp_path, "tiny")
    (folder / "transformer" / "w.safetensors").write_bytes(b"damaged")
    with pytest.raises(UsageError, match=r"tiny is no packed model"):
        read_packed_model(folder)


def test_pictures_need_a_package(runs, monkeypatch):
    monkeypatch.setitem(sys.modules, "vl_convert", None)
    with pytest.raises(EnvironmentUnfitError, match=r"vl-convert-python\n.*stepbench\[train\]"):
        draw_curves([read_training_run(runs, "distill")])
