"""Logs of shoals as they would be written: what hub and nodes say to each other, in an order that obeys their rules."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

from shoal.bench.replay import HUB, Member, Wire
from shoal.link.events import FrameSeen
from shoal.link.messages import MAX_DELIVER, REPLY, Status, Type

#: bytes on the line of a frame without a payload, of a BEGIN and of a DONE
FRAME, BEGIN, DONE = 15, 90, 66
ANSWER = FRAME + 1


class Chain:
    """A chain closed through the hub, of nodes 1 to n; tensor k comes out of node k, tensor 0 out of the hub."""

    def __init__(self, compute: Sequence[float], sizes: Sequence[int], bandwidth: float, delay: float = 0.0, **how):
        """`sizes`: bytes of tensors 0 to n."""
        self.names = [HUB, *(f"n{k}" for k in range(1, len(compute) + 1))]
        self.members = [Member(self.names[k], k, c, **how) for k, c in enumerate(compute, 1)]
        ring = itertools.pairwise([*self.names, HUB])
        #: wire k lies between node k and the next
        self.wires = [Wire(f"w{k}", ends, bandwidth, delay) for k, ends in enumerate(ring)]
        self.sizes = sizes
        self.events: list[FrameSeen] = []
        self._sequence = 0

    def pieces(self, tensor: int) -> list[tuple[int, int]]:
        """Offset and size of each."""
        size = self.sizes[tensor]
        return [(at, min(MAX_DELIVER, size - at)) for at in range(0, size, MAX_DELIVER)]

    def transfer(self, tensor: int) -> float:
        """Seconds that a tensor takes between neighbours, by itself: each frame waits for the answer to the last."""
        wire = self.wires[0]
        frames = [BEGIN] * (tensor < len(self.members)) + [FRAME + 15 + size for _, size in self.pieces(tensor)]
        return sum((size + ANSWER) / wire.bandwidth + 2 * wire.delay for size in frames)

    def run(self, count: int, in_flight: int, hold: bool = False) -> list[FrameSeen]:
        """So many inputs, `in_flight` of them under way at once; `hold`: nodes are told when the answer is there."""
        n = len(self.members)
        # the last node's turn comes just before the input after the last that may be under way
        turns = [(i + (in_flight - 0.5) * k / n, i, k) for i in range(count) for k in range(n + 1)]
        for _, i, k in sorted(turns):
            self.stage(i, k)
            for held in range(1, n + 1) if hold and k == n else ():
                self.ask(0, held, Type.RELEASE, i, FRAME + 8)
        return self.events

    def stage(self, inference: int, k: int) -> None:
        """What node k, or the hub, says when it has run."""
        n = len(self.members)
        to = k + 1 if k < n else 0
        if to:
            self.ask(k, to, Type.BEGIN, inference, BEGIN)
        for at, size in self.pieces(k):
            self.ask(k, to, Type.DELIVER, inference, FRAME + 15 + size, k, at)
        if k:
            self.ask(k, 0, Type.DONE, inference, DONE)

    def ask(
        self, source: int, destination: int, kind: Type, inference: int, size: int, tensor=None, offset=None,
        lost: Sequence[int] = (),
    ) -> None:  # fmt: skip
        """`lost`: for each try that failed, whether it was the question (0) or the answer (1)."""
        for try_ in [*lost, None]:
            self._hops(source, destination, kind, inference, size, tensor, offset, lost=try_ == 0)
            if try_ != 0:
                self._hops(
                    destination, source, kind | REPLY, None, ANSWER, None, None, lost=try_ == 1, status=Status.OK
                )
            self._sequence += 1

    def _hops(self, source, destination, kind, inference, size, tensor, offset, lost, status=None) -> None:
        for at, onward in self._way(source, destination):
            wire = self._between(at, onward)
            self.events.append(
                FrameSeen(
                    len(self.events) + 1, wire.name, self.names[at], source, destination, kind, self._sequence, size,
                    0 if tensor is None else size - FRAME - 15, status,
                    None if inference is None else 7, inference, tensor, offset, lost,
                )
            )  # fmt: skip
            if lost:
                return

    def _between(self, a: int, b: int) -> Wire:
        low, high = sorted((a, b))
        return self.wires[-1] if low == 0 and high == len(self.members) > 1 else self.wires[low]

    def _way(self, source: int, destination: int) -> list[tuple[int, int]]:
        """From node to node; between a node and the hub by the nearer end of the chain."""
        n = len(self.members)
        if destination == 0:
            return [(b, a) for a, b in self._way(0, source)[::-1]]
        if source or destination - 1 <= n - destination:
            stops = list(range(source, destination + 1)) or list(range(source, destination - 1, -1))
        else:
            stops = [0, *range(n, destination - 1, -1)]
        return list(itertools.pairwise(stops))
