"""What a metric says about itself. Sorting, arrows, axis labels, docs and comparability all come from here."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Literal, get_args

from metrics.errors import CardError

Direction = Literal["higher", "lower", "neutral"]
Level = Literal["clip", "set"]
Need = Literal["reference", "prompt", "ground_truth"]
Response = Literal["up", "down", "same"]

_SAFE_PART = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}")
_HASH = re.compile(r"[0-9a-f]{6,64}")


@dataclass(frozen=True, kw_only=True)
class MetricCard:
    """A metric's identity and meaning.

    Attributes:
        name: Lower-case name under which the metric is built, such as `warping_error`.
        version: Raised by one whenever the same clip would get another number.
        title: The name for people, such as `Flow warping error`.
        direction: Which way is better; `neutral` where neither is, as with the amount of motion.
        unit: Unit of the value; empty for a pure number.
        range: Lowest and highest possible value, None for an open end.
        level: `clip` for one value per clip, `set` for one value per set of clips.
        needs: What must be given beside the clips.
        family: Group in tables and docs, such as `temporal consistency`.
        policy: Which frames are seen at which size, such as `native` or `16f-224-bilinear`.
        backbone: Name of the network behind the metric, or None.
        weights_hash: Start of the hex sha256 of that network's weights; empty without a network.
        formula: The definition in one line.
        source: Where the definition comes from.
        sees: What moves the value.
        blind_to: What does not, or what moves it the wrong way.
        responses: Corruption of the self-test -> what the value must do as it grows, where that can be promised.
    """

    name: str
    version: int
    title: str
    direction: Direction
    unit: str
    range: tuple[float | None, float | None]
    level: Level
    family: str
    policy: str
    formula: str
    source: str
    sees: str
    blind_to: str
    needs: tuple[Need, ...] = ()
    backbone: str | None = None
    weights_hash: str = ""
    responses: Mapping[str, Response] = field(default_factory=dict, hash=False)

    def __post_init__(self) -> None:
        """Refuse a card whose id would be ambiguous or unsafe as a file name, or whose fields contradict each other."""
        for name in ("name", "policy"):
            value = getattr(self, name)
            if not _SAFE_PART.fullmatch(value):
                raise self._error(f"{name} must be lower-case letters, digits, '.', '_' and '-', got {value!r}")
        if self.weights_hash and not _HASH.fullmatch(self.weights_hash):
            raise self._error(f"weights_hash must be 6 to 64 hex digits or empty, got {self.weights_hash!r}")
        if self.version < 1:
            raise self._error(f"version starts at 1, got {self.version}")
        choices = [("direction", self.direction, Direction), ("level", self.level, Level)]
        choices += [(f"response to {name}", response, Response) for name, response in self.responses.items()]
        for name, value, allowed in choices:
            if value not in get_args(allowed):
                raise self._error(f"{name} must be one of {', '.join(get_args(allowed))}, got {value!r}")
        unknown = [need for need in self.needs if need not in get_args(Need)]
        if unknown:
            raise self._error(f"needs may name {', '.join(get_args(Need))}, got {unknown[0]!r}")
        low, high = self.range
        if low is not None and high is not None and low >= high:
            raise self._error(f"range must run from low to high, got {self.range}")
        if self.weights_hash and self.backbone is None:
            raise self._error(f"weights_hash {self.weights_hash!r} is given without a backbone")
        for name in ("title", "family", "formula", "source", "sees", "blind_to"):
            if not getattr(self, name).strip():
                raise self._error(f"{name} must not be empty")

    @property
    def id(self) -> str:
        """`name@version[:weights_hash]:policy`; two scores are comparable only where this is equal."""
        return ":".join(part for part in (f"{self.name}@{self.version}", self.weights_hash, self.policy) if part)

    def to_dict(self) -> dict[str, Any]:
        """All fields and the id, in types that JSON knows."""
        return {"id": self.id, **asdict(self), "range": list(self.range), "needs": list(self.needs)}

    def _error(self, message: str) -> CardError:
        return CardError(f"metric card {self.name!r}: {message}")
