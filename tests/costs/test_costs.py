"""Costs of runs: what rows say, intervals, price per accepted clip, and comparison on one machine only."""

from __future__ import annotations

import json
import re

import numpy as np
import pytest

import stepbench as sb
from metrics.registry import METRICS
from stepbench.costs.acceptance import accepted_by_votes, accepted_clips
from stepbench.costs.clip_costs import clip_costs, measures_of
from stepbench.costs.comparison import compare_costs
from stepbench.costs.energy import Counter, EnergyMeter
from stepbench.costs.measures import cost_card, fixed_measures
from stepbench.costs.summary import Acceptance, summarize_costs
from stepbench.errors import NothingSelectedError, Refused, UsageError
from stepbench.executors.local import LocalExecutor
from stepbench.generators.protocol import Clip
from stepbench.records import GeneratorCard
from stepbench.runs.sample_worker import forget_peak_memory, peak_memory_bytes
from stepbench.video import write_preview

FRAMES = np.zeros((2, 3, 16, 16), dtype=np.uint8)


class Maker:
    def __init__(self, name="maker"):
        self.card = GeneratorCard(name=name, revision="1")

    def resolve(self, prompt, seed, settings):
        return dict(settings)

    def generate(self, request):
        if request.text == "no":
            raise Refused("no")
        if request.text == "broken":
            raise RuntimeError("broken")
        return Clip(frames=FRAMES, fps=8, seconds={"load": 0.0, "denoise": 1.0, "Odd Stage": 2.0})


def made(suite, name="one", **options):
    return sb.run(Maker(name), suite, metrics=[], run_id=name, **options)


def rewrite(run, change):
    """Give the rows of a run known costs."""
    file = run.folder / "samples.jsonl"
    rows = [json.loads(line) for line in file.read_text().splitlines()]
    for number, row in enumerate(rows):
        change(number, row)
    file.write_text("".join(json.dumps(row) + "\n" for row in rows))


def timed(run, seconds, joules=None, load=0.0):
    def change(number, row):
        total = seconds[number]
        row["seconds"] = {"load": load, "denoise": total / 2, "generate": total + load, "total": total + load}
        if row["outcome"] == "ok":
            row["peak_memory_bytes"] = 2**30
            if joules:
                row |= {"joules": joules[number], "joules_from": ["nvml"]}

    rewrite(run, change)
    return run


@pytest.fixture
def suite(make_suite):
    return make_suite("a", "b", "c", "d")


def test_rows_of_clips_without_the_time_of_loading(suite):
    run = timed(made(suite, seeds=[0, 1]), [1, 2, 3, 4, 5, 6, 7, 8], joules=[10] * 8, load=100.0)
    costs = clip_costs(run)
    assert costs["seconds"].tolist() == [1, 2, 3, 4, 5, 6, 7, 8]
    assert costs["seconds_generate"].tolist() == [1, 2, 3, 4, 5, 6, 7, 8]
    assert measures_of(costs) == [
        "seconds",
        "seconds_load",
        "seconds_denoise",
        "seconds_generate",
        "peak_memory",
        "joules",
    ]
    assert set(costs["peak_memory"]) == {1.0}
    record = summarize_costs(run, price_per_hour=3.6)
    seconds = record["measures"][0]
    # Means of prompts 1.5, 3.5, 5.5, 7.5: by hand mean 4.5, standard error sqrt(20/3)/2, t(3) = 3.1824.
    half = 3.18244631 * np.sqrt(20 / 3) / 2
    assert (seconds["mean"], seconds["low"], seconds["high"]) == pytest.approx((4.5, 4.5 - half, 4.5 + half))
    assert (seconds["n"], seconds["n_units"]) == (8, 4)
    assert record["price_per_clip"]["mean"] == pytest.approx(0.0045)
    assert record["clips_per_hour"]["mean"] == pytest.approx(800)
    assert record["clips_per_hour"]["low"] == pytest.approx(3600 / (4.5 + half))


