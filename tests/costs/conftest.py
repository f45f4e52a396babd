"""What tests of costs share."""

from __future__ import annotations

import pytest


@pytest.fixture(autouse=True)
def _quick_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    # Listing the installed packages takes longer than making the clips.
    monkeypatch.setattr("stepbench.provenance.distributions", list)
