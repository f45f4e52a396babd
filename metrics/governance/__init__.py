"""Flags for human review: 1 says that a person must look, 0 that this rule saw no reason to. Never a clearance."""
