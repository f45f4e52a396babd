"""Names on disk that differ from names in the model. Transformer and Step-LLM have none."""

from __future__ import annotations

import re

_CLIP_TOWER = re.compile(r"embeddings\.|encoder\.")


def vae_name(name: str) -> str:
    """Video-VAE: the release holds `decoder.conv_out` one level higher than all other causal convolutions.

    The model does so, too; files written from a uniform module tree are taken as well.
    """
    return name.replace("decoder.conv_out.conv.", "decoder.conv_out.")


def clip_name(name: str) -> str | None:
    """Hunyuan-CLIP: with or without `bert.` in front; heads, pooler and position ids are no part of the text tower."""
    bare = name.removeprefix("bert.")
    if not _CLIP_TOWER.match(bare) or bare == "embeddings.position_ids":
        return None
    return f"bert.{bare}"
