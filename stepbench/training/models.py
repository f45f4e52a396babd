"""Models that training starts from: parts of a folder in the released layout, or a preset with new weights."""

from __future__ import annotations

import difflib
import shutil
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from torch import nn

from reference_model.checkpoint import load_text_encoder, load_transformer, load_vae
from reference_model.checkpoint.configs import read_preset
from reference_model.checkpoint.layout import ModelFolder
from reference_model.config import SamplingConfig
from reference_model.presets import Preset, tiny
from reference_model.sampling.pipeline import TextToVideoPipeline
from reference_model.text.encoder import BilingualTextEncoder
from reference_model.text.hunyuan_clip import HunyuanClip
from reference_model.text.step_llm import StepLLM
from reference_model.text.tokenizers import ClipTokenizer, StepTokenizer
from reference_model.training.data import step_generator
from reference_model.training.distributed import world
from reference_model.training.flow import initialise_transformer
from reference_model.training.recipe import TrainingRecipe
from reference_model.training.sharded_start import ShardedStart
from reference_model.training.text_states import PromptedTransformer
from reference_model.training.tokenizers import train_clip_tokenizer, train_step_tokenizer
from reference_model.transformer.model import StepVideoTransformer
from reference_model.vae.model import VideoVAE
from stepbench.errors import UsageError
from stepbench.runs.journal import saving

PRESETS: dict[str, Callable[[], Preset]] = {"tiny": tiny}
"""Models that can be started from scratch, by name."""


@dataclass(frozen=True, kw_only=True)
class StartModel:
    """A whole model on the CPU. The transformer is float32; the rest has the dtypes of its files, unless asked for.

    Attributes:
        weights: Cuts the transformer, which has no weights before that, and reads them in parts; None if it has them.
    """

    transformer: StepVideoTransformer
    text_encoder: BilingualTextEncoder
    vae: VideoVAE
    sampling: SamplingConfig
    weights: ShardedStart | None = None

    def prompted(self, *, train_text: bool) -> PromptedTransformer:
        """Transformer and text encoders as one module."""
        return PromptedTransformer(self.transformer, self.text_encoder, train_text=train_text)

    def prompted_on(self, device: torch.device, *, train_text: bool) -> PromptedTransformer:
        """The same on the device that trains it; a transformer that has no weights yet goes there in parts."""
        model = self.prompted(train_text=train_text)
        (model if self.weights is None else self.text_encoder).to(device)
        return model

    def pipeline(self, sampling: SamplingConfig | None = None) -> TextToVideoPipeline:
        """The same modules, ready to make clips."""
        return TextToVideoPipeline(self.transformer, self.vae, self.text_encoder, sampling or self.sampling)


def model_folder(model: str) -> Path | None:
    """The folder that `--model` names, None where it names a preset.

    Raises:
        UsageError: Neither of the two.
    """
    if model in PRESETS:
        return None
    if Path(model).is_dir():
        return Path(model)
    close = difflib.get_close_matches(model, PRESETS, n=1)
    raise UsageError(
        f"no model {model!r}: neither a folder nor a preset",
        hint=f"did you mean {close[0]}?" if close else f"give a folder in the released layout, or {', '.join(PRESETS)}",
    )


def trained_folder(model: str, stage: str) -> Path:
    """The folder that `--model` names, for stages that go on from a trained model.

    Raises:
        UsageError: A preset, or no folder.
    """
    folder = model_folder(model)
    if folder is None:
        raise UsageError(
            f"{stage} goes on from a trained model, but {model} starts from scratch",
            hint="give --model the folder that an earlier stage exported",
        )
    return folder


def start_vae(model: str, seed: int) -> VideoVAE:
    """The VAE of `--model`, in float32 on the CPU: its folder's weights, or random ones of a preset."""
    folder = model_folder(model)
    if folder is not None:
        return load_vae(folder, dtype=torch.float32)
    with seeded(seed):
        return VideoVAE(PRESETS[model]().vae)


def load_start(folder: Path, *, vae: Path | None, float_text: bool, in_parts: torch.device | None = None) -> StartModel:
    """A model folder, perhaps with the VAE of another one.

    Args:
        folder: In the released layout.
        vae: Another folder whose VAE is taken.
        float_text: Text encoders in float32, whatever their files hold.
        in_parts: The transformer is to be trained in parts on this device, and never read whole.
    """
    preset = read_preset(folder)
    weights = None if in_parts is None else ShardedStart(folder, device=in_parts)
    start = StartModel(
        weights=weights,
        transformer=weights.transformer() if weights else load_transformer(folder, dtype=torch.float32),
        text_encoder=load_text_encoder(folder, dtype=torch.float32 if float_text else None),
        vae=load_vae(vae or folder),
        sampling=preset.sampling,
    )
    # Preset's own check: channels of latents.
    replace(preset, vae=start.vae.cfg)
    return start


def new_start(preset: Preset, vae: VideoVAE, captions: Iterable[str], tokenizers: Path, seed: int) -> StartModel:
    """A preset with a trained VAE; everything else is new.

    Args:
        preset: Shapes.
        vae: Has as many latent channels as the transformer expects.
        captions: What new tokenizers are trained on.
        tokenizers: Folder that keeps them; where it exists, they are read from it.
        seed: Of the weights.
    """
    preset = replace(preset, vae=vae.cfg)
    files = _tokenizer_files(preset, captions, tokenizers)
    with seeded(seed):
        transformer = StepVideoTransformer(preset.transformer)
        initialise_transformer(transformer, step_generator(seed, _START))
        encoder = BilingualTextEncoder(
            StepLLM(preset.llm),
            StepTokenizer(files.llm_tokenizer, preset.llm.max_prompt_tokens),
            HunyuanClip(preset.clip),
            ClipTokenizer(files.clip_vocabulary, preset.clip.max_prompt_tokens),
        )
    return StartModel(transformer=transformer, text_encoder=encoder, vae=vae, sampling=preset.sampling)


def device_of_parts(recipe: TrainingRecipe, device: torch.device) -> torch.device | None:
    """The device, if several processes are to hold a part of the transformer each; else None."""
    return device if recipe.strategy == "fsdp" and world()[1] > 1 else None


_START = 5


def last_channels(model: nn.Module) -> None:
    """Keeps the weights of 3D convolutions with channels last, which is the fastest for small ones. Values stay."""
    for module in model.modules():
        if isinstance(module, nn.Conv3d):
            module.weight.data = module.weight.data.to(memory_format=torch.channels_last_3d)


@contextmanager
def seeded(seed: int) -> Iterator[None]:
    """New layers made inside get weights from this seed; the global generator is left as it was."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        yield


def _tokenizer_files(preset: Preset, captions: Iterable[str], folder: Path) -> ModelFolder:
    if not folder.is_dir():
        texts, partial = list(captions), folder.with_name(f".{folder.name}.partial")
        with saving(folder):
            shutil.rmtree(partial, ignore_errors=True)
            files = ModelFolder(partial)
            train_step_tokenizer(texts, files.llm_tokenizer, preset.llm.padded_vocab_size)
            train_clip_tokenizer(texts, files.clip_vocabulary, preset.clip.vocab_size)
            partial.rename(folder)
    return ModelFolder(folder)
