"""Boards of a few kilobytes, from a model to its answer."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from shoal import boards
from wide_network import wide_network

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


def twenty_kilobytes(folder: Path) -> Path:
    """The Netduino 2's board file with an STM32F103RB's memory: 128 KiB of flash, 20 KiB of RAM."""
    described = json.loads(boards.load("netduino2").path.read_text(encoding="utf-8"))
    for region in described["shoal"]["regions"]:
        region["bytes"] = 131072 if region["kind"] == "flash" else 20480
    described["shoal"]["stack_bytes"] = 2048
    described["upload"] |= {"maximum_size": 131072, "maximum_ram_size": 20480}
    path = folder / "netduino2_small.json"
    path.write_text(json.dumps(described), encoding="utf-8")
    return path


def test_weights_that_flash_has_no_room_for(shoal, tmp_path):
    """Half a megabyte of them, fetched from the host while the model runs."""
    model = tmp_path / "wide.tflite"
    model.write_bytes(wide_network())
    board, folder = twenty_kilobytes(tmp_path), tmp_path / "wide"
    refused = shoal("generate", model, "--board", board, "--output", folder)
    assert refused.code == 1 and "--flash-budget" in refused.err
    budgets = ("--flash-budget", 120_000, "--ram-budget", 15_000)
    assert shoal("generate", model, "--board", board, *budgets, "--output", folder).code == 0
    document = shoal("bench", folder, "--runs", 1, "--json").document
    assert document["exact"] in (True, None)
    assert document["ram"]["arena_bytes"] <= 15_000
    assert document["flash"]["weights_bytes"] + document["flash"]["code_bytes"] <= 120_000
    store = folder / "model" / "wide_store.bin"
    assert store.stat().st_size + document["flash"]["weights_bytes"] >= 502_080
    store.write_bytes(store.read_bytes()[:-1] + b"!")
    damaged = shoal("bench", folder, "--runs", 1)
    assert damaged.code == 2 and "wide_store.bin" in damaged.err
