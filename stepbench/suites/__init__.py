"""Prompt suites: a folder with `suite.toml` and `prompts.jsonl`, or a file in a peer's own format."""

from stepbench.suites.load import load_suite
from stepbench.suites.registry import suite_folders

__all__ = ["load_suite", "suite_folders"]
