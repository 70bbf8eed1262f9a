"""Steps: what the firmware runs as one, with everything decided."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

from shoal.boards.board import Board
from shoal.network.graph import Graph
from shoal.operators.base import Call
from shoal.operators.columns import Columns

#: told what is being done, and how much of it is done, from 0 to 1
Progress = Callable[[str, float], None]


def silent(_what: str, _done: float) -> None:
    """Progress that nobody sees."""


@dataclass(frozen=True)
class Options:
    """The plan options that every command with a MODEL takes; None where the user left the choice to shoal.

    `ram_budget` bounds the arena in bytes, `flash_budget` code + weights in bytes."""

    name: str | None = None
    prefer: str = "speed"
    ram_budget: int | None = None
    flash_budget: int | None = None
    feed: str = "whole"
    drain: str = "whole"


@dataclass(frozen=True)
class Placement:
    """Where a tensor lies in the arena, and from which step to which it lives (inclusive; −1 is before the first)."""

    tensor: int
    offset: int
    bytes: int
    first: int
    last: int


@dataclass(frozen=True)
class Span:
    """A part of the arena: `bytes` from its byte `start` on, in one memory region of the board. `reads`: how often an
    inference reads its bytes, by `plan.regions`; None on a board with one region for the arena."""

    region: str
    start: int
    bytes: int
    reads: int | None = None


@dataclass(frozen=True)
class LandingPlace:
    """Where rows `first`, `first` + `stride`, … of a tensor come, at `offset`: each the last row that one row of its
    only reader is computed from, after which those up to row `last` move to the slots that they have in `Rows`."""

    offset: int
    first: int
    stride: int
    last: int

    @property
    def moved(self) -> int:
        """How many rows move."""
        return max(0, (self.last - self.first) // self.stride + 1)


def moving_instructions(pitch: int) -> int:
    """To move a row of so many bytes to its slot, about, on a Cortex-M4."""
    return 60 + pitch // 2


@dataclass(frozen=True)
class Rows:
    """Where the rows of one operand lie in the arena: row y at offset + (y modulo count, or y where count is 0) · pitch
    bytes. `columns`: the pixels of a row that lie there; None for all. `landing`: where some rows come first."""

    offset: int
    pitch: int
    count: int = 0
    columns: Columns | None = None
    landing: LandingPlace | None = None


@dataclass(frozen=True)
class Copy:
    """Constants of a call in flash, copied to the arena's byte `place` before their step runs, in each run, since they
    are faster to read there. `constants`: where each of them starts inside of the `bytes`."""

    place: int
    bytes: int
    constants: tuple[int, ...]


@dataclass(frozen=True)
class Part:
    """One operator of a fused segment, computed row by row by `call.band`; or, with `call` None, the `feed` that brings
    a row of the network's input to `output`, or the `drain` that hands a row of its output, `inputs[0]`, away. A feed
    that keeps only some columns of a row has all of it at `scratch` for a moment.

    `kind` is the operator's, "feed" or "drain"; `operator` its index, or None; `tensor` is what it writes (drain:
    reads)."""

    kind: str
    operator: int | None
    tensor: int
    call: Call | None
    inputs: tuple[Rows, ...]
    output: Rows | None
    scratch: int | None = None
    state: int | None = None
    copy: Copy | None = None


@dataclass(frozen=True)
class RowRun:
    """Rows of one part, one after another, `count` of them: first, first + direction, …; inside of a `Phase` that
    repeats, `advance` is added to `first` with each repetition."""

    part: int
    first: int
    count: int
    advance: int = 0


@dataclass(frozen=True)
class Phase:
    """A stretch of a segment's trace: these runs in this order, `repeat` times (prologue and epilogue once)."""

    repeat: int
    runs: tuple[RowRun, ...]


@dataclass(frozen=True)
class Segment:
    """Operators fused row by row: `direction` +1 walks down, −1 up; the phases together are the whole trace.
    `columns`: the pixels of each row of its output that it computes, where several steps do; None for all."""

    parts: tuple[Part, ...]
    phases: tuple[Phase, ...]
    direction: int = 1
    columns: Columns | None = None

    def rows(self, part: int) -> list[int]:
        """The rows of one part, in the order in which they are computed."""
        return [
            run.first + i * run.advance + k * self.direction
            for phase in self.phases
            for i in range(phase.repeat)
            for run in phase.runs
            if run.part == part
            for k in range(run.count)
        ]


@dataclass(frozen=True)
class Stream:
    """An input that is fed, or an output that is drained, in `count` rows of `bytes` each: from the first one down, or,
    with direction −1, from the last one up; all of that `passes` times."""

    count: int
    bytes: int
    direction: int
    passes: int = 1


#: instructions for a byte's part of a CRC-32 (firmware/kernels/page.h), and for one that is copied
#: (firmware/kernels/copies.h), on a Cortex-M3
_CHECKED, _COPIED = 11, 0.6


@dataclass(frozen=True)
class Page:
    """Constants of a step that lie in a second store, `bytes` from its byte `offset` on, and are brought to the arena's
    byte `place` before the step runs. `crc`: their CRC-32 (zlib's); `constants`: where each of the call's constants
    starts inside of the page; `channels`: the output channels that the step computes, the last not included; `early`:
    whether nothing else needs its place from the step of the page before on, or from the first step on."""

    offset: int
    bytes: int
    crc: int
    place: int
    constants: tuple[int, ...]
    channels: tuple[int, int]
    early: bool = False


