"""The plans of a shoal: who runs what while all nodes are there, and when any one is lost; and each node's image, which
holds every chunk that one of these asks of it, as far as it fits.

Where the whole network fits a node it has all of it, and every chunk is a range of its steps: then cuts move without
another image. Elsewhere it has a plan of its own chunk, and plans of those that it runs when another node is lost."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property

from shoal.network.graph import Graph
from shoal.network.slices import input_channels
from shoal.plan.chunks import Chunks, Need, ways
from shoal.plan.costs import Costs, Place, Times
from shoal.plan.fit import missing
from shoal.plan.place import HOST, MOST_FREE_NODES, Piece, Problem, nearest, place
from shoal.plan.planner import instant, lay_out, plan
from shoal.plan.predict import predict
from shoal.plan.residents import ANY_SEAT, image, shares, slots
from shoal.plan.steps import Plan, Progress, Seat, silent


@dataclass(frozen=True)
class Wanted:
    """What is to be split, and how. `whole`: nodes hold the whole network where it fits; `waiting`: tensors may wait
    beside the arena, so that nodes work on several inputs at once; `apart`: boundaries at which there must be a cut, so
    that the parts of a layer run side by side."""

    graph: Graph
    nodes: tuple[Place, ...]
    topology: str = "star"
    objective: str = "latency"
    free: bool = False
    pins: Mapping[int, int] = field(default_factory=dict)
    apart: frozenset[int] = frozenset()
    whole: bool = True
    waiting: bool = True

    @property
    def direct(self) -> bool:
        """Whether each tensor goes straight to those that read it, since chunks are not one after another."""
        return bool(self.apart)

    @cached_property
    def chunks(self) -> Chunks:
        carried = self.topology == "chain" and not self.direct
        return Chunks(self.graph, carried=carried, whole=self.whole, waiting=self.waiting, among=True)

    @property
    def wires(self) -> str:
        """As which topology costs are counted."""
        return "star" if self.direct else self.topology

    @cached_property
    def costs(self) -> Costs:
        return Costs(self.chunks, self.nodes, self.wires)

    @cached_property
    def problem(self) -> Problem:
        operators, costs = len(self.graph.operators), self.costs
        return Problem(
            operators, len(self.nodes), costs.cost, costs.enter, self.objective, self.free, self.pins, self.apart
        )


@dataclass(frozen=True)
class Assignment:
    """A chunk on a node: the tensors that it takes, and gives, each to a node or the HOST."""

    node: int
    first: int
    last: int
    inputs: tuple[int, ...]
    outputs: tuple[tuple[int, int], ...]
    need: Need
    times: Times


@dataclass(frozen=True)
class Division:
    """Who runs what while the nodes `lost` are gone, in the order of the chunks. Nanoseconds to an answer, and from one
    to the next."""

    assignments: tuple[Assignment, ...]
    latency: int
    stage: int
    lost: tuple[int, ...] = ()

    @property
    def nodes(self) -> list[int]:
        return [a.node for a in self.assignments]

    def placed(self, places: Mapping[int, int]) -> Division:
        """The same with nodes by other numbers."""
        moved = (
            replace(
                a,
                node=places[a.node],
                outputs=tuple((t, HOST if to == HOST else places[to]) for t, to in a.outputs),
            )
            for a in self.assignments
        )
        return replace(self, assignments=tuple(moved), lost=tuple(places[n] for n in self.lost))


@dataclass(frozen=True)
class Lacking:
    """No plan without a node: `short` bytes are missing at `node`; or there is no node left, or none that a pin is on,
    where `node` is None."""

    lost: int
    node: int | None = None
    short: int = 0


def divide(wanted: Wanted) -> Division | None:
    """The best division over all nodes; None where nothing fits."""
    pieces = place(wanted.problem)
    return None if pieces is None else _division(wanted, wanted.costs, pieces)


class _Squeezed(Costs):
    """Costs where a chunk that needs too much memory over whole tensors may fit when it is planned in little, or with
    constants in a store where there may be `stores`: it does as far as is known, and as what comes and goes leaves
    room."""

    def __init__(self, wanted: Wanted, stores: bool) -> None:
        super().__init__(wanted.chunks, wanted.nodes, wanted.wires)
        self._known: dict[Piece, int] = {}
        self._stores = stores

    def tight(self, piece: Piece) -> bool:
        """Whether the chunk can fit only so."""
        need = self.need(piece)
        return need.ram_short > 0 or (self._stores and need.flash_short > 0)

    def short(self, piece: Piece, need: Need) -> int:
        if not self.tight(piece):
            return need.short
        room = need.prediction.arena_bytes - need.ram_short
        least = max(0, max(need.bytes_in, need.bytes_out) - room, 0 if self._stores else need.flash_short)
        return self._known.get(piece, least)

    def correct(self, piece: Piece, progress: Progress) -> int:
        """Plans the chunk, and knows now by how many bytes it does not fit."""
        at = self.nodes[piece.node]
        made = lay_out(self.chunks.get(piece.first, piece.last), at.board, at.options, progress)
        short = max(0, *missing(made, predict(replace(made, seat=ANY_SEAT))), 0 if self._stores else made.store_bytes)
        self._known[piece] = short
        self._costs = {k: c for k, c in self._costs.items() if k[:3] != (piece.node, piece.first, piece.last)}
        return short


#: how often a division is looked for before none in little memory counts as impossible
_PICKS = 16


def squeezed(wanted: Wanted, stores: bool = False, progress: Progress = silent) -> Division | None:
    """Where no plans over whole tensors fit: the best division whose chunks fit when they are planned in little memory,
    row by row, or with constants in `stores`; None where none is found. Times are still those over whole tensors."""
    costs = _Squeezed(wanted, stores)
    problem = replace(wanted.problem, cost=costs.cost, enter=costs.enter)
    for _ in range(_PICKS):
        pieces = place(problem)
        if pieces is None:
            return None
        if not any([costs.correct(p, progress) for p in pieces if costs.tight(p)]):
            return _division(wanted, costs, pieces)
    return None


#: parts that a layer is cut into where it is too large for any node
_PARTS = range(2, 9)


def sliced(wanted: Wanted) -> tuple[Wanted, Division] | None:
    """Where a fully connected layer alone outgrows every node's flash: the network with it in as few parts as let it be
    divided, and the division; None where that is not it, or there are pins, which name operators by their numbers."""
    for operator in wanted.graph.operators if not wanted.pins else ():
        alone = [wanted.costs.need(Piece(n, operator.index, operator.index + 1)) for n in range(len(wanted.nodes))]
        if operator.kind == "fully_connected" and all(need.flash_short > 0 for need in alone):
            for parts in _PARTS:
                cut = replace(wanted, graph=input_channels(wanted.graph, operator.index, parts))
                found = divide(cut)
                if found is not None:
                    return cut, found
    return None


def _division(wanted: Wanted, costs: Costs, pieces: Sequence[Piece], lost: tuple[int, ...] = ()) -> Division:
    needs, spent = [costs.need(p) for p in pieces], costs.times(pieces)
    followed = [*(p.node for p in pieces[1:]), HOST]
    assignments = []
    for piece, need, time, to in zip(pieces, needs, spent, followed, strict=True):
        if wanted.topology == "star":
            outputs = tuple((t, HOST) for t in need.outputs)
        elif wanted.direct:
            outputs = _direct(wanted.graph, pieces, piece)
        else:
            outputs = tuple((t, to) for t in need.outputs)
        assignments.append(Assignment(piece.node, piece.first, piece.last, need.inputs, outputs, need, time))
    entering = costs.enter(pieces[0].node)
    if wanted.direct:
        latency = _side_by_side(wanted.graph, costs, assignments)
    else:
        every = [costs.cost(p.node, p.first, p.last, to) for p, to in zip(pieces, followed, strict=True)]
        latency = entering.nanoseconds + sum(c.nanoseconds for c in every)
    return Division(tuple(assignments), latency, max(entering.stage, *(t.stage for t in spent)), lost)


def _direct(graph: Graph, pieces: Sequence[Piece], piece: Piece) -> tuple[tuple[int, int], ...]:
    """Each output of a chunk with each node that reads it; with the host where it is the network's."""
    found = []
    for tensor in ways(graph, piece.first, piece.last)[1]:
        readers = [p.node for p in pieces if p != piece and tensor in ways(graph, p.first, p.last)[0]]
        found += [(tensor, node) for node in (*readers, *([HOST] if tensor in graph.outputs else []))]
    return tuple(found)


