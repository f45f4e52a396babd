"""Speed and memory of the reference model: `python benchmarks/step_video.py [--quick] [--device cuda] [--threads N]`.

Against `plain_step_video`, the same equations in plain eager PyTorch: same weights, same inputs, float32. First both
must give the same numbers. Then they run by turns in one process, the order changing every round. Each round gives one
ratio (plain seconds / our seconds, above 1 we are faster) of two runs side by side, which a busy machine slows alike;
what is printed is the median ratio, with the lowest and the highest, and the median seconds. Peak memory is that of
tensors beside weights and inputs, from one more run each that is not timed. `--quick` takes sizes of seconds, to see
that it works; quote no numbers from it.
"""

from __future__ import annotations

import argparse
import json
import platform
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any

import plain_step_video as plain
import torch
from torch import Tensor, nn

from reference_model import StepVideoTransformer, TransformerConfig, VAEConfig, VideoVAE, tiny
from reference_model.memory.live_bytes import LiveBytes

TOLERANCE = 1e-5


@dataclass(frozen=True)
class Case:
    """Two ways to the same tensor."""

    name: str
    ours: Callable[[], Tensor]
    plain: Callable[[], Tensor]


def transformer_case(name: str, cfg: TransformerConfig, grid: tuple[int, int, int]) -> Case:
    """One denoising step with guidance: two texts of different lengths in one batch."""
    model = spread(StepVideoTransformer(cfg))
    llm_words, clip_words = 64, 24
    latents = normal(1, grid[0], cfg.in_channels, *grid[1:]).repeat(2, 1, 1, 1, 1)
    times, llm = torch.full((2,), 0.3), normal(2, llm_words, cfg.llm_channels)
    clip, mask = normal(2, clip_words, cfg.clip_channels or 0), torch.ones(2, clip_words + llm_words, dtype=torch.long)
    mask[1, clip_words + 8 :] = 0
    weights = dict(model.state_dict())
    return Case(
        f"DiT step, {name}",
        lambda: model(latents, times, llm, clip, mask),
        lambda: plain.velocity(weights, cfg, latents, times, llm, clip, mask),
    )


