"""StepVideoTransformer: from noisy latents, time and text to a velocity."""

from __future__ import annotations

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from reference_model.config import TransformerConfig
from reference_model.errors import ShapeError
from reference_model.transformer.block import TransformerBlock
from reference_model.transformer.conditioning import AdaLNSingle, CaptionProjection, visible_words
from reference_model.transformer.rope import Rope, rope_tables


class StepVideoTransformer(nn.Module):
    """The diffusion transformer of Step-Video-T2V (arXiv 2502.10248, "DiT with 3D full attention").

    Parameter names and shapes are those of the released files. The module knows no device and no process group:
    parallelism replaces `run_blocks`, the blocks' linear layers or `SelfAttention.attend` from outside.
    """

    def __init__(self, cfg: TransformerConfig) -> None:
        super().__init__()
        self.cfg = cfg
        self.pos_embed = PatchEmbedding(cfg)
        self.adaln_single = AdaLNSingle(cfg)
        self.caption_norm = nn.LayerNorm(cfg.llm_channels, cfg.norm_eps, cfg.norm_elementwise_affine)
        self.caption_projection = CaptionProjection(cfg.llm_channels, cfg.width)
        self.clip_projection = None if cfg.clip_channels is None else nn.Linear(cfg.clip_channels, cfg.width)
        self.transformer_blocks = nn.ModuleList(TransformerBlock(cfg) for _ in range(cfg.num_layers))
        self.norm_out = nn.LayerNorm(cfg.width, cfg.norm_eps, cfg.norm_elementwise_affine)
        self.scale_shift_table = nn.Parameter(nn.init.normal_(torch.empty(2, cfg.width), std=cfg.width**-0.5))
        self.proj_out = nn.Linear(cfg.width, cfg.patch_size**2 * (cfg.out_channels or cfg.in_channels))

    def forward(
        self,
        hidden_states: Float[Tensor, "batch frames in_channels height width"],
        timestep: Float[Tensor, " batch"],
        encoder_hidden_states: Float[Tensor, "batch llm_words llm_channels"],
        encoder_hidden_states_2: Float[Tensor, "batch clip_words clip_channels"] | None = None,
        encoder_attention_mask: Int[Tensor, "batch words"]
        | Bool[Tensor, "batch words"]
        | Float[Tensor, "batch words"]
        | None = None,
        fps: Float[Tensor, " batch"] | None = None,
    ) -> Float[Tensor, "batch frames out_channels height width"]:
        """Velocity d x / d t in the direction from noise (t = 0) to data (t = 1).

        Args:
            hidden_states: Noisy latents.
            timestep: Times in [0, 1].
            encoder_hidden_states: Step-LLM states.
            encoder_hidden_states_2: CLIP states; None leaves them out.
            encoder_attention_mask: 1 for valid words, over [CLIP ; Step-LLM]; None means all are valid.
            fps: Frames per second; only read with `use_additional_conditions`.

        Raises:
            ShapeError: If the latents do not divide into patches, or times, text, mask or frame rates do not fit the
                model or the latents.
        """
        grid = self.pos_embed.grid(hidden_states)
        self._check_conditions(len(hidden_states), timestep, encoder_hidden_states, encoder_hidden_states_2, fps)
        tokens = self.pos_embed(hidden_states)
        modulation, embedded = self.adaln_single(timestep, grid, fps, tokens.dtype)
        text = self.embed_text(encoder_hidden_states, encoder_hidden_states_2)
        text_mask = self._text_mask(encoder_attention_mask, text)
        tokens = self.run_blocks(tokens, text, modulation, self._rope(grid, tokens), text_mask)
        return self._unpatchify(self.head(tokens, embedded), grid)

    def embed_text(
        self,
        llm_states: Float[Tensor, "batch llm_words llm_channels"],
        clip_states: Float[Tensor, "batch clip_words clip_channels"] | None,
    ) -> Float[Tensor, "batch words dim"]:
        """Brings both texts to the model's width, in the order [CLIP ; Step-LLM]."""
        text = self.caption_projection(self.caption_norm(llm_states))
        if clip_states is None:
            return text
        if self.clip_projection is None:
            raise ShapeError(
                f"this model has no CLIP branch, got CLIP states of shape {tuple(clip_states.shape)}",
                hint="give caption_channels two widths, or leave encoder_hidden_states_2 out",
            )
        return torch.cat([self.clip_projection(clip_states), text], dim=1)

    def run_blocks(
        self,
        tokens: Float[Tensor, "batch tokens dim"],
        text: Float[Tensor, "batch words dim"],
        modulation: Float[Tensor, "batch 6 dim"],
        rope: Rope,
        text_mask: Bool[Tensor, "batch words"] | None,
    ) -> Float[Tensor, "batch tokens dim"]:
        """The stack of blocks; the one part of the model that works on a share of the tokens as well as on all."""
        for block in self.transformer_blocks:
            tokens = block(tokens, text, modulation, rope, text_mask)
        return tokens

    def head(
        self, tokens: Float[Tensor, "batch tokens dim"], embedded: Float[Tensor, "batch dim"]
    ) -> Float[Tensor, "batch tokens patch"]:
        """Norm modulated by time, then a linear map to the pixels of each latent patch."""
        shift, scale = (self.scale_shift_table + embedded[:, None]).chunk(2, dim=1)
        return self.proj_out(self.norm_out(tokens) * (1 + scale) + shift)

    def _check_conditions(
        self, batch: int, timestep: Tensor, llm_states: Tensor, clip_states: Tensor | None, fps: Tensor | None
    ) -> None:
        for name, values in (("timestep", timestep), ("fps", fps)):
            if values is not None and values.shape not in ((batch,), (1,)):
                raise ShapeError(f"{name} must have shape ({batch},), one value per sample, got {tuple(values.shape)}")
        widths = (self.cfg.llm_channels, self.cfg.clip_channels)
        names = ("encoder_hidden_states", "encoder_hidden_states_2")
        for name, states, width in zip(names, (llm_states, clip_states), widths, strict=True):
            # Without a CLIP branch there is no width to compare with: `embed_text` says so.
            if states is None or width is None:
                continue
            if states.ndim != 3 or (len(states), states.shape[-1]) != (batch, width):
                raise ShapeError(f"{name} must have shape ({batch}, words, {width}), got {tuple(states.shape)}")

    def _rope(self, grid: tuple[int, int, int], tokens: Tensor) -> Rope:
        angle_dtype = tokens.dtype if self.cfg.compat == "upstream" else torch.float32
        return rope_tables(grid, self.cfg.rope_split, angle_dtype=angle_dtype, device=tokens.device)

    def _text_mask(self, mask: Tensor | None, text: Tensor) -> Bool[Tensor, "batch words"] | None:
        if mask is None:
            return None
        if mask.shape != text.shape[:2]:
            raise ShapeError(
                f"encoder_attention_mask must have shape {tuple(text.shape[:2])} (batch, CLIP + Step-LLM words), "
                f"got {tuple(mask.shape)}"
            )
        return visible_words(mask, text.dtype, upstream=self.cfg.compat == "upstream")

    def _unpatchify(
        self, patches: Float[Tensor, "batch tokens patch"], grid: tuple[int, int, int]
    ) -> Float[Tensor, "batch frames out_channels height width"]:
        side = self.cfg.patch_size
        x = patches.unflatten(-1, (side, side, -1)).unflatten(1, grid)  # b t y x py px c
        return x.permute(0, 1, 6, 2, 4, 3, 5).flatten(5, 6).flatten(3, 4)


