"""Predictions agree with what the linker and the painted stack say."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from shoal import boards, demo
from shoal.bench.bench import bench
from shoal.errors import DoesNotFit
from shoal.network.read_tflite import read
from shoal.network.simplify import simplify
from shoal.plan.planner import lay_out, plan
from shoal.plan.predict import predict
from shoal.plan.steps import Options
from shoal.render import project

DIGITS = Path(demo.__file__).with_name("digits.tflite")
REAL = ("mlperf_kws_int8", "mlperf_sww_int8", "tflm_hello_int8", "mltk_audio_example_int8")


#: plans with segments: model, arena in bytes, how the input comes
SEGMENTS = (
    ("mlperf_kws_int8", 8_700, "whole"),
    ("mlperf_ic_int8", 18_000, "whole"),
    ("mlperf_vww_int8", 17_000, "rows"),
    ("mlperf_sww_int8", 3_900, "rows"),
)


def check(model: Path, board: str, options: Options, folder: Path) -> None:
    made = plan(simplify(read(model)), boards.load(board), options)
    said = predict(made)
    project.write(made, model.read_bytes(), folder / "made")
    result = bench(folder / "made", "emulator", 1, False)
    ram, flash = result["ram"], result["flash"]
    assert (said.arena_bytes, said.weights_bytes) == (ram["arena_bytes"], flash["weights_bytes"])
    assert said.static_bytes == ram["static_bytes"]
    assert ram["stack_total_bytes"] <= ram["stack_bound_bytes"]
    assert abs(said.flash_bytes - flash["total_bytes"]) <= max(0.05 * flash["total_bytes"], 1024)
    assert abs(said.ram_bytes - ram["total_bytes"]) <= 128


@pytest.mark.parametrize("prefer", ["speed", "size"])
@pytest.mark.parametrize("board", ["netduinoplus2", "netduino2", "esp32c3"])
def test_the_demo_is_predicted(board: str, prefer: str, tmp_path: Path) -> None:
    if not shutil.which(f"{boards.load(board).toolchain}gcc") or not shutil.which("qemu-system-arm"):
        pytest.skip("needs the cross compilers and QEMU")
    check(DIGITS, board, Options(prefer=prefer), tmp_path)


@pytest.mark.parametrize("name", REAL)
def test_real_models_are_predicted(name: str, data: Path, tmp_path: Path) -> None:
    check(data / "models" / f"{name}.tflite", "mps2_an386", Options(), tmp_path)


@pytest.mark.parametrize(("name", "budget", "feed"), SEGMENTS)
def test_fused_segments_are_predicted(name: str, budget: int, feed: str, data: Path, tmp_path: Path) -> None:
    options = Options(ram_budget=budget, feed=feed)
    check(data / "models" / f"{name}.tflite", "mps2_an386", options, tmp_path)


def test_a_model_too_large_names_step_region_and_shortfall(data: Path) -> None:
    graph = simplify(read(data / "models" / "mlperf_vww_int8.tflite"))
    board = boards.load("nucleo_f103rb")
    with pytest.raises(DoesNotFit, match=r"(?s)step \d+ \w+.*: .*arena.*region .* B short"):
        plan(graph, board, Options())
    assert lay_out(graph, board, Options()).arena_bytes > board.region("ram").bytes


def test_budgets_name_what_would_do() -> None:
    graph = simplify(read(DIGITS))
    with pytest.raises(DoesNotFit, match="the smallest --ram-budget that works is"):
        plan(graph, boards.load("host"), Options(ram_budget=100))
    with pytest.raises(DoesNotFit, match="try a --flash-budget of more than"):
        plan(graph, boards.load("host"), Options(flash_budget=100))
