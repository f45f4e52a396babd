"""Features of images that come again, kept in memory up to a bound: the latest used stay."""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from collections.abc import Callable

from jaxtyping import UInt8
from torch import Tensor


class KeptFeatures:
    """Layers of one network for images it has seen, found by what the images show.

    A network on a CPU takes much longer for an image than a hash of it does, so a set of references that many clips
    are compared with is worth keeping.
    """

    def __init__(self) -> None:
        self._layers: OrderedDict[bytes, list[Tensor]] = OrderedDict()
        self.size = 0
        """Bytes held."""

    def find_or_make(
        self, images: UInt8[Tensor, "n 3 h w"], precision: str, room: int, make: Callable[[], list[Tensor]]
    ) -> list[Tensor]:
        """Layers of these images: those kept, or those that `make` gives, which are then kept.

        Args:
            images: What the layers are of, all together.
            precision: What the network computes in; layers in another are others.
            room: Bytes that may be held from now on. At 0 nothing is looked for and nothing more is kept.
            make: Computes the layers. What it returns is held and handed out again, so nobody may write into it.
        """
        if not room:
            return make()
        key = hashlib.sha256(f"{precision} {tuple(images.shape)}".encode())
        key.update(images.cpu().contiguous().numpy().data)
        name = key.digest()
        if name not in self._layers:
            self._layers[name] = make()
            self.size += _bytes(self._layers[name])
        self._layers.move_to_end(name)
        found = self._layers[name]
        self._let_go(room)
        return found

    def _let_go(self, room: int) -> None:
        while self.size > room:
            _, layers = self._layers.popitem(last=False)
            self.size -= _bytes(layers)


def _bytes(layers: list[Tensor]) -> int:
    return sum(layer.nbytes for layer in layers)
