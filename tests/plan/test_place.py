"""Placements: as good as trying all of them."""

from __future__ import annotations

from itertools import combinations, permutations
from random import Random

import pytest

from shoal.plan.place import HOST, OBJECTIVES, Cost, Piece, Problem, nearest, place


def problem_of(seed, objective, linked):
    """A small random instance. `linked`: as in a chain, what outputs cost depends on who takes them."""
    random = Random(seed)
    operators, nodes = random.randint(1, 6), random.randint(1, 4)
    chunks = [(n, a, b) for n in range(nodes) for a in range(operators) for b in range(a + 1, operators + 1)]
    own = {c: (random.randint(0, 9), random.randint(0, 9), random.choice([0, 0, 0, 1, 5, 20])) for c in chunks}
    who = range(HOST, nodes)
    wires = {(b, n, to): random.randint(0, 9) for b in range(operators + 1) for n in who for to in who}

    def cost(node, first, last, to):
        (compute, stage, short), wire = own[node, first, last], wires[last, node, to if linked else HOST]
        return Cost(compute + wire, max(stage, wire), 2 * compute + wire, short)

    def enter(node):
        return Cost(wires[0, HOST, node], wires[0, HOST, node], wires[0, HOST, node])

    pins = {random.randrange(operators): random.randrange(nodes) for _ in range(random.choice([0, 0, 1, 2]))}
    cuts = frozenset(random.randrange(1, operators) for _ in range(random.choice([0, 0, 1, 2])) if operators > 1)
    return Problem(operators, nodes, cost, enter, objective, random.random() < 0.5, pins, cuts)


def every(problem):
    """All placements that order, pins, cuts and the number of chunks allow, fit or not."""
    fewest = 1 if problem.objective == "boards" else problem.nodes
    for count in range(fewest, problem.nodes + 1):
        orders = (
            permutations(range(problem.nodes), count) if problem.free else combinations(range(problem.nodes), count)
        )
        for order in orders:
            for inner in combinations(range(1, problem.operators), count - 1):
                ends = (0, *inner, problem.operators)
                if not problem.cuts.intersection(range(1, problem.operators)) <= set(ends):
                    continue
                pieces = [Piece(n, a, b) for n, a, b in zip(order, ends[:-1], ends[1:], strict=True)]
                if all(p.node == problem.pins.get(o, p.node) for p in pieces for o in range(p.first, p.last)):
                    yield pieces


def judged(problem, pieces):
    followed = zip(pieces, [*(p.node for p in pieces[1:]), HOST], strict=True)
    costs = [problem.enter(pieces[0].node), *(problem.cost(p.node, p.first, p.last, to) for p, to in followed)]
    time = sum(c.nanoseconds for c in costs)
    return {
        "latency": (time,),
        "throughput": (max(c.stage for c in costs), time),
        "energy": (sum(c.nanojoules for c in costs), time),
        "boards": (len(pieces), time),
    }[problem.objective]


def shortest(problem, pieces):
    return max(problem.cost(p.node, p.first, p.last, HOST).short for p in pieces)


@pytest.mark.parametrize("objective", OBJECTIVES)
@pytest.mark.parametrize("linked", [False, True])
def test_no_placement_is_better(objective, linked):
    for seed in range(500):
        check(problem_of(seed, objective, linked))


def check(problem):
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
    problem = Problem(6, 3, lambda *_: Cost(1, 1), lambda _: Cost(1), objective, free=True)
    assert place(problem) == place(problem)
