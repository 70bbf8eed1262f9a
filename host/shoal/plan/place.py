"""Which chunk runs on which node: exact, by dynamic programming over boundaries and nodes.

What a chunk costs depends on itself, on its node, and on the node that its outputs go to: in a star that is the host
whatever comes next, in a chain the node of the next chunk. A latency is the sum of the chunks' times; pipelined, the
longest stage is the time from one answer to the next."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field

#: what a placement can be best at
OBJECTIVES = ("latency", "throughput", "energy", "boards")

#: nodes in any order are subsets, of which there are too many beyond this
MOST_FREE_NODES = 8

#: who gives the first chunk its inputs and takes the last one's outputs
HOST = -1


@dataclass(frozen=True)
class Cost:
    """Of one chunk on one node: nanoseconds that an answer waits for it, nanoseconds from one input of it to the next
    when inputs follow each other, nanojoules (0 where nobody asks), and the bytes by which it does not fit, 0 where it
    does. Whole numbers, so that ties are ties."""

    nanoseconds: int
    stage: int = 0
    nanojoules: int = 0
    short: int = 0


@dataclass(frozen=True)
class Piece:
    """A chunk on a node: operators [first, last) on the node of this index."""

    node: int
    first: int
    last: int


@dataclass(frozen=True)
class Problem:
    """`operators` to be placed on `nodes` (how many), each with one chunk, or with at most one where the objective is
    `boards`; in the nodes' order, or in any where `free`.

    `cost(node, first, last, to)`: of a chunk whose outputs go to the node `to`, HOST behind the last one;
    `enter(node)`: of bringing the inputs to the first one. `pins`: operator → the node that it must run on; `cuts`:
    boundaries that no chunk may lie across."""

    operators: int
    nodes: int
    cost: Callable[[int, int, int, int], Cost]
    enter: Callable[[int], Cost]
    objective: str = "latency"
    free: bool = False
    pins: Mapping[int, int] = field(default_factory=dict)
    cuts: frozenset[int] = frozenset()


#: of one chunk, or of several: smaller is better, compared one after the other
_Value = tuple[int, ...]

#: nodes used so far, as bits, and the node of the chunk that begins
_Key = tuple[int, int]


def place(problem: Problem) -> list[Piece] | None:
    """The best placement in the order of its chunks, the first found among equals; None where none fits.

    latency: least sum of times. throughput: least longest stage, among those the least sum of times. energy: least
    energy, then least sum of times. boards: fewest nodes, then least sum of times."""
    if problem.objective != "throughput":
        count, energy = int(problem.objective == "boards"), problem.objective == "energy"

        def sums(cost: Cost, chunk: int) -> _Value | None:
            return None if cost.short > 0 else (count * chunk + energy * cost.nanojoules, cost.nanoseconds)

        return _search(problem, sums, _added)
    quickest = _search(problem, lambda cost, _: None if cost.short > 0 else (cost.stage,), _larger)
    if quickest is None:
        return None
    longest = max(cost.stage for cost in costs(problem, quickest))

    def within(cost: Cost, _chunk: int) -> _Value | None:
        return None if cost.short > 0 or cost.stage > longest else (cost.nanoseconds,)

    return _search(problem, within, _added)


def nearest(problem: Problem) -> list[Piece] | None:
    """The placement whose largest shortfall is least, fit or not; None where no placement has the order, the pins, the
    cuts and a chunk for every node."""
    return _search(problem, lambda cost, _: (cost.short,), _larger)


def costs(problem: Problem, pieces: list[Piece]) -> list[Cost]:
    """Of a placement: of bringing its inputs, then of each chunk."""
    following = [*(p.node for p in pieces[1:]), HOST]
    chunks = [problem.cost(p.node, p.first, p.last, to) for p, to in zip(pieces, following, strict=True)]
    return [problem.enter(pieces[0].node), *chunks]


def _added(a: _Value, b: _Value) -> _Value:
    return tuple(x + y for x, y in zip(a, b, strict=True))


def _larger(a: _Value, b: _Value) -> _Value:
    return max(a, b)


def _search(
    problem: Problem, value: Callable[[Cost, int], _Value | None], join: Callable[[_Value, _Value], _Value]
) -> list[Piece] | None:
    """The placement of least joined value. `value` of a cost, and 1 where it is a chunk's, 0 where it is that of
    bringing inputs, is None for what may not be; `join` must not decrease when one of its sides does not."""
    reached: list[dict[_Key, tuple[_Value, Piece | None, int]]] = [{} for _ in range(problem.operators + 1)]
    for node in range(problem.nodes if problem.free or problem.objective == "boards" else 1):
        brought = value(problem.enter(node), 0)
        if brought is not None and problem.pins.get(0, node) == node:
            reached[0][1 << node, node] = brought, None, 0
    for first in range(problem.operators):
        for (used, node), (so_far, _, _) in reached[first].items():
            for piece, to in _next(problem, first, used, node):
                own = value(problem.cost(node, first, piece.last, to), 1)
                if own is None:
                    continue
                joined, key = join(so_far, own), (used if to == HOST else used | 1 << to, to)
                known = reached[piece.last].get(key)
                if known is None or joined < known[0]:
                    reached[piece.last][key] = joined, piece, used
    ends, every = reached[-1], (1 << problem.nodes) - 1
    fitting = [key for key in ends if problem.objective == "boards" or key[0] == every]
    if not fitting:
        return None
    key, boundary, found = min(fitting, key=lambda k: ends[k][0]), problem.operators, list[Piece]()
    while boundary:
        _, last, used = reached[boundary][key]
        assert last is not None
        found.append(last)
        boundary, key = last.first, (used, last.node)
    return found[::-1]


def _next(problem: Problem, first: int, used: int, node: int) -> Iterator[tuple[Piece, int]]:
    """Chunks of a node that may begin at a boundary where these nodes are used, its own among them, and who follows."""
    left = 0 if problem.objective == "boards" else problem.nodes - used.bit_count()
    followers = [n for n in _followers(problem, node) if not used >> n & 1]
    for last in range(first + 1, problem.operators + 1):
        if problem.pins.get(last - 1, node) != node or (last - 1 > first and last - 1 in problem.cuts):
            return
        if last == problem.operators:
            if left == 0:
                yield Piece(node, first, last), HOST
        elif last <= problem.operators - left:
            yield from ((Piece(node, first, last), n) for n in followers if problem.pins.get(last, n) == n)


def _followers(problem: Problem, node: int) -> range:
    """The nodes that order allows behind one."""
    if problem.free:
        return range(problem.nodes)
    return range(node + 1, problem.nodes if problem.objective == "boards" else min(node + 2, problem.nodes))
