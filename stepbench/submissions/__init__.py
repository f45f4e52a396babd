"""Runs that strangers hand in: unpacked safely, checked, given a badge; and withdrawals, which stay visible."""
