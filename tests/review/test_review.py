"""The quality policy: what it accepts, what it never lets pass in silence, and what people decide over it."""

from __future__ import annotations

import json
import multiprocessing

import numpy as np
import pytest
from policies import WHOLE

import stepbench as sb
from stepbench.errors import NothingSelectedError, UsageError
from stepbench.generators.protocol import Clip
from stepbench.records import GeneratorCard
from stepbench.review.decisions import append_decision, standing_decisions
from stepbench.review.findings import find_in_clip, overall
from stepbench.review.policy import Rule, read_policy
from stepbench.review.review import decide, review_run
from stepbench.runs.folder import RunFolder
from stepbench.runs.journal import read_journal
from stepbench.runs.validate import run_problems

AS_WANTED = {"shape_alignment": 0.9, "flicker": 0.05}
DIRECTIONS = {"shape_alignment": "higher", "flicker": "lower", "exposure": "neutral"}


class Painter:
    card = GeneratorCard(name="painter", revision="1")

    def resolve(self, prompt, seed, settings):
        return {}

    def generate(self, request):
        if request.text == "broken":
            raise RuntimeError("broken")
        return Clip(frames=np.full((2, 3, 16, 16), len(request.text), dtype=np.uint8), fps=8)


@pytest.fixture
def scored(make_suite):
    """A run with given scores: prompt number -> metric -> value, or (status, error) where there is none."""

    def make(*clips, texts=None):
        texts = texts or [f"text {number}" for number in range(len(clips))]
        run = sb.run(Painter(), make_suite(*texts), metrics=[], run_id="r")
        info = json.loads((run.folder / "run.json").read_text())
        made = RunFolder(run.folder).read_samples()
        for metric in {name for clip in clips for name in clip}:
            card = {"name": metric, "direction": DIRECTIONS[metric], "level": "clip", "unit": ""}
            info["metric_cards"][f"{metric}@1"] = card
            rows = []
            for (key, _, _), clip in zip(run.planned, clips, strict=True):
                if metric in clip and made[key]["outcome"] == "ok":
                    value = clip[metric]
                    status, error = value if isinstance(value, tuple) else ("ok", None)
                    value = None if isinstance(value, tuple) else value
                    row = {"sample_key": key, "clip_sha256": made[key]["clip_sha256"], "value": value, "n": 1}
                    rows.append(row | {"status": status, "error": error, "note": "as told"})
            (run.folder / "scores" / f"{metric}@1.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
        (run.folder / "run.json").write_text(json.dumps(info))
        return sb.open_run(run.folder)

    return make


def standings(review):
    return [clip.standing for clip in review.clips]


def test_thresholds_accept_reject_and_leave_the_rest_to_people(scored, policy_of):
    run = scored(
        {"shape_alignment": 0.8, "flicker": 0.1},
        {"shape_alignment": 0.79, "flicker": 0.05},
        {"shape_alignment": 0.3, "flicker": 0.05},
        {"shape_alignment": 0.9, "flicker": 0.3},
        {"shape_alignment": 0.9, "flicker": 0.29},
    )
    review = review_run(run, policy_of(WHOLE))
    assert standings(review) == ["accept", "review", "reject", "reject", "review"]
    assert review.counts == {"accept": 1, "review": 2, "reject": 2, "no clip": 0}
    assert review.clips[1].reasons == ["intent: shape_alignment is 0.79, wanted at least 0.8 (as told)"]
    (bad,) = review.clips[3].reasons
    assert bad == "quality: flicker is 0.3, wanted at most 0.1, rejected at 0.3 and above (as told)"
    assert "wanted at least 0.8, rejected at 0.3 and below" in review.clips[2].reasons[0]
    assert review.clips[3].axis("quality") == "reject"
    assert review.clips[3].axis("intent") == "accept"
    assert [clip.name for clip in review.queue] == ["p2-s0", "p5-s0"]


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (("failed", "ValueError: too short"), "shape_alignment: failed: ValueError: too short"),
        (("unavailable", "no weights; stepbench weights pull x"), "unavailable: no weights; stepbench weights pull x"),
        (None, "shape_alignment: not scored"),
    ],
)
def test_what_is_not_known_is_never_accepted(scored, policy_of, value, reason):
    run = scored({"flicker": 0.0} | ({} if value is None else {"shape_alignment": value}))
    (clip,) = review_run(run, policy_of(WHOLE)).clips
    assert clip.standing == "review"
    assert reason in clip.reasons[0]


