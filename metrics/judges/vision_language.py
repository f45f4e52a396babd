"""A vision-language model from a local folder as a judge: one forward pass per question, nothing sampled."""

from __future__ import annotations

import json
from collections.abc import Sequence
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any

from jaxtyping import UInt8
from PIL import Image
from torch import Tensor

from metrics.backbones.arithmetic import fixed_arithmetic
from metrics.backbones.hub_towers import middle_frames
from metrics.backbones.published_model import PublishedModel, open_folder
from metrics.errors import UndefinedScoreError
from metrics.functional.pixels import interleaved
from metrics.judges.protocol import Answer

FRAMES = 8
INSTRUCTION = "These are frames of one video, in order. {question} Answer with yes or no only."
_WORDS = {"yes": ("yes", "Yes", "YES"), "no": ("no", "No", "NO")}


class VisionLanguageJudge:
    """Any model that `AutoModelForImageTextToText` loads and whose processor takes several images in one message.

    The frames are given as images, the middle ones of 8 equal parts (all of a shorter clip), at their own size. The
    probability of yes is that of the next token after the question: yes against no, in their usual spellings.

    Args:
        folder: The published model; making the object reads nothing of it.
    """

    policy = f"{FRAMES}mid-yesno-v1"

    def __init__(self, folder: PublishedModel) -> None:
        self.folder = folder

    @property
    def name(self) -> str:
        """Name of the folder, and the revision that the record of its pull states."""
        record = self.folder.path.with_name(f"{self.folder.path.name}.json")
        revision = json.loads(record.read_text(encoding="utf-8")).get("revision", "") if record.is_file() else ""
        return f"{self.folder.name}@{revision[:12]}" if revision else self.folder.name

    @property
    def weights_hash(self) -> str:
        """See `PublishedModel.hash`."""
        return self.folder.hash

    @cached_property
    def model(self) -> Any:
        """The network, loaded when it is first needed."""
        import transformers

        return self.folder.load_model(transformers.AutoModelForImageTextToText)

    @cached_property
    def processor(self) -> Any:
        """Tokenizer, image processor and chat template, loaded when they are first needed."""
        import transformers

        return self.folder.load_part(transformers.AutoProcessor)

    @cached_property
    def answers(self) -> dict[str, list[int]]:
        """`yes` and `no` -> the tokens that begin these words.

        Raises:
            UnavailableMetricError: Some token begins both, or a word is unknown.
        """
        tokenizer = self.processor.tokenizer
        tokens = {
            answer: sorted(
                {tokenizer.encode(text, add_special_tokens=False)[0] for word in words for text in (word, f" {word}")}
            )
            for answer, words in _WORDS.items()
        }
        shared = set(tokens["yes"]) & set(tokens["no"])
        if shared or tokenizer.unk_token_id in tokens["yes"] + tokens["no"]:
            raise self.folder.unusable("its tokenizer has no token that begins yes, or no, or one that begins both")
        return tokens

    def frames_seen(self, frames: int) -> Sequence[int]:
        """See `Judge`."""
        return middle_frames(frames, min(FRAMES, frames))

    def answer(self, frames: UInt8[Tensor, "t 3 h w"], question: str) -> Answer:
        """See `Judge`."""
        probabilities = self.next_token(frames, INSTRUCTION.format(question=question))
        yes, no = (float(probabilities[tokens].sum()) for tokens in self.answers.values())
        return Answer(yes / (yes + no) if yes + no else 0.5, yes + no)

    def next_token(self, frames: UInt8[Tensor, "t 3 h w"], text: str) -> Tensor:
        """Probability of every token after a message of frames and text, float64 on the CPU.

        Raises:
            UndefinedScoreError: The text holds a token that steers the model.
        """
        self._refuse_control_tokens(text)
        seen = frames[self.frames_seen(len(frames))]
        content: list[dict[str, Any]] = [
            {"type": "image", "image": Image.fromarray(frame)} for frame in interleaved(seen)
        ]
        message = {"role": "user", "content": [*content, {"type": "text", "text": text}]}
        inputs = self.processor.apply_chat_template(
            [message], add_generation_prompt=True, tokenize=True, return_dict=True, return_tensors="pt"
        )
        with fixed_arithmetic(frames.device):
            logits = self.model.to(frames.device)(**inputs.to(frames.device)).logits
        return logits[0, -1].double().cpu().softmax(dim=-1)

    def _refuse_control_tokens(self, text: str) -> None:
        found = [token for token in self.processor.tokenizer.added_tokens_encoder if len(token) > 1 and token in text]
        if found:
            raise UndefinedScoreError(
                f"{self.folder.name} cannot be asked about a text that holds its control token {found[0]!r}",
                hint="leave it out of the prompt",
            )


def find_judge(weights: str | Path) -> VisionLanguageJudge:
    """The judge of these weights; the same object for as long as the files stay the same, so it is loaded once.

    Raises:
        UnavailableMetricError: The weights are not there.
    """
    folder = open_folder(weights)
    return _judge(folder.name, folder.path, folder.path.stat().st_mtime_ns)


@lru_cache(maxsize=1)
def _judge(name: str, path: Path, changed: int) -> VisionLanguageJudge:
    return VisionLanguageJudge(PublishedModel(path, name))
