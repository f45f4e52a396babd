"""Writes a copy of `step-video:tiny` whose transformer is damaged by noise of a fixed seed.

python examples/unfinished_model.py FOLDER [--noise 0.3]

It stands in for a model that is not finished yet: `tiny` itself gets 97 of 100 answers right, so nothing that people
could vote on would be left to learn. The same seed gives the same model everywhere.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import torch

from reference_model.checkpoint import load_pipeline
from reference_model.checkpoint.save import save_pipeline
from reference_model.packaged import packaged_folder

SEED = 0


def main() -> None:
    """Adds noise to every weight matrix of the transformer's blocks, as a share of that matrix's own spread."""
    parser = argparse.ArgumentParser(description="A damaged copy of tiny, to be repaired by preferences.")
    parser.add_argument("folder", type=Path, help="model folder to write, in the released layout")
    parser.add_argument("--noise", type=float, default=0.3, help="standard deviation, in those of each matrix")
    options = parser.parse_args()
    pipeline = load_pipeline(packaged_folder("tiny"), dtype=torch.float32, device=torch.device("cpu"))
    generator = torch.Generator().manual_seed(SEED)
    with torch.no_grad():
        for name, weight in pipeline.transformer.named_parameters():
            if weight.ndim == 2 and "blocks" in name:
                weight.add_(torch.randn(weight.shape, generator=generator) * weight.std() * options.noise)
    save_pipeline(pipeline, options.folder)


if __name__ == "__main__":
    main()
