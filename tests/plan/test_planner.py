"""Plans that do not fit with the fastest kernels: what gives way, and what is said where nothing is left to give."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest

from shoal import boards, demo
from shoal.errors import DoesNotFit
from shoal.network.graph import Graph
from shoal.network.read_tflite import parse, read
from shoal.network.simplify import simplify
from shoal.operators.base import Call, Constant, Kernel
from shoal.plan.assemble import begins, unique_constants
from shoal.plan.planner import lay_out, plan
from shoal.plan.predict import predict
from shoal.plan.steps import Options, Plan
from tflite_builder import ModelBuilder

DIGITS = Path(demo.__file__).with_name("digits.tflite")
BOARD = boards.load("mps2_an386")


def network() -> Graph:
    """Two convolutions of 3×3, the first over the larger image."""
    rng = np.random.default_rng(1)
    b = ModelBuilder()
    tensors = [b.tensor((1, 16, 16, 16), scale=0.1)]
    for stride, size in ((1, 16), (2, 8), (1, 8)):
        filters = b.tensor(data=rng.integers(-127, 128, (16, 3, 3, 16)).astype(np.int8), scale=0.002)
        tensors.append(b.tensor((1, size, size, 16), scale=0.1))
        b.operator("CONV_2D", [tensors[-2], filters], [tensors[-1]], padding="SAME", stride_h=stride, stride_w=stride)
    return parse(b.build(inputs=tensors[:1], outputs=tensors[-1:]), "model", "model")


def transformed(made: Plan) -> list[bool]:
    """Which steps run by Winograd: more scratch and more weights than any other kernel."""
    return [s.call.kernel.function == "conv_2d_s8_dsp_winograd" for s in made.steps]


def test_fastest_where_there_is_room() -> None:
    assert transformed(plan(network(), BOARD, Options())) == [True, False, True]


def test_the_widest_step_gives_way_to_a_budget_of_ram() -> None:
    graph = network()
    fastest = plan(graph, BOARD, Options())
    made = plan(graph, BOARD, Options(ram_budget=fastest.arena_bytes - 1))
    assert transformed(made) == [False, False, True]
    assert made.arena_bytes < fastest.arena_bytes


def test_weights_give_way_to_a_budget_of_flash() -> None:
    graph = network()
    fastest = plan(graph, BOARD, Options())
    made = plan(graph, BOARD, Options(flash_budget=fastest.weights_bytes))
    assert transformed(made) == [True, False, False]
    assert made.weights_bytes < fastest.weights_bytes


def test_the_smallest_budget_that_is_named_works() -> None:
    graph = network()
    with pytest.raises(DoesNotFit) as caught:
        plan(graph, BOARD, Options(ram_budget=100))
    least = int(re.findall(r"\d+", str(caught.value.advice))[-1])
    assert plan(graph, BOARD, Options(ram_budget=least)).arena_bytes == least
    with pytest.raises(DoesNotFit):
        plan(graph, BOARD, Options(ram_budget=least - 1))


def test_size_costs_less_flash_than_speed() -> None:
    graph = simplify(read(DIGITS))
    board = boards.load("netduinoplus2")
    flash = {}
    for prefer in ("speed", "size"):
        needs = predict(lay_out(graph, board, Options(prefer=prefer)))
        flash[prefer] = needs.code_bytes + needs.weights_bytes
    assert flash["size"] < flash["speed"]


def test_real_networks_are_small_without_being_slow(data: Path) -> None:
    """Code and weights in bytes, and instructions, that --prefer size may take on a Cortex-M4."""
    most = {
        "kws": (31_000, 5_120_000),
        "ic": (86_000, 15_200_000),
        "vww": (46_000, 7_680_000),
        "ad": (271_000, 480_000),
        "sww": (58_000, 1_600_000),
    }
    for name, (flash, instructions) in most.items():
        graph = simplify(read(data / "models" / f"mlperf_{name}_int8.tflite"))
        needs = predict(lay_out(graph, boards.load("mps2_an386"), Options(prefer="size")))
        assert needs.code_bytes + needs.weights_bytes <= flash, name
        assert needs.instructions <= instructions, name


def test_a_budget_of_flash_buys_speed(data: Path) -> None:
    graph = simplify(read(data / "models" / "mlperf_kws_int8.tflite"))
    instructions = []
    for budget in (33_000, 40_000, 48_000, 60_000):
        needs = predict(plan(graph, boards.load("mps2_an386"), Options(flash_budget=budget)))
        assert needs.code_bytes + needs.weights_bytes <= budget
        instructions.append(needs.instructions)
    assert instructions == sorted(set(instructions), reverse=True)


def constants(*values: list[int], align: int = 4, dtype: str = "int8") -> Call:
    held = tuple(Constant("held", np.array(v, dtype), align) for v in values)
    return Call(Kernel("held", "held"), inputs=(), outputs=(), shape=(), constants=held)


def test_constants_that_begin_others_lie_there() -> None:
    kept = unique_constants([constants([1, 2], [1, 2, 3]), constants([1, 2, 3], align=8), constants([2, 3])])
    assert [(c.values.tolist(), c.align) for c in kept] == [([1, 2, 3], 8), ([2, 3], 4)]
    assert begins(kept[0], constants([1, 2]).constants[0])
    assert len(unique_constants([constants([0, 0]), constants([0], dtype="int16")])) == 2
