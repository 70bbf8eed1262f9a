"""Constants in pages: which ones go, how large pages are, and plans of them in a poisoned arena."""

from __future__ import annotations

import zlib

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from random_networks import RandomNetwork
from replay import replay
from shoal import boards
from shoal.network.graph import Graph
from shoal.network.read_tflite import parse
from shoal.network.simplify import simplify
from shoal.plan import pages
from shoal.plan.fit import shortfall
from shoal.plan.planner import lay_out
from shoal.plan.predict import predict
from shoal.plan.steps import Options, Plan
from two_regions import divided
from wide_network import wide_network

BOARD = boards.load("netduino2")


def inputs(graph: Graph, seed: int) -> list[np.ndarray]:
    rng = np.random.default_rng(seed)
    return [rng.integers(-128, 128, graph.tensors[t].shape).astype(graph.tensors[t].dtype) for t in graph.inputs]


def in_flash(made: Plan) -> int:
    needs = predict(made)
    return needs.code_bytes + needs.weights_bytes


@settings(deadline=None)
@given(sizes=st.lists(st.integers(1, 500), max_size=7), share=st.floats(0, 1.2))
def test_as_few_bytes_go_as_can(sizes: list[int], share: float) -> None:
    missing = int(sum(sizes) * share)
    chosen = pages.choose(dict(enumerate(sizes)), missing)
    sums = [sum(s for i, s in enumerate(sizes) if n >> i & 1) for n in range(1 << len(sizes))]
    assert sum(sizes[i] for i in chosen) == min((s for s in sums if s >= missing), default=sum(sizes))


@settings(deadline=None, max_examples=25)
@given(seed=st.integers(0, 10**6), length=st.integers(1, 9), share=st.floats(0, 1), tight=st.floats(0, 1))
def test_random_networks_from_a_second_store(seed: int, length: int, share: float, tight: float) -> None:
    graph = simplify(parse(RandomNetwork(seed, length).model, "model", "model"))
    whole = lay_out(graph, BOARD, Options(prefer="size"))
    budget = in_flash(whole) - int(share * whole.weights_bytes)
    made = lay_out(graph, BOARD, Options(flash_budget=budget, ram_budget=whole.arena_bytes + int(tight * 2000)))
    replay(made, inputs(graph, seed))
    assert len(pages.store(made)) == made.store_bytes
    for step in made.steps:
        if step.page is not None:
            assert zlib.crc32(pages.store(made)[step.page.offset :][: step.page.bytes]) == step.page.crc
            assert step.call is not None
    macs = sum(step.macs for step in made.steps)
    assert macs == sum(step.macs for step in whole.steps)


@pytest.fixture(scope="module")
def wide() -> Graph:
    return simplify(parse(wide_network(), "wide", "wide"))


def test_half_a_megabyte_of_weights_in_128_kilobytes_of_flash(wide: Graph) -> None:
    made = lay_out(wide, BOARD, Options(flash_budget=120_000, ram_budget=15_000))
    assert made.arena_bytes <= 15_000 and in_flash(made) <= 120_000
    assert made.weights_bytes + made.store_bytes >= 502_080
    replay(made, inputs(wide, 1))


@pytest.mark.parametrize(("near", "far"), [(10_000, 4_000), (3_008, 12_000)])
def test_pages_lie_in_whichever_region_has_room(wide: Graph, near: int, far: int) -> None:
    """And tensors in the others, where no region has room for both."""
    set_aside = predict(lay_out(wide, BOARD, Options())).static_bytes + BOARD.stack_bytes
    board = divided(BOARD, near, far - 0x8000 + set_aside)
    made = lay_out(wide, board, Options(flash_budget=120_000))
    assert shortfall(made, predict(made)) is None
    assert {s.region for s in made.spans} == {"near", "far"}
    for page in (s.page for s in made.steps if s.page is not None):
        assert sum(s.start <= page.place and page.place + page.bytes <= s.start + s.bytes for s in made.spans) == 1
    replay(made, inputs(wide, 1))


def test_a_smaller_arena_has_smaller_pages(wide: Graph) -> None:
    def widest(ram_budget: int) -> int:
        made = lay_out(wide, BOARD, Options(flash_budget=120_000, ram_budget=ram_budget))
        assert made.arena_bytes <= ram_budget
        return max(step.page.bytes for step in made.steps if step.page is not None)

    assert widest(9_000) < widest(15_000) < widest(60_000)
