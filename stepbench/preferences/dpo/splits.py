"""Prompts divided into train, val and test, family by family, so that no prompt or translation is on two sides."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Protocol

from stepbench.errors import UsageError
from stepbench.preferences.dpo.prompt_texts import normalised_text

SPLITS = ("train", "val", "test")


class AskedFor(Protocol):
    """Anything made from a prompt."""

    @property
    def prompt_id(self) -> str:
        """Id of the prompt."""
        ...

    @property
    def prompt(self) -> str:
        """Its text."""
        ...

    @property
    def pair_group(self) -> str | None:
        """What it shares with its translations."""
        ...


@dataclass(frozen=True, kw_only=True)
class SplitShares:
    """Shares of the families that are held out; training gets the rest.

    Raises:
        UsageError: Shares below 0, or that leave nothing to train on.
    """

    val: float = 0.1
    test: float = 0.1

    def __post_init__(self) -> None:
        if not (self.val >= 0 and self.test >= 0 and self.val + self.test < 1):
            raise UsageError(
                f"shares must be at least 0 and sum to less than 1, got val {self.val} and test {self.test}",
                hint="such as 0.1 and 0.1",
            )


def prompt_families(items: Sequence[AskedFor]) -> list[str]:
    """The family of each item: prompts are kin by id, by normalised text, or as translations, and so are their kin.

    Returns:
        One name per item, equal for kin. It is the smallest hash of the family's texts, so the order of the items
        changes nothing.
    """
    parent: dict[str, str] = {}

    def root(key: str) -> str:
        parent.setdefault(key, key)
        while parent[key] != key:
            parent[key] = parent[parent[key]]
            key = parent[key]
        return key

    keys = [_keys(item) for item in items]
    for first, *others in keys:
        for other in others:
            parent[root(other)] = root(first)
    names: dict[str, str] = {}
    for item, (first, *_) in zip(items, keys, strict=True):
        name = _hash(normalised_text(item.prompt))
        names[root(first)] = min(names.get(root(first), name), name)
    return [names[root(first)] for first, *_ in keys]


def split_families(families: Iterable[str], shares: SplitShares) -> dict[str, str]:
    """Family -> split, by the family's name: a family keeps its side when others come.

    With few families a share may come out empty by chance; then it gets the family next to it, as long as training
    keeps one.
    """
    ordered = sorted(set(families), key=_hash)
    places = {family: int(_hash(family), 16) / 16**64 for family in ordered}
    split = {
        family: "test" if place < shares.test else "val" if place < shares.test + shares.val else "train"
        for family, place in places.items()
    }
    for name, share in (("val", shares.val), ("test", shares.test)):
        training = [family for family in ordered if split[family] == "train"]
        if share > 0 and name not in split.values() and len(training) > 1:
            split[training[0]] = name
    if ordered and "train" not in split.values():
        split[ordered[-1]] = "train"
    return split


def _keys(item: AskedFor) -> list[str]:
    keys = [f"text {normalised_text(item.prompt)}", f"id {item.prompt_id}"]
    return [*keys, f"group {item.pair_group}"] if item.pair_group else keys


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8")).hexdigest()
