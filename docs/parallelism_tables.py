"""Write the tables in docs/parallelism.md from the cost model: `python docs/parallelism_tables.py`."""

from __future__ import annotations

import sys
from pathlib import Path

from reference_model.memory.estimate import PUBLISHED, estimate
from reference_model.parallel import ParallelConfig
from reference_model.parallel.costs import ParallelEstimate, parallel_estimate
from reference_model.presets import step_video_t2v, step_video_t2v_turbo

PAGE = Path(__file__).resolve().parent / "parallelism.md"
BEGIN, END = "<!-- {name}: made by docs/parallelism_tables.py -->", "<!-- end -->"

H20_LINK = 450.0
XDIT_SECONDS = {
    ParallelConfig(): (213.60, 92.170),
    ParallelConfig(tensor=2): (108.97, 57.458),
    ParallelConfig(ulysses=2): (108.13, 86.258),
    ParallelConfig(tensor=4): (57.61, 36.566),
    ParallelConfig(ulysses=4): (57.01, 78.226),
    ParallelConfig(tensor=8): (30.40, 30.028),
    ParallelConfig(ulysses=8): (30.10, 79.684),
}
"""Seconds of a step and 10^9 bytes on a GPU in xDiT's report: 8 H20 with NVLink."""

SCALES = [
    *((1, plan) for plan in (ParallelConfig(), ParallelConfig(guidance=True))),
    *((1, ParallelConfig(guidance=True, ulysses=u, tensor=t)) for u, t in ((2, 1), (1, 2), (4, 1), (2, 2), (8, 1))),
    *((1, ParallelConfig(guidance=True, ulysses=u, tensor=t)) for u, t in ((4, 2), (16, 1), (8, 2))),
    *((clips, ParallelConfig(guidance=True, ulysses=u, tensor=t)) for clips, u, t in ((2, 8, 2), (4, 4, 2), (8, 4, 1))),
]
"""Clips at once, and how the GPUs of each share it."""


def h20_tflops() -> float:
    """Sustained speed that the published step of one H20 implies."""
    return estimate(step_video_t2v()).step_flops / XDIT_SECONDS[ParallelConfig()][0] / 1e12


def published() -> str:
    """The model against xDiT's report."""
    lines = ["| plan | GPUs | s per step, published | by the model | deviation | GB, published | by the model |"]
    lines.append("|---|---|---|---|---|---|---|")
    for plan, (seconds, memory) in XDIT_SECONDS.items():
        expected = parallel_estimate(step_video_t2v(), plan)
        ours, denoise = expected.step_seconds(h20_tflops(), H20_LINK), expected.stages["denoise"]
        held = (denoise.weight_bytes + denoise.activation_bytes) / 1e9
        lines.append(
            f"| {_name(plan)} | {plan.processes} | {seconds:.2f} | {ours:.2f} | {ours / seconds - 1:+.1%} | "
            f"{memory:.1f} | {held:.1f} |"
        )
    return "\n".join(lines)


def other_times() -> str:
    """The README's times: the GPU is not named, so only their ratios can be checked."""
    rows = [row for row in PUBLISHED if "README" in row.source]
    reference = next(row for row in rows if row.height == 544 and row.frames == 204)
    lines = ["| size | s for 50 steps | by operations, from the middle row | deviation |", "|---|---|---|---|"]
    for row in rows:
        ours = reference.seconds * row.implied_tflops * row.seconds / (reference.implied_tflops * reference.seconds)
        deviation = ours / row.seconds - 1
        lines.append(f"| {row.frames}x{row.height}x{row.width} | {row.seconds:.0f} | {ours:.0f} | {deviation:+.1%} |")
    return "\n".join(lines)


def scale() -> str:
    """One to 64 GPUs."""
    lines = ["| GPUs | clips at once | each clip on | s per step | s per clip | clips per hour | GB on a GPU | "]
    lines[0] += "GB received per step |"
    lines.append("|---|---|---|---|---|---|---|---|")
    for clips, plan in SCALES:
        expected = parallel_estimate(step_video_t2v(), plan)
        step, clip = expected.step_seconds(h20_tflops(), H20_LINK), expected.seconds(h20_tflops(), H20_LINK)
        lines.append(
            f"| {clips * plan.processes} | {clips} | {_name(plan)} | {step:.2f} | {clip:.0f} | "
            f"{clips * 3600 / clip:.1f} | {expected.peak_bytes / 1e9:.0f} | {expected.step.received_bytes / 1e9:.2f} |"
        )
    return "\n".join(lines)


def million() -> str:
    """A million clips of each release, eight GPUs per clip."""
    plan = ParallelConfig(guidance=True, ulysses=4)
    lines = ["| release | steps | PFLOP per clip | GPU-hours per clip | GPU-years for 1,000,000 | days on 1024 GPUs |"]
    lines.append("|---|---|---|---|---|---|")
    for preset in (step_video_t2v(), step_video_t2v_turbo()):
        expected: ParallelEstimate = parallel_estimate(preset, plan)
        hours = expected.seconds(h20_tflops(), H20_LINK) * plan.processes / 3600
        lines.append(
            f"| {preset.name} | {preset.sampling.num_steps} | {estimate(preset).flops / 1e15:,.0f} | {hours:.2f} | "
            f"{hours * 1e6 / 8766:,.0f} | {hours * 1e6 / 24 / 1024:,.0f} |"
        )
    return "\n".join(lines)


TABLES = {"published": published, "other times": other_times, "scale": scale, "million": million}


def page_with_tables(page: str) -> str:
    """The page with fresh tables between its marks."""
    for name, table in TABLES.items():
        begin = BEGIN.format(name=name)
        before, mark, rest = page.partition(begin)
        if not mark:
            raise ValueError(f"{PAGE.name} lacks the line {begin}")
        page = f"{before}{begin}\n{table()}\n{rest[rest.index(END) :]}"
    return page


def _name(plan: ParallelConfig) -> str:
    parts = [f"ulysses {plan.ulysses}"] * (plan.ulysses > 1) + [f"tensor {plan.tensor}"] * (plan.tensor > 1)
    return " x ".join(["guidance 2"] * plan.guidance + parts) or "one GPU"


if __name__ == "__main__":
    old = PAGE.read_text(encoding="utf-8")
    new = page_with_tables(old)
    if "--check" in sys.argv and new != old:
        sys.exit(f"{PAGE.name}: the tables are out of date; run `python docs/parallelism_tables.py`")
    PAGE.write_text(new, encoding="utf-8")
