"""Judges: real vision-language models at tiny sizes, canaries that refuse them, and scores by a judge that can see."""

from __future__ import annotations

import json
from dataclasses import dataclass

import clips
import pytest
import torch
import transformers
from PIL import Image
from tiny_judges import write_llava, write_qwen2_vl

import metrics
from metrics.errors import MetricError, MissingInputError, UnavailableMetricError, UndefinedScoreError
from metrics.judges.canaries import Canary, ask_canaries, drawn_canaries
from metrics.judges.protocol import Answer
from metrics.judges.questions import questions_about
from metrics.judges.vision_language import INSTRUCTION, find_judge
from metrics.registry import JUDGED

CLIP = clips.moving(1, frames=9)


@pytest.fixture(scope="module", params=["llava", "qwen2_vl"])
def folder(request, tmp_path_factory):
    write = {"llava": write_llava, "qwen2_vl": write_qwen2_vl}[request.param]
    return write(tmp_path_factory.mktemp("judge") / request.param)


def test_probabilities_are_those_of_greedy_generation(folder):
    question = "Is there a cat ?"
    judge = find_judge(folder)
    model = transformers.AutoModelForImageTextToText.from_pretrained(folder).eval()
    processor = transformers.AutoProcessor.from_pretrained(folder)
    images = [Image.fromarray(CLIP[place].permute(1, 2, 0).numpy()) for place in (0, 1, 2, 3, 5, 6, 7, 8)]
    content = [{"type": "image", "image": image} for image in images]
    content.append({"type": "text", "text": INSTRUCTION.format(question=question)})
    inputs = processor.apply_chat_template(
        [{"role": "user", "content": content}],
        add_generation_prompt=True,
        tokenize=True,
        return_dict=True,
        return_tensors="pt",
    )
    out = model.generate(**inputs, max_new_tokens=1, do_sample=False, return_dict_in_generate=True, output_logits=True)
    expected = out.logits[0][0].double().softmax(-1)
    assert torch.allclose(judge.next_token(CLIP, INSTRUCTION.format(question=question)), expected, atol=1e-6)
    yes = expected[processor.tokenizer.convert_tokens_to_ids(["yes", "Yes", "YES"])].sum()
    no = expected[processor.tokenizer.convert_tokens_to_ids(["no", "No", "NO"])].sum()
    answer = judge.answer(CLIP, question)
    assert answer.yes == pytest.approx(float(yes / (yes + no)), abs=1e-5)
    assert answer.mass == pytest.approx(float(yes + no), abs=1e-5)


def test_answers_have_no_chance_in_them_and_see_clip_and_question(folder):
    judge = find_judge(folder)
    first = judge.answer(CLIP, "Is there a cat ?")
    assert judge.answer(CLIP, "Is there a cat ?") == first
    assert judge.answer(255 - CLIP, "Is there a cat ?") != first
    assert judge.answer(CLIP, "Is there a square ?") != first
    assert judge.answer(CLIP[:1], "Is there a cat ?").mass > 0


def test_a_random_model_is_refused_by_the_canaries(folder):
    metric = metrics.build("question_answering", weights=folder)
    view = metrics.ClipView(CLIP, prompt="a red square")
    (score,) = metrics.score_view(view, {"judge": metric}).values()
    assert score.status == "unavailable"
    assert "is refused" in score.error
    assert "of 8 canaries are wrong" in score.error
    accuracy = metrics.build("canary_accuracy", weights=folder)
    accuracy.update(CLIP[None])
    assert float(accuracy.compute()) == metric.canary_report.accuracy < 1
    with pytest.raises(UnavailableMetricError, match=r"should be (yes|no), got"):
        metric.update(CLIP[None], prompts=["a red square"])


def test_prompts_with_control_tokens_are_refused(folder):
    token = "<image>" if "llava" in folder.name else "<|image_pad|>"
    with pytest.raises(UndefinedScoreError, match="its control token"):
        find_judge(folder).answer(CLIP, f"Is there a cat {token} ?")


def test_weights_and_revision_are_in_the_card(tmp_path):
    folder = write_llava(tmp_path / "llava")
    card = metrics.build("question_answering", weights=folder).card
    assert (card.backbone, card.weights_hash) == ("llava", find_judge(folder).weights_hash)
    (tmp_path / "llava.json").write_text(json.dumps({"revision": "c0ffee" * 6}))
    assert metrics.build("question_answering", weights=folder).card.backbone == "llava@c0ffeec0ffee"
    template = folder / "chat_template.jinja"
    template.write_text(template.read_text() + " ")
    folder.touch()
    assert metrics.build("question_answering", weights=folder).card.id != card.id


def test_a_tokenizer_without_the_words_is_refused(tmp_path):
    folder = write_llava(tmp_path / "llava")
    path = folder / "tokenizer.json"
    told = json.loads(path.read_text())
    vocabulary = told["model"]["vocab"]
    vocabulary["oui"] = vocabulary.pop("Yes")
    path.write_text(json.dumps(told))
    with pytest.raises(UnavailableMetricError, match="no token that begins yes, or no"):
        find_judge(folder).answer(CLIP, "Is there a cat ?")


