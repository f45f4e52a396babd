"""CPU offload: text encoders, transformer and VAE take turns on the device, and rest in main memory in between."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

import torch
from jaxtyping import UInt8
from torch import Tensor, nn

from reference_model.config import SamplingConfig
from reference_model.sampling.guidance import Latents
from reference_model.sampling.pipeline import TextToVideoPipeline
from reference_model.text.conditioning import TextConditioning

Device = torch.device | str


@contextmanager
def resident(module: object, device: Device) -> Iterator[None]:
    """Puts the weights of a module on a device for as long as the block lasts.

    The originals stay where they are and come back at the end, so nothing is copied back. Changes that the block makes
    to weights on another device are lost: this is for inference. Where a weight is on the device already, nothing is
    moved or copied. Objects that are no modules (parts that live in another process) are left alone.
    """
    home = list(_tensors(module)) if isinstance(module, nn.Module) else []
    moved: dict[int, Tensor] = {}
    try:
        for holder, name, tensor in home:
            # A weight that two layers share stays one weight.
            if id(tensor) not in moved:
                moved[id(tensor)] = _on(tensor, device)
            setattr(holder, name, moved[id(tensor)])
        yield
    finally:
        for holder, name, tensor in home:
            setattr(holder, name, tensor)


class OffloadedPipeline(TextToVideoPipeline):
    """A pipeline whose stages move their own models to the device and leave it empty afterwards.

    Peak memory on the device is that of the largest stage instead of the sum of all. Clips are those of the pipeline it
    was made from.

    Args:
        pipeline: Its parts are shared, not copied; they should be in main memory.
        device: Where stages compute.
    """

    def __init__(self, pipeline: TextToVideoPipeline, device: Device) -> None:
        super().__init__(pipeline.transformer, pipeline.vae, pipeline.text_encoder, pipeline.sampling)
        self.device = device

    def encode_prompts(
        self, prompts: Sequence[str], settings: SamplingConfig, negative_prompt: str | None = None
    ) -> tuple[TextConditioning, TextConditioning | None]:
        """First stage, with the text encoders on the device."""
        with resident(self.text_encoder, self.device):
            return super().encode_prompts(prompts, settings, negative_prompt)

    def denoise(
        self,
        noise: Latents,
        positive: TextConditioning,
        negative: TextConditioning | None,
        settings: SamplingConfig,
        *,
        batched_guidance: bool = True,
        callback: Callable[[int, float, Latents], None] | None = None,
    ) -> Latents:
        """Second stage, with the transformer on the device."""
        with resident(self.transformer, self.device):
            return super().denoise(
                noise, positive, negative, settings, batched_guidance=batched_guidance, callback=callback
            )

    def decode(self, latents: Latents, settings: SamplingConfig) -> UInt8[Tensor, "batch _time 3 height width"]:
        """Third stage, with the VAE on the device."""
        with resident(self.vae, self.device):
            return super().decode(latents, settings)


def _tensors(module: nn.Module) -> Iterator[tuple[nn.Module, str, Tensor]]:
    for holder in module.modules():
        for named in (holder.named_parameters(recurse=False), holder.named_buffers(recurse=False)):
            for name, tensor in named:
                yield holder, name, tensor


def _on(tensor: Tensor, device: Device) -> Tensor:
    there = tensor.detach().to(device)
    if there.device == tensor.device:
        return tensor
    return nn.Parameter(there, requires_grad=False) if isinstance(tensor, nn.Parameter) else there
