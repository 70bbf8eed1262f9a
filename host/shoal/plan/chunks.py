"""Chunks: what runs between two boundaries of a network, as a network of its own.

Boundaries are numbered by the operators of the simplified network, boundary b in front of operator b: the same on every
board, however each fuses its steps. Any boundary can be a cut."""

from __future__ import annotations

from dataclasses import dataclass, replace

from shoal.boards.board import Board
from shoal.network.graph import Chunk, Graph
from shoal.plan.fit import missing
from shoal.plan.planner import instant
from shoal.plan.predict import Prediction, predict
from shoal.plan.residents import ANY_SEAT, roomier, slots
from shoal.plan.steps import Options, Plan


def chunk(graph: Graph, first: int, last: int, *, carried: bool = False) -> Graph:
    """Operators [first, last) of a simplified network. Inputs are the tensors that they read and do not write, in the
    order in which they are read; outputs those that operators behind them read, or the network gives, in the order in
    which they are written: the crossing tensors, canonical, with the network's own indices. A tensor that only passes
    by, as an edge around the chunk does, is neither, unless it is `carried`: then inputs and outputs are all that is
    live where the chunk begins and ends. The whole network is its own chunk."""
    if not 0 <= first < last <= len(graph.operators):
        raise ValueError(f"no chunk [{first}, {last}) in {len(graph.operators)} operators")
    if (first, last) == (0, len(graph.operators)):
        return graph
    inside = graph.operators[first:last]
    inputs, outputs = ways(graph, first, last, carried=carried)
    part = replace(
        graph,
        name=f"{graph.name}_{first}_{last}",
        inputs=inputs,
        outputs=outputs,
        labels=graph.labels if last == len(graph.operators) else (),
        chunk=Chunk(graph, first, last),
    )
    return part.rebuilt(replace(o, index=i) for i, o in enumerate(inside))


def ways(graph: Graph, first: int, last: int, *, carried: bool = False) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """The crossing tensors that a chunk takes and gives."""
    if carried:
        return graph.live(first), graph.live(last)
    inside = graph.operators[first:last]
    written = {t for o in inside for t in o.outputs}
    read = dict.fromkeys(t for o in inside for t in o.inputs if t is not None)
    wanted = {t for o in graph.operators[last:] for t in o.inputs} | set(graph.outputs)
    return (
        tuple(t for t in read if t not in written and graph.tensors[t].data is None),
        tuple(t for o in inside for t in o.outputs if t in wanted),
    )


@dataclass(frozen=True)
class Work:
    """How a chunk's plan runs one operator, by its number in the whole network: the tensor that it writes, the kernel's
    function, whether its shape is literal, and the instructions that the cost model predicts."""

    operator: int
    output: int
    function: str
    literal: bool
    instructions: int


@dataclass(frozen=True)
class Need:
    """What a chunk takes on a board by its instant plan: made with `options`, `ram_short` and `flash_short` bytes over
    what budgets and regions leave (not positive where it fits). `works`: its operators; `inputs` and `outputs`: its
    crossing tensors, and `bytes_in` and `bytes_out` the bytes of these. `receives` and `retains`: whether there is room
    for these to wait beside the chunk's arena. `whole`: the chunk is a range of the whole network's plan."""

    options: Options
    works: tuple[Work, ...]
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    prediction: Prediction
    ram_short: int
    flash_short: int
    bytes_in: int
    bytes_out: int
    receives: bool = False
    retains: bool = False
    whole: bool = False

    @property
    def short(self) -> int:
        """The larger shortfall in bytes, 0 where the chunk fits."""
        return max(self.ram_short, self.flash_short, 0)


@dataclass(frozen=True)
class _Planned:
    """An instant plan, what it takes, and its operators, by their numbers in the whole network."""

    plan: Plan
    prediction: Prediction
    works: tuple[Work, ...]