def test_scores_of_an_earlier_clip_do_not_count(scored, policy_of):
    run = scored(AS_WANTED)
    file = run.folder / "scores/flicker@1.jsonl"
    file.write_text(file.read_text().replace(json.loads(file.read_text())["clip_sha256"], "0" * 64))
    (clip,) = review_run(run, policy_of(WHOLE)).clips
    assert clip.reasons == ["quality: flicker: not scored"]


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("Mickey Mouse waves", "mickey mouse"),
        ("a can of coca-cola", "coca-cola"),
        ("成龙在跑步", "成龙"),
        ("Taylor Swift sings", "taylor swift"),
        ("the Acme logo", "acme"),
        ("某某公司的标志", "某某公司"),
    ],
)
def test_prompts_that_name_somebody_go_to_a_person(scored, policy_of, tmp_path, text, name):
    (tmp_path / "names.txt").write_text("# ours\nAcme\n某某公司\n", encoding="utf-8")
    policy = policy_of(WHOLE.replace("[rights]", '[rights]\nnames = "names.txt"'))
    run = scored(AS_WANTED, AS_WANTED, texts=[text, "a mouse waves"])
    named, plain = review_run(run, policy).clips
    assert (named.standing, plain.standing) == ("review", "accept")
    assert f"the prompt names {name}" in named.reasons[0]


def test_a_policy_can_reject_names_by_itself(scored, policy_of):
    policy = policy_of(WHOLE + "[rights.named_characters]\naccept = 0\nreject = 1\n")
    assert standings(review_run(scored(AS_WANTED, texts=["Batman runs"]), policy)) == ["reject"]


def test_faces_and_copies_are_looked_for_unless_skipped_with_a_reason(scored, policy_of):
    run = scored(AS_WANTED)
    (clip,) = review_run(run, policy_of(WHOLE.split("skip")[0])).clips
    assert clip.standing == "review"
    assert [reason for reason in clip.reasons if reason.startswith("rights")] == [
        "rights: face_present: not scored",
        "rights: near_duplicate: not scored",
    ]
    assert review_run(run, policy_of(WHOLE)).policy.skipped["face_present"] == "no people here"


def test_rules_by_language_leave_no_prompt_uncovered(scored, policy_of):
    policy = policy_of(WHOLE.replace("accept = 0.8", 'accept = 0.8\nlanguages = ["zh"]'))
    (clip,) = review_run(scored(AS_WANTED), policy).clips
    assert clip.reasons == ["intent: coverage: no rule is for prompts in 'en'"]
    assert Rule(accept=1, languages=("zh",)).covers("zh-Hans")


def row(value, direction):
    return {"value": value, "direction": direction, "status": "ok", "error": None}


def test_metrics_without_a_better_direction_are_accepted_between_bounds(policy_of):
    rule = "[quality.exposure]\naccept_between = [0.2, 0.8]\nreject_outside = [0.05, 0.95]\n"
    policy = policy_of(rule + "[intent]\nwaived = 'x'\n[rights]\nwaived = 'y'\n")
    found = {
        value: overall(find_in_clip(policy, "en", {"exposure": [row(value, "neutral")]}))
        for value in (0.2, 0.8, 0.19, 0.05, 0.04, 0.96)
    }
    assert found == {0.2: "accept", 0.8: "accept", 0.19: "review", 0.05: "review", 0.04: "reject", 0.96: "reject"}
    (bright, *_) = (one for one in find_in_clip(policy, "en", {"exposure": [row(0.96, "neutral")]}) if one.reason)
    assert bright.reason == "exposure is 0.96, wanted from 0.2 to 0.8, rejected outside of 0.05 to 0.95"
    with pytest.raises(UsageError, match="neither direction is better"):
        find_in_clip(policy_of(WHOLE), "en", {"flicker": [row(0.1, "neutral")]})


def test_thresholds_must_fit_the_direction_of_the_metric(policy_of):
    with pytest.raises(
        UsageError, match=r"flicker: higher is better, so reject = 0\.3 must be worse than accept = 0\.1"
    ):
        find_in_clip(policy_of(WHOLE), "en", {"flicker": [row(0.1, "higher")]})


def test_of_two_values_by_one_metric_the_worse_one_counts(policy_of):
    rows = [row(0.05, "lower"), row(0.5, "lower")]
    findings = find_in_clip(policy_of(WHOLE), "en", {"flicker": rows, "shape_alignment": [row(1, "higher")]})
    assert overall([one for one in findings if one.axis == "quality"]) == "reject"
    assert overall([]) == "review"


