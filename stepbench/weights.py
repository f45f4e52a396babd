"""Every set of external weights that some part can use. Nothing here downloads anything."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class ExternalWeights:
    """Weights that others publish.

    Attributes:
        used_by: What a user types to run them.
        address: Where their publisher offers them.
        licence: SPDX id, as the publisher states it.
    """

    name: str
    purpose: str
    used_by: str
    address: str
    licence: str


EXTERNAL_WEIGHTS = (
    ExternalWeights(
        name="step-video-t2v",
        purpose="text to video, 30B parameters, 50 steps",
        used_by="step-video:FOLDER",
        address="https://huggingface.co/stepfun-ai/stepvideo-t2v",
        licence="MIT",
    ),
    ExternalWeights(
        name="step-video-t2v-turbo",
        purpose="the same, distilled to 10 to 15 steps",
        used_by="step-video:FOLDER --set steps=15 --set guidance=5 --set time_shift=17",
        address="https://huggingface.co/stepfun-ai/stepvideo-t2v-turbo",
        licence="MIT",
    ),
)