class Chunks:
    """The chunks of one simplified network, each planned at most once per board and options.

    `carried`: tensors that pass by are taken and given as well. `whole`: a node has all operators, wherever its plan of
    the whole network fits, and its chunks are ranges of that. `waiting`: whether tensors may wait beside the arena, so
    that a node takes an input while it works on another. `among`: firmware is that of a node among others; and where
    the whole network's plan fits, a chunk is not planned alone, but taken to need as much."""

    def __init__(
        self, graph: Graph, *, carried: bool = False, whole: bool = False, waiting: bool = False, among: bool = False
    ) -> None:
        self.graph, self.carried = graph, carried
        self._whole, self._waiting, self._among = whole, waiting, among or whole
        self._chunks: dict[tuple[int, int], Graph] = {}
        self._needs: dict[tuple[int, int, str, str, Options], Need] = {}
        self._wholes: dict[tuple[str, str, Options], _Planned | None] = {}

    def get(self, first: int, last: int) -> Graph:
        if (first, last) not in self._chunks:
            self._chunks[first, last] = chunk(self.graph, first, last, carried=self.carried)
        return self._chunks[first, last]

    def whole(self, board: Board, options: Options) -> Plan | None:
        """The whole network's plan, of one step for each operator; None where it does not fit, or nobody asks."""
        planned = self._held(board, options)
        return None if planned is None else planned.plan

    def need(self, first: int, last: int, board: Board, options: Options) -> Need:
        """Of a range of the whole network's plan where nodes have that and it fits, and no fewer tensors can wait than
        beside a plan of the chunk alone. Else of the chunk alone: by the kernels that `options` prefer; where these
        take too much RAM, by those that take the least."""
        key = first, last, board.id, board.sha256, options
        if key not in self._needs:
            self._needs[key] = self._best(first, last, board, options)
        return self._needs[key]

    def _best(self, first: int, last: int, board: Board, options: Options) -> Need:
        held = self._held(board, options)
        if held is None:
            return self._least(first, last, board, options)
        need = self._need(held, first, last, options)
        if self._waiting and not (need.receives and need.retains):
            alone = self._least(first, last, board, options)
            if alone.short == 0 and alone.receives + alone.retains > need.receives + need.retains:
                return alone
        return need

    def _held(self, board: Board, options: Options) -> _Planned | None:
        key = board.id, board.sha256, options
        if key not in self._wholes:
            planned = self._planned(self.graph, board, options) if self._among else None
            fits = planned is not None and max(missing(planned.plan, planned.prediction)) <= 0
            self._wholes[key] = planned if fits else None
        return self._wholes[key]

    def _least(self, first: int, last: int, board: Board, options: Options) -> Need:
        part = self.get(first, last)
        need = self._need(self._planned(part, board, options), first, last, options)
        if need.ram_short > 0 and options.prefer != "ram":
            thrifty = replace(options, prefer="ram")
            least = self._need(self._planned(part, board, thrifty), first, last, thrifty)
            need = min(need, least, key=lambda n: n.short)
        return need

    def _need(self, planned: _Planned, first: int, last: int, options: Options) -> Need:
        """Of a chunk that is a plan's, or a range of it."""
        graph, plan = self.graph, planned.plan
        whole = plan.graph.chunk is None and last - first < len(plan.graph.operators)
        inputs, outputs = (
            ways(graph, first, last, carried=self.carried) if whole else (plan.graph.inputs, plan.graph.outputs)
        )
        size_in, size_out = (sum(graph.tensors[t].bytes for t in ts) for ts in (inputs, outputs))
        ram, flash = missing(plan, planned.prediction)
        receives, retains = slots(plan, planned.prediction, size_in, size_out) if self._waiting else (False, False)
        arena = roomier(plan, size_in * receives, size_out * retains).arena_bytes
        works = planned.works[first:last] if plan.graph.chunk is None else planned.works
        prediction = replace(planned.prediction, arena_bytes=arena, instructions=sum(w.instructions for w in works))
        return Need(
            options, works, inputs, outputs, prediction, ram, flash, size_in, size_out, receives, retains,
            self._whole and plan.graph.chunk is None,
        )  # fmt: skip

    def _planned(self, part: Graph, board: Board, options: Options) -> _Planned:
        plan = instant(part, board, options)
        first = part.chunk.first if part.chunk is not None else 0
        works = tuple(
            Work(first + i, c.outputs[0], c.kernel.function, c.kernel.literal, c.instructions)
            for i, c in enumerate(c for s in plan.steps for c in s.calls)
        )
        return _Planned(plan, predict(replace(plan, seat=ANY_SEAT) if self._among else plan), works)