def _side_by_side(graph: Graph, costs: Costs, assignments: Sequence[Assignment]) -> int:
    """Nanoseconds to an answer where chunks begin as soon as their inputs are there. Every tensor is counted on the way
    from who makes it and on the way to who reads it."""
    there = dict.fromkeys(graph.inputs, 0)
    for one in assignments:
        now = max(there[t] for t in one.inputs) + one.times.receive + one.times.compute
        for tensor in dict.fromkeys(t for t, _ in one.outputs):
            now += costs.moved(one.node, HOST, [tensor])
            there[tensor] = now
    return max(there[t] for t in graph.outputs)


class _Without(Costs):
    """Costs over what is left of a shoal without a node, whose nodes hold what they held before."""

    def __init__(self, wanted: Wanted, main: Division, lost: int, held: Mapping[int, list[Plan]]) -> None:
        super().__init__(wanted.chunks, wanted.nodes, wanted.wires)
        self._held = held
        boards = [n for n in main.nodes if wanted.nodes[n].board.hal != "host"]
        self._line = boards if wanted.topology == "chain" else []
        self._gap = boards.index(lost) if lost in self._line else None

    def short(self, piece: Piece, need: Need) -> int:
        """By which the chunk does not fit beside what its node holds already."""
        at, held = self.nodes[piece.node], self._held[piece.node]
        if need.short or self.chunks.whole(at.board, at.options) is not None or any(_holds(p, piece) for p in held):
            return need.short
        made = instant(self.chunks.get(piece.first, piece.last), at.board, need.options)
        return _short([*held, made])

    def hops(self, source: int, target: int) -> int:
        """Along the chain or, where it is cut between the two, by the host."""
        places = [None if n not in self._line else self._line.index(n) for n in (source, target)]
        at, to = places
        if at is not None and to is not None and not (self._gap is not None and min(at, to) < self._gap < max(at, to)):
            return abs(at - to)
        return max(1, sum(self._out(p) for p in places if p is not None))

    def _out(self, at: int) -> int:
        """Wires from a node of the chain to the host."""
        left, right = at + 1, len(self._line) - at
        if self._gap is not None:
            return left if at < self._gap else right
        return min(left, right)


