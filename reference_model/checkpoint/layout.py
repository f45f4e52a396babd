"""Where everything lies in the released folder. Folders that we write have the same layout."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from reference_model.errors import CheckpointError

BASE_FILE = "base.json"
TRANSFORMER_STEM = "diffusion_pytorch_model"
LLM_STEM = "model"
CLIP_STEM = "model"


@dataclass(frozen=True)
class ModelFolder:
    """Paths inside one model folder.

    The released folder holds no `vae/config.json` and no `sampling.json`; those are ours. It holds CLIP's weights as
    `pytorch_model.bin`, where we write `model.safetensors`.

    A folder may share parts with another one: `base.json` with `{"folder": "../name"}` names the folder that every part
    comes from which is not here. That is how variants of one model ship without copies of what they have in common.
    """

    root: Path

    def part(self, name: str) -> Path:
        """Where an entry of the folder lies: here, or, if it is not here and there is a base, in the base.

        Raises:
            CheckpointError: If `base.json` names no folder beside this one.
        """
        own = self.root / name
        file = self.root / BASE_FILE
        if own.exists() or not file.is_file():
            return own
        named = read_json(file).get("folder")
        if not isinstance(named, str) or not re.fullmatch(r"\.\./[\w.-]+", named) or named == "../..":
            raise CheckpointError(
                f"{file}: 'folder' must be a folder beside this one, such as '../tiny', got {named!r}"
            )
        base = self.root.parent / named.removeprefix("../")
        if not base.is_dir():
            raise CheckpointError(f"{file} names {named!r}, but there is no folder {base}")
        return base / name

    @property
    def model_index(self) -> Path:
        """Names of the parts."""
        return self.part("model_index.json")

    @property
    def sampling(self) -> Path:
        """Default settings of sampling."""
        return self.part("sampling.json")

    @property
    def scheduler_config(self) -> Path:
        """Direction and solver."""
        return self.part("scheduler") / "scheduler_config.json"

    @property
    def transformer(self) -> Path:
        """Folder with config and shards."""
        return self.part("transformer")

    @property
    def vae_weights(self) -> Path:
        """Weights of version 2 of the Video-VAE; a `vae.safetensors` beside it is version 1 and not read."""
        return self.part("vae") / "vae_v2.safetensors"

    @property
    def vae_config(self) -> Path:
        """Shape of the VAE; without it, the VAE is the released one."""
        return self.part("vae") / "config.json"

    @property
    def llm(self) -> Path:
        """Folder with config and shards."""
        return self.part("step_llm")

    @property
    def llm_tokenizer(self) -> Path:
        """SentencePiece model."""
        return self.llm / "step1_chat_tokenizer.model"

    @property
    def clip(self) -> Path:
        """Folder with config and weights."""
        return self.part("hunyuan_clip") / "clip_text_encoder"

    @property
    def clip_pickle(self) -> Path:
        """CLIP's weights as released."""
        return self.clip / "pytorch_model.bin"

    @property
    def clip_vocabulary(self) -> Path:
        """WordPiece vocabulary."""
        return self.part("hunyuan_clip") / "tokenizer" / "vocab.txt"


def read_json(file: Path) -> dict[str, Any]:
    """A JSON object from a file.

    Raises:
        CheckpointError: If there is no such file, it cannot be read, or it is no JSON object.
    """
    try:
        values = json.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise CheckpointError(
            f"file not found: {file}", hint="the folder must have the layout of the released model"
        ) from None
    except OSError as error:
        raise CheckpointError(f"{file} cannot be read: {error.strerror}") from error
    except ValueError as error:
        raise CheckpointError(f"{file} is not valid JSON: {error}") from error
    if not isinstance(values, dict):
        raise CheckpointError(f"{file} must hold a JSON object, got {type(values).__name__}")
    return values


def write_json(file: Path, values: dict[str, Any]) -> None:
    """Writes a JSON object, creating the folder it is in."""
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps(values, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
