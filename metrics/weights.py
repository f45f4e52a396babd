"""Weights that others publish and some metrics need: what they are, and where they lie on this machine.

Nothing here downloads anything. Files are looked for in the folder that `STEPBENCH_WEIGHTS` names, else in
`~/.cache/stepbench/weights`; `stepbench weights pull NAME` puts them there.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from metrics.errors import UnavailableMetricError

FOLDER_VARIABLE = "STEPBENCH_WEIGHTS"


@dataclass(frozen=True, kw_only=True)
class PublishedWeights:
    """A file, or a folder of a model hub, that somebody publishes.

    Attributes:
        name: What it is called here, and the name of the file or folder below the weights folder.
        purpose: What it is for.
        address: Where its publisher offers it: of a file, or of a model hub's page.
        licence: SPDX id as the publisher states it, or what is stated instead; `not stated` where nothing is.
        revision: Of a model hub's page: the commit that is meant. Empty for a file.
        size: In bytes, 0 where it is not known.
        sha256: Of the file, empty where it is not known.
        note: What a user should know before using it.
    """

    name: str
    purpose: str
    address: str
    licence: str
    revision: str = ""
    size: int = 0
    sha256: str = ""
    note: str = ""


_ALL = (
    PublishedWeights(
        name="raft-large",
        purpose="optical flow of dynamic_degree and vbench_flicker with flow='raft'",
        address="https://download.pytorch.org/models/raft_large_C_T_SKHT_V2-ff5fadd5.pth",
        licence="BSD-3-Clause",
        note="torchvision's; ff5fadd5 in the file name is the start of the file's sha256, as for all files there. "
        "Trained on FlyingChairs, FlyingThings3D, Sintel, KITTI and HD1K; VBench uses other weights, raft-things",
    ),
)

WEIGHTS: dict[str, PublishedWeights] = {weights.name: weights for weights in _ALL}
"""By name."""


def weights_folder() -> Path:
    """Where weights of others are looked for."""
    given = os.environ.get(FOLDER_VARIABLE)
    return Path(given) if given else Path.home() / ".cache" / "stepbench" / "weights"


def find_weights(name: str) -> Path:
    """The file or folder of these weights on this machine.

    Raises:
        UnavailableMetricError: It is not there; the hint is the command that fetches it.
    """
    path = weights_folder() / WEIGHTS[name].name
    if not path.exists():
        raise UnavailableMetricError(
            f"the weights {name} are not at {path}",
            hint=f"run `stepbench weights pull {name}`, or put them there; {FOLDER_VARIABLE} names another folder",
        )
    return path
