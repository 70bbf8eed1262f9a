"""Plans in little memory: searched for, replayed in a poisoned arena, and mutated."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from random_networks import RandomNetwork
from replay import replay
from shoal import boards
from shoal.network.graph import Graph
from shoal.network.read_tflite import parse
from shoal.network.simplify import simplify
from shoal.plan.planner import lay_out
from shoal.plan.steps import Options

BOARD = boards.load("mps2_an386")


def inputs(graph: Graph, seed: int) -> list[np.ndarray]:
    rng = np.random.default_rng(seed)
    return [rng.integers(-128, 128, graph.tensors[t].shape).astype(graph.tensors[t].dtype) for t in graph.inputs]


@settings(deadline=None, max_examples=40)
@given(seed=st.integers(0, 10**6), length=st.integers(1, 9), share=st.floats(0, 1), fed=st.booleans())
def test_random_networks_in_little_memory(seed: int, length: int, share: float, fed: bool) -> None:
    graph = simplify(parse(RandomNetwork(seed, length).model, "model", "model"))
    feed = "rows" if fed else "whole"
    least = lay_out(graph, BOARD, Options(ram_budget=1, feed=feed))
    most = lay_out(graph, BOARD, Options(feed=feed))
    budget = least.arena_bytes + int(share * max(0, most.arena_bytes - least.arena_bytes))
    between = lay_out(graph, BOARD, Options(ram_budget=budget, feed=feed))
    assert between.arena_bytes <= budget
    assert least.bound <= least.arena_bytes
    for made in (least, between, most):
        replay(made, inputs(graph, seed))
