"""Boards whose arena lies in two memories: run where that is emulated, else built; the linker's addresses say where."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
from elftools.elf.elffile import ELFFile

from shoal import boards
from tflite_builder import ModelBuilder
from two_regions import board_file

pytestmark = pytest.mark.skipif(
    any(shutil.which(tool) is None for tool in ("arm-none-eabi-gcc", "qemu-system-arm")),
    reason="needs arm-none-eabi-gcc and qemu-system-arm",
)


def assert_in_regions(elf: str, board: boards.Board, expected: dict[str, int]) -> None:
    """Every part of the arena, of at most so many bytes by region, is an array inside of its region."""
    with Path(elf).open("rb") as file:
        symbols = list(ELFFile(file).get_section_by_name(".symtab").iter_symbols())
    regions = {r.name: r for r in board.regions}
    arrays = {s.name.removeprefix("arena_"): s for s in symbols if s["st_info"]["type"] == "STT_OBJECT"}
    found = {name: arrays[name]["st_size"] for name in expected}
    assert found == expected
    for name in expected:
        start = arrays[name]["st_value"] - regions[name].address
        assert 0 <= start <= start + found[name] <= regions[name].bytes


def test_half_of_an_arena_in_fast_memory(shoal, small, tmp_path):
    board = board_file(tmp_path, 128)
    folder = tmp_path / "small"
    assert shoal("generate", small, "--board", board, "--output", folder).code == 0
    [entry] = shoal("analyze", small, "--board", board, "--json").document["boards"]
    parts = {p["region"]: p["bytes"] for p in entry["ram"]["parts"]}
    assert set(parts) == {"ssram2", "psram"} and parts["ssram2"] <= 128
    assert "ssram2 with" in shoal("analyze", small, "--board", board).out
    document = shoal("bench", folder, "--runs", 2, "--json").document
    assert document["exact"] in (True, None)
    assert document["ram"]["arena_bytes"] == sum(parts.values())
    built = shoal("build", folder, "--json").document
    assert_in_regions(built["elf"], boards.load(board), parts)
    assert shoal("test", folder, "--steps").code == 0


def test_a_curve_over_two_memories(shoal, tmp_path):
    """Each point's arena by region; what the board has no room for is said to have none."""
    model = tmp_path / "large.tflite"
    model.write_bytes(large(24))
    board = board_file(tmp_path, 6000)
    curve = shoal("analyze", model, "--board", board, "--ram-curve", "--json").document["curve"]
    for point in curve["points"]:
        assert point["fits"] and sum(p["bytes"] for p in point["parts"]) == point["arena_bytes"]
        assert all(p["bytes"] <= 6000 for p in point["parts"] if p["region"] == "ssram2")
    assert {p["region"] for point in curve["points"] for p in point["parts"]} == {"ssram2", "psram"}
    assert "psram B" in shoal("analyze", model, "--board", board, "--ram-curve").out
    model.write_bytes(large(120))
    [*_, fastest] = shoal("analyze", model, "--board", board, "--ram-curve", "--json").document["curve"]["points"]
    assert not fastest["fits"] and fastest["arena_bytes"] > 68_536


def large(size: int, channels: int = 8) -> bytes:
    """Two convolutions, each to size × size × channels bytes."""
    rng = np.random.default_rng(1)
    b = ModelBuilder()
    x = made = b.tensor((1, size, size, channels), scale=0.1)
    for _ in range(2):
        filters = b.tensor(data=rng.integers(-99, 99, (channels, 3, 3, channels)).astype(np.int8), scale=0.004)
        source, made = made, b.tensor((1, size, size, channels), scale=0.1)
        b.operator("CONV_2D", [source, filters], [made], padding="SAME")
    return b.build(inputs=[x], outputs=[made])


@pytest.mark.parametrize(
    ("board", "size", "near", "far"), [("feather_f405", 96, "ccm", "sram1"), ("nucleo_h743zi", 120, "dtcm", "axi_sram")]
)
def test_an_arena_that_is_more_than_the_fast_memory(shoal, tmp_path, board, size, near, far):
    model, folder = tmp_path / "large.tflite", tmp_path / "large"
    model.write_bytes(large(size))
    assert shoal("generate", model, "--board", board, "--output", folder).code == 0
    [entry] = shoal("analyze", model, "--board", board, "--json").document["boards"]
    parts = {p["region"]: p["bytes"] for p in entry["ram"]["parts"]}
    assert set(parts) == {near, far}
    built = shoal("build", folder, "--json").document
    assert built["ram"]["arena_bytes"] == sum(parts.values())
    assert_in_regions(built["elf"], boards.load(board), parts)


def test_constants_are_copied_to_fast_memory(shoal, tmp_path):
    """Where flash is said to wait, and the same bytes come out; each copy is in the arena that is reported."""
    model, folder = tmp_path / "large.tflite", tmp_path / "large"
    model.write_bytes(large(12))
    slow = board_file(tmp_path, 8192, flash_waits=3)
    [entry] = shoal("analyze", model, "--board", slow, "--json").document["boards"]
    copied = [step["copied_bytes"] for step in entry["steps"]]
    assert min(copied) > 0 and "copied B" in shoal("analyze", model, "--board", slow).out
    assert shoal("generate", model, "--board", slow, "--output", folder).code == 0
    document = shoal("bench", folder, "--runs", 2, "--steps", "--json").document
    assert document["exact"] in (True, None)
    assert document["ram"]["arena_bytes"] == entry["ram"]["arena_bytes"] > 2 * 12 * 12 * 8
    instructions = document["latency"]["instructions"]
    assert shoal("test", folder, "--steps").code == 0
    as_fast = board_file(tmp_path, 8192)
    other = shoal("bench", model, "--board", as_fast, "--runs", 2, "--json").document
    assert other["ram"]["arena_bytes"] < document["ram"]["arena_bytes"]
    assert 0 < instructions - other["latency"]["instructions"] < sum(copied)


@pytest.mark.parametrize(
    ("board", "size", "channels", "near"), [("feather_f405", 24, 16, "ccm"), ("nucleo_h743zi", 32, 24, "dtcm")]
)
def test_constants_in_tightly_coupled_memory(shoal, tmp_path, board, size, channels, near):
    model, folder = tmp_path / "large.tflite", tmp_path / "large"
    model.write_bytes(large(size, channels))
    assert shoal("generate", model, "--board", board, "--output", folder).code == 0
    [entry] = shoal("analyze", model, "--board", board, "--json").document["boards"]
    copied = [step["copied_bytes"] for step in entry["steps"]]
    assert min(copied) >= 9 * channels * channels
    [part] = entry["ram"]["parts"]
    assert part["region"] == near and part["bytes"] >= 2 * size * size * channels + max(copied) / 2
    built = shoal("build", folder, "--json").document
    assert built["ram"]["arena_bytes"] == entry["ram"]["arena_bytes"]
