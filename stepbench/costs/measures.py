"""The measures of cost: the family `cost` beside the families of quality metrics, with cards but without pixels."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from metrics.card import MetricCard

SECONDS, PEAK_MEMORY, JOULES, PRICE = "seconds", "peak_memory", "joules", "price"
STAGE = "seconds_"
"""Before the name of a stage, as in `seconds_denoise`."""

_TEXTS = {
    SECONDS: (
        "Seconds per clip",
        "s",
        "time from the request to the stored clip, without loading the model",
        "everything that makes a clip slow, other work on the machine as well",
    ),
    PEAK_MEMORY: (
        "Peak memory",
        "GiB",
        "most memory of the device that the model runs on, where the generator knows it; else of the process",
        "weights, activations, frames",
    ),
    JOULES: (
        "Energy per clip",
        "J",
        "what the counters of GPUs (NVML) and processors (RAPL) advance while the clip is made and stored",
        "everything the machine does meanwhile, idle parts as well",
    ),
    PRICE: (
        "Price per clip",
        "price",
        "seconds / 3600 * price of the machine per hour / workers",
        "what seconds see",
    ),
}


def cost_card(name: str) -> MetricCard:
    """The card of `seconds`, `seconds_<stage>`, `peak_memory`, `joules` or `price`. Lower is better throughout."""
    from metrics.card import MetricCard

    if name.startswith(STAGE):
        stage = name.removeprefix(STAGE)
        title, unit, formula, sees = f"Seconds of {stage}", "s", f"time of the stage {stage}", "what the stage does"
    else:
        title, unit, formula, sees = _TEXTS[name]
    return MetricCard(
        name=name,
        version=1,
        title=title,
        direction="lower",
        unit=unit,
        range=(0.0, None),
        level="clip",
        family="cost",
        policy="measured",
        formula=formula,
        source="ours",
        sees=sees,
        blind_to="quality; what other machines would need",
    )


def fixed_measures() -> list[str]:
    """The measures that every generator can have; stages are the generator's own."""
    return list(_TEXTS)
