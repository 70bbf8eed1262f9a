"""What a chunk costs on a node: as far as a profile has measured it, and by the model for the rest, which is predicted
instructions at the board's assumed cycles, crossing bytes at its wire's line rate, the board's typical current."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from shoal.boards.board import Board
from shoal.plan.chunks import Chunks, Need
from shoal.plan.place import HOST, Cost, Piece
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
    """Of one inference through a chunk, in nanoseconds: bytes in, computing, bytes out, one after the other; and
    `stage`, from one input to the next when inputs follow each other. `instructions`: counted where they were, else
    predicted; `predicted`: whether a time is made of such. `sources`: what the times are derived from."""

    receive: int
    compute: int
    send: int
    stage: int
    instructions: int
    sources: frozenset[str]
    predicted: bool

    @property
    def total(self) -> int:
        return self.receive + self.compute + self.send


class Costs:
    """What chunks cost on nodes that are wired as `topology` says: `chain`, where a node sends to the next chunk's, or
    `star`, where every tensor goes to the host and comes from it."""

    def __init__(self, chunks: Chunks, nodes: Sequence[Place], topology: str) -> None:
        self.chunks, self.nodes, self.topology = chunks, nodes, topology
        self._costs: dict[tuple[int, int, int, int], Cost] = {}

    def need(self, piece: Piece) -> Need:
        at = self.nodes[piece.node]
        return self.chunks.need(piece.first, piece.last, at.board, at.options)

    def cost(self, node: int, first: int, last: int, to: int) -> Cost:
        """As `place.Problem` asks. Energy is the run current over all that a chunk takes: a board that waits for a byte
        is awake, at either end of a wire."""
        if self.topology == "star":
            to = HOST
        key = node, first, last, to
        if key not in self._costs:
            self._costs[key] = self._cost(*key)
        return self._costs[key]

    def enter(self, node: int) -> Cost:
        """Of bringing the network's inputs to the first node of a chain; in a star that is a chunk's own."""
        if self.topology == "star":
            return Cost(0)
        time = self._moved(HOST, node, self.chunks.graph.live(0)).nanoseconds
        return Cost(time, time, round(time * self._watts(node)))

    def _cost(self, node: int, first: int, last: int, to: int) -> Cost:
        piece = Piece(node, first, last)
        need = self.need(piece)
        spent, short = self._times(need, node, HOST, to), self.short(piece, need)
        if self.topology == "star":
            return Cost(spent.total, spent.stage, round(spent.total * self._watts(node)), short)
        own = spent.compute + spent.send
        return Cost(own, spent.stage, round(own * self._watts(node)) + round(spent.send * self._watts(to)), short)

    def short(self, _piece: Piece, need: Need) -> int:
        """The bytes by which a chunk does not fit its node."""
        return need.short

    def hops(self, _source: int, _target: int) -> int:
        """Wires of a chain from one node to another that follows it, or from or to the host."""
        return 1

    def _watts(self, node: int) -> float:
        return 0.0 if node == HOST else self.nodes[node].watts or 0.0

    def moved(self, source: int, target: int, tensors: Sequence[int]) -> int:
        """Nanoseconds from one node to another, or from or to the host."""
        return self._moved(source, target, tensors).nanoseconds

    def times(self, pieces: Sequence[Piece]) -> list[Times]:
        """Of the chunks of a placement."""
        chained = self.topology == "chain"
        before = [HOST, *(p.node for p in pieces[:-1])] if chained else [HOST] * len(pieces)
        behind = [*(p.node for p in pieces[1:]), HOST] if chained else [HOST] * len(pieces)
        return [self._times(self.need(p), p.node, a, b) for p, a, b in zip(pieces, before, behind, strict=True)]

    def _times(self, need: Need, node: int, before: int, behind: int) -> Times:
        receive, send = self._moved(before, node, need.inputs), self._moved(node, behind, need.outputs)
        at = self.nodes[node]
        ran = [(None if at.measured is None else at.measured.ran(work), work) for work in need.works]
        predicted = sum(work.instructions for r, work in ran if r is None)
        modelled = round(predicted * at.cycles_per_instruction * 1e9 / at.board.clock_hz)
        unmeasured = any(r is None for r, _ in ran)
        compute = _added([r.time for r, _ in ran if r is not None] + [Figure(modelled, ("model",))] * unmeasured)
        return Times(
            receive.nanoseconds,
            compute.nanoseconds,
            send.nanoseconds,
            _stage(need, self._passed(at, "entries", need.inputs).nanoseconds, compute.nanoseconds, send.nanoseconds),
            sum(work.instructions if r is None or r.instructions is None else r.instructions for r, work in ran),
            frozenset({*receive.sources, *compute.sources, *send.sources}),
            unmeasured,
        )

    def _moved(self, source: int, target: int, tensors: Sequence[int]) -> Figure:
        """Of bringing tensors from one node to another, by the slower of the two; or from or to the host."""
        ends = []
        if source != HOST:
            ends.append(self._passed(self.nodes[source], "exits", tensors))
        if target != HOST:
            ends.append(self._passed(self.nodes[target], "entries", tensors))
        slower = max(ends, key=lambda f: f.nanoseconds)
        return replace(slower, nanoseconds=slower.nanoseconds * self.hops(source, target))

    def _passed(self, node: Place, way: str, tensors: Sequence[int]) -> Figure:
        known: Mapping[int, Figure] = {} if node.measured is None else getattr(node.measured, way)
        sizes = self.chunks.graph.tensors
        modelled = sum(sizes[t].bytes for t in tensors if t not in known)
        found = [known[t] for t in tensors if t in known]
        if modelled or not found:
            found.append(Figure(round(modelled * 1e9 / node.wire.goodput), (node.wire.source,)))
        return _added(found)


def _stage(need: Need, receive: int, compute: int, send: int) -> int:
    """A node receives the next input meanwhile where that can wait, and sends before it computes the next one. Without
    room for what waits, it receives where it works: after it has sent or, where that has room of its own, meanwhile."""
    if need.receives:
        return max(receive, compute + send)
    return compute + (max(receive, send) if need.retains else receive + send)


def _added(figures: Iterable[Figure]) -> Figure:
    found = list(figures)
    return Figure(sum(f.nanoseconds for f in found), tuple(dict.fromkeys(s for f in found for s in f.sources)))
