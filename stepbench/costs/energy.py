"""Energy of this machine while a clip is made, from the counters that it has: GPUs (NVML) and processors (RAPL).

A counter belongs to a whole GPU or processor, so what it counts is the machine's energy over a stretch of time,
including whatever else the machine did meanwhile. Where there is no counter, or one of those that belong together
cannot be read, there is no value.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

POWERCAP = Path("/sys/class/powercap")
POLL_SECONDS = 30.0
"""RAPL counters start anew after 2**18 joules or so, twenty minutes of a busy server. They are read more often than
that, so that no turn is missed."""


@dataclass(frozen=True)
class Counter:
    """A counter that only grows, until it starts anew.

    Attributes:
        source: `nvml` or `rapl`.
        read: Joules since some moment of the past. Raises `OSError` where it cannot say.
        turn: Joules after which it starts at 0 again; None if never.
    """

    source: str
    read: Callable[[], float]
    turn: float | None = None


@dataclass
class Spent:
    """Energy of one stretch of time.

    Attributes:
        joules: In all; None without counters, or where one stopped to answer.
        sources: What was counted, sorted: `nvml`, `rapl`, both, or nothing.
    """

    joules: float | None = None
    sources: list[str] = field(default_factory=list)


class EnergyMeter:
    """Measures stretches of time with all counters together."""

    def __init__(self, counters: Sequence[Counter], *, poll_seconds: float = POLL_SECONDS) -> None:
        self._counters = list(counters)
        self._poll_seconds = poll_seconds
        self._lock = threading.Lock()

    @contextmanager
    def measure(self) -> Iterator[Spent]:
        """What is spent inside; the result is filled in at the end."""
        spent = Spent()
        if not self._counters:
            yield spent
            return
        stretch = _Stretch(self._counters)
        over = threading.Event()

        def poll() -> None:
            while not over.wait(self._poll_seconds):
                with self._lock:
                    stretch.advance()

        polling = any(counter.turn is not None for counter in self._counters)
        thread = threading.Thread(target=poll, daemon=True) if polling else None
        if thread:
            thread.start()
        try:
            yield spent
        finally:
            over.set()
            if thread:
                thread.join()
            stretch.advance()
            spent.joules = stretch.joules
            spent.sources = sorted({counter.source for counter in self._counters}) if stretch.joules is not None else []


class _Stretch:
    """Joules since it was made; None from the moment on when a counter did not answer."""

    def __init__(self, counters: Sequence[Counter]) -> None:
        self._counters = counters
        self.joules: float | None = 0.0
        self._last = self._read()

    def advance(self) -> None:
        now = self._read()
        if now is None or self._last is None or self.joules is None:
            self.joules = None
            return
        for counter, before, after in zip(self._counters, self._last, now, strict=True):
            turned = counter.turn if counter.turn is not None and after < before else 0.0
            self.joules += after - before + turned
        self._last = now

    def _read(self) -> list[float] | None:
        try:
            return [counter.read() for counter in self._counters]
        except OSError:
            # A GPU that fell off the bus, a right that was taken away: then nothing is known any more.
            return None


def open_meter() -> EnergyMeter:
    """A meter with all counters that this process may read; one without any measures nothing."""
    return EnergyMeter([*nvml_counters(), *rapl_counters()])


def rapl_counters(powercap: Path = POWERCAP) -> list[Counter]:
    """One counter per processor package, and per memory controller where it has its own; none if one is not readable.

    Zones inside a package (`core`, `uncore`) and around it (`psys`) count the same joules again and are left out, like
    the copies that `intel-rapl-mmio` shows. Source: Linux kernel documentation, power/powercap/powercap.rst.
    """
    counters = []
    for zone in sorted(powercap.glob("intel-rapl:*")):
        try:
            name = (zone / "name").read_text(encoding="ascii").strip()
            if not (name.startswith("package-") or name == "dram"):
                continue
            turn = int((zone / "max_energy_range_uj").read_text(encoding="ascii")) / 1e6
            counter = Counter("rapl", lambda zone=zone: _microjoules(zone) / 1e6, turn)
            counter.read()
        except (OSError, ValueError):
            # Since 2020 kernels let only root read them.
            return []
        counters.append(counter)
    return counters


def _microjoules(zone: Path) -> int:
    return int((zone / "energy_uj").read_text(encoding="ascii"))


def nvml_counters() -> list[Counter]:
    """One counter per GPU that CUDA_VISIBLE_DEVICES leaves to this process; none if one of them does not count.

    Needs the extra `[energy]`, and GPUs from Volta on. Slices of a GPU (MIG) have no counter of their own.
    """
    try:
        import pynvml
    except ImportError:
        return []
    nvml: Any = pynvml
    try:
        nvml.nvmlInit()
        counters = [
            Counter("nvml", lambda handle=handle: _millijoules(nvml, handle) / 1e3) for handle in _visible(nvml)
        ]
        for counter in counters:
            counter.read()
    except (nvml.NVMLError, OSError):
        # No driver, or a GPU that is too old to count.
        return []
    return counters


def _millijoules(nvml: Any, handle: Any) -> int:
    try:
        return nvml.nvmlDeviceGetTotalEnergyConsumption(handle)
    except nvml.NVMLError as error:
        raise OSError(str(error)) from error


def _visible(nvml: Any) -> list[Any]:
    """Handles of the GPUs that this process may use; none where that cannot be told for sure."""
    every = [nvml.nvmlDeviceGetHandleByIndex(index) for index in range(nvml.nvmlDeviceGetCount())]
    wanted = os.environ.get("CUDA_VISIBLE_DEVICES")
    if wanted is None:
        return every
    names = [name.strip() for name in wanted.split(",") if name.strip()]
    if all(name.startswith("GPU-") for name in names):
        return [nvml.nvmlDeviceGetHandleByUUID(name) for name in names]
    alike = len({nvml.nvmlDeviceGetName(handle) for handle in every}) == 1
    by_bus = os.environ.get("CUDA_DEVICE_ORDER") == "PCI_BUS_ID"
    # CUDA numbers unlike GPUs by speed unless told otherwise, NVML always by their place on the bus.
    known = all(name.isdecimal() and int(name) < len(every) for name in names) and (alike or by_bus)
    return [every[int(name)] for name in names] if known else []
