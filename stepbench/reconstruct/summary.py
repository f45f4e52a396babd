"""What a reconstruction run says beside its scores: how small the codes are and how long they took."""

from __future__ import annotations

from statistics import median
from typing import Any

from stepbench.errors import UsageError
from stepbench.reconstruct.generator import RAW_BITS_PER_PIXEL
from stepbench.runs.folder import RunFolder
from stepbench.runs.run import Run


def summarize_reconstruction(run: Run) -> dict[str, Any]:
    """One record about one autoencoder.

    Keys: run, autoencoder, status, settings, samples (outcome -> count), `bits_per_pixel` (all code bits over all
    pixels), `compression_ratio` (24 over that), `encode_seconds` and `decode_seconds` (of the median clip: the first
    one is slower), and `metrics`, the rows of `summary.json` without its groups. Sizes and times are None where no
    clip was reconstructed.

    Raises:
        RunFolderError: The run is not finished.
        UsageError: Its clips are no reconstructions.
    """
    summary = run.read_summary()
    rows = RunFolder(run.folder).read_samples()
    made = [rows[key] for key, _, _ in run.planned if key in rows and rows[key]["outcome"] == "ok"]
    if any("code_bits" not in row.get("measures", {}) for row in made):
        raise UsageError(f"run {run.name} is by no autoencoder", hint="make one with `stepbench reconstruct`")
    pixels = sum(row["frames"] * row["height"] * row["width"] for row in made)
    bits_per_pixel = sum(row["measures"]["code_bits"] for row in made) / pixels if made else None
    return {
        "run": str(run.folder),
        "autoencoder": run.generator_name,
        "status": run.info["status"],
        "settings": run.info["settings"],
        "samples": summary["samples"],
        "compression_ratio": RAW_BITS_PER_PIXEL / bits_per_pixel if bits_per_pixel else None,
        "bits_per_pixel": bits_per_pixel,
        "encode_seconds": median(row["seconds"]["encode_latents"] for row in made) if made else None,
        "decode_seconds": median(row["seconds"]["decode_latents"] for row in made) if made else None,
        "metrics": [
            {name: value for name, value in metric.items() if not name.startswith("by_")}
            for metric in summary["metrics"]
        ],
    }
