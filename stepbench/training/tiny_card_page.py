"""The model cards of the shipped small models for people: Markdown from runs, settings and scores."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from stepbench.training.simulated_annotator import CERTAINTY, FIT_WEIGHT, LEAST_DIFFERENCE
from stepbench.training.tiny_card_packed import CURVES_FILE, PackedModel
from stepbench.training.tiny_card_runs import TrainingRun
from stepbench.training.tiny_card_scores import AgainstTiny, ObedienceScore, VAEScore, VariantScores
from stepbench.training.tiny_card_words import CURVES, DATA, INTRODUCTIONS, LIMITS, SCORES, STAGE_NAMES, WORLD
from stepbench.training.tiny_stages import BASE

_NO_VALUE = "–"

_SETTINGS = (
    "steps",
    "batch_size",
    "matrix_optimiser",
    "learning_rate",
    "warmup_steps",
    "decay_share",
    "weight_decay",
    "clip_norm",
    "ema_decay",
    "precision",
    "seed",
)
_OWN_SETTINGS = {
    "vae": ("kl_weight", "moving_weight", "start_clips", "fan_in_reference"),
    "flow": ("time_sampling", "time_shift", "text_dropout", "train_text"),
    "distill": ("edge_emphasis",),
    "dpo": (
        "objective",
        "beta",
        "label_smoothing",
        "time_shift",
        "lora_rank",
        "lora_alpha",
        "lora_layers",
        "kept_change",
    ),
}


def card_page(model: PackedModel, runs: Sequence[TrainingRun], scores: VariantScores) -> str:
    """Markdown with data, recipe, compute, scores, curves and limits.

    Args:
        model: The packed variant.
        runs: Which made it, beyond those that made `tiny`, in order.
        scores: To show.
    """
    parts = [
        f"# Model card: `{model.name}`\n\n{INTRODUCTIONS[model.name].format(**model.sampling)}",
        _facts(model),
        _data(model.name, runs),
        _recipe(runs),
        _compute(model.name, runs),
        _scores(scores),
        f"## Training curves\n\n![Training curves of {model.name}]({CURVES_FILE})\n\n{CURVES[model.name]}",
        "## Limits\n\n" + "".join(f"- {limit.format(**model.sampling)}\n" for limit in LIMITS[model.name]),
        "## Licence\n\nApache-2.0, like the package. The data is drawn by the package itself.\n",
    ]
    return "\n".join(parts)


def _facts(model: PackedModel) -> str:
    sampling = model.sampling
    guided = f"guidance {sampling['guidance_scale']:g}" if sampling["guidance_scale"] != 1 else "no guidance"
    weights = ", ".join(f"{part} {count:,}" for part, count in model.parameters.items())
    shared = "" if model.name == BASE else f"; everything else is that of `../{BASE}`"
    rows = [
        ("name", f"`step-video:{model.name}`"),
        ("parameters", f"{weights}{shared}"),
        ("size", f"{model.size / 1e6:.1f} MB"),
        ("clips", "{num_frames} frames of {width}x{height}, {fps:g} per second".format(**sampling)),
        ("sampling", f"{sampling['num_steps']} steps, {guided}, solver `{sampling['solver']}`"),
    ]
    return _table(("", ""), rows)


def _data(name: str, runs: Sequence[TrainingRun]) -> str:
    lines = [f"- {STAGE_NAMES[run.stage]}: {run.data}\n" for run in runs]
    data = DATA[name].format(certainty=CERTAINTY, fit=FIT_WEIGHT, least=LEAST_DIFFERENCE)
    return f"## Data\n\n{data}\n{''.join(lines)}\n{WORLD}"


def _recipe(runs: Sequence[TrainingRun]) -> str:
    own = [name for run in runs for name in _OWN_SETTINGS[run.stage]]
    names = [name for name in dict.fromkeys([*_SETTINGS, *own]) if any(name in run.recipe for run in runs)]
    rows = [(f"`{name}`", *[_setting(run, name) for run in runs]) for name in names]
    stages = " and ".join(f"`stepbench train {run.stage}`" for run in runs)
    return (
        f"## Recipe\n\n{stages} with `--recipe tiny`; `docs/training.md` explains every setting.\n"
        "All stages, from nothing to the packed models:\n\n```\n"
        "make train-tiny\n"
        "python -m stepbench.training.tiny --out training/tiny --pack reference_model/weights  # the same by hand\n"
        "```\n\n" + _table(("setting", *[STAGE_NAMES[run.stage] for run in runs]), rows)
    )


def _setting(run: TrainingRun, name: str) -> str:
    if name not in run.recipe or (name in _ALL_OWN and name not in _OWN_SETTINGS[run.stage]):
        return _NO_VALUE
    value = run.recipe[name]
    if isinstance(value, bool | None):
        return {True: "yes", False: "no", None: _NO_VALUE}[value]
    if isinstance(value, list):
        return ", ".join(map(str, value))
    return f"{value:,}" if isinstance(value, int) else str(value)


_ALL_OWN = {name for names in _OWN_SETTINGS.values() for name in names}


def _compute(name: str, runs: Sequence[TrainingRun]) -> str:
    rows = []
    for run in runs:
        planned = int(run.recipe["steps"])
        steps = f"{run.steps:,}" if run.steps == planned else f"{run.steps:,} of {planned:,}"
        unit = "pairs" if run.stage in ("distill", "dpo") else "clips"
        rows.append((STAGE_NAMES[run.stage], steps, f"{run.samples:,} {unit}", f"{run.minutes:.1f}", run.machine))
    before = "" if name == BASE else f"This comes on top of the training of [`{BASE}`](../{BASE}/README.md). "
    software = "; ".join(dict.fromkeys(run.software for run in runs))
    return (
        "## Compute\n\n"
        + _table(("stage", "steps", "seen", "minutes", "machine"), rows)
        + f"\nMinutes are the mean time of a logged step, times the steps: without encoding, sampling and evaluation.\n"
        f"{before}{software}.\n"
    )


def _scores(scores: VariantScores) -> str:
    parts = [f"## Scores\n\n{SCORES}", _obedience(scores.obedience)]
    if scores.against_tiny:
        parts += [f"Beside `{BASE}`, with the 95% interval of the difference:\n", _against(scores.against_tiny)]
    if scores.vae:
        parts += ["Reconstruction of held-out clips, with 95% intervals:\n", _vae(scores.vae)]
    if scores.notes:
        parts.append("".join(f"- {note}\n" for note in scores.notes))
    return "\n".join(parts)


def _obedience(rows: Sequence[ObedienceScore]) -> str:
    head = ("attribute", "right", "95% interval", "chance", "dealt anew", "English", "Chinese", "clips")
    lines = [
        (
            row.attribute,
            _number(row.share),
            _interval(row.low, row.high),
            *[_number(value) for value in (row.chance, row.shuffled, row.share_en, row.share_zh)],
            f"{row.clips:,}",
        )
        for row in rows
    ]
    return _table(head, lines)


def _against(rows: Sequence[AgainstTiny]) -> str:
    lines = [
        (
            row.metric,
            _number(row.tiny),
            _number(row.variant),
            _number(row.difference, sign="+"),
            _interval(row.low, row.high, sign="+"),
            row.note,
        )
        for row in rows
    ]
    return _table(("metric", f"`{BASE}`", "this model", "difference", "95% interval", "note"), lines)


def _vae(rows: Sequence[VAEScore]) -> str:
    lines = [
        (
            row.model,
            f"{row.psnr:.2f}",
            _interval(row.psnr_low, row.psnr_high, digits=2),
            _number(row.ssim),
            _interval(row.ssim_low, row.ssim_high),
            f"{row.bits_per_pixel:.3f}",
        )
        for row in rows
    ]
    return _table(("model", "PSNR (dB)", "95% interval", "SSIM", "95% interval", "bits per pixel"), lines)


def _number(value: float | None, *, sign: str = "", digits: int = 3) -> str:
    return _NO_VALUE if value is None else f"{value:{sign}.{digits}f}"


def _interval(low: float | None, high: float | None, *, sign: str = "", digits: int = 3) -> str:
    if low is None or high is None:
        return _NO_VALUE
    return f"{_number(low, sign=sign, digits=digits)} to {_number(high, sign=sign, digits=digits)}"


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *[[cell.replace("|", "\\|") for cell in row] for row in rows]]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)
