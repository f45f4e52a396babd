"""The progress display: a bar on a terminal, nothing elsewhere, and every item passed on."""

from __future__ import annotations

import io
import sys

import pytest

from stepbench.progress import track


class Terminal(io.StringIO):
    def isatty(self):
        return True


def test_a_terminal_gets_a_bar(monkeypatch):
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    monkeypatch.setenv("TERM", "xterm")
    assert list(track(iter("abc"), total=3, description="scoring")) == ["a", "b", "c"]
    assert "scoring" in terminal.getvalue()
    assert "3/3" in terminal.getvalue()


@pytest.mark.parametrize("stream", [io.StringIO, Terminal])
def test_nothing_is_printed_elsewhere_or_without_work(monkeypatch, stream):
    output = stream()
    monkeypatch.setattr(sys, "stderr", output)
    items = [] if stream is Terminal else ["a"]
    assert list(track(items, total=len(items), description="scoring")) == items
    assert output.getvalue() == ""
