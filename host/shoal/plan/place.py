"""Which chunk runs on which node: exact, by dynamic programming over boundaries and nodes.

In a star every crossing tensor goes through the host, so that what a chunk costs depends on itself and its node alone:
bytes in, computing, bytes out, one after the other. A latency is the sum of the chunks' costs; pipelined, the largest
of them is the time from one answer to the next."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field

#: what a placement can be best at
OBJECTIVES = ("latency", "throughput", "energy", "boards")

#: nodes in any order are subsets, of which there are too many beyond this
MOST_FREE_NODES = 12


@dataclass(frozen=True)
class Cost:
    """Of one chunk on one node: nanoseconds from its first byte in to its last byte out, nanojoules (0 where nobody
    asks), and the bytes by which it does not fit, 0 where it does. Whole numbers, so that ties are ties."""

    nanoseconds: int
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
    `boards`; in the nodes' order, or in any where `free`. `cost(node, first, last)` is asked for a chunk at most once
    if it remembers. `pins`: operator → the node that it must run on."""

    operators: int
    nodes: int
    cost: Callable[[int, int, int], Cost]
    objective: str = "latency"
    free: bool = False
    pins: Mapping[int, int] = field(default_factory=dict)


#: of one chunk, or of several: smaller is better, compared one after the other
_Value = tuple[int, ...]


def place(problem: Problem) -> list[Piece] | None:
    """The best placement in the order of its chunks, the first found among equals; None where none fits.

    latency: least sum of times. throughput: least longest time, among those the least sum. energy: least energy, then
    least sum of times. boards: fewest nodes, then least sum of times."""

    def fits(piece: Piece) -> Cost | None:
        cost = _cost(problem, piece)
        return cost if cost.short <= 0 else None

    if problem.objective != "throughput":
        count, energy = int(problem.objective == "boards"), problem.objective == "energy"

        def sums(piece: Piece) -> _Value | None:
            cost = fits(piece)
            return None if cost is None else (count + energy * cost.nanojoules, cost.nanoseconds)

        return _search(problem, sums, _added)

    def time(piece: Piece) -> _Value | None:
        cost = fits(piece)
        return None if cost is None else (cost.nanoseconds,)

    quickest = _search(problem, time, _larger)
    if quickest is None:
        return None
    longest = max(_cost(problem, piece).nanoseconds for piece in quickest)

    def within(piece: Piece) -> _Value | None:
        cost = fits(piece)
        return None if cost is None or cost.nanoseconds > longest else (cost.nanoseconds,)

    return _search(problem, within, _added)


def nearest(problem: Problem) -> list[Piece] | None:
    """The placement whose largest shortfall is least, fit or not; None where no placement has the order, the pins and a
    chunk for every node."""
    return _search(problem, lambda piece: (_cost(problem, piece).short,), _larger)


def _cost(problem: Problem, piece: Piece) -> Cost:
    return problem.cost(piece.node, piece.first, piece.last)


def _added(a: _Value, b: _Value) -> _Value:
    return tuple(x + y for x, y in zip(a, b, strict=True))


def _larger(a: _Value, b: _Value) -> _Value:
    return max(a, b)


def _search(
    problem: Problem, value: Callable[[Piece], _Value | None], join: Callable[[_Value, _Value], _Value]
) -> list[Piece] | None:
    """The placement of least joined value. `value` is None for a chunk that may not be; `join` must not decrease when
    one of its sides does not."""
    reached: list[dict[int, tuple[_Value, Piece | None]]] = [{} for _ in range(problem.operators + 1)]
    every = (1 << problem.nodes) - 1
    reached[0][0] = ((), None)  # boundary → nodes used so far, as bits → best value, last chunk
    for first in range(problem.operators):
        for used, (so_far, _) in reached[first].items():
            for piece, after in _next(problem, first, used):
                own = value(piece)
                if own is None:
                    continue
                joined = join(so_far, own) if so_far else own
                known = reached[piece.last].get(after)
                if known is None or joined < known[0]:
                    reached[piece.last][after] = joined, piece
    ends = reached[-1] if problem.objective == "boards" else {k: v for k, v in reached[-1].items() if k == every}
    if not ends:
        return None
    used, boundary, found = min(ends, key=lambda k: ends[k][0]), problem.operators, list[Piece]()
    while boundary:
        piece_ = reached[boundary][used][1]
        assert piece_ is not None
        found.append(piece_)
        boundary, used = piece_.first, used & ~(1 << piece_.node)
    return found[::-1]


def _next(problem: Problem, first: int, used: int) -> Iterator[tuple[Piece, int]]:
    """Chunks that may begin at a boundary where these nodes are used, with the nodes used then."""
    skipping = problem.objective == "boards"
    for node in range(problem.nodes):
        behind = used >> node
        if behind & 1 or (not problem.free and (behind or (not skipping and used.bit_count() != node))):
            continue
        left = 0 if skipping else problem.nodes - used.bit_count() - 1
        whole = not skipping and left == 0
        for last in range(first + 1, problem.operators - left + 1):
            if problem.pins.get(last - 1, node) != node:
                break
            if not whole or last == problem.operators:
                yield Piece(node, first, last), used | 1 << node
