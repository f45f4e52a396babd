"""Does a model folder hold exactly the tensors that its configs ask for? Answered from headers, without loading."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from torch import nn

from reference_model.checkpoint.configs import read_preset
from reference_model.checkpoint.empty import without_values
from reference_model.checkpoint.layout import LLM_STEM, TRANSFORMER_STEM, ModelFolder
from reference_model.checkpoint.load import clip_source
from reference_model.checkpoint.remap import vae_name
from reference_model.checkpoint.sources import RenamedSource, SafetensorsSource, TensorSource, holds_numbers
from reference_model.errors import ReferenceModelError
from reference_model.presets import Preset
from reference_model.text.encoder import check_vocabularies
from reference_model.text.hunyuan_clip import HunyuanClip
from reference_model.text.step_llm import StepLLM
from reference_model.text.tokenizers import ClipTokenizer, StepTokenizer
from reference_model.transformer.model import StepVideoTransformer
from reference_model.vae.model import VideoVAE

Shape = tuple[int, ...]


@dataclass(frozen=True, kw_only=True)
class PartReport:
    """What is wrong with one part of a folder.

    Attributes:
        part: `transformer`, `vae`, `step_llm`, `hunyuan_clip` or `tokenizers`.
        tensors: Tensors that the model has.
        missing: Names that the files lack.
        extra: Names that the model lacks.
        misshapen: Name -> (shape in the model, shape in the files).
        error: Why the files could not be read at all, or what else is wrong with their tensors.
    """

    part: str
    tensors: int = 0
    missing: tuple[str, ...] = ()
    extra: tuple[str, ...] = ()
    misshapen: Mapping[str, tuple[Shape, Shape]] | None = None
    error: str = ""

    @property
    def fits(self) -> bool:
        """Whether the part can be loaded."""
        return not (self.missing or self.extra or self.misshapen or self.error)


def verify_folder(root: Path | str) -> Iterator[PartReport]:
    """Compares every part of a folder in the released layout with its config, part after part.

    Only names and shapes are read; the numbers themselves are not looked at.

    Raises:
        CheckpointError: For a missing or damaged config file.
        ConfigError: For configs that no model can have, or that do not belong together.
    """
    folder, preset = ModelFolder(Path(root)), read_preset(root)
    sources: dict[str, tuple[Callable[[], nn.Module], Callable[[], TensorSource]]] = {
        "transformer": (
            lambda: StepVideoTransformer(preset.transformer),
            lambda: SafetensorsSource(folder.transformer, TRANSFORMER_STEM),
        ),
        "vae": (lambda: VideoVAE(preset.vae), lambda: RenamedSource(SafetensorsSource(folder.vae_weights), vae_name)),
        "step_llm": (lambda: StepLLM(preset.llm), lambda: SafetensorsSource(folder.llm, LLM_STEM)),
        "hunyuan_clip": (lambda: HunyuanClip(preset.clip), lambda: clip_source(folder)),
    }
    for part, (build, open_source) in sources.items():
        yield _compare(part, build, open_source)
    yield _tokenizers(folder, preset)


def _compare(part: str, build: Callable[[], nn.Module], open_source: Callable[[], TensorSource]) -> PartReport:
    with without_values():
        wanted = {name: tuple(tensor.shape) for name, tensor in build().state_dict().items()}
    try:
        source = open_source()
    except ReferenceModelError as error:
        return PartReport(part=part, tensors=len(wanted), error=error.message)
    found = source.shapes
    odd = [f"{name} ({source.dtypes[name]})" for name in wanted if not holds_numbers(source.dtypes.get(name, "F"))]
    return PartReport(
        part=part,
        tensors=len(wanted),
        missing=tuple(name for name in wanted if name not in found),
        extra=tuple(name for name in found if name not in wanted),
        misshapen={
            name: (shape, found[name]) for name, shape in wanted.items() if name in found and found[name] != shape
        },
        error=f"no floating-point numbers in {', '.join(odd)}" if odd else "",
    )


def _tokenizers(folder: ModelFolder, preset: Preset) -> PartReport:
    try:
        check_vocabularies(
            preset.llm,
            StepTokenizer(folder.llm_tokenizer, preset.llm.max_prompt_tokens),
            preset.clip,
            ClipTokenizer(folder.clip_vocabulary, preset.clip.max_prompt_tokens),
        )
    except ReferenceModelError as error:
        return PartReport(part="tokenizers", error=error.message)
    return PartReport(part="tokenizers")
