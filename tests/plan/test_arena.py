"""Addresses in the arena: safe for every set of lifetimes and distances, and deterministic."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from shoal.plan import arena


@st.composite
def problems(draw: st.DrawFn) -> arena.Problem:
    count = draw(st.integers(1, 12))
    buffers = []
    for i in range(count):
        first = draw(st.integers(-1, 9))
        buffers.append(
            arena.Buffer(
                key=f"t{i}",
                bytes=draw(st.integers(1, 300)),
                align=draw(st.sampled_from([1, 4, 8, 16])),
                first=first,
                last=first + draw(st.integers(0, 4)),
            )
        )
    in_place = {}
    for x in buffers:
        for y in buffers:
            if x is not y and x.last == y.first and draw(st.booleans()):
                in_place[x.key, y.key] = draw(st.integers(-40, 40))
    return arena.Problem(tuple(buffers), in_place)


@given(problems())
def test_every_pair_that_lives_together_is_safe(problem: arena.Problem) -> None:
    layout = arena.solve(problem)
    for x in problem.buffers:
        assert layout.offsets[x.key] % x.align == 0
        assert 0 <= layout.offsets[x.key] <= layout.top - x.bytes
        for y in problem.buffers:
            if x.key >= y.key or x.last < y.first or y.last < x.first:
                continue
            a, b = layout.offsets[x.key], layout.offsets[y.key]
            apart = a + x.bytes <= b or b + y.bytes <= a
            over_x = b <= a + problem.in_place[x.key, y.key] if (x.key, y.key) in problem.in_place else False
            over_y = a <= b + problem.in_place[y.key, x.key] if (y.key, x.key) in problem.in_place else False
            assert apart or over_x or over_y


@given(problems())
def test_no_layout_beats_the_bound(problem: arena.Problem) -> None:
    assert arena.bound(problem) <= arena.solve(problem).top


@given(problems())
def test_the_same_problem_has_the_same_layout(problem: arena.Problem) -> None:
    assert arena.solve(problem) == arena.solve(arena.Problem(problem.buffers, dict(problem.in_place)))


def test_a_chain_in_place_takes_its_largest_tensor() -> None:
    buffers = tuple(arena.Buffer(f"t{i}", 100, 4, i - 1, i) for i in range(5))
    in_place = {(f"t{i}", f"t{i + 1}"): 0 for i in range(4)}
    problem = arena.Problem(buffers, in_place)
    assert arena.solve(problem).top == arena.bound(problem) == 100


def test_an_output_that_must_trail_its_input_starts_below_it() -> None:
    x, y = arena.Buffer("x", 100, 1, -1, 0), arena.Buffer("y", 100, 1, 0, 1)
    layout = arena.solve(arena.Problem((x, y), {("x", "y"): -12}))
    assert layout.top == 112
    assert layout.offsets == {"y": 0, "x": 12}
