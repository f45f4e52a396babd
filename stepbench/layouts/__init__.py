"""Folders of clips in other tools' layouts: scan one against a suite, or write one from a run."""

from stepbench.layouts.export import EXPORT_LAYOUTS, ExportReport, export_run
from stepbench.layouts.manifest import read_manifest
from stepbench.layouts.report import ScanEntry, ScanReport
from stepbench.layouts.scan import LAYOUTS, scan_folder

__all__ = [
    "EXPORT_LAYOUTS",
    "LAYOUTS",
    "ExportReport",
    "ScanEntry",
    "ScanReport",
    "export_run",
    "read_manifest",
    "scan_folder",
]
