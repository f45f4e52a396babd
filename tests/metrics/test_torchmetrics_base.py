"""`torchmetrics` runs when it is asked for, and is then as if nothing had been put off."""

from __future__ import annotations

import subprocess
import sys


def printed(code: str) -> list[str]:
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return done.stdout.splitlines()


def test_a_metric_imports_neither_networks_nor_the_rest_of_torchmetrics():
    code = """
import sys
import metrics
metrics.build("psnr"), metrics.build("fvd_shapes")
others = ("transformers", "torchvision", "scipy.signal", "torchmetrics.functional")
print([name for name in others if name in sys.modules])
"""
    assert printed(code) == ["[]"]


def test_the_package_is_whole_once_it_is_asked_for():
    code = """
import metrics
psnr = metrics.build("psnr")
import torchmetrics
print(hasattr(torchmetrics, "__wrapped__"))  # introspection asks such things
assert isinstance(psnr, torchmetrics.Metric)
assert torchmetrics.utilities.data.dim_zero_cat and torchmetrics.functional.accuracy and torchmetrics.__version__
from torchmetrics import MetricCollection
import torch
clip = torch.zeros(1, 2, 3, 16, 16, dtype=torch.uint8)
print(float(MetricCollection([psnr])(clip, clip)["PSNR"]))
try:
    torchmetrics.no_such_metric
except AttributeError as error:
    print(error)
"""
    assert printed(code) == ["False", "100.0", "module 'torchmetrics' has no attribute 'no_such_metric'"]


def test_a_package_that_is_imported_already_is_taken_as_it_is():
    code = """
import torchmetrics
import metrics
print(isinstance(metrics.build("psnr"), torchmetrics.Metric), "__getattr__" in vars(torchmetrics))
"""
    assert printed(code) == ["True False"]


def test_a_release_whose_modules_need_the_package_is_imported_whole():
    code = """
import sys
from importlib.abc import MetaPathFinder

class Refuses(MetaPathFinder):
    def find_spec(self, name, path, target=None):
        if name == "torchmetrics.utilities" and "__getattr__" in vars(sys.modules["torchmetrics"]):
            raise ImportError("cannot import name 'x' from 'torchmetrics'")

sys.meta_path.insert(0, Refuses())
import metrics
psnr = metrics.build("psnr")
import torchmetrics
print(isinstance(psnr, torchmetrics.Metric), "torchmetrics.functional" in sys.modules)
"""
    assert printed(code) == ["True True"]
