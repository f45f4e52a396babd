"""What a run was made with: code, packages, machine, codec. An allow-list, so no secret can slip in."""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
import sys
from datetime import UTC, datetime
from email import message_from_string
from importlib.metadata import distributions
from pathlib import Path
from typing import Any

ENVIRONMENT_VARIABLES = (
    "CUBLAS_WORKSPACE_CONFIG",
    "CUDA_VISIBLE_DEVICES",
    "MKL_NUM_THREADS",
    "OMP_NUM_THREADS",
    "PYTHONHASHSEED",
    "SLURM_ARRAY_TASK_COUNT",
    "SLURM_ARRAY_TASK_ID",
    "STEPBENCH_DIFFUSERS_DEVICE",
    "STEPBENCH_DIFFUSERS_OFFLOAD",
    "STEPBENCH_STEP_VIDEO_DEVICE",
    "STEPBENCH_STEP_VIDEO_OFFLOAD",
)
"""The only environment variables that are recorded: they change results or speed, and hold no secrets."""


def now() -> str:
    """The current time in UTC, ISO 8601, whole seconds."""
    return datetime.now(UTC).isoformat(timespec="seconds")


def capture_environment() -> dict[str, Any]:
    """Everything about this process and machine that may matter to a number, JSON-ready."""
    from stepbench import __version__

    return {
        "stepbench": __version__,
        "git": _git_state(Path(__file__).parent),
        "python": platform.python_version(),
        "packages": _packages(),
        "platform": platform.platform(),
        "cpu": {"model": _cpu_model(), "count": os.cpu_count()},
        "memory_bytes": os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"),
        "gpus": _gpus(),
        "codec": _codec_versions(),
        "torch": _torch_flags(),
        "variables": {name: os.environ[name] for name in ENVIRONMENT_VARIABLES if name in os.environ},
    }


def _packages() -> dict[str, str]:
    """Name -> version of what is installed. Of metadata only the head is parsed: descriptions take most of the time."""
    found = []
    for package in distributions():
        text = package.read_text("METADATA") or package.read_text("PKG-INFO") or package.read_text("") or ""
        head = message_from_string(text.partition("\n\n")[0])
        if head["Name"]:
            found.append((head["Name"].lower(), head["Version"]))
    return dict(sorted(found))


def _git_state(folder: Path) -> dict[str, Any] | None:
    """Commit and dirty flag of the checkout that the code runs from; None for an installed package."""
    commit = _output(["git", "-C", str(folder), "rev-parse", "HEAD"])
    top = _output(["git", "-C", str(folder), "rev-parse", "--show-toplevel"])
    if commit is None or top is None or not (Path(top) / "pyproject.toml").is_file() or "site-packages" in str(folder):
        return None
    changes = _output(["git", "-C", top, "status", "--porcelain"])
    return {"commit": commit, "dirty": bool(changes)}


def _cpu_model() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), platform.machine())


def _gpus() -> list[dict[str, str]]:
    fields = ["name", "driver_version", "memory.total"]
    text = _output(["nvidia-smi", f"--query-gpu={','.join(fields)}", "--format=csv,noheader"])
    return [dict(zip(fields, line.split(", "), strict=False)) for line in (text or "").splitlines()]


def _codec_versions() -> dict[str, str]:
    import av

    libraries = {name: ".".join(map(str, version)) for name, version in av.library_versions.items()}
    return {"pyav": av.__version__, **libraries}


def _torch_flags() -> dict[str, Any] | None:
    """Flags that change results. None while torch is not loaded: then it had no part in them."""
    torch = sys.modules.get("torch")
    if torch is None:
        return None
    return {
        "version": torch.__version__,
        "cuda": torch.version.cuda,
        "deterministic_algorithms": torch.are_deterministic_algorithms_enabled(),
        "cudnn_deterministic": torch.backends.cudnn.deterministic,
        "cudnn_benchmark": torch.backends.cudnn.benchmark,
        "float32_matmul_precision": torch.get_float32_matmul_precision(),
    }


def _output(command: list[str]) -> str | None:
    if shutil.which(command[0]) is None:
        return None
    try:
        result = subprocess.run(command, capture_output=True, text=True, timeout=20, check=False)
    except (OSError, subprocess.TimeoutExpired):
        # A driver tool that hangs or does not start: not known is an answer here.
        return None
    return result.stdout.strip() if result.returncode == 0 else None
