"""The wires of a shoal, from what shoal.json says and the nodes' ports: joined here where this computer has both ends.

Star: each node's first port on the hub. Chain: the first node's first port on the hub, each one's second port on the
first of the next, the last one's second port on the hub. Where a port is not at hand, as on a board whose second port
is wired to the next board's first, nothing is joined; a chain whose last port is not at hand is open on that side."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

from shoal.errors import NodeError
from shoal.link.client import Stream
from shoal.link.ports import Ports
from shoal.link.relay import End, Relay
from shoal.link.topology import Topology


@dataclass(frozen=True)
class Seat:
    """A node's place: `uarts`: names of its ports; `process`: it is one of the host's, with a wire of its own."""

    name: str
    number: int
    uarts: Sequence[str]
    process: bool = False

    def wire(self, port: int) -> str:
        return f"{self.name}:{self.uarts[port]}"


@dataclass(frozen=True)
class Joint:
    """A wire that the relay carries: a node's port, and whose it leads to, a node's name or `hub`."""

    name: str
    port: int
    ends: tuple[str, str]


@dataclass(frozen=True)
class Joined:
    """How nodes reach each other; the hub's end of each wire that leads to it; all wires that are joined here."""

    topology: Topology
    streams: Mapping[str, Stream]
    wires: Sequence[Joint]


def joined(topology: str, seats: Sequence[Seat], ports: Mapping[str, Ports], relay: Relay) -> Joined:
    """`topology`: star or chain; `seats`: in the order of the chain. NodeError where a board of a chain has one port
    only."""
    streams: dict[str, Stream] = {}
    wires: list[Joint] = []

    def to_hub(seat: Seat, port: int) -> str | None:
        stream = ports[seat.name].first if port == 0 else ports[seat.name].second
        if stream is None:
            return None
        wire = seat.wire(port)
        streams[wire] = relay.hub_end(wire, End(seat.name, stream))
        wires.append(Joint(wire, port, (seat.name, "hub")))
        return wire

    boards = [s for s in seats if not s.process]
    own = {s.number: to_hub(s, 0) for s in seats if s.process or topology == "star"}
    there = {number: wire for number, wire in own.items() if wire is not None}
    if topology == "star" or not boards:
        return Joined(Topology(own=there), streams, wires)
    for seat in boards:
        if len(seat.uarts) < 2:
            raise NodeError(
                "a chain needs two serial ports of each board, and this one has one",
                where=f"node {seat.name}",
                advice="split for --topology star, or take another board",
            )
    for left, right in pairwise(boards):
        out, into = ports[left.name].second, ports[right.name].first
        if out is not None and into is not None:
            relay.join(left.wire(1), End(left.name, out), End(right.name, into))
            wires.append(Joint(left.wire(1), 1, (left.name, right.name)))
    ends = to_hub(boards[0], 0), to_hub(boards[-1], 1)
    return Joined(Topology([s.number for s in boards], *ends, own=there), streams, wires)
