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


_HUB = "https://huggingface.co"
_UNPINNED = "no revision is pinned: the pull takes the newest one and records which"

_PUBLISHED = (
    PublishedWeights(
        name="clip-vit-base-patch32",
        purpose="clip_score, clip_margin, background_consistency (also vbench_)",
        address=f"{_HUB}/openai/clip-vit-base-patch32",
        licence="MIT",
        note=f"MIT is what the repository of the code says, the hub's page states none (not verified); {_UNPINNED}",
    ),
    PublishedWeights(
        name="siglip2-base-patch16-224",
        purpose="siglip_score, siglip_margin (English, Chinese and more)",
        address=f"{_HUB}/google/siglip2-base-patch16-224",
        licence="Apache-2.0",
        note=f"licence not verified; {_UNPINNED}",
    ),
    PublishedWeights(
        name="chinese-clip-vit-base-patch16",
        purpose="chinese_clip_score, chinese_clip_margin",
        address=f"{_HUB}/OFA-Sys/chinese-clip-vit-base-patch16",
        licence="MIT",
        note=f"MIT is what the repository of the code says, the hub's page states none (not verified); {_UNPINNED}",
    ),
    PublishedWeights(
        name="xclip-base-patch32",
        purpose="xclip_score, xclip_margin",
        address=f"{_HUB}/microsoft/xclip-base-patch32",
        licence="MIT",
        note=f"licence not verified; {_UNPINNED}",
    ),
    PublishedWeights(
        name="dino-vitb16",
        purpose="subject_consistency (also vbench_)",
        address=f"{_HUB}/facebook/dino-vitb16",
        licence="Apache-2.0",
        note=f"licence not verified; {_UNPINNED}",
    ),
    PublishedWeights(
        name="dinov2-base",
        purpose="subject_consistency with weights='dinov2-base'",
        address=f"{_HUB}/facebook/dinov2-base",
        licence="Apache-2.0",
        note=f"licence not verified; {_UNPINNED}",
    ),
    PublishedWeights(
        name="qwen2-vl-2b-instruct",
        purpose="question_answering, canary_accuracy",
        address=f"{_HUB}/Qwen/Qwen2-VL-2B-Instruct",
        licence="Apache-2.0",
        note=f"licence not verified; needs `pip install 'stepbench[judges]'`; {_UNPINNED}",
    ),
    PublishedWeights(
        name="face_detection_yunet_2023mar.onnx",
        purpose="face_present",
        address="https://github.com/opencv/opencv_zoo/raw/main/models/face_detection_yunet/"
        "face_detection_yunet_2023mar.onnx",
        licence="MIT",
        note="licence not verified; the address follows a branch: the pull records the sha256 that it got",
    ),
)

WEIGHTS: dict[str, PublishedWeights] = {weights.name: weights for weights in _PUBLISHED}
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
