"""Small tokenizers in the formats of the released ones, trained on the captions of a data set.

The same texts in the same order give the same files, byte for byte.
"""

from __future__ import annotations

import io
import re
from collections import Counter
from collections.abc import Iterable
from pathlib import Path

from reference_model.errors import ConfigError

_CHINESE = re.compile(r"[\u2e80-\u303f\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\uff00-\uffef\U00020000-\U0003ffff]")
_SMALLEST_STEP = 3 + 256 + 1
"""Unknown, begin and end; bytes; the mark that stands for a space."""
_SPECIAL = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")
_CONTINUED = "##"


def train_step_tokenizer(texts: Iterable[str], file: Path, vocab_size: int) -> None:
    """Trains a SentencePiece model with Step-LLM's ids: 0 unknown, 1 begin, 2 end, no padding; bytes for the unseen.

    Chinese characters stay apart: in a small world whole phrases would become one piece, and what such a piece says
    of colour or shape could not be told from its parts.

    Args:
        texts: Training text, any languages.
        file: Where the model goes.
        vocab_size: Upper limit; 256 of the ids are bytes. If there are more characters than ids, the rarest ones are
            spelled in bytes.

    Raises:
        ConfigError: Without text, or if there is no room for characters.
    """
    import sentencepiece

    apart = [_CHINESE.sub(r" \g<0> ", text) for text in texts]
    characters = Counter(character for text in apart for character in text if not character.isspace())
    _check_room(vocab_size, _SMALLEST_STEP, characters)
    kept = _most_frequent(characters, vocab_size - _SMALLEST_STEP)
    spelled = dict.fromkeys(map(ord, characters.keys() - kept), " ")
    model = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(  # pyright: ignore[reportAttributeAccessIssue]
        sentence_iterator=(text.translate(spelled) for text in apart),
        model_writer=model,
        model_type="bpe",
        vocab_size=vocab_size,
        hard_vocab_limit=False,
        byte_fallback=True,
        split_digits=True,
        character_coverage=1.0,
        normalization_rule_name="identity",
        remove_extra_whitespaces=False,
        num_threads=1,
        minloglevel=2,
    )
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(model.getvalue())


def train_clip_tokenizer(texts: Iterable[str], file: Path, vocab_size: int) -> None:
    """Makes a WordPiece vocabulary, lower-cased and with Chinese characters apart, one token per line.

    It holds every character, at the start of a word and inside one, as far as there is room, and then the most frequent
    words that come more than once. (The trainer of `tokenizers` gives other files in every process.)

    Args:
        texts: Training text, any languages.
        file: Where the vocabulary goes.
        vocab_size: Upper limit.

    Raises:
        ConfigError: Without text, or if there is no room for characters.
    """
    words = _word_counts(texts)
    pieces: Counter[str] = Counter()
    for word, count in words.items():
        for piece in (word[0], *(_CONTINUED + character for character in word[1:])):
            pieces[piece] += count
    _check_room(vocab_size, len(_SPECIAL), pieces)
    vocabulary = [*_SPECIAL, *sorted(_most_frequent(pieces, vocab_size - len(_SPECIAL)))]
    repeated = Counter({word: count for word, count in words.items() if count > 1 and len(word) > 1})
    vocabulary += _most_frequent(repeated, vocab_size - len(vocabulary))
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text("\n".join(vocabulary) + "\n", encoding="utf-8")


def _word_counts(texts: Iterable[str]) -> Counter[str]:
    """Words as BERT's tokenizer splits them."""
    from tokenizers.normalizers import BertNormalizer
    from tokenizers.pre_tokenizers import BertPreTokenizer

    normalizer, splitter = BertNormalizer(lowercase=True), BertPreTokenizer()
    counts: Counter[str] = Counter()
    for text in texts:
        counts.update(word for word, _ in splitter.pre_tokenize_str(normalizer.normalize_str(text)))
    return counts


def _check_room(vocab_size: int, fixed: int, counts: Counter[str]) -> None:
    if not counts:
        raise ConfigError("a tokenizer needs texts to be trained on, got none")
    if vocab_size <= fixed:
        raise ConfigError(f"vocab_size must be above {fixed}, which are taken before any character, got {vocab_size}")


def _most_frequent(counts: Counter[str], limit: int) -> list[str]:
    """Frequent ones first; of equally frequent ones, those that come first in the alphabet."""
    return sorted(counts, key=lambda piece: (-counts[piece], piece))[:limit]