class PatchEmbedding(nn.Module):
    """Cuts every latent frame into patches and maps each to a token, in order (t, y, x) with x fastest."""

    def __init__(self, cfg: TransformerConfig) -> None:
        super().__init__()
        self.patch_size = cfg.patch_size
        self.proj = nn.Conv2d(cfg.in_channels, cfg.width, kernel_size=cfg.patch_size, stride=cfg.patch_size)

    def grid(self, latents: Float[Tensor, "batch frames channels height width"]) -> tuple[int, int, int]:
        """Tokens along (t, y, x)."""
        if latents.ndim != 5 or latents.shape[2] != self.proj.in_channels:
            raise ShapeError(
                f"latents must have shape (batch, frames, {self.proj.in_channels}, height, width), "
                f"got {tuple(latents.shape)}"
            )
        frames, _, height, width = latents.shape[1:]
        if height % self.patch_size or width % self.patch_size:
            raise ShapeError(f"latent height and width must be multiples of {self.patch_size}, got {height}x{width}")
        return frames, height // self.patch_size, width // self.patch_size

    def forward(
        self, latents: Float[Tensor, "batch frames channels height width"]
    ) -> Float[Tensor, "batch tokens dim"]:
        """One token per patch; time is not patched and no position is added."""
        patches = self.proj(latents.flatten(0, 1))
        return patches.flatten(2).transpose(1, 2).unflatten(0, latents.shape[:2]).flatten(1, 2)