def test_workers_share_the_price_of_their_machine(suite):
    run = timed(made(suite), [2, 2, 2, 2])
    info = json.loads((run.folder / "run.json").read_text())
    assert info["made_on"][0]["workers"] == 1
    info["made_on"][0]["workers"] = 4
    (run.folder / "run.json").write_text(json.dumps(info))
    record = summarize_costs(sb.open_run(run.folder), price_per_hour=3600)
    assert record["clips_per_hour"]["mean"] == pytest.approx(7200)
    assert record["price_per_clip"]["mean"] == pytest.approx(0.5)


def test_an_accepted_clip_bears_the_time_of_all_others(make_suite):
    run = timed(made(make_suite("a", "b", "no", "broken")), [1, 3, 5, 7])
    keys = run.samples()["sample_key"].tolist()
    record = summarize_costs(run, price_per_hour=3600, acceptance=Acceptance(accepted=keys[:1], waiting=1, by="test"))
    accepted = record["accepted"]
    assert record["clips"] == {"ok": 2, "refused": 1, "failed": 1}
    assert accepted["share"]["mean"] == 0.25
    assert accepted["seconds_per_accepted_clip"]["mean"] == pytest.approx(16)
    assert accepted["price_per_accepted_clip"]["mean"] == pytest.approx(16)
    # A resample without the accepted prompt happens in (3/4)^4 = 32 % of draws, so there is no upper end.
    assert accepted["seconds_per_accepted_clip"]["high"] is None
    assert accepted["seconds_per_accepted_clip"]["low"] > 0
    nothing = summarize_costs(run, acceptance=Acceptance(accepted=[], waiting=0, by="test"))["accepted"]
    assert nothing["seconds_per_accepted_clip"]["mean"] is None
    assert nothing["price_per_accepted_clip"] is None


def test_the_bootstrap_of_the_ratio_agrees_with_its_large_sample_error(make_suite):
    """Delta method: Var(sum s / sum a) = n Var(s - R a) / (sum a)^2."""
    rng = np.random.default_rng(0)
    run = made(make_suite(*(f"text {number}" for number in range(80))))
    seconds = rng.gamma(4, size=80).tolist()
    timed(run, seconds)
    keys = run.samples()["sample_key"]
    accepted = rng.random(80) < 0.6
    record = summarize_costs(run, acceptance=Acceptance(accepted=keys[accepted].tolist(), waiting=0, by="test"))
    got = record["accepted"]["seconds_per_accepted_clip"]
    ratio = sum(seconds) / accepted.sum()
    error = np.sqrt(80 * np.var(seconds - ratio * accepted, ddof=1)) / accepted.sum()
    assert got["mean"] == pytest.approx(ratio)
    assert (got["high"] - got["low"]) / 2 == pytest.approx(1.96 * error, rel=0.1)


def test_a_run_on_one_machine_is_compared_prompt_by_prompt(suite):
    a = timed(made(suite, "a"), [1.0, 2.0, 3.0, 4.0], joules=[5, 5, 5, 5])
    b = timed(made(suite, "b"), [2.0, 3.5, 4.0, 5.5], joules=[5, 5, 5, 5])
    found = compare_costs(a, b)
    table = found.table.set_index("metric")
    assert found.why_not == ""
    row = table.loc["seconds"]
    assert (row["difference"], row["n"], row["family"]) == (pytest.approx(1.25), 4, "cost")
    assert row["p"] == pytest.approx(2 / 16)
    assert table.loc["joules", "difference"] == 0
    assert set(table["verdict"]) == {"not separable"}


def test_a_clear_difference_names_the_cheaper_one(make_suite):
    suite = make_suite(*(f"text {number}" for number in range(12)))
    a, b = timed(made(suite, "a"), range(1, 13)), timed(made(suite, "b"), range(3, 15))
    assert compare_costs(a, b).table.set_index("metric").loc["seconds", "verdict"] == "a cheaper"
    assert compare_costs(b, a).table.set_index("metric").loc["seconds", "verdict"] == "b cheaper"


def change_info(run, change):
    info = json.loads((run.folder / "run.json").read_text())
    change(info)
    (run.folder / "run.json").write_text(json.dumps(info))
    return sb.open_run(run.folder)


