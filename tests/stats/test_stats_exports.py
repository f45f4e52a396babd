"""The front door of `stepbench.stats`: every name loads, stays a function, and nothing loads before it is asked for."""

from __future__ import annotations

import subprocess
import sys

import pytest

from stepbench import stats


@pytest.mark.parametrize("name", stats.__all__)
def test_every_export_loads_and_is_no_module(name):
    for _ in range(2):  # a module named like a function would take its place after the first import
        assert callable(getattr(stats, name))


def test_an_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match=r"'stepbench\.stats' has no attribute 'p_hack'"):
        stats.p_hack  # noqa: B018


def test_importing_stats_loads_neither_scipy_nor_pandas_and_using_it_never_torch():
    code = (
        "import sys, stepbench.stats as s; assert not {'scipy', 'pandas', 'torch'} & set(sys.modules)\n"
        "[getattr(s, name) for name in s.__all__]; assert 'torch' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
