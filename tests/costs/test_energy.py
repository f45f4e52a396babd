"""Joules from counters in their real formats: a sysfs tree, and a module that speaks NVML."""

from __future__ import annotations

import sys
import threading
import types
from pathlib import Path

import pytest

from stepbench.costs.energy import Counter, EnergyMeter, nvml_counters, open_meter, rapl_counters

RANGE = 262143328850


def zone(powercap: Path, name: str, label: str, microjoules: int) -> Path:
    """A zone as the kernel shows it: each value a line of its own in a file."""
    folder = powercap / name
    folder.mkdir(parents=True)
    for file, value in (("name", label), ("energy_uj", microjoules), ("max_energy_range_uj", RANGE), ("enabled", 1)):
        (folder / file).write_text(f"{value}\n", encoding="ascii")
    return folder


@pytest.fixture
def powercap(tmp_path):
    """Two packages with memory controllers, and everything that would count the same joules twice."""
    root = tmp_path / "powercap"
    zone(root, "intel-rapl:0", "package-0", 1_000_000)
    zone(root, "intel-rapl:0:0", "core", 500)
    zone(root, "intel-rapl:0:1", "uncore", 500)
    zone(root, "intel-rapl:0:2", "dram", 2_000_000)
    zone(root, "intel-rapl:1", "package-1", RANGE - 1_000_000)
    zone(root, "intel-rapl:2", "psys", 9_000_000)
    zone(root, "intel-rapl-mmio:0", "package-0", 1_000_000)
    return root


def advance(powercap: Path, name: str, microjoules: int) -> None:
    file = powercap / name / "energy_uj"
    file.write_text(f"{(int(file.read_text()) + microjoules) % RANGE}\n", encoding="ascii")


def test_packages_and_memory_are_counted_once_and_over_a_turn(powercap):
    meter = EnergyMeter(rapl_counters(powercap))
    with meter.measure() as spent:
        advance(powercap, "intel-rapl:0", 3_000_000)
        advance(powercap, "intel-rapl:0:2", 500_000)
        advance(powercap, "intel-rapl:1", 4_000_000)  # starts at 0 again on the way
        for twice in ("intel-rapl:0:0", "intel-rapl:2", "intel-rapl-mmio:0"):
            advance(powercap, twice, 3_000_000)
    assert spent.joules == pytest.approx(7.5)
    assert spent.sources == ["rapl"]


def test_several_turns_are_seen_because_the_counters_are_polled():
    place, seen = [0.0], threading.Semaphore(0)

    def read():
        seen.release()
        return place[0] % 100

    with EnergyMeter([Counter("rapl", read, turn=100.0)], poll_seconds=0.001).measure() as spent:
        for _ in range(10):
            place[0] += 60
            for _ in range(2):
                # Two readings later one of them has certainly seen the new place.
                seen.acquire()
                while seen.acquire(blocking=False):
                    pass
    assert spent.joules == pytest.approx(600)


@pytest.mark.parametrize("broken", ["not a number\n", None])
def test_one_counter_that_cannot_be_read_leaves_no_value(powercap, broken):
    file = powercap / "intel-rapl:1" / "energy_uj"
    file.unlink()
    if broken:
        file.write_text(broken)
    assert rapl_counters(powercap) == []
    assert rapl_counters(powercap / "nowhere") == []


def test_a_counter_that_stops_to_answer_leaves_no_value(powercap):
    with EnergyMeter(rapl_counters(powercap)).measure() as spent:
        (powercap / "intel-rapl:0" / "energy_uj").unlink()
    assert (spent.joules, spent.sources) == (None, [])


def test_no_counters_no_value():
    with EnergyMeter([]).measure() as spent:
        pass
    assert (spent.joules, spent.sources) == (None, [])


