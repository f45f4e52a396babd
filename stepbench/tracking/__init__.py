"""Runs handed to the experiment trackers that people already use, and as data set folders."""

from __future__ import annotations

from stepbench.tracking.targets import TARGETS, log_run

__all__ = ["TARGETS", "log_run"]
