"""`stepbench generate "a red circle moves left" -M world:exact -o clip.mp4`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from stepbench.cli.options import Json
from stepbench.cli.output import note, print_records
from stepbench.cli.parallel import ParallelOptions, on_all_ranks
from stepbench.errors import ExitCode

if TYPE_CHECKING:
    from stepbench.generators.protocol import Generator


def generate_command(
    prompt: str,
    /,
    *,
    generator: Annotated[str, Parameter(name=["--generator", "-M"])],
    out: Annotated[Path, Parameter(name=["--out", "-o"])] = Path("clip.mp4"),
    seed: int = 0,
    set_: Annotated[list[str] | None, Parameter(name="--set", negative="")] = None,
    timeout: float | None = None,
    dry_run: Annotated[bool, Parameter(negative="")] = False,
    tflops: float | None = None,
    bandwidth: float | None = None,
    parallel: ParallelOptions = ParallelOptions(),  # noqa: B008 - frozen
    json: Json = False,
) -> int:
    """Make one clip. A `.mkv` is lossless, a `.mp4` plays in browsers.

    Args:
        prompt: The text.
        generator: FAMILY:ARGUMENT, such as world:exact.
        out: File to write; an existing one is replaced.
        set_: KEY=VALUE, a setting of the generator; can be repeated.
        timeout: Seconds after which a program is ended.
        dry_run: Print operations, peak memory and time that the clip would take, and make nothing.
        tflops: For --dry-run: sustained speed of the device, in 10^12 operations per second.
        bandwidth: For --dry-run on several devices: 10^9 bytes per second that each can receive; 450 unless given.
    """
    from stepbench.generators.registry import make_generator
    from stepbench.generators.settings import parse_settings
    from stepbench.generators.single import generate_clip

    settings = parse_settings(set_ or [])
    if dry_run:
        from stepbench.cli.estimate_clip import print_clip_estimate

        rates = {"tflops": tflops} | ({} if bandwidth is None else {"bandwidth": bandwidth})
        return print_clip_estimate(
            generator, prompt, seed=seed, settings=settings, rates=rates, parallel=parallel, json=json
        )

    def work(made: Generator) -> int:
        facts = generate_clip(made, prompt, seed=seed, settings=settings, path=out, timeout=timeout)
        if json:
            print_records([facts])
        note(f"{out}: {facts['frames']} frames of {facts['width']}x{facts['height']} at {facts['fps']:g} fps")
        return ExitCode.OK

    return on_all_ranks(generator, parallel, work) if parallel.is_asked_for else work(make_generator(generator))
