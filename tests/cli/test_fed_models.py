"""Models whose tensors are never whole, on the command line: fused row by row, fed and drained."""

from __future__ import annotations

import json

import numpy as np
import pytest

from shoal.build import tools
from shoal.network.execute import execute
from shoal.network.read_tflite import read

WAYS = [
    ("--feed", "rows"),
    ("--feed", "rows:up"),
    ("--drain", "rows"),
    ("--feed", "rows", "--drain", "rows"),
]


@pytest.fixture
def rows(small, tmp_path):
    """Inputs of the small model, and what it makes of them."""
    graph = read(small)
    inputs = np.random.default_rng(3).integers(-128, 128, (3, 6, 6, 2)).astype(np.int8)
    np.save(tmp_path / "x.npy", inputs)
    return tmp_path / "x.npy", np.concatenate([execute(graph, [x[None]])[0] for x in inputs])


@pytest.mark.parametrize("way", WAYS, ids=" ".join)
def test_bytes_are_the_references_however_rows_travel(way, shoal, small, rows, tmp_path):
    given, expected = rows
    folder = tmp_path / "made"
    assert shoal("generate", small, "--board", "host", "--output", folder, *way).code == 0
    ran = shoal("run", folder, "--input", given, "--output", tmp_path / "y.npy", "--json")
    assert ran.code == 0 and ran.document["rows"] == 3
    np.testing.assert_array_equal(np.load(tmp_path / "y.npy").reshape(expected.shape), expected)
    tested = shoal("test", folder, "--steps", "--count", "2", "--json")
    assert tested.code == 0 and tested.document["failed"] == 0
    if tested.document["exact"] is not None:
        assert tested.document["steps"]["first_difference"] is None
    manifest = json.loads((folder / "manifest.json").read_text())
    asked = dict(zip(way[::2], way[1::2], strict=True))
    for flag, tensor in (("--feed", manifest["inputs"][0]), ("--drain", manifest["outputs"][0])):
        orders = {"rows": ("down", "up") if flag == "--drain" else ("down",), "rows:up": ("down", "up")}
        assert tensor["rows"]["order"] in orders[asked[flag]] if flag in asked else tensor["rows"] is None
    assert any(s["segment"] for s in manifest["steps"])


def test_rows_travel_uncounted_and_leave_no_mark(shoal, small, tmp_path):
    """The link's instructions are no part of a fed run: it counts the same each time."""
    if tools.find(tools.QEMU) is None or tools.find(tools.COMPILERS["arm-none-eabi-"]) is None:
        pytest.skip("needs QEMU and the cross compiler")
    folder = tmp_path / "made"
    ways = ("--feed", "rows", "--drain", "rows")
    assert shoal("generate", small, "--board", "mps2_an386", "--output", folder, *ways).code == 0
    found = [shoal("bench", folder, "--runs", "2", "--steps", "--json").document for _ in range(2)]
    assert found[0]["latency"]["instructions"] == found[1]["latency"]["instructions"] < 100_000
    assert all(d["exact"] in (True, None) for d in found)
    steps = found[0]["latency"]["steps"]
    assert abs(sum(s["instructions"] for s in steps) - found[0]["latency"]["instructions"]) < 40 * len(steps)


def test_a_folder_made_for_rows_is_no_other(shoal, small, tmp_path):
    folder = tmp_path / "made"
    shoal("generate", small, "--board", "host", "--output", folder, "--feed", "rows")
    ran = shoal("bench", folder, "--feed", "whole", "--json")
    assert ran.code == 2 and "feed" in ran.document["error"]["what"]
