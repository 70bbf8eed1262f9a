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
from shoal.plan.steps import Options


def chunk(graph: Graph, first: int, last: int) -> Graph:
    """Operators [first, last) of a simplified network. Inputs are the tensors that they read and do not write, in the
    order in which they are read; outputs those that operators behind them read, or the network gives, in the order in
    which they are written: the crossing tensors, canonical, with the network's own indices. A tensor that only passes
    by, as an edge around the chunk does, is neither. The whole network is its own chunk."""
    if not 0 <= first < last <= len(graph.operators):
        raise ValueError(f"no chunk [{first}, {last}) in {len(graph.operators)} operators")
    if (first, last) == (0, len(graph.operators)):
        return graph
    inside = graph.operators[first:last]
    written = {t for o in inside for t in o.outputs}
    read = dict.fromkeys(t for o in inside for t in o.inputs if t is not None)
    wanted = {t for o in graph.operators[last:] for t in o.inputs} | set(graph.outputs)
    part = replace(
        graph,
        name=f"{graph.name}_{first}_{last}",
        inputs=tuple(t for t in read if t not in written and graph.tensors[t].data is None),
        outputs=tuple(t for o in inside for t in o.outputs if t in wanted),
        labels=graph.labels if last == len(graph.operators) else (),
        chunk=Chunk(graph, first, last),
    )
    return part.rebuilt(replace(o, index=i) for i, o in enumerate(inside))


@dataclass(frozen=True)
class Work:
    """How a chunk's plan runs one operator, by its number in the whole network: the kernel's function, whether its
    shape is literal, and the instructions that the cost model predicts."""

    operator: int
    function: str
    literal: bool
    instructions: int


@dataclass(frozen=True)
class Need:
    """What a chunk takes on a board by its instant plan: made with `options`, `ram_short` and `flash_short` bytes over
    what budgets and regions leave (not positive where it fits). `works`: its operators; `inputs` and `outputs`: its
    crossing tensors, and `bytes_in` and `bytes_out` the bytes of these."""

    options: Options
    works: tuple[Work, ...]
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    prediction: Prediction
    ram_short: int
    flash_short: int
    bytes_in: int
    bytes_out: int

    @property
    def short(self) -> int:
        """The larger shortfall in bytes, 0 where the chunk fits."""
        return max(self.ram_short, self.flash_short, 0)


class Chunks:
    """The chunks of one simplified network, each planned at most once per board and options."""

    def __init__(self, graph: Graph) -> None:
        self.graph = graph
        self._chunks: dict[tuple[int, int], Graph] = {}
        self._needs: dict[tuple[int, int, str, str, Options], Need] = {}

    def get(self, first: int, last: int) -> Graph:
        if (first, last) not in self._chunks:
            self._chunks[first, last] = chunk(self.graph, first, last)
        return self._chunks[first, last]

    def need(self, first: int, last: int, board: Board, options: Options) -> Need:
        """By the kernels that `options` prefer; where these take too much RAM, by those that take the least."""
        key = first, last, board.id, board.sha256, options
        if key not in self._needs:
            self._needs[key] = self._least(self.get(first, last), board, options)
        return self._needs[key]

    @staticmethod
    def _least(part: Graph, board: Board, options: Options) -> Need:
        need = _planned(part, board, options)
        if need.ram_short > 0 and options.prefer != "ram":
            least = _planned(part, board, replace(options, prefer="ram"))
            need = min(need, least, key=lambda n: n.short)
        return need


def _planned(part: Graph, board: Board, options: Options) -> Need:
    plan = instant(part, board, options)
    needs = predict(plan)
    ram, flash = missing(plan, needs)
    size_in, size_out = (sum(part.tensors[t].bytes for t in ts) for ts in (part.inputs, part.outputs))
    first = part.chunk.first if part.chunk is not None else 0
    works = tuple(
        Work(first + i, c.kernel.function, c.kernel.literal, c.instructions)
        for i, c in enumerate(c for s in plan.steps for c in s.calls)
    )
    return Need(options, works, part.inputs, part.outputs, needs, ram, flash, size_in, size_out)
