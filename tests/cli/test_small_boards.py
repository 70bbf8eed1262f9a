"""Boards of a few kilobytes, from a model to its answer."""

from __future__ import annotations

import shutil

import pytest

pytestmark = pytest.mark.skipif(
    any(shutil.which(tool) is None for tool in ("arm-none-eabi-gcc", "qemu-system-arm")),
    reason="needs arm-none-eabi-gcc and qemu-system-arm",
)


def test_eight_kilobytes_of_ram(shoal, small):
    document = shoal("bench", small, "--board", "stm32vldiscovery", "--runs", 1, "--json").document
    assert document["exact"] in (True, None) and document["latency"]["instructions"] > 0
    ram = document["ram"]
    assert ram["stack_total_bytes"] <= ram["stack_bound_bytes"]
    assert ram["static_bytes"] + ram["arena_bytes"] + ram["stack_bound_bytes"] <= 8192
