"""Writes the model cards of the small models that ship with the package, each with a picture of its training curves:

    python -m stepbench.training.tiny_card --runs training/tiny --scores scores.json

After packing, which replaces the folders of the models. `scores.json` is described in `tiny_card_scores.py`.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from stepbench.errors import ExitCode, NothingSelectedError, StepbenchError
from stepbench.runs.journal import saving
from stepbench.training.tiny_card_curves import draw_curves
from stepbench.training.tiny_card_packed import CARD_FILE, CURVES_FILE, check_weights, read_packed_model
from stepbench.training.tiny_card_page import card_page
from stepbench.training.tiny_card_runs import read_training_run
from stepbench.training.tiny_card_scores import read_scores
from stepbench.training.tiny_pack import VARIANTS
from stepbench.training.tiny_stages import BASE, PREFERRED, TURBO

STAGES_OF: Mapping[str, Sequence[str]] = {BASE: ("vae", "flow"), TURBO: ("distill",), PREFERRED: ("dpo",)}
"""Variant -> the training runs that made it, beyond those of `tiny`."""


def write_cards(runs: Path, scores: Path, weights: Path) -> list[Path]:
    """Writes card and curves of every variant that is packed. Nothing is written if anything is missing for one.

    Args:
        runs: Folder of all stages of `python -m stepbench.training.tiny`.
        scores: See `tiny_card_scores`.
        weights: Folder of the packed variants.

    Returns:
        The folders whose cards were written.

    Raises:
        NothingSelectedError: No variant is packed.
        UsageError: Scores, a run or a model cannot be read, or the packed weights are not from these runs.
        EnvironmentUnfitError: The package that draws pictures is not installed.
        IncompleteError: A file cannot be written.
    """
    packed = [name for name in VARIANTS if (weights / name).is_dir()]
    if not packed:
        raise NothingSelectedError(
            f"no packed model in {weights}",
            hint=f"pack them first: python -m stepbench.training.tiny --out {runs} --pack {weights}",
        )
    checked = read_scores(scores, packed)
    done = {name: [read_training_run(runs, stage) for stage in STAGES_OF[name]] for name in packed}
    for name in packed:
        check_weights(weights / name, runs / "models" / name, done[name][-1])
    models = {name: read_packed_model(weights / name) for name in packed}
    contents = {}
    for name in packed:
        contents[weights / name / CURVES_FILE] = draw_curves(done[name])
        contents[weights / name / CARD_FILE] = card_page(models[name], done[name], checked[name]).encode()
    for file, content in contents.items():
        with saving(file):
            file.write_bytes(content)
    return [weights / name for name in packed]


def main(arguments: list[str] | None = None) -> int:
    """Writes the cards, and says where."""
    options = _parser().parse_args(arguments)
    try:
        written = write_cards(options.runs, options.scores, options.weights)
    except StepbenchError as error:
        sys.stderr.write(f"error: {error}\n")
        return error.exit_code
    for name in VARIANTS:
        folder = options.weights / name
        state = f"{CARD_FILE} and {CURVES_FILE}" if folder in written else "not packed, so no card"
        sys.stderr.write(f"{folder}: {state}\n")
    return ExitCode.OK


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m stepbench.training.tiny_card",
        description="Write model cards with training curves into the folders of the packed small models.",
    )
    parser.add_argument(
        "--runs",
        type=Path,
        required=True,
        help="--out folder of python -m stepbench.training.tiny, such as training/tiny",
    )
    parser.add_argument(
        "--scores", type=Path, required=True, help="JSON; the top of stepbench/training/tiny_card_scores.py explains it"
    )
    parser.add_argument(
        "--weights", type=Path, default=Path("reference_model/weights"), help="packed models (%(default)s)"
    )
    return parser


if __name__ == "__main__":
    sys.exit(main())
