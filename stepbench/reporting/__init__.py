"""Reports of runs: what was compared, what came out, how sure that is, and how to repeat it."""

from __future__ import annotations

from stepbench.reporting.build import ExampleOptions, build_report
from stepbench.reporting.model import Report
from stepbench.reporting.write import FORMATS, write_report

__all__ = ["FORMATS", "ExampleOptions", "Report", "build_report", "write_report"]
