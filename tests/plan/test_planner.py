"""Plans that do not fit with the fastest kernels: what gives way, and what is said where nothing is left to give."""

from __future__ import annotations

import re

import numpy as np
import pytest

from shoal import boards
from shoal.errors import DoesNotFit
from shoal.network.graph import Graph
from shoal.network.read_tflite import parse
from shoal.plan.planner import plan
from shoal.plan.steps import Options, Plan
from tflite_builder import ModelBuilder

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
