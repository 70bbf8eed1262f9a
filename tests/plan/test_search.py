"""Plans in little memory: searched for, replayed in a poisoned arena, mutated, remembered."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from host_build import Case, run_models
from random_networks import RandomNetwork
from replay import Clobbered, replay
from shoal import boards
from shoal.boards.board import Board
from shoal.errors import DoesNotFit, Unsupported
from shoal.network.execute import execute
from shoal.network.graph import Graph
from shoal.network.read_tflite import parse, read
from shoal.network.simplify import simplify
from shoal.operators import kind
from shoal.plan import planner
from shoal.plan.arena import Layout
from shoal.plan.assemble import assemble
from shoal.plan.candidates import work
from shoal.plan.planner import curve, lay_out, plan
from shoal.plan.search import Found, Search
from shoal.plan.steps import Options, Plan
from tflite_builder import ModelBuilder

BOARD = boards.load("mps2_an386")


def inputs(graph: Graph, seed: int) -> list[np.ndarray]:
    rng = np.random.default_rng(seed)
    return [rng.integers(-128, 128, graph.tensors[t].shape).astype(graph.tensors[t].dtype) for t in graph.inputs]


def residual() -> Graph:
    """Two blocks of 3×3 convolutions, the second with a strided shortcut, and a global average pool."""
    rng = np.random.default_rng(5)
    b = ModelBuilder()

    def convolution(x: int, shape: tuple[int, ...], y: tuple[int, ...], size: int, stride: int) -> int:
        filters = b.tensor(data=rng.integers(-99, 99, (y[3], size, size, shape[3])).astype(np.int8), scale=0.004)
        made = b.tensor(y, scale=0.1)
        b.operator("CONV_2D", [x, filters], [made], padding="SAME", stride_h=stride, stride_w=stride)
        return made

    def add(x: int, y: int, shape: tuple[int, ...]) -> int:
        made = b.tensor(shape, scale=0.1)
        b.operator("ADD", [x, y], [made])
        return made

    large, small = (1, 16, 16, 8), (1, 8, 8, 16)
    first = b.tensor((1, 16, 16, 4), scale=0.1)
    x = convolution(first, (1, 16, 16, 4), large, 3, 1)
    x = add(x, convolution(convolution(x, large, large, 3, 1), large, large, 3, 1), large)
    y = convolution(convolution(x, large, small, 3, 2), small, small, 3, 1)
    x = add(convolution(x, large, small, 1, 2), y, small)
    pooled = b.tensor((1, 1, 1, 16), scale=0.1)
    b.operator("AVERAGE_POOL_2D", [x], [pooled], filter_height=8, filter_width=8, padding="VALID")
    return simplify(parse(b.build(inputs=[first], outputs=[pooled]), "model", "model"))


@settings(max_examples=20)
@given(
    seed=st.integers(0, 10**6),
    length=st.integers(1, 9),
    share=st.floats(0, 1),
    feed=st.sampled_from(["whole", "rows", "rows:up"]),
    drain=st.sampled_from(["whole", "rows"]),
)
def test_random_networks_at_every_budget(seed: int, length: int, share: float, feed: str, drain: str) -> None:
    graph = simplify(parse(RandomNetwork(seed, length).model, "model", "model"))
    least = lay_out(graph, BOARD, Options(ram_budget=1, feed=feed, drain=drain))
    most = lay_out(graph, BOARD, Options(feed=feed, drain=drain))
    budget = least.arena_bytes + int(share * max(0, most.arena_bytes - least.arena_bytes))
    between = lay_out(graph, BOARD, Options(ram_budget=budget, feed=feed, drain=drain))
    assert between.arena_bytes <= budget
    assert least.bound <= least.arena_bytes
    for made in (least, between, most):
        replay(made, inputs(graph, seed))


def searched(graph: Graph) -> Search:
    calls = [kind(o.kind).calls(o, graph.tensors, BOARD.core.features) for o in graph.operators]
    return Search(work(graph, calls, "whole", "whole"))


def violations(found: Found) -> Iterator[dict[str, int]]:
    """The plan's offsets, eight bytes up, each with one buffer moved as little as it takes to violate a distance that
    has no slack."""
    offsets = found.layout.offsets
    for (x, y), spans in found.needs.conflicts.items():
        difference = offsets[x] - offsets[y]
        for low, high in spans:
            for edge, move in ((-(-high // 4) * 4, -4), (low // 4 * 4, 4)):
                if difference == edge and low < difference + move < high:
                    yield {key: offset + 8 + (move if key == x else 0) for key, offset in offsets.items()}


def test_every_violated_distance_is_caught() -> None:
    graph = residual()
    search = searched(graph)
    found = search.smallest()
    cases = [inputs(graph, seed) for seed in range(3)]

    def survives(offsets: dict[str, int]) -> bool:
        layout = Layout(offsets, found.layout.top + 32)
        made = assemble(search.work, found.cuts, found.needs, layout, search.bound, BOARD, Options())
        try:
            for seed, case in enumerate(cases):
                replay(made, case, seed)
        except Clobbered:
            return False
        return True

    assert survives({key: offset + 8 for key, offset in found.layout.offsets.items()})
    violated = list(violations(found))
    assert len(violated) > 5
    assert not [v for v in violated if survives(v)]


def test_blocks_are_fused_and_rings_are_short() -> None:
    graph = residual()
    plain, made = lay_out(graph, BOARD, Options()), lay_out(graph, BOARD, Options(ram_budget=1))
    assert made.arena_bytes < plain.arena_bytes / 2
    rings = {p.tensor: p.output.count for s in made.steps if s.segment for p in s.segment.parts if p.output}
    assert len([n for n in rings.values() if n in (2, 3)]) >= 3 and max(rings.values()) == 3


def test_a_curve_has_the_fastest_and_the_smallest_and_nothing_beaten() -> None:
    graph = residual()
    plans = curve(graph, BOARD, Options())
    assert plans[0].arena_bytes == lay_out(graph, BOARD, Options(ram_budget=1)).arena_bytes
    costs = [sum(s.instructions for s in p.steps) for p in plans]
    sizes = [p.arena_bytes for p in plans]
    assert costs == sorted(costs, reverse=True) and sizes == sorted(set(sizes))
    assert costs[-1] == sum(s.instructions for s in lay_out(graph, BOARD, Options()).steps)
    for made in plans:
        replay(made, inputs(graph, 1))


def test_the_smallest_budget_that_is_named_works() -> None:
    graph = residual()
    with pytest.raises(DoesNotFit) as caught:
        plan(graph, BOARD, Options(ram_budget=100))
    least = int(re.findall(r"--ram-budget that works is (\d+)", str(caught.value))[0])
    assert plan(graph, BOARD, Options(ram_budget=least)).arena_bytes <= least
    with pytest.raises(DoesNotFit):
        plan(graph, BOARD, Options(ram_budget=least - 1))


def test_rows_are_of_one_tensor() -> None:
    b = ModelBuilder()
    tensors = [b.tensor((1, 4, 4, 4), scale=0.1) for _ in range(3)]
    b.operator("ADD", tensors[:2], tensors[2:])
    graph = parse(b.build(inputs=tensors[:2], outputs=tensors[2:]), "model", "model")
    with pytest.raises(Unsupported, match="--feed rows: the network has 2 inputs"):
        lay_out(graph, BOARD, Options(feed="rows"))


def test_a_plan_from_the_cache_is_the_plan_that_was_found(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("SHOAL_CACHE_DIR", str(tmp_path))
    monkeypatch.setattr(planner, "_SOON", 0.0)  # remembers what was found at once, too
    graph, options = residual(), Options(ram_budget=4000)
    cold = lay_out(graph, BOARD, options)
    [file] = (tmp_path / "plans").iterdir()
    warm = lay_out(graph, BOARD, options)
    assert warm == cold and [s.segment for s in warm.steps] == [s.segment for s in cold.steps]
    kept = file.read_text()
    for damaged in ("", "{}", kept.replace('"direction": 1', '"direction": -1'), kept.replace("}", ', "t0": 4}', 1)):
        file.write_text(damaged)
        assert lay_out(graph, BOARD, options).steps == cold.steps
    monkeypatch.setenv("SHOAL_CACHE_DIR", str(tmp_path / "another"))
    again = lay_out(residual(), BOARD, options)
    assert (again.steps, again.placements) == (cold.steps, cold.placements)
    assert (tmp_path / "another" / "plans" / file.name).read_bytes() == kept.encode()


def test_real_networks_in_the_memory_and_time_that_they_are_due(data: Path) -> None:
    """Arena in bytes, and instructions on a Cortex-M4."""
    due = {
        "mlperf_kws_int8": ("whole", 8_700, 3_800_000),
        "mlperf_ic_int8": ("whole", 18_000, 14_300_000),
        "mlperf_vww_int8": ("rows", 17_000, 5_600_000),
        "tflm_person_detect_int8": ("rows", 15_000, 11_300_000),
        "mlperf_ad_int8": ("whole", 800, 400_000),
        "mlperf_sww_int8": ("whole", 3_900, 1_300_000),
    }
    for name, (feed, budget, most) in due.items():
        graph = simplify(read(data / "models" / f"{name}.tflite"))
        made = lay_out(graph, BOARD, Options(ram_budget=budget, feed=feed))
        assert made.arena_bytes <= budget, name
        assert sum(s.instructions for s in made.steps) <= most, name
        replay(made, inputs(graph, 0))


@settings(max_examples=2)
@given(seeds=st.lists(st.integers(0, 10**6), min_size=6, max_size=6), dsp=st.booleans())
def test_random_networks_in_little_memory_in_c(seeds: list[int], dsp: bool) -> None:
    """The smallest plans, and those halfway to the fastest, by the kernels themselves."""

    def planned(feed: str, drain: str, share: int, graph: Graph, board: Board, options: Options) -> Plan:
        options = replace(options, feed=feed, drain=drain)
        least, most = lay_out(graph, board, replace(options, ram_budget=1)), lay_out(graph, board, options)
        budget = least.arena_bytes + share * max(0, most.arena_bytes - least.arena_bytes) // 2
        return lay_out(graph, board, replace(options, ram_budget=budget))

    cases, expected = [], []
    for number, seed in enumerate(seeds):
        network = RandomNetwork(seed, 1 + seed % 8)
        how = partial(planned, ("whole", "rows", "rows:up")[number % 3], ("whole", "rows")[seed % 2], number // 3)
        samples = [[network.random_input()] for _ in range(2)]
        cases.append(Case(network.model, samples, features=frozenset({"dsp"} if dsp else ()), planner=how))
        graph = simplify(parse(network.model, "model", "model"))
        expected.append([execute(graph, sample) for sample in samples])
    for seed, outputs, wanted in zip(seeds, run_models(cases), expected, strict=True):
        for output, want in zip(outputs, wanted, strict=True):
            np.testing.assert_array_equal(output[0].reshape(-1), want[0].reshape(-1), err_msg=str(seed))
