"""Fused segments in C: the same bytes as from whole tensors, from an arena full of rubbish."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial

import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from emulated_build import MACHINES, run_emulated
from host_build import Case, run_models
from random_networks import RandomNetwork
from segmented import fusible, segmented
from shoal.boards.board import Board
from shoal.network.execute import execute
from shoal.network.graph import Graph
from shoal.network.read_tflite import parse
from shoal.network.simplify import simplify
from shoal.plan.planner import lay_out
from shoal.plan.steps import Options, Plan
from shoal.tensors import Array

Planner = Callable[[int, Graph, Board, Options], Plan]


def drawn(seed: int, graph: Graph, board: Board, options: Options) -> Plan:
    """A plan with random segments, in a random direction, fed and drained where it can be."""
    rng = random.Random(seed)
    able = fusible(graph, board)
    runs: list[tuple[int, int]] = []
    at = 0
    while at < len(able):
        last = at
        while last < len(able) and able[last] and (last == at or rng.random() < 0.85):
            last += 1
        if last > at:
            runs.append((at, last))
        at = max(last, at + 1)
    first, last = runs[0] if runs else (0, 0), runs[-1] if runs else (0, 0)
    readers = [o.index for o in graph.operators if graph.inputs[0] in o.inputs]
    feed = bool(readers) and all(first[0] <= graph.operators.index(graph.operators[r]) < first[1] for r in readers)
    makers = [i for i, o in enumerate(graph.operators) if graph.outputs[0] in o.outputs]
    drain = bool(makers) and last[0] <= makers[0] < last[1]
    drain = drain and not any(graph.outputs[0] in o.inputs for o in graph.operators)
    return segmented(
        graph,
        board,
        runs,
        direction=rng.choice([1, -1]),
        feed=feed and rng.random() < 0.6,
        drain=drain and rng.random() < 0.6,
        options=options,
        literal=rng.random() < 0.7,
    )


def smallest(seed: int, graph: Graph, board: Board, options: Options) -> Plan:
    """The planner's own plan in the least memory that it finds, or in a little more."""
    rng = random.Random(seed)
    options = replace(options, feed=rng.choice(["whole", "rows", "rows:up"]), drain=rng.choice(["whole", "rows"]))
    least = lay_out(graph, board, replace(options, ram_budget=1))
    return lay_out(graph, board, replace(options, ram_budget=least.arena_bytes * rng.choice([4, 5, 7]) // 4))


def cases(seeds: Sequence[int], features: frozenset[str], planner: Planner) -> list[Case]:
    found = []
    for seed in seeds:
        network = RandomNetwork(seed, operators=6)
        samples = [[network.random_input()] for _ in range(2)]
        found.append(Case(network.model, samples, features=features, planner=partial(planner, seed)))
    return found


def assert_exact(cases: Sequence[Case], results: Sequence[Sequence[Sequence[Array]]]) -> None:
    for case, found in zip(cases, results, strict=True):
        graph = simplify(parse(case.model, "m", "m.tflite"))
        for sample, outputs in zip(case.samples, found, strict=True):
            for got, want in zip(outputs, execute(graph, list(sample)), strict=True):
                assert got.tobytes() == want.tobytes()


@pytest.mark.parametrize("planner", [drawn, smallest])
@pytest.mark.parametrize("features", [frozenset[str](), frozenset({"dsp"})], ids=["plain", "dsp"])
@given(st.integers(0, 1_000_000))
@settings(max_examples=1, deadline=None, phases=[Phase.generate, Phase.reuse])
def test_random_networks_keep_every_byte(planner: Planner, features: frozenset[str], seed: int) -> None:
    made = cases(range(seed, seed + 6), features, planner)
    assert_exact(made, run_models(made))


@pytest.mark.parametrize("planner", [drawn, smallest])
@pytest.mark.parametrize("core", MACHINES)
def test_random_networks_keep_every_byte_on_a_core(planner: Planner, core: str) -> None:
    made = cases(range(6), MACHINES[core].features, planner)
    assert_exact(made, run_emulated(made, core))
