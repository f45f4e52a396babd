"""What ranks do in the tests of parallelism; every function runs on all ranks of a group and returns plain numbers."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file
from torch import Tensor, nn

from reference_model.config import SamplingConfig, StepLLMConfig, TransformerConfig, VAEConfig
from reference_model.errors import ConfigError
from reference_model.parallel import ParallelConfig
from reference_model.parallel.pipeline import parallelise
from reference_model.sampling.pipeline import TextToVideoPipeline
from reference_model.text.conditioning import TextConditioning
from reference_model.text.step_llm import StepLLM
from reference_model.transformer.model import StepVideoTransformer
from reference_model.vae.model import VideoVAE

GOLDEN = Path(__file__).parents[2] / "golden" / "reference_model"
FOUR_HEADS = TransformerConfig(
    num_attention_heads=4, attention_head_dim=16, num_layers=2, in_channels=2, caption_channels=(12, 8)
)


def golden(name: str) -> tuple[dict[str, Any], dict[str, Tensor]]:
    return json.loads((GOLDEN / f"{name}.json").read_text()), load_file(GOLDEN / f"{name}.safetensors")


def part(tensors: dict[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {name[len(prefix) :]: value for name, value in tensors.items() if name.startswith(prefix)}


def distance(actual: Tensor, expected: Tensor) -> float:
    assert actual.shape == expected.shape
    return float((actual - expected).norm() / expected.norm())


def drawn(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def randomised(model: nn.Module) -> Any:
    """No term of the model is hidden by a zero or a one."""
    generator = torch.Generator().manual_seed(0)
    for name, value in model.named_parameters():
        noise = torch.randn(value.shape, generator=generator) / (value[0].numel() ** 0.5 if value.ndim > 1 else 10)
        value.data = noise + (1 if value.ndim == 1 and name.endswith("weight") else 0)
    return model.eval()


class NoEncoder:
    def encode(self, prompts: list[str]) -> TextConditioning:
        raise AssertionError(f"nobody asks for {prompts}")


def pipeline_of(
    transformer: StepVideoTransformer, parallel: ParallelConfig | None, vae: Any = None, **sampling: Any
) -> TextToVideoPipeline:
    return TextToVideoPipeline(transformer, vae, NoEncoder(), SamplingConfig(**sampling), parallel=parallel)


def golden_velocities(name: str, parallel: ParallelConfig) -> list[float]:
    """Distances of all cases of a golden file."""
    info, tensors = golden(name)
    model = StepVideoTransformer(TransformerConfig(**info["config"]))
    model.load_state_dict(part(tensors, "weights."))
    pipeline_of(model, parallel)
    with torch.no_grad():
        return [
            distance(model(**part(tensors, f"inputs.case{case}.")), tensors[f"outputs.case{case}.velocity"])
            for case in range(len(info["cases"]))
        ]


def golden_pipeline(parallel: ParallelConfig) -> float:
    """Distance of the latents after a whole denoising loop with guidance."""
    info, tensors = golden("pipeline")
    model = StepVideoTransformer(TransformerConfig(**info["config"]))
    model.load_state_dict(part(tensors, "weights."))
    pipeline = pipeline_of(model, parallel)
    text = TextConditioning(
        llm=tensors["inputs.encoder_hidden_states"],
        clip=tensors["inputs.encoder_hidden_states_2"],
        mask=tensors["inputs.encoder_attention_mask"],
    )
    settings = SamplingConfig(
        num_steps=info["steps"], guidance_scale=info["guidance_scale"], time_shift=info["time_shift"]
    )
    latents = pipeline.denoise(tensors["inputs.latents"], text.rows([0]), text.rows([1]), settings)
    return distance(latents, tensors["outputs.latents"])


def inputs_of(cfg: TransformerConfig, grid: tuple[int, int, int]) -> dict[str, Tensor]:
    return {
        "hidden_states": drawn(2, grid[0], cfg.in_channels, *grid[1:], seed=1),
        "timestep": torch.tensor([0.3, 0.8]),
        "encoder_hidden_states": drawn(2, 5, cfg.llm_channels, seed=2),
        "encoder_hidden_states_2": drawn(2, 3, cfg.clip_channels or 0, seed=3),
        "encoder_attention_mask": torch.tensor([[1] * 8, [1] * 5 + [0] * 3]),
    }


def velocities_of_one_process(parallel: ParallelConfig, grids: list[tuple[int, int, int]]) -> list[float]:
    """Distances from the whole model, clip after clip of different lengths through the same cut one."""
    whole, cut = (randomised(StepVideoTransformer(FOUR_HEADS)) for _ in range(2))
    pipeline_of(cut, parallel)
    with torch.no_grad():
        return [distance(cut(**inputs), whole(**inputs)) for inputs in (inputs_of(FOUR_HEADS, grid) for grid in grids)]


def golden_step_llm(alibi: str) -> float:
    """Distance of Step-LLM's states, cut among all ranks."""
    from torch.distributed.device_mesh import init_device_mesh

    from reference_model.parallel.tensor import split_step_llm

    info, tensors = golden("step_llm")
    model = StepLLM(StepLLMConfig(**info["config"], alibi=alibi))  # type: ignore[arg-type]
    model.load_state_dict(part(tensors, "weights."))
    split_step_llm(model, init_device_mesh("cpu", (torch.distributed.get_world_size(),)))
    with torch.no_grad():
        return distance(model(tensors["inputs.input_ids"]), tensors[f"outputs.hidden_alibi_{alibi}"])


def golden_decoding(names: list[str]) -> list[float]:
    """Distances of decoded clips; one-frame latents and uneven last chunks among them."""
    info, tensors = golden("vae_decoder")
    vae = VideoVAE(VAEConfig(**info["config"]))
    vae.load_state_dict(part(tensors, "weights."), strict=False)
    parallelise(
        TextToVideoPipeline(StepVideoTransformer(FOUR_HEADS), vae, NoEncoder(), SamplingConfig()),
        ParallelConfig(ulysses=torch.distributed.get_world_size()),
    )
    with torch.no_grad():
        return [distance(vae.decode(tensors[f"inputs.{name}"]), tensors[f"outputs.video_{name}"]) for name in names]


def blended_decoding(latent_frames: int, how: str) -> tuple[bool, int]:
    """Whether frames equal those of one process to the last bit, and how many chunks this rank decoded."""
    shape = {"enc_ch": 2, "enc_ch_mult": (2, 4, 8, 8), "dec_ch": 2, "dec_ch_mult": (1, 2, 4, 4), "z_channels": 2}
    vae = randomised(VideoVAE(VAEConfig(**shape, groups=2, border_blend=how)))  # type: ignore[arg-type]
    latents = drawn(1, latent_frames, 2, 1, 2)
    decoded: list[Tensor] = []
    vae.decoder.register_forward_hook(lambda _, __, pixels: decoded.append(pixels))
    with torch.no_grad():
        expected = vae.decode(latents)
        decoded.clear()
        pipeline_of(StepVideoTransformer(FOUR_HEADS), ParallelConfig(ulysses=torch.distributed.get_world_size()), vae)
        return torch.equal(vae.decode(latents), expected), len(decoded)


def one_text_alone() -> str:
    """What is said to a batch that cannot be halved."""
    model = randomised(StepVideoTransformer(FOUR_HEADS))
    pipeline_of(model, ParallelConfig(guidance=True))
    try:
        model(**{name: value[:1] for name, value in inputs_of(FOUR_HEADS, (1, 2, 2)).items()})
    except ConfigError as error:
        return str(error)
    return "nothing"
