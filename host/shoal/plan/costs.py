"""What a chunk costs on a node, by the model: predicted instructions at the board's assumed cycles, crossing bytes at
its wire's goodput, the board's typical current. Nothing of it is measured."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from shoal.boards.board import Board
from shoal.plan.chunks import Chunks, Need
from shoal.plan.place import Cost
from shoal.plan.steps import Options


@dataclass(frozen=True)
class Place:
    """A node as the search sees it: its board, what its chunk's plan is made with, and payload bytes per second of its
    wire."""

    board: Board
    options: Options
    goodput: float

    @property
    def cycles_per_instruction(self) -> float:
        """The board file's assumption, 1 where it has none."""
        return 1.0 if self.board.assumed_cpi is None else self.board.assumed_cpi.value

    @property
    def watts(self) -> float | None:
        """At the board's typical run current; None where its file does not say."""
        currents, millivolts = self.board.currents, self.board.supply_millivolts
        if not currents or millivolts is None:
            return None
        return float(currents["run_milliamperes"]) * millivolts * 1e-6


@dataclass(frozen=True)
class Times:
    """Of one inference through a chunk, in nanoseconds: bytes in, computing, bytes out, one after the other."""

    receive: int
    compute: int
    send: int

    @property
    def total(self) -> int:
        return self.receive + self.compute + self.send


def times(need: Need, node: Place) -> Times:
    per_byte = 1e9 / node.goodput
    cycles = need.prediction.instructions * node.cycles_per_instruction
    return Times(
        round(need.bytes_in * per_byte), round(cycles * 1e9 / node.board.clock_hz), round(need.bytes_out * per_byte)
    )


def modelled(chunks: Chunks, nodes: Sequence[Place]) -> Callable[[int, int, int], Cost]:
    """The cost of operators [first, last) on the node of an index. Energy is the run current over all of a chunk's
    time: a board that waits for a byte is awake."""

    def cost(node: int, first: int, last: int) -> Cost:
        at = nodes[node]
        need = chunks.need(first, last, at.board, at.options)
        time = times(need, at).total
        return Cost(time, round(time * (at.watts or 0.0)), need.short)

    return cost
