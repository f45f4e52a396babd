"""Suites of other packages, and packages that are broken."""

from __future__ import annotations

import sys
from importlib.metadata import EntryPoint

import pytest

from stepbench import load_suite
from stepbench.errors import UsageError
from stepbench.suites import registry, suite_folders
from stepbench.suites.registry import suite_problems


@pytest.fixture
def install(workplace, make_suite, monkeypatch):
    """`install("package", "suite")` makes an importable package with these suites and announces it."""
    points = []
    monkeypatch.setattr(registry, "entry_points", lambda group: points if group == "stepbench.suites" else [])
    site = workplace / "site"
    monkeypatch.syspath_prepend(str(site))

    def put(package, *suites, value=None):
        (site / package).mkdir(parents=True)
        (site / package / "__init__.py").touch()
        for name in suites:
            make_suite("one", name=f"site/{package}/{name}")
        points.append(EntryPoint(package, value or package, "stepbench.suites"))
        monkeypatch.delitem(sys.modules, package, raising=False)

    return put


def test_shipped_suites_are_found_by_their_names():
    folders = suite_folders()
    assert {"step-essentials", "moving-shapes"} <= set(folders)
    assert all(load_suite(name).name == name for name in folders)
    assert suite_problems() == {}


def test_suites_of_other_packages_are_found(install, workplace):
    install("extra_suites", "one-more", "two-more")
    assert suite_folders()["one-more"] == workplace / "site" / "extra_suites" / "one-more"
    assert len(load_suite("two-more")) == 1
    assert suite_problems() == {}


def test_an_entry_point_may_name_a_plain_module(install, workplace):
    install("extra_package", "inside", value="extra_package.module")
    (workplace / "site" / "extra_package" / "module.py").touch()
    assert "inside" in suite_folders()


def test_a_broken_package_costs_its_own_suites_only(install, workplace):
    install("broken_suites", "lost")
    (workplace / "site" / "broken_suites" / "__init__.py").write_text(
        "raise RuntimeError('half installed')", encoding="utf-8"
    )
    install("absent", value="no_such_package")
    install("extra_suites", "one-more")
    assert {"step-essentials", "one-more"} <= set(suite_folders())
    assert set(suite_problems()) == {"broken_suites", "absent"}
    assert "half installed" in suite_problems()["broken_suites"]
    assert load_suite("one-more").name == "mini"
    with pytest.raises(UsageError, match="no suite 'lost'"):
        load_suite("lost")
    with pytest.raises(UsageError, match=r"entry point 'absent' \(no_such_package\): ModuleNotFoundError"):
        load_suite("absent")


def test_a_name_that_two_packages_use_is_refused_and_no_other(install):
    install("extra_suites", "one-more", "step-essentials")
    with pytest.raises(
        UsageError, match=r"two suites are named 'step-essentials': .*step-essentials and .*extra_suites"
    ):
        load_suite("step-essentials")
    assert load_suite("one-more").name == "mini"
