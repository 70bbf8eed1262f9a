"""Strips, segments that run once per part of their columns, and landings, where the last row of a window comes first:
replayed in a poisoned arena and by the kernels themselves."""

from __future__ import annotations

import itertools
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from host_build import Case, run_models
from random_networks import RandomNetwork
from replay import replay
from shoal import boards
from shoal.boards.board import Board
from shoal.network.execute import execute
from shoal.network.graph import Graph
from shoal.network.read_tflite import parse, read
from shoal.network.simplify import simplify
from shoal.operators import kind
from shoal.plan import arena, candidates, planner
from shoal.plan.assemble import assemble
from shoal.plan.lifetimes import Cut, needs
from shoal.plan.planner import curve, lay_out
from shoal.plan.steps import Options, Plan

BOARD = boards.load("mps2_an386")


class Images(RandomNetwork):
    """A network of operators that have windows, or none: in most of them any part can run in strips."""

    def grow(self) -> None:
        choices = [self.convolution, self.convolution, self.depthwise, self.depthwise, self.pool, self.unary]
        choices += [self.binary, self.pad]
        choices[int(self.rng.integers(len(choices)))]()


def inputs(graph: Graph, seed: int) -> list[np.ndarray]:
    rng = np.random.default_rng(seed)
    return [rng.integers(-128, 128, graph.tensors[t].shape).astype(graph.tensors[t].dtype) for t in graph.inputs]


def planned(number: int, feed: str, landed: bool, graph: Graph, board: Board, options: Options) -> Plan:
    """As many tasks as can from the first on in one of the ways there are with landings, or in strips without; the
    others over whole tensors."""
    calls = [kind(o.kind).calls(o, graph.tensors, board.core.features) for o in graph.operators]
    work = candidates.work(graph, calls, feed, "whole", strips=board.core.features)
    everything = range(len(work.tasks) - 1, -1, -1)
    every = [c for last in everything for c in candidates.candidates(work, 0, last)]
    found = [c for c in every if (c.landings if landed else c.strips and not c.landings)]
    if not found:
        return lay_out(graph, board, options)
    longest = [c for c in found if c.last == found[0].last]
    candidate = longest[number % len(longest)]
    cuts = [Cut(candidate, candidate.options[number % len(candidate.options)])]
    for k in range(candidate.last + 1, len(work.tasks)):
        one = candidates.whole(work, k, work.tasks[k].calls[0])
        cuts.append(Cut(one, one.options[0]))
    need = needs(work, cuts)
    layout = arena.greedy(need.buffers, need.conflicts, 0)
    return assemble(work, cuts, need, layout, candidate.bound, board, options)


@settings(max_examples=60)
@given(
    seed=st.integers(0, 10**6),
    length=st.integers(1, 7),
    number=st.integers(0, 20),
    feed=st.sampled_from(["whole", "rows"]),
    landed=st.booleans(),
)
def test_strips_and_landings_of_random_networks_are_exact(
    seed: int, length: int, number: int, feed: str, landed: bool
) -> None:
    graph = simplify(parse(Images(seed, length).model, "model", "model"))
    replay(planned(number, feed, landed, graph, BOARD, Options()), inputs(graph, seed))


@settings(max_examples=2)
@given(seeds=st.lists(st.integers(0, 10**6), min_size=8, max_size=8), dsp=st.booleans())
def test_strips_and_landings_of_random_networks_in_c(seeds: list[int], dsp: bool) -> None:
    cases, expected = [], []
    for number, seed in enumerate(seeds):
        network = Images(seed, 1 + seed % 6)
        samples = [[network.random_input()] for _ in range(2)]
        how = partial(planned, seed % 7, ("whole", "rows")[number % 2], number % 4 < 2)
        cases.append(Case(network.model, samples, features=frozenset({"dsp"} if dsp else ()), planner=how))
        graph = simplify(parse(network.model, "model", "model"))
        expected.append([execute(graph, sample) for sample in samples])
    for seed, outputs, wanted in zip(seeds, run_models(cases), expected, strict=True):
        for output, want in zip(outputs, wanted, strict=True):
            np.testing.assert_array_equal(output[0].reshape(-1), want[0].reshape(-1), err_msg=str(seed))


def test_real_networks_in_the_least_memory(data: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Arena in bytes that networks fed in rows fit, without strips and in strips."""
    monkeypatch.setenv("SHOAL_CACHE_DIR", str(tmp_path))
    monkeypatch.setattr(planner, "_SOON", 0.0)  # remembers what was found at once, too
    for name, budget, passes in (
        ("mlperf_vww_int8", 12_000, range(1, 2)),
        ("mlperf_vww_int8", 8_000, range(2, 7)),
        ("tflm_person_detect_int8", 11_000, range(1, 2)),
    ):
        graph = simplify(read(data / "models" / f"{name}.tflite"))
        made = lay_out(graph, BOARD, Options(ram_budget=budget, feed="rows"))
        assert made.arena_bytes <= budget, name
        assert made.streams[graph.inputs[0]].passes in passes
        assert lay_out(graph, BOARD, Options(ram_budget=budget, feed="rows")).steps == made.steps  # as remembered
        replay(made, inputs(graph, 0))


def test_who_prefers_ram_gets_the_least_there_is() -> None:
    graph = simplify(parse(Images(12, 6).model, "model", "model"))
    least = lay_out(graph, BOARD, Options(ram_budget=1, feed="rows"))
    assert lay_out(graph, BOARD, Options(prefer="ram", feed="rows")).arena_bytes == least.arena_bytes
    plans = curve(graph, BOARD, Options(feed="rows"))
    assert plans[0].arena_bytes == least.arena_bytes
    costs = [sum(s.instructions for s in p.steps) for p in plans]
    assert all(more > less for more, less in itertools.pairwise(costs))
