"""The measure of memory, by hand."""

from __future__ import annotations

import pytest
import torch

from reference_model.memory.live_bytes import LiveBytes


def test_bytes_alive_at_once_are_counted_by_storage():
    outside = torch.zeros(1000)
    with LiveBytes() as live:
        outside.view(10, 100)  # not ours
        assert live.peak == 0
        first = torch.zeros(25)  # 100 bytes
        second = first[:5].view(5, 1)  # the same storage
        third = first + 1  # 200 bytes at once
        del first, third
        fourth = torch.zeros(25)  # `second` keeps its storage: 200 again
        assert live.peak == 200
        del second
        fifth = torch.zeros(75)  # 400
    assert live.peak == 400
    assert (fourth.numel(), fifth.numel()) == (25, 75)


def test_the_meta_device_counts_what_would_be():
    with LiveBytes() as live:
        torch.empty(10**6, 10**6, dtype=torch.bfloat16, device="meta")
    assert live.peak == 2 * 10**12


def test_address_of_a_freed_outside_tensor_counts_again():
    kept = []
    with LiveBytes() as live:
        for _ in range(100):
            outside = torch.tensor([1.0, 2.0])
            inside = outside + 1
            del outside, inside
            kept.append(torch.empty(1000))
    assert live.peak == pytest.approx(100 * 4000, abs=16)
