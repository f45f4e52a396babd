"""Every set of external weights that some part can use. Nothing here downloads anything."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class ExternalWeights:
    """Weights that others publish.

    Attributes:
        used_by: What a user types to run them.
        address: Where their publisher offers them.
        licence: SPDX id, as the publisher's page states it.
        note: What the page leaves open.
    """

    name: str
    purpose: str
    used_by: str
    address: str
    licence: str
    note: str = ""


_ENCODER_LICENCE = (
    "MIT is what the page says of the whole; the Hunyuan-CLIP in it bears the name of a model that Tencent publishes "
    "under tencent-hunyuan-community, and whether those terms reach it is not verified"
)


EXTERNAL_WEIGHTS = (
    ExternalWeights(
        name="step-video-t2v",
        purpose="text to video, 30B parameters, 50 steps",
        used_by="step-video:FOLDER",
        address="https://huggingface.co/stepfun-ai/stepvideo-t2v",
        licence="MIT",
        note=_ENCODER_LICENCE,
    ),
    ExternalWeights(
        name="step-video-t2v-turbo",
        purpose="the same, distilled to 10 to 15 steps",
        used_by="step-video:FOLDER; unless it is called stepvideo-t2v-turbo, with --set variant=turbo",
        address="https://huggingface.co/stepfun-ai/stepvideo-t2v-turbo",
        licence="MIT",
        note=_ENCODER_LICENCE,
    ),
)
