"""Addresses inside the arena: buffers with lifetimes, placed by one overlap rule.

Two buffers x and y are safe when base(x) − base(y) ≥ distance(x, y) or base(y) − base(x) ≥ distance(y, x). Disjoint
placement is distance(x, y) = bytes of y; writing in place is a smaller, possibly negative distance; buffers that never
live together have none.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache


@dataclass(frozen=True)
class Buffer:
    """`key` names it; it lives from step `first` to step `last`, inclusive."""

    key: str
    bytes: int
    align: int
    first: int
    last: int


@dataclass(frozen=True)
class Layout:
    """`offsets` by buffer key; `top` is the arena's size in bytes."""

    offsets: Mapping[str, int]
    top: int


@dataclass(frozen=True)
class Problem:
    """Buffers to place. `in_place[(x, y)] = d`: although both live in one step, y (which that step writes) may start at
    base(x) + d or anywhere below."""

    buffers: tuple[Buffer, ...]
    in_place: Mapping[tuple[str, str], int] = field(default_factory=dict)

    def distance(self, x: Buffer, y: Buffer) -> int | None:
        """The least safe base(x) − base(y) with x above y; None where any is safe."""
        if x.last < y.first or y.last < x.first:
            return None
        allowed = self.in_place.get((x.key, y.key))
        return y.bytes if allowed is None else min(-allowed, y.bytes)


def _place(problem: Problem, order: Sequence[Buffer], limit: int | None, downward: bool) -> Layout | None:
    """Each buffer in turn at the lowest address that is safe against those placed before it, or, `downward`, at the
    highest below a common top; None where the result would reach `limit`."""
    sizes = {b.key: -(-b.bytes // b.align) * b.align if downward else b.bytes for b in order}
    offsets: dict[str, int] = {}  # from the top where it goes downward
    placed: list[Buffer] = []
    top = 0
    for buffer in order:
        spans: list[tuple[int, int]] = []  # open intervals of base addresses that are not safe
        for other in placed:
            above, below = problem.distance(buffer, other), problem.distance(other, buffer)
            if above is None or below is None:
                continue
            if downward:
                more = sizes[other.key] - sizes[buffer.key]
                above, below = below + more, above - more
            base = offsets[other.key]
            if base - below < base + above:
                spans.append((base - below, base + above))
        spans.sort()
        offset = 0
        for low, high in spans:
            if low < offset < high:
                offset = -(-high // buffer.align) * buffer.align
        offsets[buffer.key] = offset
        placed.append(buffer)
        top = max(top, offset + sizes[buffer.key])
        if limit is not None and top >= limit:
            return None
    if downward:
        highest = max(b.align for b in order)
        top = -(-top // highest) * highest
        offsets = {b.key: top - offsets[b.key] - sizes[b.key] for b in order}
        lowest = min(offsets.values()) // highest * highest
        offsets = {key: offset - lowest for key, offset in offsets.items()}
        top = max(offsets[b.key] + b.bytes for b in order)
        if limit is not None and top >= limit:
            return None
    return Layout(offsets, top)


def _orders(problem: Problem) -> list[list[Buffer]]:
    by = [
        lambda b: (-b.bytes, b.first, b.key),
        lambda b: (-b.bytes * (b.last - b.first + 1), b.first, b.key),
        lambda b: (b.first, -b.bytes, b.key),
        lambda b: (-b.first, -b.bytes, b.key),
        lambda b: (-b.last, -b.bytes, b.key),
        lambda b: (b.first - b.last, -b.bytes, b.key),
    ]
    return [sorted(problem.buffers, key=key) for key in by]


def bound(problem: Problem) -> int:
    """The most bytes that live at one step, outputs that may lie over dying inputs counted by what they must at least
    add: no layout of the problem is smaller."""
    worst = 0
    for step in {b.first for b in problem.buffers} | {b.last for b in problem.buffers}:
        live = {b.key: b for b in problem.buffers if b.first <= step <= b.last}
        shared: dict[str, int] = {}
        for (x, y), distance in problem.in_place.items():
            if x in live and y in live:
                together = max(live[x].bytes - min(distance, 0), live[y].bytes)
                shared[y] = shared.get(y, 0) + max(0, live[x].bytes + live[y].bytes - together)
        total = sum(b.bytes - min(b.bytes, shared.get(k, 0)) for k, b in live.items())
        worst = max(worst, total)
    return worst


#: how often a good order is tried again with the buffer at the top of the arena placed earlier
_REPAIRS = 24


def solve(problem: Problem) -> Layout:
    """The smallest of several greedy placements, upward and downward, each repaired while that helps: deterministic,
    instant."""
    return _solved(problem.buffers, tuple(problem.in_place.items()))


@lru_cache(maxsize=64)
def _solved(buffers: tuple[Buffer, ...], in_place: tuple[tuple[tuple[str, str], int], ...]) -> Layout:
    """Remembered, because boards of several cores pose the same problem."""
    problem = Problem(buffers, dict(in_place))
    best: Layout | None = None
    goal = bound(problem)
    for order in _orders(problem):
        for downward in (False, True):
            for _ in range(_REPAIRS):
                layout = _place(problem, order, None, downward)
                assert layout is not None
                if best is None or layout.top < best.top:
                    best = layout
                if best.top <= goal:
                    return best
                highest = max(order, key=lambda b: (layout.offsets[b.key] + b.bytes, b.key))
                at = order.index(highest)
                if at == 0:
                    break
                order = [*order[: at // 2], highest, *order[at // 2 : at], *order[at + 1 :]]
    assert best is not None
    return best
