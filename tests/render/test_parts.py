"""C of an arena in parts: one array on a 64-bit host, one per memory region on a 32-bit core; the same bytes."""

from __future__ import annotations

import random
from dataclasses import replace
from functools import partial

import pytest

from emulated_build import MACHINES, run_emulated
from host_build import Case, run_models
from random_networks import RandomNetwork
from shoal.boards.board import Board
from shoal.network.execute import execute
from shoal.network.graph import Graph
from shoal.network.read_tflite import parse
from shoal.network.simplify import simplify
from shoal.plan.planner import lay_out
from shoal.plan.steps import Options, Plan
from two_regions import divided


def apart(seed: int, graph: Graph, board: Board, options: Options) -> Plan:
    """A plan in two regions, or in a fast one with room for copies of constants; of some seeds fused, fed and
    drained."""
    rng = random.Random(seed)
    if seed % 2:
        options = replace(options, feed=rng.choice(["whole", "rows"]), drain=rng.choice(["whole", "rows"]))
        options = replace(options, ram_budget=lay_out(graph, board, options).arena_bytes * 3 // 4)
    whole = lay_out(graph, board, options)
    near = whole.arena_bytes + 500 if seed % 4 > 1 else max(32, whole.arena_bytes // 2)
    return lay_out(graph, divided(board, near, flash_waits=9), replace(options, ram_budget=None))


def cases(features: frozenset[str]) -> list[Case]:
    found = []
    for seed in range(8):
        network = RandomNetwork(seed, operators=6)
        samples = [[network.random_input()] for _ in range(2)]
        found.append(Case(network.model, samples, features=features, planner=partial(apart, seed)))
    return found


def assert_exact(made: list[Case], results: list) -> None:
    for case, found in zip(made, results, strict=True):
        graph = simplify(parse(case.model, "m", "m.tflite"))
        for sample, outputs in zip(case.samples, found, strict=True):
            for got, want in zip(outputs, execute(graph, list(sample)), strict=True):
                assert got.tobytes() == want.tobytes()


def test_the_host_has_it_in_one_piece() -> None:
    made = cases(frozenset())
    assert_exact(made, run_models(made))


@pytest.mark.parametrize("core", MACHINES)
def test_a_core_has_it_in_parts(core: str) -> None:
    made = cases(MACHINES[core].features)
    assert_exact(made, run_emulated(made, core))