class FakeNVML(types.ModuleType):
    """As much of NVML as is used; energy in millijoules since the driver was loaded."""

    class NVMLError(Exception):
        pass

    def __init__(self, energies, names=None, driver=True):
        super().__init__("pynvml")
        self.energies, self.driver = list(energies), driver
        self.names = names or ["NVIDIA H200"] * len(energies)

    def nvmlInit(self):
        if not self.driver:
            raise self.NVMLError("Driver Not Loaded")

    def nvmlDeviceGetCount(self):
        return len(self.energies)

    def nvmlDeviceGetHandleByIndex(self, index):
        return index

    def nvmlDeviceGetHandleByUUID(self, uuid):
        return int(uuid.removeprefix("GPU-"))

    def nvmlDeviceGetName(self, handle):
        return self.names[handle]

    def nvmlDeviceGetTotalEnergyConsumption(self, handle):
        if self.energies[handle] is None:
            raise self.NVMLError("Not Supported")
        return self.energies[handle]


def with_nvml(monkeypatch, *arguments, **environment):
    module = FakeNVML(*arguments)
    monkeypatch.setitem(sys.modules, "pynvml", module)
    for name in ("CUDA_VISIBLE_DEVICES", "CUDA_DEVICE_ORDER"):
        monkeypatch.delenv(name, raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    return module


@pytest.mark.parametrize(
    ("visible", "joules"),
    [(None, 7.0), ("0", 1.0), ("1,2", 6.0), ("GPU-2", 4.0), ("", None), ("-1", None), ("MIG-1", None), ("7", None)],
)
def test_gpus_that_the_process_may_use_are_counted(monkeypatch, visible, joules):
    module = with_nvml(
        monkeypatch, [5_000, 6_000, 7_000], **({} if visible is None else {"CUDA_VISIBLE_DEVICES": visible})
    )
    with EnergyMeter(nvml_counters()).measure() as spent:
        module.energies = [6_000, 8_000, 11_000]
    assert spent.joules == (None if joules is None else pytest.approx(joules))
    assert spent.sources == (["nvml"] if joules else [])


def test_constant_power_gives_power_times_time(monkeypatch):
    """350 W over 12.5 s, as a driver would have counted them."""
    module = with_nvml(monkeypatch, [123_456_789])
    with EnergyMeter(nvml_counters()).measure() as spent:
        module.energies[0] += round(350 * 12.5 * 1000)
    assert spent.joules == pytest.approx(350 * 12.5, rel=0.01)


def test_unlike_gpus_by_number_are_known_only_in_the_order_of_the_bus(monkeypatch):
    names = ["NVIDIA T4", "NVIDIA H200"]
    with_nvml(monkeypatch, [1, 1], names, CUDA_VISIBLE_DEVICES="0")
    assert nvml_counters() == []
    monkeypatch.setenv("CUDA_DEVICE_ORDER", "PCI_BUS_ID")
    assert len(nvml_counters()) == 1


@pytest.mark.parametrize("module", [([1, None],), ([1], None, False)])
def test_a_gpu_that_does_not_count_or_no_driver_leaves_no_value(monkeypatch, module):
    with_nvml(monkeypatch, *module)
    assert nvml_counters() == []


def test_without_the_package_there_is_no_value(monkeypatch):
    monkeypatch.setitem(sys.modules, "pynvml", None)
    assert nvml_counters() == []


def test_the_real_package_has_these_names():
    pynvml = pytest.importorskip("pynvml")
    for name in vars(FakeNVML):
        if name.startswith("nvml"):
            assert callable(getattr(pynvml, name))
    assert issubclass(pynvml.NVMLError, Exception)


def test_gpu_and_processor_together(monkeypatch, powercap):
    module = with_nvml(monkeypatch, [1000])
    monkeypatch.setattr("stepbench.costs.energy.POWERCAP", powercap)
    monkeypatch.setattr("stepbench.costs.energy.rapl_counters", lambda root=powercap: rapl_counters(root))
    with open_meter().measure() as spent:
        module.energies[0] += 2000
        advance(powercap, "intel-rapl:0", 1_000_000)
    assert spent.joules == pytest.approx(3.0)
    assert spent.sources == ["nvml", "rapl"]
