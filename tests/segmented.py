"""Plans with fused segments, made by hand: nothing overlaps, rings are as short as their traces allow."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from shoal.boards.board import Board
from shoal.network.graph import Graph
from shoal.operators import kind
from shoal.operators.base import Call
from shoal.plan.planner import lay_out
from shoal.plan.steps import Options, Part, Phase, Placement, Plan, RowRun, Rows, Segment, Step

Event = tuple[int, int]


def segmented(
    graph: Graph,
    board: Board,
    runs: Sequence[tuple[int, int]],
    *,
    direction: int = 1,
    feed: bool = False,
    drain: bool = False,
    options: Options | None = None,
    literal: bool = True,
) -> Plan:
    """A plan of the graph with its operators [first, last) fused for each of `runs`, in order."""
    plain = lay_out(graph, board, options or Options())
    maker = _Maker(graph, board, direction, literal)
    fed = set(graph.inputs) if feed else set()
    drained = set(graph.outputs) if drain else set()
    inner: set[int] = set()
    for first, last in runs:
        written = {t for s in plain.steps[first:last] for t in s.calls[0].outputs}
        read = {t for s in plain.steps[last:] for t in s.calls[0].inputs} | set(graph.outputs)
        inner |= written - read
    whole = {p.tensor for p in plain.placements} - inner - fed - drained
    for tensor in sorted(whole):
        maker.tensors[tensor] = maker.room(graph.tensors[tensor].bytes)
    steps: list[Step] = []
    at = 0
    for first, last in [*runs, (len(plain.steps), len(plain.steps))]:
        steps += [maker.whole(s, len(steps) + i) for i, s in enumerate(plain.steps[at:first])]
        if first < last:
            steps.append(maker.segment(plain.steps[first:last], len(steps), fed, drained))
        at = last
    places = tuple(Placement(t, maker.tensors[t], graph.tensors[t].bytes, -1, len(steps)) for t in sorted(whole))
    return replace(plain, steps=tuple(steps), placements=places, arena_bytes=maker.top, bound=0)


class _Maker:
    def __init__(self, graph: Graph, board: Board, direction: int, literal: bool) -> None:
        self.graph, self.board, self.direction, self.literal = graph, board, direction, literal
        self.tensors: dict[int, int] = {}
        self.top = 0

    def room(self, size: int) -> int:
        offset = self.top
        self.top += -(-size // 8) * 8
        return offset

    def whole(self, step: Step, index: int) -> Step:
        [call] = step.calls
        return replace(
            step,
            index=index,
            inputs=tuple(self.tensors[t] for t in call.inputs),
            outputs=tuple(self.tensors[t] for t in call.outputs),
            scratch=self.room(call.scratch_bytes) if call.scratch_bytes else None,
            state=self.room(call.state_bytes) if call.state_bytes else None,
        )

    def banded(self, step: Step) -> Call:
        operator = self.graph.operators[step.operators[0]]
        calls = kind(operator.kind).calls(operator, self.graph.tensors, self.board.core.features)
        found = [c for c in calls if c.band is not None]
        return next((c for c in found if c.kernel.literal == self.literal), found[0])

    def height(self, tensor: int) -> int:
        shape = self.graph.tensors[tensor].shape
        return shape[1] if len(shape) == 4 else 1

    def segment(self, plain: Sequence[Step], index: int, fed: set[int], drained: set[int]) -> Step:
        calls: list[Call | None] = [self.banded(s) for s in plain]
        kinds, operators = [s.kind for s in plain], [s.operators[0] if s.operators else None for s in plain]
        wanted = [t for c in calls if c for t in c.inputs if t in fed]
        feeds = list(dict.fromkeys(wanted))
        tensors = [c.outputs[0] for c in calls if c]
        drains = [t for t in tensors if t in drained]
        calls = [*[None] * len(feeds), *calls, *[None] * len(drains)]
        kinds = ["feed"] * len(feeds) + kinds + ["drain"] * len(drains)
        numbers = [*[None] * len(feeds), *operators, *[None] * len(drains)]
        tensors = feeds + tensors + drains
        events = self.trace(calls, kinds, tensors)
        made = {t: k for k, t in enumerate(tensors) if kinds[k] != "drain"}
        rows = {t: self.rows(t, made, calls, kinds, tensors, events) for t in tensors}
        for call in calls:
            for t in call.inputs if call else ():
                rows.setdefault(t, self.rows(t, made, calls, kinds, tensors, events))
        parts = []
        for k, call in enumerate(calls):
            inputs = (tensors[k],) if kinds[k] == "drain" else call.inputs if call else ()
            band = call.band if call else None
            parts.append(
                Part(
                    kind=kinds[k],
                    operator=numbers[k],
                    tensor=tensors[k],
                    call=call,
                    inputs=tuple(rows[t] for t in inputs),
                    output=None if kinds[k] == "drain" else rows[tensors[k]],
                    scratch=self.room(band.scratch_bytes) if band and band.scratch_bytes else None,
                    state=self.room(band.state_bytes) if band and band.state_bytes else None,
                )
            )
        return Step(
            index=index,
            operators=tuple(o for s in plain for o in s.operators),
            kind="segment",
            name=plain[-1].name,
            call=None,
            inputs=(),
            outputs=(),
            scratch=None,
            state=None,
            macs=sum(s.macs for s in plain),
            arena_bytes=0,
            segment=Segment(tuple(parts), phases(events, self.direction), self.direction),
        )

    def count(self, call: Call | None, tensor: int) -> int:
        return call.band.height if call and call.band else self.height(tensor)

    def window(self, call: Call | None, number: int, y: int, height: int) -> list[int]:
        window = call.band.windows[number] if call and call.band else None
        if window is None:
            return [y]
        start = y * window.stride - window.before
        return [r for r in range(start, start + window.size) if 0 <= r < height]

    def trace(self, calls: Sequence[Call | None], kinds: Sequence[str], tensors: Sequence[int]) -> list[Event]:
        events: list[Event] = []
        done: set[Event] = set()
        made = {t: k for k, t in enumerate(tensors) if kinds[k] != "drain"}

        def ensure(k: int, upto: int) -> None:
            order = range(self.count(calls[k], tensors[k]))
            for y in order if self.direction > 0 else reversed(order):
                if (k, y) not in done:
                    call = calls[k]
                    inputs = call.inputs if call else (tensors[k],) if kinds[k] == "drain" else ()
                    for number, t in enumerate(inputs):
                        if t in made:
                            for r in self.window(call, number, y, self.height(t)):
                                accumulated = calls[made[t]] is not None and calls[made[t]].band.accumulates
                                goal = (self.count(calls[made[t]], t) - 1) * (self.direction > 0) if accumulated else r
                                ensure(made[t], goal)
                    done.add((k, y))
                    events.append((k, y))
                if y == upto:
                    return

        for k in reversed(range(len(calls))):
            ensure(k, (self.count(calls[k], tensors[k]) - 1) * (self.direction > 0))
        return events

    def rows(
        self,
        tensor: int,
        made: dict[int, int],
        calls: Sequence[Call | None],
        kinds: Sequence[str],
        tensors: Sequence[int],
        events: Sequence[Event],
    ) -> Rows:
        height = self.height(tensor)
        pitch = self.graph.tensors[tensor].bytes // height
        if tensor in self.tensors:
            return Rows(self.tensors[tensor], pitch)
        born: dict[int, int] = {}
        dies: dict[int, int] = {}
        for at, (k, y) in enumerate(events):
            call = calls[k]
            if made[tensor] == k and kinds[k] != "drain":
                born[0 if call and call.band and call.band.accumulates else y] = at
                dies[y] = at
            inputs = call.inputs if call else (tensors[k],) if kinds[k] == "drain" else ()
            for number, t in enumerate(inputs):
                if t == tensor:
                    dies |= dict.fromkeys(self.window(call, number, y, height), at)
        count = next(
            n
            for n in range(1, height + 1)
            if all(dies[y] < born[z] or dies[z] < born[y] for y in born for z in range(y + n, height, n) if z in born)
        )
        return Rows(self.room(count * pitch), pitch, count)


def phases(events: Sequence[Event], direction: int) -> tuple[Phase, ...]:
    """The events with their longest periodic stretch folded."""
    best = (0, 0, 1, 0)
    for period in range(1, min(len(events) // 2, 64) + 1):
        start = 0
        while start + 2 * period <= len(events):
            if any(events[start + i][0] != events[start + period + i][0] for i in range(period)):
                start += 1
                continue
            steps = [events[start + period + i][1] - events[start + i][1] for i in range(period)]
            repeat = 1
            while start + (repeat + 1) * period <= len(events) and all(
                events[start + repeat * period + i] == (events[start + i][0], events[start + i][1] + repeat * steps[i])
                for i in range(period)
            ):
                repeat += 1
            if repeat > 2 and repeat * period > best[0]:
                best = (repeat * period, start, repeat, period)
            start += max(1, (repeat - 1) * period)
    length, start, repeat, period = best
    if not length:
        return (Phase(1, _runs(events, direction, [0] * len(events))),)
    steps = [events[start + period + i][1] - events[start + i][1] for i in range(period)]
    found = [
        Phase(1, _runs(events[:start], direction, [0] * start)),
        Phase(repeat, _runs(events[start : start + period], direction, steps)),
        Phase(1, _runs(events[start + length :], direction, [0] * len(events))),
    ]
    return tuple(p for p in found if p.runs)


def _runs(events: Sequence[Event], direction: int, steps: Sequence[int]) -> tuple[RowRun, ...]:
    runs: list[RowRun] = []
    for (part, row), step in zip(events, steps, strict=False):
        last = runs[-1] if runs else None
        if last and (last.part, last.first + direction * last.count, last.advance) == (part, row, step):
            runs[-1] = replace(last, count=last.count + 1)
        else:
            runs.append(RowRun(part, row, 1, step))
    return tuple(runs)


def fusible(graph: Graph, board: Board) -> list[bool]:
    """Of each operator, whether it can be computed row by row: its rows are those of its tensors."""
    found = []
    for operator in graph.operators:
        calls = kind(operator.kind).calls(operator, graph.tensors, board.core.features)
        found.append(any(c.band is not None and _fits(graph, c) for c in calls))
    return found


def _fits(graph: Graph, call: Call) -> bool:
    """What was reshaped on the way is not read in the rows in which it was written."""
    band = call.band
    shapes = [graph.tensors[t].shape for t in (*call.inputs, *call.outputs)]
    if band is None or any(len(s) != 4 or s[0] != 1 for s in shapes):
        return False
    if band.accumulates:
        return band.height == shapes[0][1]
    if band.height != shapes[-1][1]:
        return False
    for window, shape in zip(band.windows, shapes, strict=False):
        if (band.height - 1) * window.stride - window.before + window.size <= shape[1] - window.stride:
            return False
    return True
