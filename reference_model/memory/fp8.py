"""FP8 weights: the linear layers of a finished transformer stored in 8 bits, computed in its own dtype."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from reference_model.transformer.model import StepVideoTransformer

FP8 = torch.float8_e4m3fn
LARGEST = torch.finfo(FP8).max


class Fp8Linear(nn.Module):
    """A linear layer whose weight is `float8_e4m3fn` with one float32 scale per output channel.

    The weight is expanded to the dtype of the input for each call and then forgotten, so this saves memory, not time.
    With 4 significant bits, a weight is off by at most 1/16 of itself (and by 2^-10 of its row's scale near zero).

    Attributes:
        weight: (out, in), in units of the scale.
        scale: (out, 1), so that the largest weight of every row is the largest number of the format.
        bias: (out,) in its own dtype, or None.
    """

    weight: Tensor
    scale: Tensor

    def __init__(self, linear: nn.Linear) -> None:
        super().__init__()
        self.in_features, self.out_features = linear.in_features, linear.out_features
        exact = linear.weight.detach().float()
        scale = exact.abs().amax(dim=1, keepdim=True) / LARGEST
        # A row of zeros has no scale of its own.
        scale = torch.where(scale > 0, scale, torch.ones_like(scale))
        # Division and rounding may land a hair beyond the largest number, which would become NaN.
        self.register_buffer("weight", (exact / scale).clamp(-LARGEST, LARGEST).to(FP8))
        self.register_buffer("scale", scale)
        self.bias = linear.bias

    def forward(self, x: Float[Tensor, "*batch inputs"]) -> Float[Tensor, "*batch outputs"]:
        """Maps the last dimension."""
        return F.linear(x, (self.weight.float() * self.scale).to(x.dtype), self.bias)

    def extra_repr(self) -> str:
        """What printing the module shows."""
        return f"in_features={self.in_features}, out_features={self.out_features}, bias={self.bias is not None}"


def quantise_blocks(transformer: StepVideoTransformer) -> StepVideoTransformer:
    """Replaces every linear layer inside the blocks in place; 99 % of the released weights are there.

    Embeddings, norms, tables and the output layer keep their precision.

    Args:
        transformer: A finished model. It cannot be trained afterwards, and `transformer.to(dtype)` would undo the
            storage: choose the dtype before.

    Returns:
        The same model.
    """
    for block in transformer.transformer_blocks:
        for parent in list(block.modules()):
            for name, child in list(parent.named_children()):
                if isinstance(child, nn.Linear):
                    setattr(parent, name, Fp8Linear(child))
    return transformer


def weight_bytes(module: nn.Module) -> int:
    """Bytes of all parameters and buffers, shared ones once."""
    tensors = {id(tensor): tensor for tensor in (*module.parameters(), *module.buffers())}
    return sum(tensor.numel() * tensor.element_size() for tensor in tensors.values())
