"""Boards of a few kilobytes, from a model to its answer."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

import numpy as np
import pytest

from shoal import boards, oracle
from shoal.network.execute import execute
from shoal.network.read_tflite import read
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


#: networks that a board of 20 KiB runs, with what it takes; where real inputs and the answers to them lie
TWENTY = {
    "mlperf_kws_int8": ((), "kws01_mfcc_int8.npz"),
    "mlperf_ic_int8": ((), None),
    "mlperf_vww_int8": (("--feed", "rows"), None),
}


@pytest.mark.parametrize("name", TWENTY)
def test_twenty_kilobytes_of_ram(shoal, data, tmp_path, cache, name):
    """No budget is given: the planner knows what stack and static data leave."""
    model, board, folder = data / "models" / f"{name}.tflite", twenty_kilobytes(tmp_path), tmp_path / "made"
    options, source = TWENTY[name]
    assert shoal("generate", model, "--board", board, "--output", folder, *options).code == 0
    built = shoal("build", folder, "--json").document
    ram, flash = built["ram"], built["flash"]
    assert ram["static_bytes"] + ram["arena_bytes"] + ram["stack_bytes"] == ram["total_bytes"] <= 20480
    assert ram["stack_bound_bytes"] <= ram["stack_bytes"] and flash["total_bytes"] <= 131072
    graph = read(model)
    [shape] = [graph.tensors[i].shape for i in graph.inputs]
    x = np.random.default_rng(1).integers(-128, 128, (4, *shape)).astype(np.int8)
    if source is not None:
        with np.load(data / "inputs" / source) as stored:
            x = np.concatenate([x, stored["x"][:8].reshape(-1, *shape)])
    np.save(tmp_path / "x.npy", x)
    assert shoal("run", folder, "--input", tmp_path / "x.npy", "--output", tmp_path / "y.npy", "--json").code == 0
    judge = None if oracle.reason() else oracle.open_oracle(model.read_bytes())
    want = [judge.run([row])[0] if judge else execute(graph, [row])[0] for row in x]
    np.testing.assert_array_equal(np.load(tmp_path / "y.npy").reshape(len(x), -1), np.stack(want).reshape(len(x), -1))


@pytest.mark.parametrize("name", TWENTY)
def test_twenty_kilobytes_are_what_the_linker_finds(shoal, data, tmp_path, cache, name):
    """On the board that has them: its linker script knows no more."""
    model, folder = data / "models" / f"{name}.tflite", tmp_path / "made"
    assert shoal("generate", model, "--board", "nucleo_f103rb", "--output", folder, *TWENTY[name][0]).code == 0
    document = shoal("build", folder, "--json").document
    for kind, size in (("ram", 20480), ("flash", 131072)):
        assert document[kind]["total_bytes"] <= document[kind]["region_bytes"] == size
    assert document["ram"]["stack_bound_bytes"] <= document["ram"]["stack_bytes"]


def test_too_little_ram_for_a_whole_input_may_be_enough_for_rows(shoal, data, tmp_path):
    """Whether a board or a budget is too small, the message names the step, what it needs, and what to do."""
    model, folder = data / "models" / "mlperf_vww_int8.tflite", tmp_path / "made"
    ran = shoal("generate", model, "--board", "nucleo_f103rb", "--output", folder)
    assert ran.code == 1 and "region sram of nucleo_f103rb has 20,480 B" in ran.err and "try --feed rows" in ran.err
    ran = shoal("generate", model, "--board", "mps2_an386", "--output", folder, "--ram-budget", "20KB")
    assert ran.code == 1 and re.search(r"whatever the plan, 27,648 B live at once\n +at: step 0 conv_2d", ran.err)
    assert re.search(r"--ram-budget that works is \d+, or less with --feed rows", ran.err)


@pytest.mark.parametrize("ways", [(), ("--feed", "rows")], ids=["whole", "rows"])
def test_the_smallest_budget_that_is_named_works(shoal, data, tmp_path, cache, ways):
    model, folder = data / "models" / "mlperf_kws_int8.tflite", tmp_path / "made"
    command = ("generate", model, "--board", "host", "--output", folder, *ways, "--ram-budget")
    ran = shoal(*command, 1000)
    assert ran.code == 1 and re.search(r"whatever the plan, [\d,]+ B live at once\n +at: step \d+ \w+", ran.err)
    least = int(re.search(r"--ram-budget that works is (\d+)", ran.err)[1])
    assert shoal(*command, least - 1).code == 1
    assert shoal(*command, least).code == 0
    assert json.loads((folder / "manifest.json").read_text())["arena_bytes"] <= least
