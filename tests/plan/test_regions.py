"""The arena in several memory regions: no buffer in two of them, the fastest filled first, every budget kept."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from random_networks import RandomNetwork
from replay import replay
from shoal import boards
from shoal.boards.board import Region
from shoal.network.graph import Graph
from shoal.network.read_tflite import parse
from shoal.network.simplify import simplify
from shoal.plan import copies, planner
from shoal.plan.fit import shortfall
from shoal.plan.planner import lay_out
from shoal.plan.predict import predict
from shoal.plan.regions import rooms
from shoal.plan.steps import Options, Plan, Rows
from two_regions import divided

BOARD = boards.load("mps2_an386")


def network(seed: int, length: int) -> Graph:
    return simplify(parse(RandomNetwork(seed, length).model, "model", "model"))


def extents(plan: Plan) -> Iterator[tuple[int, int]]:
    """Offset and bytes of all that lies in the arena."""
    tensors = plan.graph.tensors
    yield from ((p.offset, p.bytes) for p in plan.placements)
    for step in plan.steps:
        if step.call is not None:
            yield from _working(step.scratch, step.call.scratch_bytes)
            yield from _working(step.state, step.call.state_bytes)
        yield from ((copy.place, copy.bytes) for _, copy in step.copies)
        for part in step.segment.parts if step.segment else ():
            sources = (part.tensor,) * len(part.inputs) if part.call is None else part.call.inputs
            for rows, tensor in zip(part.inputs, sources, strict=True):
                yield _ring(rows, tensors[tensor].bytes)
            if part.output is not None:
                yield _ring(part.output, tensors[part.tensor].bytes)
            if part.call is not None and part.call.band is not None:
                yield from _working(part.scratch, part.call.band.scratch_bytes)
                yield from _working(part.state, part.call.band.state_bytes)


def _working(offset: int | None, size: int) -> Iterator[tuple[int, int]]:
    if size:
        assert offset is not None
        yield offset, size


def _ring(rows: Rows, whole: int) -> tuple[int, int]:
    return rows.offset, rows.pitch * rows.count if rows.count else whole


@settings(max_examples=30, deadline=None)
@given(
    seed=st.integers(0, 10**6),
    length=st.integers(1, 9),
    fast=st.integers(0, 40),
    share=st.floats(0, 1),
    feed=st.sampled_from(["whole", "rows"]),
    flash_waits=st.sampled_from([0, 9]),
)
def test_no_buffer_lies_in_two_regions(
    seed: int, length: int, fast: int, share: float, feed: str, flash_waits: int
) -> None:
    graph = network(seed, length)
    board = divided(BOARD, 32 + 32 * fast, flash_waits=flash_waits)
    least = lay_out(graph, board, Options(ram_budget=1, feed=feed)).arena_bytes
    most = lay_out(graph, board, Options(feed=feed)).arena_bytes
    budget = least + int(share * max(0, most - least))
    for options in (Options(feed=feed), Options(ram_budget=budget, feed=feed)):
        plan = lay_out(graph, board, options)
        assert shortfall(plan, predict(plan)) is None
        assert options.ram_budget is None or plan.arena_bytes <= options.ram_budget
        starts = [s.start for s in plan.spans]
        assert starts == [sum(s.bytes for s in plan.spans[:n]) for n in range(len(starts))]
        assert plan.arena_bytes == sum(s.bytes for s in plan.spans)
        room = rooms(board, predict(plan).static_bytes)
        assert all(s.bytes <= room[s.region] for s in plan.spans)
        for offset, size in extents(plan):
            assert sum(s.start <= offset and offset + size <= s.start + s.bytes for s in plan.spans) == 1
        replay(plan, inputs(graph, seed))


def inputs(graph: Graph, seed: int) -> list[np.ndarray]:
    rng = np.random.default_rng(seed)
    return [rng.integers(-128, 128, graph.tensors[t].shape).astype(graph.tensors[t].dtype) for t in graph.inputs]


def test_the_fast_region_takes_the_most_reads_per_byte() -> None:
    """And all of the arena where that is room enough."""
    graph = network(11, 8)
    whole = lay_out(graph, BOARD, Options())
    assert [(s.region, s.start, s.bytes) for s in whole.spans] == [("ssram2", 0, whole.arena_bytes)]
    roomy = lay_out(graph, divided(BOARD, -(-whole.arena_bytes // 32) * 32), Options())
    assert [(s.region, s.bytes) for s in roomy.spans] == [("near", whole.arena_bytes)]
    near, far = lay_out(graph, divided(BOARD, whole.arena_bytes // 2), Options()).spans
    assert (near.region, far.region) == ("near", "far")
    assert near.reads is not None and far.reads is not None
    assert near.reads * far.bytes > far.reads * near.bytes
    assert roomy.spans[0].reads == near.reads + far.reads


def test_what_is_left_of_the_fast_region_takes_constants() -> None:
    """Those that are read most often, as far as the budget and the region allow, and none where flash is as fast."""
    graph = network(11, 8)
    whole = lay_out(graph, BOARD, Options())
    room = -(-whole.arena_bytes // 32) * 32
    assert not copied(lay_out(graph, divided(BOARD, room + 4096), Options()))
    roomy = lay_out(graph, divided(BOARD, room + 4096, flash_waits=9), Options())
    every = copied(roomy)
    assert every and [s.region for s in roomy.spans] == ["near"]
    assert whole.arena_bytes < roomy.arena_bytes <= whole.arena_bytes + max(every.values()) + 8
    assert not copied(lay_out(graph, divided(BOARD, room + 4096, flash_waits=9), Options(prefer="ram")))
    for budget in (whole.arena_bytes, roomy.arena_bytes - 8, roomy.arena_bytes):
        plan = lay_out(graph, divided(BOARD, room + 4096, flash_waits=9), Options(ram_budget=budget))
        assert plan.arena_bytes <= budget and copied(plan).keys() <= every.keys()
        assert (copied(plan) == every) == (budget == roomy.arena_bytes)
    small = lay_out(graph, divided(BOARD, room // 2, flash_waits=9), Options())
    assert copied(small).keys() <= every.keys() and [s.region for s in small.spans] == ["near", "far"]


def copied(plan: Plan) -> dict[int, int]:
    """Bytes of constants that are copied, by step."""
    return {s.index: sum(copy.bytes for _, copy in s.copies) for s in plan.steps if s.copies}


@given(size=st.integers(4, 4096), passes=st.integers(1, 100), cache=st.sampled_from([0, 1024]))
def test_a_copy_must_save_more_than_it_takes(size: int, passes: int, cache: int) -> None:
    flash = Region("flash", "flash", 0, 1 << 20, wait_states=5, line_bytes=16, cache_bytes=cache)
    fast, slow = Region("fast", "ram", 0, 1 << 20), Region("slow", "ram", 0, 1 << 20, wait_states=6)
    gain = copies.saved(size, passes, flash, fast)
    assert (gain > 0) == (size > cache and (passes - 1) * 5 * -(-size // 16) > 4 * -(-size // 4))
    assert copies.saved(size, passes, flash, slow) < 0


def test_under_a_budget_the_fast_region_takes_less() -> None:
    graph = network(20, 9)
    board = divided(BOARD, lay_out(graph, BOARD, Options()).arena_bytes // 64 * 32)
    free = lay_out(graph, board, Options())
    plan = lay_out(graph, board, Options(ram_budget=free.arena_bytes - 1))
    assert plan.arena_bytes < free.arena_bytes
    assert [s.region for s in plan.spans] == [s.region for s in free.spans] == ["near", "far"]
    assert plan.spans[0].bytes < free.spans[0].bytes


def test_regions_together_hold_what_none_does() -> None:
    """With the same kernels; and who has too little in all of them is told so."""
    graph = network(11, 8)
    whole = lay_out(graph, BOARD, Options())
    largest = max(size for _, size in extents(whole))
    static = predict(whole).static_bytes + BOARD.stack_bytes
    board = divided(BOARD, -(-largest // 32) * 32, whole.arena_bytes - 32 - 0x8000 + static)
    plan = planner.plan(graph, board, Options())
    assert {s.region for s in plan.spans} == {"near", "far"}
    assert [c.kernel for s in plan.steps for c in s.calls] == [c.kernel for s in whole.steps for c in s.calls]
    small = lay_out(graph, divided(BOARD, 32, static - 0x8000), Options())
    problem = shortfall(small, predict(small))
    assert problem is not None and "regions near, far" in str(problem)