@dataclass(frozen=True)
class Step:
    """`operators`: indices into the simplified network's operators. `arena_bytes`: live while it runs, scratch
    included. Offsets are byte offsets into the arena.

    A step is one `call` over whole tensors, or a `segment` (then `call` is None, and `inputs` and `outputs` are empty:
    the segment's parts have their own). Several steps with a `page` may share an operator: each computes some of its
    output channels, the last one the last; so do strips, segments that compute some columns."""

    index: int
    operators: tuple[int, ...]
    kind: str
    name: str
    call: Call | None
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    scratch: int | None
    state: int | None
    macs: int
    arena_bytes: int
    segment: Segment | None = None
    page: Page | None = None
    copy: Copy | None = None

    @property
    def calls(self) -> tuple[Call, ...]:
        """The calls that it makes, in the order of its operators."""
        if self.segment is None:
            return () if self.call is None else (self.call,)
        return tuple(p.call for p in self.segment.parts if p.call is not None)

    @property
    def copies(self) -> tuple[tuple[Call, Copy], ...]:
        """The calls whose constants are copied before it runs."""
        found = [(self.call, self.copy)] if self.segment is None else [(p.call, p.copy) for p in self.segment.parts]
        return tuple((call, copy) for call, copy in found if call is not None and copy is not None)

    @property
    def instructions(self) -> int:
        """By the kernels' cost models: of whole tensors, or row by row; of checking its page, of copies and of rows
        that move from where they landed."""
        moved = sum(int(copy.bytes * _COPIED) for _, copy in self.copies)
        if self.segment is None:
            checked = self.page.bytes * _CHECKED if self.page else 0
            return sum(c.instructions for c in self.calls) + checked + moved
        landed = ((rows.pitch, rows.landing) for part in self.segment.parts for rows in part.inputs)
        moved += sum(at.moved * moving_instructions(pitch) for pitch, at in landed if at is not None)
        return sum(c.band.instructions for c in self.calls if c.band is not None) + moved


@dataclass(frozen=True)
class Resident:
    """A plan that a node's image holds among others: its steps are the image's from `step` on. Any chunk whose
    boundaries lie between its steps is a range of them, at the same addresses. Tensors wait at `receive_offset` until
    a chunk takes them, and at `retain_offset` until others have them: without such bytes they come and go in place."""

    plan: Plan
    variant: int
    step: int
    receive_offset: int = 0
    receive_bytes: int = 0
    retain_offset: int = 0
    retain_bytes: int = 0

    @property
    def first(self) -> int:
        """The boundary, of the whole network, that it begins at."""
        return 0 if self.plan.graph.chunk is None else self.plan.graph.chunk.first

    @property
    def last(self) -> int:
        return self.first + len(self.plan.graph.operators)

    @property
    def whole(self) -> Graph:
        """The network that it is a part of, or all of."""
        return self.plan.graph if self.plan.graph.chunk is None else self.plan.graph.chunk.whole


@dataclass(frozen=True)
class Seat:
    """A node's place among others: its number, and the port by which it reaches each other node, by their numbers;
    255: not at all."""

    number: int
    routes: tuple[int, ...]


@dataclass(frozen=True)
class Plan:
    """A network planned for one board: steps over one arena, whose parts are `spans`. `bound` is the live-bytes bound
    over the plan space searched; `weights_bytes` lie in flash, `store_bytes` in a second store. Of a node among others
    it is an image of `residents`, whose steps follow each other, and the network is the first one's."""

    graph: Graph
    board: Board
    options: Options
    name: str
    steps: tuple[Step, ...]
    placements: tuple[Placement, ...]
    spans: tuple[Span, ...]
    arena_bytes: int
    bound: int
    weights_bytes: int
    store_bytes: int = 0
    residents: tuple[Resident, ...] = ()
    seat: Seat | None = None

    def owner(self, step: Step) -> Plan:
        """The plan that a step is of."""
        return next((r.plan for r in reversed(self.residents) if r.step <= step.index), self)

    def placement(self, tensor: int) -> Placement:
        return next(p for p in self.placements if p.tensor == tensor)

    @property
    def mapped(self) -> bool:
        """Whether the second store is memory that the board maps, and not what a callback brings."""
        return self.store_bytes > 0 and self.board.store is not None and self.board.store.address is not None

    @cached_property
    def streams(self) -> dict[int, Stream]:
        """By tensor: the inputs that come in rows and the outputs that leave in rows; all others are whole."""
        found: dict[int, Stream] = {}
        for segment in (s.segment for s in self.steps if s.segment is not None):
            for number, part in enumerate(segment.parts):
                if part.call is None:
                    count = 1 + max(segment.rows(number))
                    bytes_ = self.graph.tensors[part.tensor].bytes // count
                    before = found[part.tensor].passes if part.tensor in found else 0
                    found[part.tensor] = Stream(count, bytes_, segment.direction, before + 1)
        return found

    def widest(self) -> Step:
        """The step that needs the most of the arena: the one to name when it does not fit."""
        return max(self.steps, key=lambda s: (s.arena_bytes, -s.index))


def instance(call: Call) -> tuple[str, tuple[tuple[str, int], ...]]:
    """What tells two generated functions apart: the kernel, and the shape where it is made of literals."""
    return call.kernel.function, call.shape if call.kernel.literal else ()
