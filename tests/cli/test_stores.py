"""Constants in a second store: linked to where the board maps it, or fetched from the host."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from shoal import boards
from wide_network import wide_network

pytestmark = pytest.mark.skipif(shutil.which("arm-none-eabi-gcc") is None, reason="needs arm-none-eabi-gcc")

BUDGETS = ("--flash-budget", 120_000, "--ram-budget", 15_000)


@pytest.fixture
def wide(tmp_path: Path) -> Path:
    model = tmp_path / "wide.tflite"
    model.write_bytes(wide_network())
    return model


def with_store(folder: Path, **store: Any) -> Path:
    """The board file of MPS2 with AN386 whose store is its PSRAM, a memory of its own."""
    described = json.loads(boards.load("mps2_an386").path.read_text(encoding="utf-8"))
    described["shoal"]["store"] = {
        "kind": "memory",
        "bytes": 1 << 24,
        "bytes_per_second": 100_000_000,
        "address": "0x21000000",
        "source": "Arm DAI 0386, a word in a cycle",
    } | store
    path = folder / "mps2_store.json"
    path.write_text(json.dumps(described), encoding="utf-8")
    return path


@pytest.mark.skipif(shutil.which("qemu-system-arm") is None, reason="needs qemu-system-arm")
def test_a_model_reads_its_store_where_it_is_mapped(shoal, wide, tmp_path):
    folder = tmp_path / "made"
    assert shoal("generate", wide, "--board", with_store(tmp_path), *BUDGETS, "--output", folder).code == 0
    assert "wide_infer(" in (folder / "model" / "wide.h").read_text()
    measured = shoal("bench", folder, "--runs", 1, "--json").document
    assert (
        measured["exact"] in (True, None) and measured["latency"]["instructions"] > measured["traffic"]["store_bytes"]
    )
    assert measured["traffic"]["mapped"] and measured["traffic"]["source"] == "model"
    built = shoal("build", folder, "--json").document
    store = Path(built["store"]["image"]).read_bytes()
    assert measured["traffic"]["store_bytes"] == len(store)
    assert built["store"]["bytes"] == len(store) and built["store"]["address"] == "0x21000000"
    assert len(store) + built["flash"]["weights_bytes"] >= 502_080
    assert built["flash"]["total_bytes"] == Path(built["image"]).stat().st_size < 130_000
    assert built["flash"]["weights_bytes"] + built["flash"]["code_bytes"] <= 120_000


def test_a_store_that_is_too_small(shoal, wide, tmp_path):
    board = with_store(tmp_path, bytes=200_000)
    refused = shoal("generate", wide, "--board", board, *BUDGETS, "--output", tmp_path / "made")
    assert refused.code == 1 and "200,000 B" in refused.err and "--flash-budget" in refused.err


def test_a_store_that_is_fetched_over_a_garbled_line(shoal, wide, tmp_path):
    folder = tmp_path / "made"
    assert shoal("generate", wide, "--board", "netduino2", *BUDGETS, "--output", folder).code == 0
    document = shoal("test", folder, "--node", "host", "--json").document
    [garbled] = [check for check in document["checks"] if check["name"] == "garbled link"]
    assert garbled["verdict"] == "passed" and " 0 frames harmed" not in garbled["detail"]


def test_a_discovery_board_has_two_images(shoal, wide, tmp_path):
    folder = tmp_path / "made"
    assert shoal("generate", wide, "--board", "disco_f746ng", *BUDGETS, "--output", folder).code == 0
    built = shoal("build", folder, "--json").document
    assert built["store"]["address"] == "0x90000000"
    assert built["flash"]["total_bytes"] < 131_072 < built["store"]["bytes"] <= built["store"]["region_bytes"]
    text = shoal("build", folder).out
    assert "store.bin" in text and "16,777,216 B" in text
