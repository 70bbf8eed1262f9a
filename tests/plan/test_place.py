"""Placements: as good as trying all of them."""

from __future__ import annotations

from itertools import combinations, permutations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shoal.plan.place import OBJECTIVES, Cost, Piece, Problem, nearest, place


@st.composite
def problems(draw):
    operators, nodes = draw(st.integers(1, 6)), draw(st.integers(1, 4))
    chunks = [(n, a, b) for n in range(nodes) for a in range(operators) for b in range(a + 1, operators + 1)]
    cost = st.builds(Cost, st.integers(0, 9), st.integers(0, 9), st.sampled_from([0, 0, 0, 1, 5, 20]))
    costs = dict(zip(chunks, draw(st.lists(cost, min_size=len(chunks), max_size=len(chunks))), strict=True))
    pins = draw(st.dictionaries(st.integers(0, operators - 1), st.integers(0, nodes - 1), max_size=2))
    return Problem(operators, nodes, lambda *c: costs[c], draw(st.sampled_from(OBJECTIVES)), draw(st.booleans()), pins)


def every(problem):
    """All placements that order, pins and the number of chunks allow, fit or not."""
    fewest = 1 if problem.objective == "boards" else problem.nodes
    for count in range(fewest, problem.nodes + 1):
        orders = (
            permutations(range(problem.nodes), count) if problem.free else combinations(range(problem.nodes), count)
        )
        for order in orders:
            for inner in combinations(range(1, problem.operators), count - 1):
                ends = (0, *inner, problem.operators)
                pieces = [Piece(n, a, b) for n, a, b in zip(order, ends[:-1], ends[1:], strict=True)]
                if all(p.node == problem.pins.get(o, p.node) for p in pieces for o in range(p.first, p.last)):
                    yield pieces


def judged(problem, pieces):
    costs = [problem.cost(p.node, p.first, p.last) for p in pieces]
    time = sum(c.nanoseconds for c in costs)
    return {
        "latency": (time,),
        "throughput": (max(c.nanoseconds for c in costs), time),
        "energy": (sum(c.nanojoules for c in costs), time),
        "boards": (len(costs), time),
    }[problem.objective]


def shortest(problem, pieces):
    return max(problem.cost(p.node, p.first, p.last).short for p in pieces)


@settings(max_examples=500)
@given(problems())
def test_no_placement_is_better(problem):
    possible = list(every(problem))
    fitting = [p for p in possible if shortest(problem, p) == 0]
    found = place(problem)
    if not fitting:
        assert found is None
    else:
        assert found in fitting
        assert judged(problem, found) == min(judged(problem, p) for p in fitting)
    near = nearest(problem)
    if not possible:
        assert near is None
    else:
        assert near in possible
        assert shortest(problem, near) == min(shortest(problem, p) for p in possible)


@pytest.mark.parametrize("objective", OBJECTIVES)
def test_equal_placements_give_the_same_one_each_time(objective):
    problem = Problem(6, 3, lambda *_: Cost(1, 1), objective, free=True)
    assert place(problem) == place(problem)
