"""Budgets of RAM that tests/bench/memory.py puts real models into: kept, at few instructions and little stack."""

from __future__ import annotations

import shutil
from pathlib import Path

import memory
import pytest

pytestmark = pytest.mark.skipif(
    any(shutil.which(tool) is None for tool in ("arm-none-eabi-gcc", "qemu-system-arm")),
    reason="needs arm-none-eabi-gcc and qemu-system-arm",
)


@pytest.mark.parametrize(("model", "feed", "budget"), memory.BUDGETS)
def test_budgets_are_kept(model: str, feed: str, budget: int, data: Path, cache: None) -> None:
    point = memory.measure(data / "models" / f"{model}.tflite", feed, budget)
    assert point.exact in (True, None)
    assert point.arena_bytes <= budget
    assert point.stack_bytes <= memory.STACK
    most = memory.BUDGETS[model, feed, budget]
    assert most is None or point.instructions <= most
