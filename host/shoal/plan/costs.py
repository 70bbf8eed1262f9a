"""What a chunk costs on a node: as far as a profile has measured it, and by the model for the rest, which is predicted
instructions at the board's assumed cycles, crossing bytes at its wire's line rate, the board's typical current."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from shoal.boards.board import Board
from shoal.plan.chunks import Chunks, Need
from shoal.plan.place import Cost
from shoal.plan.profiles import Figure, Measured, Wire
from shoal.plan.steps import Options


@dataclass(frozen=True)
class Place:
    """A node as the search sees it: its board, what its chunk's plan is made with, its wire, and what a profile has of
    its board, if there is one."""

    board: Board
    options: Options
    wire: Wire
    measured: Measured | None = None

    @property
    def cycles_per_instruction(self) -> float:
        """The board file's assumption, 1 where it has none."""
        return cycles_per_instruction(self.board)

    @property
    def watts(self) -> float | None:
        """At the measured current or the board's typical one; None where neither is known, or no supply voltage."""
        currents, millivolts = self.board.currents, self.board.supply_millivolts
        milliamperes = self.measured.milliamperes if self.measured is not None else None
        if milliamperes is None and currents:
            milliamperes = float(currents["run_milliamperes"])
        return None if milliamperes is None or millivolts is None else milliamperes * millivolts * 1e-6

    @property
    def current_source(self) -> str:
        """Of `watts`."""
        return "board" if self.measured is not None and self.measured.milliamperes is not None else "model"


def cycles_per_instruction(board: Board) -> float:
    return 1.0 if board.assumed_cpi is None else board.assumed_cpi.value


@dataclass(frozen=True)
class Times:
    """Of one inference through a chunk, in nanoseconds: bytes in, computing, bytes out, one after the other.
    `instructions`: counted where they were, else predicted; `predicted`: whether a time is made of such.
    `sources`: what the times are derived from."""

    receive: int
    compute: int
    send: int
    instructions: int
    sources: frozenset[str] = frozenset({"model"})
    predicted: bool = True

    @property
    def total(self) -> int:
        return self.receive + self.compute + self.send


def times(need: Need, node: Place) -> Times:
    per_instruction = node.cycles_per_instruction * 1e9 / node.board.clock_hz
    per_byte = 1e9 / node.wire.goodput
    known = node.measured
    if known is None:
        predicted = need.prediction.instructions
        return Times(
            round(need.bytes_in * per_byte),
            round(predicted * per_instruction),
            round(need.bytes_out * per_byte),
            predicted,
        )
    receive, send = _sum(known.entries, need.inputs), _sum(known.exits, need.outputs)
    ran = [(known.ran(work), work) for work in need.works]
    compute = _added(
        r.time if r is not None else Figure(round(work.instructions * per_instruction), ("model",)) for r, work in ran
    )
    return Times(
        receive.nanoseconds,
        compute.nanoseconds,
        send.nanoseconds,
        sum(work.instructions if r is None or r.instructions is None else r.instructions for r, work in ran),
        frozenset({*receive.sources, *compute.sources, *send.sources}),
        any(r is None for r, _ in ran),
    )


def _sum(figures: Mapping[int, Figure], tensors: Sequence[int]) -> Figure:
    return _added(figures[t] for t in tensors)


def _added(figures: Iterable[Figure]) -> Figure:
    found = list(figures)
    return Figure(sum(f.nanoseconds for f in found), tuple(dict.fromkeys(s for f in found for s in f.sources)))


def costs(chunks: Chunks, nodes: Sequence[Place]) -> Callable[[int, int, int], Cost]:
    """The cost of operators [first, last) on the node of an index. Energy is the run current over all of a chunk's
    time: a board that waits for a byte is awake."""

    def cost(node: int, first: int, last: int) -> Cost:
        at = nodes[node]
        need = chunks.need(first, last, at.board, at.options)
        time = times(need, at).total
        return Cost(time, round(time * (at.watts or 0.0)), need.short)

    return cost