def vae_cases(name: str, cfg: VAEConfig, chunks: int, side: int) -> list[Case]:
    """Decoding and encoding of a clip of 17 * chunks frames; ours chunk by chunk."""
    model = spread(VideoVAE(cfg))
    weights = dict(model.state_dict())
    latents = normal(1, 3 * chunks, cfg.z_channels, side // 16, side // 16)
    clip = normal(1, 17 * chunks, 3, side, side).clamp(-1, 1)
    return [
        Case(f"VAE decode, {name}", lambda: model.decode(latents), lambda: plain.decode(weights, cfg, latents)),
        Case(f"VAE encode, {name}", lambda: model.encode(clip).mean, lambda: plain.encode(weights, cfg, clip)),
    ]


def quick_cases() -> list[Case]:
    """The tiny preset at its smallest."""
    return [
        transformer_case("tiny, 12 tokens", tiny().transformer, (3, 2, 2)),
        *vae_cases("tiny, 34x32x32", tiny().vae, 2, 32),
    ]


def cases() -> list[Case]:
    """A laptop's sizes: the tiny preset, and a wider model of the same build."""
    wider = TransformerConfig(
        num_attention_heads=8, attention_head_dim=64, num_layers=2, in_channels=16, caption_channels=(256, 128)
    )
    wider_vae = VAEConfig(
        enc_ch=16, enc_ch_mult=(1, 2, 4, 4), dec_ch=16, dec_ch_mult=(1, 2, 4, 4), z_channels=8, groups=8
    )
    return [
        transformer_case("tiny, 48 tokens", tiny().transformer, (3, 4, 4)),
        transformer_case("width 512, 432 tokens", wider, (3, 12, 12)),
        transformer_case("width 512, 2304 tokens", wider, (9, 16, 16)),
        *vae_cases("tiny, 17x64x64", tiny().vae, 1, 64),
        *vae_cases("widths 16-64, 17x64x64", wider_vae, 1, 64),
        *vae_cases("widths 16-64, 102x64x64", wider_vae, 6, 64),
    ]


def measure(case: Case, rounds: int) -> dict[str, Any]:
    """Check, then time by turns, then measure memory."""
    expected = case.plain()
    distance = float((case.ours() - expected).norm() / expected.norm())
    if not distance < TOLERANCE:
        sys.exit(f"{case.name}: the two implementations differ by {distance:.2g}; times would mean nothing")
    seconds: dict[str, list[float]] = {"ours": [], "plain": []}
    calls = {"ours": case.ours, "plain": case.plain}
    for number in range(rounds):
        for which in sorted(calls, reverse=bool(number % 2)):
            finish()
            start = time.perf_counter()
            calls[which]()
            finish()
            seconds[which].append(time.perf_counter() - start)
    by_round = [plain_time / our_time for our_time, plain_time in zip(seconds["ours"], seconds["plain"], strict=True)]
    peak = {which: peak_bytes(call) for which, call in calls.items()}
    return {
        "case": case.name,
        "seconds_ours": median(seconds["ours"]),
        "seconds_plain": median(seconds["plain"]),
        "ratio": median(by_round),
        "ratio_low": min(by_round),
        "ratio_high": max(by_round),
        "peak_bytes_ours": peak["ours"],
        "peak_bytes_plain": peak["plain"],
        "distance": distance,
        "rounds": rounds,
    }


def peak_bytes(call: Callable[[], Tensor]) -> int:
    """Most bytes of tensors that a call has alive at once."""
    with LiveBytes() as live:
        call()
    return live.peak


def finish() -> None:
    """Waits for a GPU to end what it was given."""
    if torch.get_default_device().type == "cuda":
        torch.cuda.synchronize()


def spread(model: nn.Module) -> Any:
    """Draws every weight at the scale of its layer, so that all parts have a say in the result."""
    generator = torch.Generator("cpu").manual_seed(0)
    for name, parameter in model.named_parameters():
        noise = torch.randn(parameter.shape, generator=generator, device="cpu").to(parameter.device)
        fan_in = parameter[0].numel() if parameter.ndim > 1 else 100
        center = 1.0 if "norm" in name and name.endswith("weight") else 0.0
        parameter.data = center + noise * fan_in**-0.5
    return model.eval()


def normal(*shape: int) -> Tensor:
    drawn = torch.randn(shape, generator=torch.Generator("cpu").manual_seed(1), device="cpu")
    return drawn.to(torch.get_default_device())


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description="Reference model against plain eager PyTorch.")
    parser.add_argument("--quick", action="store_true", help="sizes of seconds")
    parser.add_argument("--rounds", type=int, default=9, help="timed runs of each")
    parser.add_argument("--threads", type=int, default=1, help="of PyTorch")
    parser.add_argument("--device", choices=["cpu", "cuda"], default="cpu")
    parser.add_argument("--json", action="store_true", help="one JSON object per case")
    options = parser.parse_args(arguments)
    if options.rounds < 1:
        parser.error(f"--rounds must be at least 1, got {options.rounds}")
    if options.device == "cuda" and not torch.cuda.is_available():
        parser.error("--device cuda, but PyTorch sees no GPU")
    torch.set_num_threads(options.threads)
    environment = {
        "torch": torch.__version__,
        "machine": torch.cuda.get_device_name() if options.device == "cuda" else platform.machine(),
        "threads": options.threads,
    }
    if not options.json:
        print(f"{'case':<36} {'ours s':>8} {'plain s':>8} {'ratio':>6} {'low':>6} {'high':>6} {'MiB':>7} {'plain':>7}")
    # Convolutions on GPUs otherwise round float32 to 10 bits, and the two would not give the same numbers.
    exact = torch.backends.cudnn.flags(allow_tf32=False)
    with exact, torch.device(options.device), torch.no_grad():
        for case in quick_cases() if options.quick else cases():
            row = measure(case, options.rounds)
            if options.json:
                print(json.dumps({**row, **environment}))
                continue
            mebibytes = [row[f"peak_bytes_{which}"] / 2**20 for which in ("ours", "plain")]
            print(
                f"{row['case']:<36} {row['seconds_ours']:>8.4f} {row['seconds_plain']:>8.4f} {row['ratio']:>6.2f} "
                f"{row['ratio_low']:>6.2f} {row['ratio_high']:>6.2f} {mebibytes[0]:>7.1f} {mebibytes[1]:>7.1f}"
            )


if __name__ == "__main__":
    main()
