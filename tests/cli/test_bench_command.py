"""`shoal bench` on the command line; what it measures is in tests/measure."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

LATENCY = {
    "instructions": 1_234_567,
    "cycles": None,
    "cycles_estimated": 2_000_000,
    "milliseconds": None,
    "milliseconds_estimated": 11.9,
    "assumed_cpi": None,
    "assumption": "some manual",
    "steps": [],
}
ENERGY: dict[str, Any] = {
    "current_milliamperes": None,
    "idle_milliamperes": None,
    "window_milliseconds": None,
    "microjoules": None,
    "meter": None,
    "source": None,
    "sources": [],
}
STEP = {
    "index": 0,
    "operators": ["conv_2d"],
    "name": "first;second",
    "instructions": 1_234_567,
    "cycles": None,
    "cycles_estimated": None,
    "macs": 1_000_000,
    "arena_bytes": 4_000,
    "code_bytes": None,
}


@pytest.fixture
def result(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """The document that measuring comes to; what a test alters in it is printed."""
    document: dict[str, Any] = {
        "board": "netduinoplus2",
        "model": "small",
        "model_sha256": "0" * 64,
        "firmware_sha256": "1" * 64,
        "build_id": "2" * 40,
        "compiler": "gcc 12",
        "flags": ["-O3"],
        "options": {},
        "node": "emulator",
        "source": "emulated",
        "rounding": "double",
        "clock_hz": 168_000_000,
        "latency": dict(LATENCY),
        "traffic": None,
        "ram": {
            "arena_bytes": 4_000,
            "static_bytes": 2_500,
            "stack_bytes": 200,
            "stack_total_bytes": 700,
            "stack_bound_bytes": 900,
            "total_bytes": 7_200,
        },
        "flash": {"code_bytes": 5_000, "weights_bytes": 9_000, "total_bytes": 20_000},
        "energy": dict(ENERGY),
        "exact": True,
        "exact_reason": None,
    }
    monkeypatch.setattr("shoal.bench.bench.bench", lambda *_: document)
    monkeypatch.setattr("shoal.bench.bench.total", lambda *_: 1)
    return document


@pytest.fixture
def folder(small: Path, tmp_path: Path, shoal: Any) -> Path:
    made = tmp_path / "made"
    assert shoal("generate", small, "--board", "netduinoplus2", "--output", made).code == 0
    return made


def test_prints_the_document(result: dict[str, Any], folder: Path, shoal: Any) -> None:
    ran = shoal("bench", folder, "--json")
    assert (ran.code, ran.document) == (0, result)


def test_says_what_is_counted_and_what_is_estimated(result: dict[str, Any], folder: Path, shoal: Any) -> None:
    result["latency"]["steps"] = [STEP, {**STEP, "index": 1, "macs": 0, "instructions": 10}]
    text = shoal("bench", folder).out
    assert re.search(r"instructions\s+1,234,567\s+counted, exact", text)
    assert re.search(r"cycles\s+≈ 2,000,000\s+estimated: some manual", text)
    assert re.search(r"time\s+≈ 11\.90 ms\s+estimated at 168 MHz", text)
    assert re.search(r"RAM\s+7,200 B\s+arena 4,000 \+ static 2,500 \+ stack 700", text)
    assert re.search(r"flash\s+20,000 B\s+weights 9,000 \+ code of the model 5,000 \+ harness 6,000", text)
    assert re.search(r"0\s+conv_2d\s+first\s+1,234,567\s+█+ 100%\s+1\.23", text)
    assert not re.search(r"\bmeasured\b", text)


def test_measured_times_are_called_so(result: dict[str, Any], folder: Path, shoal: Any) -> None:
    result |= {"source": "board", "node": "serial:/dev/ttyX"}
    result["latency"] |= dict.fromkeys(LATENCY) | {"cycles": 168_000, "milliseconds": 1.0, "steps": []}
    result["energy"] |= {"microjoules": 132.0, "source": "model", "sources": ["board", "model"]}
    text = shoal("bench", folder).out
    assert re.search(r"time\s+1\.000 ms\s+measured at 168 MHz", text)
    assert re.search(r"energy\s+132 µJ\s+estimated", text)
    assert "≈" not in text


def test_a_meters_figures_say_so(result: dict[str, Any], folder: Path, shoal: Any) -> None:
    result |= {"source": "board", "node": "serial:/dev/ttyX"}
    measured = {"current_milliamperes": 12.5, "idle_milliamperes": 2.25, "microjoules": 33.8, "window_milliseconds": 1}
    result["energy"] |= measured | {"meter": "ppk2", "source": "board", "sources": ["board"]}
    text = shoal("bench", folder).out
    assert re.search(r"energy\s+33\.8 µJ\s+measured by ppk2, above idle: 12\.500 mA, idle 2\.250 mA", text)


def test_other_bytes_than_the_reference_are_exit_1(result: dict[str, Any], folder: Path, shoal: Any) -> None:
    result |= {"exact": False, "exact_reason": "output y differs"}
    ran = shoal("bench", folder, "--json")
    assert ran.code == 1
    assert ran.document["latency"]["instructions"] == 1_234_567
    assert "output y differs" in ran.document["error"]["what"]
    assert "different" in shoal("bench", folder).out


def test_a_host_tells_nothing_of_the_board(result: dict[str, Any], folder: Path, shoal: Any) -> None:
    result |= {"source": "host", "node": "host", "clock_hz": None, "exact": None, "exact_reason": "no wheel here"}
    result["latency"] |= {**dict.fromkeys(LATENCY), "steps": []}
    result["ram"] |= dict.fromkeys(("static_bytes", "stack_bytes", "stack_total_bytes", "total_bytes"))
    result["flash"] |= {"code_bytes": None, "total_bytes": None}
    text = shoal("bench", folder, "--node", "host").out
    assert re.search(r"arena\s+4,000 B", text) and re.search(r"weights\s+9,000 B", text)
    assert re.search(r"bytes\s+not checked\s+no wheel here", text)


@pytest.mark.parametrize("ending", [".png", ".svg", ".pdf"])
def test_draws_the_steps(result: dict[str, Any], folder: Path, shoal: Any, tmp_path: Path, ending: str) -> None:
    kinds = [["conv_2d"], ["depthwise_conv_2d", "conv_2d"], ["softmax"], ["tanh"]]
    steps = [{**STEP, "index": i, "operators": kind, "macs": 500 * (1 - i % 2)} for i, kind in enumerate(kinds)]
    result["latency"]["steps"] = [*steps, {**STEP, "index": 4, "name": "n" * 80, "instructions": 0, "macs": 0}]
    file = tmp_path / f"profile{ending}"
    ran = shoal("bench", folder, "--plot", file, "--json")
    assert (ran.code, ran.document["plot"]) == (0, str(file))
    drawn = file.read_bytes()
    assert drawn.startswith({".png": b"\x89PNG", ".svg": b"<?xml", ".pdf": b"%PDF"}[ending])
    if ending == ".svg":
        for text in ("conv_2d", "depthwise_conv_2d+conv_2d", "1,234,567 instructions", "instructions per MAC"):
            assert text in drawn.decode()
    assert f"plot: {file}" in shoal("bench", folder, "--plot", file).out
    assert file.read_bytes() == drawn


def test_a_picture_that_cannot_be_drawn_is_refused_before_measuring(folder: Path, shoal: Any, tmp_path: Path) -> None:
    for file, words in (("x.txt", ".png, .svg, .pdf"), ("missing/x.png", "no folder")):
        ran = shoal("bench", folder, "--plot", tmp_path / file, "--json")
        assert ran.code == 2 and words in ran.document["error"]["what"]
    ran = shoal("bench", folder, "--plot", tmp_path / "x.png", "--node", "host", "--json")
    assert ran.code == 2 and "--plot" in ran.document["error"]["where"]


def test_a_board_without_a_counter_draws_nothing(
    result: dict[str, Any], folder: Path, shoal: Any, tmp_path: Path
) -> None:
    result["latency"]["steps"] = [{**STEP, "instructions": None}]
    ran = shoal("bench", folder, "--plot", tmp_path / "x.png", "--json")
    assert ran.code == 3 and "counts no cycles" in ran.document["error"]["what"]
    assert not (tmp_path / "x.png").exists()
