"""The gate on speed and size, see tests/bench/gate.py: no change makes a real model slower or larger unnoticed."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import gate
import models
import pytest

from shoal.errors import ToolError

HOW = "SHOAL_TEST_DATA=… python tests/bench/gate.py --record"


@pytest.mark.parametrize(("model", "board", "prefer"), gate.GATED, ids=lambda part: part)
def test_no_model_is_worse_than_recorded(data: Path, cache: None, model: str, board: str, prefer: str) -> None:
    try:
        compiler = gate.compiler(board)
    except ToolError as error:
        pytest.skip(str(error))
    name, known = gate.key(model, board, prefer), gate.recorded().get(compiler)
    if known is None:
        pytest.skip(f"nothing is recorded of {compiler}; {HOW}")
    figures = models.measure(data / "models" / f"{model}.tflite", board, prefer, steps=False)
    complaints = list(gate.worse(gate.held(figures), known[name]))
    assert not complaints, f"{name}: {'; '.join(complaints)}. If it is worth that: {HOW}"


def test_a_figure_is_worse_above_one_percent_only() -> None:
    before = {"instructions": 1_000_000, "flash_bytes": 50_000}
    assert not list(gate.worse({"instructions": 1_010_000, "flash_bytes": 1}, before))
    assert list(gate.worse({"instructions": 1_010_001, "flash_bytes": 51_000}, before)) == [
        "instructions 1,010,001, recorded 1,000,000: 1.00% more",
        "flash_bytes 51,000, recorded 50,000: 2.00% more",
    ]


def test_all_that_is_gated_is_recorded_by_whoever_recorded_any() -> None:
    names = {gate.key(*gated) for gated in gate.GATED}
    for compiler, known in gate.recorded().items():
        boards = {name.split(" on ")[1].split(" for ")[0] for name in known}
        assert known.keys() == {n for n in names if n.split(" on ")[1].split(" for ")[0] in boards}, compiler


def test_model_bytes_are_what_is_held() -> None:
    fields = {f.name: 0 for f in dataclasses.fields(models.Figures)}
    figures = models.Figures(**fields | {"code_bytes": 3, "weights_bytes": 4, "flash_bytes": 100, "instructions": 5})
    assert gate.held(figures) == {"instructions": 5, "flash_bytes": 7}
