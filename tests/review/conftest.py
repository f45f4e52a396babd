"""What tests of the quality policy share."""

from __future__ import annotations

import pytest

from stepbench.review.policy import read_policy


@pytest.fixture(autouse=True)
def _quick_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    # Listing the installed packages takes longer than making the clips.
    monkeypatch.setattr("stepbench.provenance.distributions", list)


@pytest.fixture
def policy_of(tmp_path):
    def read(text):
        (tmp_path / "quality.toml").write_text(text, encoding="utf-8")
        return read_policy(tmp_path / "quality.toml")

    return read
