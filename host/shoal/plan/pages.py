"""Constants that flash has no room for: they lie in a second store, and come into the arena page by page.

A page holds the constants of one step. An operator whose constants are larger than the arena has room for runs as
several steps, each for a block of its output channels."""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Mapping, Sequence
from itertools import pairwise

from shoal.network.graph import Graph
from shoal.operators import slices
from shoal.operators.base import Call, Constant
from shoal.plan.segments import Task
from shoal.plan.steps import Page, Plan

#: constants start at multiples of this inside of a page
_ALIGN = 4


def layout(constants: Sequence[Constant]) -> tuple[tuple[int, ...], int]:
    """Where each of a page's constants starts, and the page's bytes."""
    starts, end = [], 0
    for constant in constants:
        align = max(_ALIGN, constant.align)
        starts.append(-(-end // align) * align)
        end = starts[-1] + constant.bytes
    return tuple(starts), -(-end // _ALIGN) * _ALIGN


def content(call: Call) -> bytes:
    """A page as the store holds it: little-endian, zeros between the constants."""
    starts, size = layout(call.constants)
    page = bytearray(size)
    for start, constant in zip(starts, call.constants, strict=True):
        values = constant.values
        page[start : start + constant.bytes] = values.astype(values.dtype.newbyteorder("<")).tobytes()
    return bytes(page)


def page(call: Call, offset: int, place: int, channels: tuple[int, int]) -> Page:
    starts, size = layout(call.constants)
    return Page(offset, size, zlib.crc32(content(call)), place, starts, channels)


def store(plan: Plan) -> bytes:
    """The whole second store, page after page."""
    return b"".join(content(step.call) for step in plan.steps if step.page is not None and step.call is not None)


def choose(sizes: Mapping[int, int], missing: int) -> list[int]:
    """Which operators' constants to move out of flash, by their bytes, so that at least `missing` bytes go and as few
    as possible: every byte that goes must come back in each run. All of them where that does not suffice."""
    if sum(sizes.values()) <= missing:
        return list(sizes)
    # bit n: a choice among the operators so far comes to n units
    unit = max(1, sum(sizes.values()) // _UNITS)
    reached = [1]
    for size in sizes.values():
        reached.append(reached[-1] | reached[-1] << size // unit)
    goal = -(-missing // unit)
    while not reached[-1] >> goal & 1:
        goal += 1
        if goal > reached[-1].bit_length():
            return list(sizes)
    chosen = []
    for (operator, size), before in zip(reversed(list(sizes.items())), reversed(reached[:-1]), strict=True):
        if not before >> goal & 1:
            chosen.append(operator)
            goal -= size // unit
    return chosen[::-1]


_UNITS = 1 << 14


def tasks(graph: Graph, operator: int, features: frozenset[str], room: int) -> list[Task]:
    """An operator's tasks with pages of at most `room` bytes each, what its kernel works in included, as few as
    possible and about equal; empty where a page of the fewest channels is larger, or constants cannot be told apart by
    channels."""
    one, tensors = graph.operators[operator], graph.tensors
    count = slices.channels(one, tensors)
    for pages in range(1, -(-count // slices.MULTIPLE) + 1):
        width = -(-count // (pages * slices.MULTIPLE)) * slices.MULTIPLE
        edges = [*range(0, count, width), count] if count > 1 else [0, tensors[one.outputs[0]].shape[-1]]
        if pages > 1 and len(edges) - 1 < pages:
            continue  # as wide as with fewer
        made = []
        for first, last in pairwise(edges):
            calls = _smallest(c for c in slices.calls(one, tensors, features, first, last) if _bytes(c) <= room)
            if not calls:
                break
            made.append(_task(one.kind, operator, calls, first, last - first))
        else:
            return made
    return []


def least(graph: Graph, operator: int, features: frozenset[str]) -> tuple[int, int]:
    """Output channels and bytes of an operator's smallest page."""
    one, tensors = graph.operators[operator], graph.tensors
    every = tensors[one.outputs[0]].shape[-1]
    few = min(every, slices.MULTIPLE) if slices.channels(one, tensors) > 1 else every
    for channels in (few, every):
        calls = _smallest(slices.calls(one, tensors, features, 0, channels))
        if calls:
            break
    return channels, layout(calls[0].constants)[1]


def _bytes(call: Call) -> int:
    """Of a step's page, scratch and state."""
    return layout(call.constants)[1] + call.scratch_bytes + call.state_bytes


def _smallest(calls: Iterable[Call]) -> list[Call]:
    """Those whose pages are the smallest."""
    by_size: dict[int, list[Call]] = {}
    for call in calls:
        by_size.setdefault(layout(call.constants)[1], []).append(call)
    return by_size[min(by_size)] if by_size else []


def _task(kind: str, operator: int, calls: Sequence[Call], channel: int, channels: int) -> Task:
    first = calls[0]
    return Task(
        kind,
        operator,
        first.inputs,
        first.outputs,
        tuple(calls),
        page_bytes=layout(first.constants)[1],
        channel=channel,
        channels=channels,
    )