@pytest.mark.parametrize(
    ("change", "why"),
    [
        (
            lambda info: info["made_on"][0].update(workers=2),
            "made on other machines: .* 1 workers.* against .* 2 workers",
        ),
        (lambda info: info["made_on"].append({"workers": 9}), "made on 2 machines or with several numbers of workers"),
        (lambda info: info.pop("made_on"), "do not say where"),
        (lambda info: info["generator"]["parameters"].update(manifest="m"), "were made elsewhere"),
    ],
)
def test_costs_of_other_machines_are_not_compared(suite, change, why):
    a, b = made(suite, "a"), change_info(made(suite, "b"), change)
    found = compare_costs(a, b)
    assert found.table.empty
    assert re.search(why, found.why_not)


def test_joules_of_other_counters_are_not_compared(suite):
    a, b = (timed(made(suite, name), [1, 2, 3, 4], joules=[5] * 4) for name in "ab")
    rewrite(b, lambda _, row: row.update(joules_from=["rapl"]))
    found = compare_costs(a, b)
    assert "joules" not in set(found.table["metric"])
    assert found.why_not == "joules were counted by nvml against rapl"


def test_imported_clips_and_runs_without_clips_have_no_cost(suite, make_suite, stepbench, tmp_path):
    (tmp_path / "clips").mkdir()
    write_preview(tmp_path / "clips/a-0.mp4", FRAMES, 8)
    (tmp_path / "clips/manifest.jsonl").write_text('{"prompt_id": "p1", "seed": 0, "path": "a-0.mp4"}\n')
    run = sb.run(f"folder:{tmp_path / 'clips'}", suite, metrics=[], run_id="brought")
    with pytest.raises(NothingSelectedError, match=r"has a cost\n.*made elsewhere"):
        summarize_costs(run)
    with pytest.raises(NothingSelectedError, match="no clip was made"):
        summarize_costs(made(make_suite("no", name="other"), "none"))
    assert stepbench("cost", run.folder).code == 5


@pytest.mark.parametrize("price", [-1, float("nan"), float("inf")])
def test_a_price_is_a_number_from_0_up(suite, price):
    with pytest.raises(UsageError, match="a price per hour must be 0 or more"):
        summarize_costs(made(suite), price_per_hour=price)


def test_energy_of_a_clip_stands_in_its_row_with_one_worker_only(suite, monkeypatch):
    place = [0.0]

    def read():
        place[0] += 7.0
        return place[0]

    meter = EnergyMeter([Counter("nvml", read)])
    monkeypatch.setattr("stepbench.runs.sample_worker.open_meter", lambda: meter)
    run = made(suite)
    rows = [json.loads(line) for line in (run.folder / "samples.jsonl").read_text().splitlines()]
    assert {(row["joules"], *row["joules_from"]) for row in rows} == {(7.0, "nvml")}
    joules = summarize_costs(run)["measures"][-1]
    assert (joules["measure"], joules["mean"], joules["from"]) == ("joules", 7.0, ["nvml"])
    makers = []

    def no_tasks(self, make_worker, tasks, **_):
        makers.append(make_worker)
        yield from ()

    monkeypatch.setattr(LocalExecutor, "run_tasks", no_tasks)
    sb.run("world:exact", suite, metrics=[], workers=2, run_id="two")
    assert makers[0].keywords == {"alone": False}


def test_the_peak_of_memory_is_that_of_the_clip():
    forget_peak_memory()
    before = peak_memory_bytes()
    held = bytearray(64 * 2**20)
    held[::4096] = b"x" * len(held[::4096])
    assert peak_memory_bytes() > before + 50 * 2**20
    del held
    forget_peak_memory()
    assert peak_memory_bytes() < before + 30 * 2**20


def test_every_measure_has_a_card_of_the_family_cost():
    for name in [*fixed_measures(), "seconds_vae_decode"]:
        card = cost_card(name)
        assert (card.family, card.direction, card.name) == ("cost", "lower", name)


