"""Trains and packs the small models that ship with the package: `make train-tiny`, or

    python -m stepbench.training.tiny --out training/tiny --pack reference_model/weights

Every stage is an ordinary run of `stepbench train` with the recipe of the package, so the same command continues
wherever it was stopped: on a lent GPU in legs (`--max-seconds 540`), or unattended for many hours on a CPU.
"""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path

from reference_model.errors import ReferenceModelError
from stepbench.errors import ExitCode, StepbenchError
from stepbench.training.tiny_pack import VARIANTS, pack
from stepbench.training.tiny_stages import STAGES, Workplace


def main(arguments: list[str] | None = None) -> int:
    """Runs the stages that are not done, until the time is up."""
    options = _parser().parse_args(arguments)
    deadline = None if options.max_seconds is None else time.monotonic() + options.max_seconds
    place = Workplace(out=options.out, device=options.device, deadline=deadline)
    try:
        for name, stage in STAGES.items():
            if place.seconds_left == 0 or not stage(place):
                _say(f"{name} is not done yet: the same command continues")
                return ExitCode.INCOMPLETE
            if name == options.until:
                break
        if options.pack is not None:
            size = pack(place, options.pack)
            _say(f"{', '.join(VARIANTS)} in {options.pack}: {size / 1e6:.1f} MB together")
    except StepbenchError as error:
        _say(f"error: {error}")
        return error.exit_code
    except ReferenceModelError as error:
        _say(f"error: {error}")
        return ExitCode.USAGE
    except KeyboardInterrupt:
        _say("interrupted: the same command continues")
        return ExitCode.INTERRUPTED
    return ExitCode.OK


def _parser() -> argparse.ArgumentParser:
    stages = "\n".join(f"  {name:8} {(stage.__doc__ or '').splitlines()[0]}" for name, stage in STAGES.items())
    parser = argparse.ArgumentParser(
        prog="python -m stepbench.training.tiny",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        description=f"Train the small models that ship with the package, in stages:\n\n{stages}",
        epilog="Exit code 0: all is done. 3: the time was up; the same command continues where it was stopped.",
    )
    parser.add_argument("--out", type=Path, default=Path("training/tiny"), help="folder of all stages (%(default)s)")
    parser.add_argument("--device", default="auto", help="auto (a GPU if there is one), cpu, cuda or cuda:1")
    parser.add_argument(
        "--max-seconds", type=float, metavar="SECONDS", help="stop after about so long, for machines lent for a time"
    )
    parser.add_argument("--until", choices=list(STAGES), default=list(STAGES)[-1], help="last stage (%(default)s)")
    parser.add_argument("--pack", type=Path, metavar="FOLDER", help="where the finished models go in the end")
    return parser


def _say(text: str) -> None:
    sys.stderr.write(text + "\n")


if __name__ == "__main__":
    sys.exit(main())