def test_decisions_are_appended_with_who_why_and_when_and_may_be_taken_back(scored, policy_of):
    policy = policy_of(WHOLE)
    run = scored({"shape_alignment": 0.5, "flicker": 0.05}, AS_WANTED)
    before = {path: path.read_bytes() for path in run.folder.rglob("*") if path.is_file()}
    written = decide(review_run(run, policy), "p1-s0", "accept", by=" Ann ", why="shape is right")
    assert (written["by"], written["why"], written["decision"]) == ("Ann", "shape is right", "accept")
    assert written["policy"] == {"name": "quality", "sha256": policy.hash}
    assert written["verdict"] == "review"
    assert written["at"].endswith("+00:00")
    assert written["known"] == ["intent.shape_alignment"]
    assert written["reasons"] == ["shape_alignment is 0.5, wanted at least 0.8 (as told)"]
    decide(review_run(run, policy), "p2-s0", "reject", by="Bob", why="ugly")
    assert standings(review_run(run, policy)) == ["accept", "reject"]
    key = run.samples()["sample_key"][0]
    decide(review_run(run, policy), key[:12], "reopen", by="Ann", why="not sure")
    assert standings(review_run(run, policy)) == ["review", "reject"]
    rows = (run.folder / "reviews.jsonl").read_text().splitlines()
    assert [json.loads(line)["decision"] for line in rows] == ["accept", "reject", "reopen"]
    # Nothing else in the run folder has changed, and the run is still as its checksums say.
    assert {path: path.read_bytes() for path in before} == before


def test_a_person_overrules_the_policy_and_new_reasons_overrule_the_person(scored, policy_of):
    run = scored({"shape_alignment": 0.1, "flicker": 0.2})
    lenient = policy_of(WHOLE.replace("accept = 0.1\nreject = 0.3", "accept = 0.25"))
    decide(review_run(run, lenient), "p1-s0", "accept", by="Ann", why="asked for a blur")
    assert standings(review_run(run, lenient)) == ["accept"]
    strict = review_run(run, policy_of(WHOLE))
    assert strict.clips[0].overtaken == ("quality.flicker",)
    # The person knew of the intent axis alone; what the policy rejects by itself stays rejected.
    assert standings(strict) == ["reject"]
    decide(strict, "p1-s0", "accept", by="Ann", why="flicker as asked for")
    assert standings(review_run(run, policy_of(WHOLE))) == ["accept"]


def test_an_accept_before_a_new_finding_goes_back_to_the_queue(scored, policy_of):
    run = scored({"shape_alignment": 0.5, "flicker": 0.2})
    lenient = policy_of(WHOLE.replace("accept = 0.1\nreject = 0.3", "accept = 0.25"))
    decide(review_run(run, lenient), "p1-s0", "accept", by="Ann", why="fine")
    assert standings(review_run(run, policy_of(WHOLE))) == ["review"]
    decide(review_run(run, lenient), "p1-s0", "reject", by="Ann", why="no")
    assert standings(review_run(run, policy_of(WHOLE))) == ["reject"]


def test_a_decision_belongs_to_the_bytes_of_the_clip(scored, policy_of):
    policy = policy_of(WHOLE)
    run = scored({"shape_alignment": 0.5, "flicker": 0.05})
    decide(review_run(run, policy), "p1-s0", "accept", by="Ann", why="fine")
    samples = run.folder / "samples.jsonl"
    old = json.loads(samples.read_text())["clip_sha256"]
    for file in (samples, *run.folder.glob("scores/*.jsonl")):
        file.write_text(file.read_text().replace(old, "f" * 64))
    assert standings(review_run(run, policy)) == ["review"]


def append_many(folder, name):
    policy = read_policy()
    for number in range(20):
        sample = {"sample_key": f"{name}{number}", "clip_sha256": "c", "prompt_id": "p", "seed": 0}
        append_decision(
            RunFolder(folder), sample, "accept", by=name, why="x" * 500, policy=policy, findings=[], verdict="review"
        )


def test_people_who_decide_at_once_lose_nothing(tmp_path):
    context = multiprocessing.get_context("fork")
    people = [context.Process(target=append_many, args=(tmp_path, name)) for name in "abcd"]
    for person in people:
        person.start()
    for person in people:
        person.join()
    assert len((tmp_path / "reviews.jsonl").read_text().splitlines()) == 80
    assert len(standing_decisions(RunFolder(tmp_path))) == 80


def test_a_decision_torn_by_a_kill_was_none(tmp_path):
    append_many(tmp_path, "a")
    with (tmp_path / "reviews.jsonl").open("a") as file:
        file.write('{"sample_key": "torn", "dec')
    assert len(standing_decisions(RunFolder(tmp_path))) == 20
    append_many(tmp_path, "b")
    assert len(standing_decisions(RunFolder(tmp_path))) == 40