def test_cost_is_listed_beside_the_metrics(stepbench, monkeypatch):
    # To import every metric takes seconds.
    monkeypatch.setattr("metrics.registry.METRICS", {"flicker": METRICS["flicker"]})
    listed = {row["metric"]: row for row in stepbench("list", "metrics", "--json").records()}
    assert {name: row["family"] for name, row in listed.items()} == {
        "flicker": "temporal consistency",
        **dict.fromkeys(("seconds", "peak_memory", "joules", "price"), "cost"),
    }
    assert (
        "cost (seconds, peak_memory, joules, price): measured while clips are made" in stepbench("list", "metrics").err
    )


def test_cost_stands_in_compare_apart_from_the_metrics(suite, stepbench):
    made(suite, "a")
    made(suite, "b")
    for name in "ab":
        stepbench("score", f"runs/{name}", "-m", "flicker")
    record = stepbench("compare", "runs/a", "runs/b", "--json").records()[0]
    assert "seconds" not in [row["metric"] for row in record["rows"]]
    assert "seconds" in [row["metric"] for row in record["costs"]["rows"]]
    assert "cost per clip" in stepbench("compare", "runs/a", "runs/b").out
    assert "seconds" not in (sb.open_run("runs/a").folder / "summary.json").read_text()


def test_the_command_prints_and_refuses(suite, stepbench):
    timed(made(suite, "a"), [1, 2, 3, 4])
    ended = stepbench("cost", "runs/a", "--price-per-hour", "2.5")
    assert ended.code == 0
    assert "clips per hour" in ended.out
    assert "no joules" in ended.err
    record = stepbench("cost", "runs/a", "--price-per-hour", "2.5", "--json").records()[0]
    assert record["price_per_clip"]["mean"] == pytest.approx(2.5 * 2.5 / 3600)
    assert stepbench("cost", "runs/a", "--policy", "x.toml").code == 2
    ended = stepbench("cost", "runs/a", "--accepted", "nothing.csv")
    assert (ended.code, "a file of votes" in ended.err) == (2, True)


def votes_of(keys):
    import pandas as pd

    a, b, c, d = keys
    rows = [
        {"winner": "a", "sample_key_a": a, "sample_key_b": b},
        {"winner": "both_bad", "sample_key_a": b, "sample_key_b": c},
        {"winner": "both_bad", "sample_key_a": c, "sample_key_b": "of another run"},
        {"winner": "skip", "sample_key_a": d, "sample_key_b": d},
        {"winner": "both_bad", "sample_key_a": a, "sample_key_b": a, "kind": "gold"},
        {"winner": "both_bad", "sample_key_a": a, "sample_key_b": a, "excluded": "too fast"},
        {"winner": None, "rating": 2, "rated_clip": "b", "sample_key_a": a, "sample_key_b": b},
        {"winner": None, "rating": 4, "rated_clip": "b", "sample_key_a": a, "sample_key_b": b},
    ]
    return pd.DataFrame([{"kind": "real", "excluded": None, **row} for row in rows])


@pytest.mark.parametrize("suffix", [".csv", ".jsonl", ".parquet"])
def test_votes_say_which_clips_are_accepted(suite, tmp_path, suffix):
    run = made(suite)
    keys = run.samples()["sample_key"].tolist()
    votes = votes_of(keys)
    # a: never bad. b: bad, bad and good twice, at most half. c: bad twice. d: skipped, so nobody has judged it.
    expected = (set(keys[:2]), 1)
    found = accepted_by_votes(run, votes, "votes")
    assert (found.accepted, found.waiting) == expected
    file = tmp_path / f"votes{suffix}"
    {
        ".csv": lambda: votes.to_csv(file, index=False),
        ".jsonl": lambda: votes.to_json(file, orient="records", lines=True),
        ".parquet": lambda: votes.to_parquet(file),
    }[suffix]()
    found = accepted_clips(run, str(file))
    assert (found.accepted, found.waiting) == expected


def test_votes_without_the_columns_are_refused(suite, tmp_path):
    (tmp_path / "votes.csv").write_text("winner,sample_key_a\na,b\n")
    with pytest.raises(UsageError, match="has no column 'sample_key_b'"):
        accepted_clips(made(suite), str(tmp_path / "votes.csv"))