def _short(plans: Sequence[Plan]) -> int:
    """By how many bytes plans do not fit one image; 1 where they cannot share one at all."""
    if not all(shares(plans[0], p) for p in plans[1:]):
        return 1
    together = image([(0, p) for p in plans], 0, 0, ANY_SEAT)
    return max(0, *missing(together, predict(together)))


def _holds(held: Plan, piece: Piece) -> bool:
    """Whether a plan has a chunk as a range of its steps."""
    first = 0 if held.graph.chunk is None else held.graph.chunk.first
    begun = {first + min(s.operators) for s in held.steps} | {first + len(held.graph.operators)}
    return piece.first in begun and piece.last in begun


def without(wanted: Wanted, main: Division, lost: int, held: Mapping[int, list[Plan]]) -> Division | Lacking:
    """The best division over all nodes but one, by what fits beside the plans that each holds already, in any order:
    in a chain, too, since frames are sent on; what lies far from the host takes more hops."""
    rest = [n for n in main.nodes if n != lost]
    pins = {o: rest.index(n) for o, n in wanted.pins.items() if n in rest}
    if not rest:
        return Lacking(lost)
    costs = _Without(wanted, main, lost, held)
    problem = Problem(
        len(wanted.graph.operators),
        len(rest),
        lambda node, first, last, to: costs.cost(rest[node], first, last, HOST if to == HOST else rest[to]),
        lambda node: costs.enter(rest[node]),
        "latency" if wanted.objective == "boards" else wanted.objective,
        len(rest) <= MOST_FREE_NODES,
        pins,
        frozenset() if wanted.direct else wanted.apart,
    )
    found = place(problem)
    if found is None:
        near = nearest(problem)
        if near is None:
            return Lacking(lost)
        worst = max(near, key=lambda p: problem.cost(p.node, p.first, p.last, HOST).short)
        return Lacking(lost, rest[worst.node], problem.cost(worst.node, worst.first, worst.last, HOST).short)
    return _division(wanted, costs, [replace(p, node=rest[p.node]) for p in found], (lost,))


def held_by(wanted: Wanted, main: Division, progress: Progress = silent) -> dict[int, list[Plan]]:
    """By node, the plans that it holds for the division over all nodes: of the whole network, or of its chunk."""
    found = {}
    for one in main.assignments:
        at = wanted.nodes[one.node]
        whole = wanted.chunks.whole(at.board, at.options) if one.need.whole else None
        if whole is None:
            options = at.options if one.need.ram_short > 0 else one.need.options
            whole = plan(wanted.chunks.get(one.first, one.last), at.board, options, progress)
        found[one.node] = [whole]
    return found


def fallbacks(wanted: Wanted, main: Division, held: dict[int, list[Plan]]) -> list[Division | Lacking]:
    """What remains to be done for the loss of each node; `held` gets the plans that this takes."""
    found: list[Division | Lacking] = []
    for lost in main.nodes:
        made = without(wanted, main, lost, held)
        more = dict[int, list[Plan]]()
        for one in made.assignments if isinstance(made, Division) else ():
            mine, at = held[one.node], wanted.nodes[one.node]
            if not any(_holds(p, Piece(one.node, one.first, one.last)) for p in mine):
                part = wanted.chunks.get(one.first, one.last)
                more[one.node] = [*mine, instant(part, at.board, one.need.options)]
        short = {n: _short(plans) for n, plans in more.items()}
        worst = max(short, key=lambda n: short[n], default=None)
        if worst is not None and short[worst]:
            made = Lacking(lost, worst, short[worst])
        else:
            held |= more
        found.append(made)
    return found


def seated(plans: Sequence[Plan], asked: Sequence[tuple[int, int]], seat: Seat, waiting: bool) -> Plan:
    """A node's image. `asked`: bytes that come and go in each division, the main one's first: as many wait as has room,
    all of them or the main one's."""
    held = [(0, p) for p in plans]
    bare = image(held, 0, 0, seat)
    most = tuple(max(sizes) for sizes in zip(*asked, strict=True))
    for come, go in (most, asked[0]) if waiting else ():
        receives, retains = slots(bare, predict(bare), come, go)
        if receives or retains:
            return image(held, come * receives, go * retains, seat)
    return bare
