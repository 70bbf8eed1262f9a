"""How nodes of a shoal reach each other and the hub, whichever of them answer.

A star has a wire from the hub to each node. A chain is closed through the hub: left wire, port 0 of its first node;
port 1 of each on port 0 of the next; port 1 of its last, right wire. So after one loss both parts are reached, and a
chain that is cut between two nodes still runs whole, bridged by the hub."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field

from shoal.link.messages import HOST_NODE, NO_ROUTE, ROUTES


@dataclass(frozen=True)
class Reach:
    """`hub`: the wire by which the hub reaches each node that answers; `ports`: of the nodes of a chain, the port by
    which each reaches every number (ROUTE's payload)."""

    hub: Mapping[int, str]
    ports: Mapping[int, bytes]


@dataclass(frozen=True)
class Topology:
    """`chain`: numbers of the nodes between the wires `left` and `right` (None: left open), from left to right; `own`:
    the wires of nodes that have one to themselves."""

    chain: Sequence[int] = ()
    left: str | None = None
    right: str | None = None
    own: Mapping[int, str] = field(default_factory=dict)

    @property
    def nodes(self) -> list[int]:
        return sorted({*self.chain, *self.own})

    def wires(self, node: int) -> list[str]:
        """By which the hub may reach a node, the nearest first."""
        if node in self.own:
            return [self.own[node]]
        place = self.chain.index(node)
        ends = [(place, self.left), (len(self.chain) - 1 - place, self.right)]
        return [wire for _, wire in sorted(ends, key=lambda e: e[0]) if wire is not None]

    def reach(self, answered: Mapping[str, Collection[int]]) -> Reach:
        """`answered`: by each wire, the nodes that answered over it."""
        left = self._prefix(self.chain, answered.get(self.left or "", ()))
        right = self._prefix(self.chain[::-1], answered.get(self.right or "", ()))
        parts = [left, right] + [set(self.chain)] * (len(self.chain) in (len(left), len(right)))
        hub = {n: w for n, w in self.own.items() if n in answered.get(w, ())}
        ends = {n: w for n in self.chain for w in self.wires(n)[::-1] if n in (left if w == self.left else right)}
        ports = {}
        for node, wire in ends.items():
            out = 0 if wire == self.left else 1
            outside = (HOST_NODE, *self.own)
            route = [out if other in outside else NO_ROUTE for other in range(ROUTES)]
            for other in self.chain:
                if other != node:
                    together = any({node, other} <= part for part in parts)
                    behind = self.chain.index(other) > self.chain.index(node)
                    route[other] = int(behind) if together else out
            ports[node] = bytes(route)
        return Reach({**hub, **ends}, ports)

    @staticmethod
    def _prefix(chain: Sequence[int], answered: Collection[int]) -> set[int]:
        """Nodes that answer from one end on, up to the first that does not."""
        found: set[int] = set()
        for node in chain:
            if node not in answered:
                break
            found.add(node)
        return found
