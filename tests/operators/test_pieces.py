"""FULLY_CONNECTED in pieces: of flat tensors that come and go a few values at a time, and of images row by row, in the
least memory that there is."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from products import ACTIVATIONS, NUMBERS, model, numbers, weights

from emulated_build import MACHINES, run_emulated
from host_build import Case, run_models
from one_operator import Example, assert_same, int8s, reference
from replay import replay
from shoal import boards
from shoal.boards.board import Board
from shoal.network.graph import Graph
from shoal.network.read_tflite import parse
from shoal.operators.pieces import count
from shoal.plan.planner import lay_out
from shoal.plan.steps import Options, Plan


@st.composite
def examples(draw: st.DrawFn) -> Example:
    flat = st.tuples(st.just(1), st.sampled_from([16, 32, 48, 640]) | st.integers(1, 100))
    images = st.tuples(st.just(1), st.integers(2, 6), st.integers(1, 4), st.sampled_from([1, 3, 8]))
    shape = draw(flat | images)
    outputs = draw(st.sampled_from([8, 16, 32, 64, 80]) | st.integers(1, 50))
    n = replace(draw(numbers), per_channel=draw(st.booleans()))
    filters = weights(np.random.default_rng(n.seed), (outputs, int(np.prod(shape))))
    zero_point = 0 if n.per_channel else draw(st.sampled_from([0, 0, 5, -128]))
    activation = draw(st.sampled_from(ACTIVATIONS))
    data = model(
        "FULLY_CONNECTED", shape, filters, (1, outputs), 0, n, weights_zero_point=zero_point, activation=activation
    )
    return Example(data, [int8s(n.seed + 2, shape)])


several = st.lists(examples(), min_size=5, max_size=5, unique_by=lambda e: e.model)


def least(feed: str, drain: str) -> Callable[[Graph, Board, Options], Plan]:
    def planner(graph: Graph, board: Board, options: Options) -> Plan:
        return lay_out(graph, board, replace(options, feed=feed, drain=drain, ram_budget=1))

    return planner


def assert_c_is_exact(drawn: Sequence[Example], features: frozenset[str], core: str | None = None) -> None:
    ways = [("rows", "whole"), ("whole", "rows"), ("rows", "rows")]
    cases = [Case(e.model, [e.inputs], "speed", features, least(*way)) for e in drawn for way in ways]
    results = run_models(cases) if core is None else run_emulated(cases, core)
    for example, (found,) in zip((e for e in drawn for _ in ways), results, strict=True):
        assert_same(reference(example), found)


@pytest.mark.parametrize("features", [frozenset(), frozenset({"dsp"})], ids=["plain", "dsp"])
@given(several)
@settings(deadline=None, max_examples=2, phases=[Phase.generate], suppress_health_check=list(HealthCheck))
def test_generated_c_is_the_reference(features: frozenset[str], drawn: list[Example]) -> None:
    assert_c_is_exact(drawn, features)


@pytest.mark.parametrize("core", ["cortex-m3", "cortex-m4", "rv32imc"])
@given(several)
@settings(deadline=None, max_examples=1, phases=[Phase.generate], suppress_health_check=list(HealthCheck))
def test_emulated_c_is_the_reference(core: str, drawn: list[Example]) -> None:
    assert_c_is_exact(drawn, MACHINES[core].features, core)


@pytest.mark.parametrize(("feed", "drain"), [("rows", "whole"), ("whole", "rows"), ("rows", "rows")])
@given(examples())
@settings(deadline=None, max_examples=30)
def test_plans_are_safe(feed: str, drain: str, example: Example) -> None:
    graph = parse(example.model, "model", "model")
    replay(least(feed, drain)(graph, boards.load("mps2_an386"), Options()), example.inputs)


def chain(*sizes: int) -> Graph:
    """A layer from `sizes[0]` values to `sizes[1]`."""
    filters = weights(np.random.default_rng(3), (sizes[1], sizes[0]))
    return parse(model("FULLY_CONNECTED", (1, sizes[0]), filters, (1, sizes[1]), 0, NUMBERS), "model", "model")


@pytest.mark.parametrize("board", ["mps2_an386", "mps2_an385"])
def test_a_long_input_into_few_outputs_takes_sums_and_a_piece(board: str) -> None:
    made = least("rows", "whole")(chain(640, 12), boards.load(board), Options())
    assert {s.count: s.bytes for s in made.streams.values()} == {40: 16}
    assert made.arena_bytes == 16 + 4 + 4 * 12


def test_many_outputs_leave_block_by_block() -> None:
    made = least("whole", "rows")(chain(24, 640), boards.load("mps2_an386"), Options())
    assert {s.count: s.bytes for s in made.streams.values()} == {40: 16}
    assert made.arena_bytes == 24 + 16


def test_sizes_of_pieces() -> None:
    assert [count(n) for n in (640, 128, 16, 24, 40, 36, 98, 15, 7, 3, 1, 101, 202)] == [
        *(40, 8, 1, 3, 5, 3, 7, 1, 1, 1, 1, 1, 1)
    ]
