"""Residents: the plans that a node's image holds, over one arena, so that every chunk that is asked of it is there.

The arena is the largest of theirs, then a place where tensors wait until a chunk takes them, then one where they wait
until others have them. Functions and constants that plans share are there once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from shoal.operators.base import Call
from shoal.plan.assemble import unique_constants
from shoal.plan.fit import missing
from shoal.plan.predict import Prediction
from shoal.plan.regions import PART_ALIGN
from shoal.plan.steps import Plan, Resident, Seat

#: nodes that a packet can name, the host among them (firmware/runtime/model.h); no port
MOST_NODES, NO_ROUTE = 16, 255


def image(plans: Sequence[tuple[int, Plan]], receive_bytes: int, retain_bytes: int, seat: Seat) -> Plan:
    """An image of plans, each of a variant, for one board; the first one's network is what it is by itself. Plans of an
    arena in several parts have it to themselves (ValueError), and so have those whose constants lie in a store."""
    first = plans[0][1]
    if len(plans) > 1 and not all(shares(first, p) for _, p in plans):
        raise ValueError(
            "arenas of several regions do not lie over each other, and constants of one store not in another"
        )
    widest = max((p for _, p in plans), key=lambda p: p.arena_bytes)
    made = roomier(widest, receive_bytes, retain_bytes)
    top = _aligned(widest.arena_bytes)
    residents, step = [], 0
    for variant, plan in plans:
        residents.append(Resident(plan, variant, step, top, receive_bytes, top + _aligned(receive_bytes), retain_bytes))
        step += len(plan.steps)
    steps = tuple(replace(s, index=r.step + s.index) for r in residents for s in r.plan.steps)
    return replace(
        first,
        steps=steps,
        spans=made.spans,
        arena_bytes=made.arena_bytes,
        bound=max(p.bound for _, p in plans),
        weights_bytes=sum(c.bytes for c in unique_constants([c for s in steps if s.page is None for c in s.calls])),
        residents=tuple(residents),
        seat=seat,
    )


def shares(plan: Plan, other: Plan) -> bool:
    """Whether two plans can be residents of one image."""
    return (
        len(plan.spans) == len(other.spans) == 1
        and plan.spans[0].region == other.spans[0].region
        and not (plan.store_bytes or other.store_bytes)
    )


def added_bytes(residents: Sequence[Resident]) -> list[int]:
    """Of each, the bytes of constants in flash that none before it has."""
    calls: list[Call] = []
    found, before = [], 0
    for one in residents:
        calls += [c for s in one.plan.steps if s.page is None for c in s.calls]
        held = sum(c.bytes for c in unique_constants(calls))
        found.append(held - before)
        before = held
    return found


def roomier(plan: Plan, receive_bytes: int, retain_bytes: int) -> Plan:
    """A plan whose arena has room for tensors that wait, behind all that it works in."""
    if not receive_bytes + retain_bytes:
        return plan
    size = _aligned(plan.arena_bytes) + _aligned(receive_bytes) + retain_bytes
    last = plan.spans[-1]
    return replace(plan, arena_bytes=size, spans=(*plan.spans[:-1], replace(last, bytes=size - last.start)))


def slots(plan: Plan, needs: Prediction, receive_bytes: int, retain_bytes: int) -> tuple[bool, bool]:
    """Whether there is room for tensors that come to wait, and for those that go; the former where only one has."""
    for receives, retains in ((True, True), (True, False), (False, True)):
        if missing(roomier(plan, receives * receive_bytes, retains * retain_bytes), needs)[0] <= 0:
            return receives, retains
    return False, False


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


def _aligned(size: int) -> int:
    return -(-size // PART_ALIGN) * PART_ALIGN


#: of a node whose number does not matter yet: what it takes is the same
ANY_SEAT = Seat(1, routes("star", 1, 1))