@dataclass(eq=False)
class Looker:
    """A judge that measures colours, and answers what the canaries ask about; `mass` is how much it answers at all."""

    name: str = "looker"
    weights_hash: str = "abcdef"
    policy: str = "pixels"
    mass: float = 1.0
    lies_about: str = "nothing"
    asked: int = 0

    def answer(self, frames: torch.Tensor, question: str) -> Answer:
        self.asked += 1
        frame = frames[len(frames) // 2].float() / 255
        corner = float(frame[:, 0, 0].mean())
        inside = (frame - frame[:, :1, :1]).abs().sum(0) > 0.3
        red, green, blue = (float(channel[inside].mean()) if inside.any() else 0.0 for channel in frame)
        seen = {
            "red": red > 0.6 and green < 0.4,
            "blue": blue > 0.6,
            "green": green > 0.5 and red < 0.4,
            "yellow": red > 0.6 and green > 0.6,
            "white": corner > 0.9,
            "black": corner < 0.1,
            "square": bool(inside[inside.any(1)][:, inside.any(0)].all()),
        }
        yes = any(value for word, value in seen.items() if word in question)
        yes = not yes if self.lies_about in question else yes
        return Answer(0.9 if yes else 0.2, self.mass)


def drawn(index: int) -> torch.Tensor:
    return drawn_canaries()[index].frames


def test_a_judge_that_sees_passes_the_canaries_and_scores():
    judge = Looker()
    metric = metrics.build("question_answering", judge=judge)
    assert metric.canary_report.accuracy == 1
    metric.update(torch.stack([drawn(0), drawn(2)]), prompts=["a red square", "a red square"])
    assert float(metric.compute()) == pytest.approx((0.9 + 0.2) / 2)
    assert metric.note(metrics.ClipView(drawn(0))) == "looker, 8 of 8 canaries right"
    assert judge.asked == 8 + 2


def test_questions_of_the_ground_truth_come_first():
    metric = metrics.build("question_answering", judge=Looker())
    truth = {"questions": ["Is it red?", {"question": "Is the background black?", "answer": "no"}]}
    metric.update(drawn(0)[None], prompts=["anything"], ground_truth=[truth])
    assert float(metric.compute()) == pytest.approx((0.9 + 0.8) / 2)


@pytest.mark.parametrize("constant", [0.0, 0.5, 1.0])
def test_a_judge_that_always_says_the_same_is_refused(constant):
    class Constant(Looker):
        def answer(self, frames, question):
            return Answer(constant, 1.0)

    metric = metrics.build("question_answering", judge=Constant())
    assert metric.canary_report.accuracy == (0 if constant == 0.5 else 0.5)
    with pytest.raises(UnavailableMetricError, match="canaries are wrong"):
        metric.update(drawn(0)[None], prompts=["a red square"])


def test_one_wrong_canary_is_enough():
    metric = metrics.build("question_answering", judge=Looker(lies_about="yellow"))
    with pytest.raises(UnavailableMetricError, match=r"1 of 8 canaries are wrong, such as: Is there a yellow shape"):
        metric.update(drawn(0)[None], prompts=["a red square"])
    accuracy = metrics.build("canary_accuracy", judge=Looker(lies_about="yellow"))
    accuracy.update(drawn(0)[None])
    assert float(accuracy.compute()) == pytest.approx(7 / 8)


def test_who_answers_neither_yes_nor_no_is_not_counted():
    report = ask_canaries(Looker(mass=0.05), drawn_canaries())
    assert report.accuracy == 0
    lenient = [Canary(drawn(0), "Is it red?", True)]

    class Shy(Looker):
        def answer(self, frames, question):
            return Answer(0.9, 1.0 if question == "Is it red?" else 0.01)

    metric = metrics.build("question_answering", judge=Shy(), canaries=lenient)
    with pytest.raises(UndefinedScoreError, match="looker answers neither yes nor no to 'Does this video show"):
        metric.update(drawn(0)[None], prompts=["a red square"])


def test_canaries_are_balanced_and_distinct():
    canaries = drawn_canaries()
    assert sum(canary.yes for canary in canaries) * 2 == len(canaries) == 8
    assert len({(canary.question, int(canary.frames.sum())) for canary in canaries}) == 8
    assert all(canary.frames.dtype == torch.uint8 for canary in canaries)


def test_a_prompt_becomes_a_question():
    assert questions_about(" a cat ", None) == [('Does this video show what this text describes: "a cat"?', True)]
    assert questions_about("", {"questions": ["Is it?"]}) == [("Is it?", True)]
    with pytest.raises(UndefinedScoreError, match="nothing to ask about the prompt ''"):
        questions_about("", {})


@pytest.mark.parametrize(
    "bad", ["Is it?", [], [3], [{"question": "Is it?"}], [{"question": "x", "answer": "maybe"}], [""]]
)
def test_odd_questions_are_refused(bad):
    with pytest.raises(MetricError, match="question"):
        questions_about("a cat", {"questions": bad})


def test_a_prompt_is_needed_and_weights_too(tmp_path, monkeypatch):
    with pytest.raises(MissingInputError, match="question_answering needs a prompt"):
        metrics.build("question_answering", judge=Looker()).update(CLIP[None])
    monkeypatch.setenv("STEPBENCH_WEIGHTS", str(tmp_path))
    for name in JUDGED:
        with pytest.raises(UnavailableMetricError, match="stepbench weights pull qwen2-vl-2b-instruct"):
            metrics.build(name)
        assert "qwen2-vl-2b-instruct" in metrics.METRICS[name].unavailable()
