"""A policy that works without weights, for tests."""

from __future__ import annotations

WHOLE = """
[intent.shape_alignment]
accept = 0.8
reject = 0.3
[quality.flicker]
accept = 0.1
reject = 0.3
[rights]
skip = { face_present = "no people here", near_duplicate = "nothing to copy" }
"""
