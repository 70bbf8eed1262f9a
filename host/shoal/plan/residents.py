"""Residents: the plans that a node's image holds, over one arena, so that every chunk that is asked of it is there.

The arena is the largest of theirs, then a place where tensors wait until a chunk takes them, then one where they wait
until others have them. Functions and constants that plans share are there once."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

from shoal.network.graph import Graph
from shoal.plan.assemble import unique_constants
from shoal.plan.fit import missing
from shoal.plan.predict import predict
from shoal.plan.regions import PART_ALIGN
from shoal.plan.steps import Plan, Resident, Seat


def waiting_bytes(graph: Graph, tensors: Iterable[int]) -> int:
    """What these tensors take where they wait, one after another without gaps."""
    return sum(graph.tensors[t].bytes for t in tensors)


def live(graph: Graph, boundary: int) -> list[int]:
    """The tensors that are there at a boundary and still read behind it, by ascending index; the network's outputs are
    read at its end."""
    wanted = {t for o in graph.operators[boundary:] for t in o.inputs} | set(graph.outputs)
    made = {*graph.inputs, *(t for o in graph.operators[:boundary] for t in o.outputs)}
    return sorted(made.intersection(wanted))


def image(plans: Sequence[tuple[int, Plan]], receive_bytes: int, retain_bytes: int, seat: Seat) -> Plan:
    """An image of plans, each of a variant, for one board; the first one's network is what it is by itself. Plans of an
    arena in several parts have it to themselves (ValueError)."""
    first = plans[0][1]
    if len(plans) > 1 and any(len(p.spans) > 1 or p.spans[0].region != first.spans[0].region for _, p in plans):
        raise ValueError("arenas of several regions do not lie over each other")
    top = _aligned(max(p.arena_bytes for _, p in plans))
    end = top + _aligned(receive_bytes)
    residents, step = [], 0
    for variant, plan in plans:
        residents.append(Resident(plan, variant, step, top, receive_bytes, end, retain_bytes))
        step += len(plan.steps)
    arena_bytes = end + retain_bytes if receive_bytes + retain_bytes else max(p.arena_bytes for _, p in plans)
    steps = tuple(replace(s, index=r.step + s.index) for r in residents for s in r.plan.steps)
    widest = max((p for _, p in plans), key=lambda p: p.arena_bytes)
    return replace(
        first,
        steps=steps,
        spans=(*widest.spans[:-1], replace(widest.spans[-1], bytes=arena_bytes - widest.spans[-1].start)),
        arena_bytes=arena_bytes,
        bound=max(p.bound for _, p in plans),
        weights_bytes=sum(c.bytes for c in unique_constants([c for s in steps if s.page is None for c in s.calls])),
        residents=tuple(residents),
        seat=seat,
    )


def seated(plan: Plan, seat: Seat) -> Plan:
    """A node's image of one plan, with room for what waits where that fits."""
    graph = plan.graph
    made = image([(0, plan)], waiting_bytes(graph, graph.inputs), waiting_bytes(graph, graph.outputs), seat)
    return made if missing(made, predict(made))[0] <= 0 else image([(0, plan)], 0, 0, seat)


def routes(topology: str, number: int, boards: int, hosts: int = 0) -> tuple[int, ...]:
    """By which port node `number` of so many `boards` reaches each node, 0 the host; processes of the host are numbered
    behind the boards. In a star all are reached through the host; in a chain, whose ends are both the host's, nodes on
    the left by port 0, those on the right by port 1, and the host by the nearer end."""
    found = [NO_ROUTE] * MOST_NODES
    nearest = 1 if topology == "chain" and boards > 1 and 2 * number > boards + 1 else 0
    for other in range(1 + boards + hosts):
        if topology == "star" or number > boards:
            found[other] = 0
        elif 0 < other <= boards:
            found[other] = int(other > number)
        else:
            found[other] = nearest
    found[number] = NO_ROUTE
    return tuple(found)


#: nodes that a packet can name, the host among them (firmware/runtime/model.h); no port
MOST_NODES, NO_ROUTE = 16, 255


def _aligned(size: int) -> int:
    return -(-size // PART_ALIGN) * PART_ALIGN
