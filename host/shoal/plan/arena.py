"""Addresses inside the arena: buffers with lifetimes, placed by one overlap rule.

A buffer is a set of slots, each with bytes from `start` to `end` and a life from `birth` to `death`. Two slots that are
alive together must be apart, and so two buffers x and y are safe unless base(x) − base(y) lies in one of a few open
intervals: those between end(slot of y) − start(slot of x) and start(slot of y) − end(slot of x), joined. This one rule
covers disjoint placement, writing in place, strided overwriting, rings that fill consumed input and scratch.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Ints = npt.NDArray[np.int64]

#: open intervals (low, high) of base(x) − base(y) that are not safe, apart and in order
Unsafe = tuple[tuple[int, int], ...]


@dataclass(frozen=True)
class Buffer:
    """`key` names it; it lives from event `first` to event `last`, inclusive."""

    key: str
    bytes: int
    align: int
    first: int
    last: int


@dataclass(frozen=True)
class Slots:
    """What a buffer holds, one element of each array per row or block: bytes from `start` to `end`, that one not
    included, alive from event `birth` to event `death`, inclusive."""

    start: Ints
    end: Ints
    birth: Ints
    death: Ints


@dataclass(frozen=True)
class Layout:
    """`offsets` by buffer key; `top` is the arena's size in bytes."""

    offsets: Mapping[str, int]
    top: int


def free(held: Sequence[tuple[Buffer, int]], wanted: Buffer) -> int:
    """The lowest offset at which a buffer overlaps none of those that are alive with it, (buffer, offset) each."""
    at = 0
    for buffer, offset in sorted(held, key=lambda one: one[1]):
        if buffer.first <= wanted.last and wanted.first <= buffer.last and offset < at + wanted.bytes:
            at = max(at, -(-(offset + buffer.bytes) // wanted.align) * wanted.align)
    return at


def unsafe(x: Slots, y: Slots, over: int | None = None, under: int | None = None) -> Unsafe:
    """Of two buffers by their slots. `over`: a slot of y that is born in the event in which one of x dies may start
    where that one starts + `over`, or anywhere below; `under`: a slot of x over one of y in the same way."""
    meet = (x.birth[:, None] <= y.death) & (y.birth <= x.death[:, None])
    low, high = (y.start - x.end[:, None])[meet], (y.end - x.start[:, None])[meet]
    if over is not None:
        shared = (x.death[:, None] == y.birth)[meet]
        high = np.where(shared, np.minimum(high, (y.start - x.start[:, None])[meet] - over), high)
    if under is not None:
        shared = (y.death == x.birth[:, None])[meet]
        low = np.where(shared, np.maximum(low, (y.start - x.start[:, None])[meet] + under), low)
    return joined(low, high)


def joined(low: Ints, high: Ints) -> Unsafe:
    """The union of open intervals; what they leave between them is at least one integer."""
    real = low < high - 1
    if not real.any():
        return ()
    spans = np.unique(np.stack([low[real], high[real]], axis=1), axis=0)
    low, high = spans[:, 0], np.maximum.accumulate(spans[:, 1])
    starts = np.flatnonzero(np.concatenate([[True], low[1:] >= high[:-1]]))
    ends = np.concatenate([starts[1:], [len(low)]]) - 1
    return tuple(zip(low[starts].tolist(), high[ends].tolist(), strict=True))


#: of pairs (x, y) of buffers by their keys, in one order: those for which something is not safe
Conflicts = Mapping[tuple[str, str], Unsafe]


#: by buffer, the others that some addresses of it are not safe against, and those intervals of its base − theirs
_Neighbours = Mapping[str, Sequence[tuple[str, Unsafe]]]


def _place(order: Sequence[Buffer], neighbours: _Neighbours, downward: bool) -> Layout:
    """Each buffer in turn at the lowest address that is safe against those placed before it, or, `downward`, at the
    highest below a common top."""
    sizes = {b.key: -(-b.bytes // b.align) * b.align if downward else b.bytes for b in order}
    offsets: dict[str, int] = {}  # from the top where it goes downward
    top = 0
    for buffer in order:
        spans: list[tuple[int, int]] = []  # open intervals of base addresses that are not safe
        for other, unsafe_ in neighbours[buffer.key]:
            base = offsets.get(other)
            if base is None:
                continue
            if downward:
                base += sizes[other] - sizes[buffer.key]
                spans += [(base - high, base - low) for low, high in unsafe_]
            else:
                spans += [(base + low, base + high) for low, high in unsafe_]
        spans.sort()
        offset = 0
        for low, high in spans:
            if low < offset < high:
                offset = -(-high // buffer.align) * buffer.align
        offsets[buffer.key] = offset
        top = max(top, offset + sizes[buffer.key])
    if downward:
        highest = max(b.align for b in order)
        top = -(-top // highest) * highest
        offsets = {b.key: top - offsets[b.key] - sizes[b.key] for b in order}
        lowest = min(offsets.values()) // highest * highest
        offsets = {key: offset - lowest for key, offset in offsets.items()}
        top = max(offsets[b.key] + b.bytes for b in order)
    return Layout(offsets, top)


def _neighbours(buffers: Sequence[Buffer], conflicts: Conflicts) -> _Neighbours:
    found: dict[str, list[tuple[str, Unsafe]]] = {b.key: [] for b in buffers}
    for (x, y), spans in conflicts.items():
        if x in found and y in found:
            found[x].append((y, spans))
            found[y].append((x, tuple((-high, -low) for low, high in spans)))
    return found


def _orders(buffers: Sequence[Buffer]) -> list[list[Buffer]]:
    by = [
        lambda b: (-b.bytes, b.first, b.key),
        lambda b: (-b.bytes * (b.last - b.first + 1), b.first, b.key),
        lambda b: (b.first, -b.bytes, b.key),
        lambda b: (-b.first, -b.bytes, b.key),
        lambda b: (-b.last, -b.bytes, b.key),
        lambda b: (b.first - b.last, -b.bytes, b.key),
    ]
    return [sorted(buffers, key=key) for key in by]


#: how often a good order is tried again with the buffer at the top of the arena placed earlier
_REPAIRS = 24


def greedy(buffers: Sequence[Buffer], conflicts: Conflicts, goal: int, repairs: int = _REPAIRS) -> Layout:
    """As good as it gets without a search; done as soon as the top is no higher than `goal`."""
    best: Layout | None = None
    neighbours = _neighbours(buffers, conflicts)
    for order in _orders(buffers):
        for downward in (False, True):
            for _ in range(repairs):
                layout = _place(order, neighbours, downward)
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
