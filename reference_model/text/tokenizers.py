"""The tokenizers of the two text encoders: text to padded ids and a mask of the ids that are not padding."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path

import torch
from jaxtyping import Int
from torch import Tensor

from reference_model.errors import CheckpointError

Ids = Int[Tensor, "batch words"]


class StepTokenizer:
    """SentencePiece with Step-LLM's frame: begin (1), at most `length - 2` pieces, end (2), then 2 again as padding.

    The model file has no padding id. The mask covers begin to end, so the padding after it is not counted as text. An
    empty prompt is begin and end alone.

    Args:
        model_file: A SentencePiece model with ids 1 and 2 for begin and end of text.
        length: Ids per prompt.

    Raises:
        CheckpointError: If there is no such file, or it is no such model.
    """

    BEGIN = 1
    END = 2

    def __init__(self, model_file: Path, length: int = 320) -> None:
        from sentencepiece import SentencePieceProcessor

        self._model_file = _existing(model_file)
        try:
            self._pieces = SentencePieceProcessor(model_file=str(model_file))  # pyright: ignore[reportCallIssue]
        except RuntimeError as error:
            raise CheckpointError(
                f"{model_file} is no SentencePiece model: {error}", hint="download or copy the file again"
            ) from error
        self.length = length
        frame = (self._pieces.bos_id(), self._pieces.eos_id())
        if frame != (self.BEGIN, self.END):
            raise CheckpointError(
                f"{model_file}: begin and end of text must be ids 1 and 2, got {frame[0]}, {frame[1]}"
            )

    @property
    def vocab_size(self) -> int:
        """Number of ids."""
        return self._pieces.vocab_size()

    def __call__(self, prompts: Sequence[str]) -> tuple[Ids, Ids]:
        """Returns (ids, mask), both int64 (batch, length)."""
        ids = torch.full((len(prompts), self.length), self.END)
        mask = torch.zeros_like(ids)
        for row, prompt in enumerate(prompts):
            pieces = self._pieces.encode(prompt)[: self.length - 2]
            framed = [self.BEGIN, *pieces, self.END]
            ids[row, : len(framed)] = torch.tensor(framed)
            mask[row, : len(framed)] = 1
        return ids, mask

    def save(self, file: Path) -> None:
        """Copies the model file."""
        shutil.copyfile(self._model_file, file)


class ClipTokenizer:
    """BERT's WordPiece, lower-cased, Chinese characters apart: [CLS] pieces [SEP], cut and padded to `length`.

    Args:
        vocab_file: One token per line; the line number is its id.
        length: Ids per prompt.

    Raises:
        CheckpointError: If there is no such file, or it is no such vocabulary.
    """

    def __init__(self, vocab_file: Path, length: int = 77) -> None:
        from tokenizers.implementations.bert_wordpiece import BertWordPieceTokenizer

        self._vocab_file = _existing(vocab_file)
        try:
            vocabulary = vocab_file.read_text(encoding="utf-8").splitlines()
        except UnicodeDecodeError as error:
            raise CheckpointError(f"{vocab_file} is no text in UTF-8: {error}") from error
        missing = [token for token in ("[PAD]", "[UNK]", "[CLS]", "[SEP]") if token not in vocabulary]
        if missing:
            raise CheckpointError(f"{vocab_file}: the vocabulary lacks {', '.join(missing)}")
        self._pieces = BertWordPieceTokenizer(str(vocab_file), lowercase=True)
        self._pieces.enable_truncation(length)
        self._pieces.enable_padding(length=length, pad_id=vocabulary.index("[PAD]"), pad_token="[PAD]")
        self.length = length

    @property
    def vocab_size(self) -> int:
        """Number of ids."""
        return self._pieces.get_vocab_size()

    def __call__(self, prompts: Sequence[str]) -> tuple[Ids, Ids]:
        """Returns (ids, mask), both int64 (batch, length)."""
        encoded = self._pieces.encode_batch(list(prompts))
        return torch.tensor([row.ids for row in encoded]), torch.tensor([row.attention_mask for row in encoded])

    def save(self, file: Path) -> None:
        """Copies the vocabulary."""
        shutil.copyfile(self._vocab_file, file)


def _existing(file: Path) -> Path:
    if not file.is_file():
        raise CheckpointError(f"tokenizer file not found: {file}")
    return file