@pytest.mark.parametrize(("by", "why"), [("", "x"), ("x", " ")])
def test_decisions_need_a_name_and_a_reason(scored, policy_of, by, why):
    review = review_run(scored(AS_WANTED), policy_of(WHOLE))
    with pytest.raises(UsageError, match="needs who made it and why"):
        decide(review, "p1-s0", "accept", by=by, why=why)
    with pytest.raises(UsageError, match="a decision is accept, reject, reopen, got 'maybe'"):
        decide(review, "p1-s0", "maybe", by="x", why="x")
    assert not (review.run.folder / "reviews.jsonl").exists()


def test_samples_without_a_clip_cannot_be_decided(scored, policy_of):
    review = review_run(scored(AS_WANTED, {}, texts=["fine", "broken"]), policy_of(WHOLE))
    assert review.counts["no clip"] == 1
    with pytest.raises(UsageError, match="0 clips of r answer to 'p2-s0'"):
        decide(review, "p2-s0", "accept", by="x", why="x")


def test_a_run_without_clips_has_nothing_to_review(make_suite):
    run = sb.run(Painter(), make_suite("broken"), metrics=[])
    with pytest.raises(NothingSelectedError, match="has no clip to review"):
        review_run(run, read_policy())


def test_the_command_lists_queues_decides_and_ends_as_documented(scored, stepbench, workplace):
    run = scored({"shape_alignment": 0.5, "flicker": 0.05}, AS_WANTED).folder
    (workplace / "q.toml").write_text(WHOLE)
    use = ("review", run, "--policy", "q.toml")
    ended = stepbench(*use)
    assert ended.code == 3
    assert "wanted at least 0.8" in ended.out
    assert "NOT LOOKED AT: face_present: no people here" in ended.err
    records = stepbench(*use, "--json").records()
    assert [record["standing"] for record in records] == ["review", "accept"]
    assert records[0]["axes"] == {"intent": "review", "quality": "accept", "rights": "accept"}
    queue = stepbench(*use, "--queue", "--json")
    assert (queue.code, [record["sample"] for record in queue.records()]) == (0, ["p1-s0"])
    assert stepbench(*use, "--decide", "p1-s0", "accept").code == 2
    assert stepbench(*use, "--by", "Ann").code == 2
    assert stepbench(*use, "--decide", "p1-s0", "perhaps", "--by", "A", "--why", "b").code == 2
    ended = stepbench(*use, "--decide", "p1-s0", "accept", "--by", "Ann", "--why", "fine", "--json")
    assert (ended.code, ended.records()[0]["by"]) == (0, "Ann")
    assert stepbench(*use).code == 0
    record = stepbench("cost", run, "--accepted", "review", "--policy", "q.toml", "--json").records()[0]
    assert (record["accepted"]["accepted"], record["accepted"]["waiting"]) == (2, 0)
    default = stepbench("review", run)
    assert default.code == 3
    assert "stepbench score" in default.err
    assert "siglip_margin" in default.err


def test_a_finished_run_with_decisions_is_still_valid(make_suite, policy_of):
    run = sb.run(Painter(), make_suite("a"), metrics=["flicker"])
    decide(review_run(run, policy_of(WHOLE)), "p1-s0", "reject", by="Ann", why="no")
    assert run_problems(run.folder) == []
    sums = (run.folder / "SHA256SUMS").read_bytes()
    again = sb.run(Painter(), run.folder.parent.parent / "mini", metrics=["flicker"])
    assert (again.folder / "SHA256SUMS").read_bytes() != b""
    assert sums.count(b"\n") == (again.folder / "SHA256SUMS").read_bytes().count(b"\n")
    assert standings(review_run(again, policy_of(WHOLE))) == ["reject"]


def test_decisions_come_along_when_shards_are_merged(make_suite, stepbench, policy_of):
    suite = make_suite("a", "b")
    parts = [sb.run(Painter(), suite, metrics=["flicker"], run_id=f"part{part}", shard=(part, 2)) for part in (1, 2)]
    for name, part in zip(("Ann", "Bob"), parts, strict=True):
        review = review_run(part, policy_of(WHOLE))
        decide(review, review.clips[0].name, "reject", by=name, why="no")
    for _ in range(2):
        stepbench("merge", *(part.folder for part in parts), "-o", "runs/whole")
    whole = sb.open_run("runs/whole")
    assert standings(review_run(whole, policy_of(WHOLE))) == ["reject", "reject"]
    assert len(read_journal(whole.folder / "reviews.jsonl")) == 2
