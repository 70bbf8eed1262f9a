"""Candidates: the steps that a plan may be cut into, and what each costs: live bytes against instructions.

The live bytes of a step are a lower bound of the arena while it runs: tensors that are alive across it, the rows of
those that it reads and writes, scratch and state of its kernels, less what its outputs may share with rows that die.
Rings rarely get by with their live rows, since a slot that is free for a moment is of no use to what does not move
along: the estimate that guides the search counts slots."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from types import MappingProxyType
from typing import Any

import numpy as np

from shoal.network.graph import Graph
from shoal.operators.base import Call, Operator, RowWindow
from shoal.plan.segments import (
    Events,
    Flags,
    Image,
    Ints,
    Landing,
    Life,
    Task,
    image,
    in_pieces,
    landings,
    lives,
    ring,
    task,
    trace,
)
from shoal.plan.steps import moving_instructions
from shoal.plan.strips import Strip, divisions

_ROW = RowWindow()


@dataclass(frozen=True, eq=False)
class Work:
    """A network as tasks in a fixed order. A feed's rows come top down or, where it may be fed `upwards`, in any order.
    `weight`: how many instructions a byte of flash is worth. `strips`: the features of the core on which segments may
    run in strips; None where they may not."""

    graph: Graph
    tasks: tuple[Task, ...]
    images: Mapping[int, Image]
    upwards: bool = False
    weight: int = 0
    strips: frozenset[str] | None = None

    @cached_property
    def made(self) -> dict[int, int]:
        """The task that writes each tensor; −1 for inputs that are there beforehand."""
        made = dict.fromkeys(self.graph.inputs, -1)
        made.update({t: k for k, one in enumerate(self.tasks) for t in one.outputs})
        return made

    @cached_property
    def last(self) -> dict[int, int]:
        """The last task that reads each tensor; one after all for outputs that stay."""
        last = dict(self.made)
        for k, one in enumerate(self.tasks):
            last.update(dict.fromkeys(one.inputs, k))
        if self.tasks[-1].kind != "drain":
            last.update(dict.fromkeys(self.graph.outputs, len(self.tasks)))
        return last

    @cached_property
    def _needed(self) -> list[dict[int, Flags]]:
        """Per task k: which rows of each tensor the tasks from k on read; after the last, those that stay."""
        stay = len(self.tasks)
        rows = {t: np.full(i.height, self.last[t] == stay) for t, i in self.images.items()}
        found = [dict(rows)]
        for one in reversed(self.tasks):
            for n, t in enumerate(one.inputs):
                read = np.ones(len(rows[t]), bool) if one.windows is None else _read(one, n, len(rows[t]))
                rows[t] = rows[t] | read
            found.append(dict(rows))
        return found[::-1]

    def needed(self, tensor: int, task: int) -> Flags:
        """Which rows of the tensor the tasks from `task` on read, the network's user included."""
        return self._needed[task][tensor]

    def across(self, first: int, last: int) -> int:
        """Bytes of the rows that were made before these tasks and are read after them."""
        return sum(
            self.images[t].pitch * int(self.needed(t, last + 1).sum()) for t, made in self.made.items() if made < first
        )

    def staying(self, first: int, last: int) -> frozenset[int]:
        """The tensors that these tasks write and that others read later: whole tensors."""
        made = (t for k in range(first, last + 1) for t in self.tasks[k].outputs)
        return frozenset(t for t in made if self.last[t] > last)

    def flash_cost(self, call: Call) -> int:
        """Instructions that its constants and its code are worth, as if no other step shared them."""
        return self.weight and self.weight * (call.code_bytes + sum(c.bytes for c in call.constants))


def work(
    graph: Graph,
    calls: Sequence[Sequence[Call]],
    feed: str,
    drain: str,
    weight: int = 0,
    paged: Mapping[int, Sequence[Task]] = MappingProxyType({}),
    strips: frozenset[str] | None = None,
) -> Work:
    """Of the calls that may run each operator; `paged`: the tasks of operators whose constants come in pages."""
    every = list(zip(graph.operators, calls, strict=True))
    images = {t: image(graph.tensors[t]) for t in (*graph.inputs, *(t for o in graph.operators for t in o.outputs))}
    if feed != "whole":
        [fed] = graph.inputs
        images[fed] = arriving(graph, lambda o: calls[o.index])
    if drain != "whole":
        [drained] = graph.outputs
        images[drained] = leaving(graph, lambda o: calls[o.index])
    tasks = [t for o, c in every for t in paged.get(o.index, ()) or (task(o, c, images),)]
    if feed != "whole":
        tasks.insert(0, Task("feed", None, (), (fed,), height=images[fed].height, windows=()))
    if drain != "whole":
        tasks.append(Task("drain", None, (drained,), (), height=images[drained].height, windows=(_ROW,)))
    return Work(graph, tuple(tasks), images, feed == "rows:up", weight, strips)


def arriving(graph: Graph, calls: Callable[[Operator], Sequence[Call]]) -> Image:
    """The one input as it comes where it is fed: in its rows, or in pieces that all of its readers take one by one."""
    [fed] = graph.inputs
    return in_pieces(image(graph.tensors[fed]), (_taken(calls(o), fed) for o in graph.consumers(fed)))


def leaving(graph: Graph, calls: Callable[[Operator], Sequence[Call]]) -> Image:
    """The one output as it goes where it is drained: in its rows, or in pieces that its writer makes one by one."""
    [drained] = graph.outputs
    writer = graph.producer(drained)
    return in_pieces(image(graph.tensors[drained]), () if writer is None else (_given(calls(writer)),))


def _taken(calls: Sequence[Call], tensor: int) -> set[int]:
    """How many pieces of a tensor these calls take one by one."""
    windows = (
        (c.band, w) for c in calls if c.band for t, w in zip(c.inputs, c.band.windows, strict=True) if t == tensor
    )
    return {band.height for band, window in windows if window == _ROW}


def _given(calls: Sequence[Call]) -> set[int]:
    """How many pieces these calls make their output of."""
    return {c.band.height for c in calls if c.band is not None and not c.band.accumulates}


def _read(task: Task, operand: int, height: int) -> Flags:
    """Which rows of an operand of that height the task's windows cover."""
    assert task.windows is not None
    window = task.windows[operand]
    rows = (np.arange(task.height) * window.stride - window.before)[:, None] + np.arange(window.size)
    read = np.zeros(height, bool)
    read[rows[(rows >= 0) & (rows < height)]] = True
    return read


@dataclass(frozen=True)
class Option:
    """A choice of one call per task of a candidate, for each of its strips in turn: `estimate` of the bytes at its
    worst event, `cost` in instructions, flash included by its weight."""

    estimate: int
    cost: int
    calls: tuple[Call | None, ...]


@dataclass(frozen=True, eq=False)
class Candidate:
    """Tasks `first` to `last` as one step: over whole tensors (`events` empty) or row by row; as one step for each of
    its `strips`, all of the same events, where it has any. `landings`: tensors with a slot less than they need
    otherwise. `bound`: the least live bytes, whatever the kernels. `options`: the cheaper, the more bytes they need;
    none is beaten in both by another."""

    first: int
    last: int
    direction: int
    eager: bool
    events: Events
    bound: int
    options: tuple[Option, ...]
    strips: tuple[Strip, ...] = ()
    landings: Mapping[int, Landing] = field(default_factory=dict)

    def by_pass(self, option: Option) -> list[list[tuple[int, Call | None]]]:
        """The tasks with their calls, of each pass over the rows: of each strip."""
        tasks = range(self.first, self.last + 1)
        passes = [option.calls[n : n + len(tasks)] for n in range(0, len(option.calls), len(tasks))]
        return [list(zip(tasks, calls, strict=True)) for calls in passes]


def candidates(work: Work, first: int, last: int) -> Iterator[Candidate]:
    """All ways to run tasks `first` to `last` as one step."""
    across = work.across(first, last)
    tasks = work.tasks[first : last + 1]
    if first == last and tasks[0].calls:
        options = tuple(best(_whole(work, first, across, call) for call in tasks[0].calls))
        yield Candidate(first, last, 1, False, (), options[0].estimate, options)
    if any(t.windows is None for t in tasks):
        return
    staying = work.staying(first, last)
    seen: set[Events] = set()
    downwards = tasks[-1].kind == "drain" or (tasks[0].kind == "feed" and not work.upwards)
    for direction in (1,) if downwards else (1, -1):
        for eager in (False, True):
            events = trace(work.tasks, first, last, work.images, staying, direction, eager)
            if events in seen or len({k for k, _ in events}) < len(tasks):
                continue
            seen.add(events)
            found = lives(work.tasks, events, work.images)
            ways: list[tuple[Strip, ...]] = [()]
            if direction > 0 and not eager:
                ways += striped(work, first, last)
            landed = landed_of(work, first, last, direction, events, found)
            for strips in ways:
                frames = [_frame(work, first, last, across, strip) for strip in strips]
                frames = frames or [_Frame(work.tasks, work.images, across)]
                for saved in ({}, landed) if landed else ({},):
                    bound, options = _row_by_row(work, first, last, direction, events, found, frames, saved)
                    yield Candidate(first, last, direction, eager, events, bound, options, strips, saved)


def landed_of(
    work: Work, first: int, last: int, direction: int, events: Events, found: Mapping[int, Life]
) -> Mapping[int, Landing]:
    """The tensors inside of a trace that may have landings."""
    if direction < 0:
        return {}
    inner = [t for t in found if work.made[t] >= first and work.last[t] <= last]
    return landings(work.tasks, events, work.images, found, inner)


def striped(work: Work, first: int, last: int) -> Iterator[tuple[Strip, ...]]:
    """The ways to run tasks `first` to `last` in strips: those of which nothing but the last one's output stays."""
    if work.strips is not None and work.staying(first, last) == set(work.tasks[last].outputs):
        tasks = {k: work.tasks[k] for k in range(first, last + 1)}
        yield from divisions(work.graph, tasks, work.images, work.strips)


def again(
    work: Work, first: int, last: int, rows: bool, direction: int, eager: bool, strips: int, landed: bool
) -> Candidate:
    """A candidate that was found before, without its options."""
    staying = work.staying(first, last)
    events = trace(work.tasks, first, last, work.images, staying, direction, eager) if rows else ()
    [found] = [s for s in striped(work, first, last) if len(s) == strips] if strips else [()]
    saved: Mapping[int, Landing] = {}
    if landed:
        saved = landed_of(work, first, last, direction, events, lives(work.tasks, events, work.images))
    return Candidate(first, last, direction, eager, events, 0, (), found, saved)


def menus(work: Work, candidate: Candidate) -> list[tuple[Call, ...]]:
    """What the calls of a candidate's options are taken from, one after another."""
    tasks = range(candidate.first, candidate.last + 1)
    if not candidate.strips:
        return [work.tasks[k].banded if candidate.events else work.tasks[k].calls for k in tasks]
    return [strip.tasks[k].banded for strip in candidate.strips for k in tasks]


def whole(work: Work, k: int, call: Call) -> Candidate:
    """A task as a step over whole tensors, by this call."""
    option = _whole(work, k, work.across(k, k), call)
    return Candidate(k, k, 1, False, (), option.estimate, (option,))


def _whole(work: Work, k: int, across: int, call: Call) -> Option:
    one = work.tasks[k]
    inputs = {t: work.images[t].pitch * int((~work.needed(t, k + 1)).sum()) for t in one.inputs}
    written = sum(work.images[t].bytes for t in one.outputs)
    saved = sum(
        shared(inputs[t], written, distance)
        for t, distance in in_place(call.inputs, call.in_place).items()
        if work.last[t] == k and len(one.outputs) == 1
    )
    live = across + sum(inputs.values()) + written - min(saved, written)
    live += call.scratch_bytes + call.state_bytes + one.page_bytes
    return Option(live, call.instructions + work.flash_cost(call), (call,))


def live_bytes(work: Work, k: int) -> int:
    """Of all tensors that are whole while a task runs by itself, outputs apart from inputs."""
    one = work.tasks[k]
    return work.across(k, k) + sum(work.images[t].bytes for t in {*one.inputs, *one.outputs})


@lru_cache(maxsize=4096)
def in_place(inputs: tuple[int, ...], distances: tuple[int | None, ...]) -> Mapping[int, int]:
    """Per tensor that the output may lie over: how many bytes above its start the output may start. A tensor that is
    read as several operands must allow it as each of them."""
    pairs = list(zip(inputs, distances, strict=False))
    return {
        t: min(d for u, d in pairs if u == t and d is not None)
        for t in set(inputs)
        if [u for u, d in pairs if d is not None].count(t) == inputs.count(t)
    }


def shared(read: int, written: int, distance: int) -> int:
    """The most bytes that `written` bytes can share with `read` ones when they may start `distance` above their start,
    or anywhere below."""
    return max(0, read + written - max(read - min(distance, 0), written))


def best(options: Iterable[Option]) -> list[Option]:
    """Those that no other beats in both, from the fewest bytes to the fewest instructions."""
    kept: list[Option] = []
    for option in sorted(options, key=lambda o: (o.estimate, o.cost)):
        if not kept or option.cost < kept[-1].cost:
            kept.append(option)
    return kept


@dataclass(frozen=True, eq=False)
class _Frame:
    """What a pass over the rows works on. `across`: bytes that live beside it from its first event to its last."""

    tasks: Sequence[Task] | Mapping[int, Task]
    images: Mapping[int, Image]
    across: int


def _frame(work: Work, first: int, last: int, across: int, strip: Strip) -> _Frame:
    """Of a strip: the tensors that are whole are so from the first strip to the last."""
    whole = [t for t in strip.columns if t not in strip.images]
    more = sum(work.images[t].bytes for t in work.tasks[last].outputs)
    more += sum(work.images[t].pitch * int((~work.needed(t, last + 1)).sum()) for t in whole if work.made[t] < first)
    none = {t: Image(work.images[t].height, 0) for t in whole}
    return _Frame(strip.tasks, {**strip.images, **none}, across + more)


def _row_by_row(
    work: Work,
    first: int,
    last: int,
    direction: int,
    events: Events,
    found: Mapping[int, Life],
    frames: Sequence[_Frame],
    landed: Mapping[int, Landing],
) -> tuple[int, tuple[Option, ...]]:
    """The least live bytes, and the options, of all passes together, by the one that has the most of each row."""
    slots = {t: _slots(work, first, last, direction, t, life) for t, life in found.items()}
    slots |= {t: landing.slots for t, landing in landed.items()}
    dying = {t: _count(life.death[~work.needed(t, last + 1)], len(events)) for t, life in found.items()}
    widest = max(frames, key=lambda f: sum(f.images[t].pitch for t in found))
    live, estimate = (widest.across + _live(work, widest, first, last, events, found, s) for s in ({}, slots))
    for t, landing in landed.items():
        late = landing.lands
        for birth, read in zip(found[t].birth[late], landing.reads[late], strict=True):
            estimate[birth : read + 1] += widest.images[t].pitch
    moving = sum(
        int((landing.moves >= 0).sum()) * moving_instructions(frame.images[t].pitch)
        for frame in frames
        for t, landing in landed.items()
    )
    at = np.array([k for k, _ in events])
    least = 0
    # per choice of calls so far: (worst event without state, bytes of state, instructions, calls)
    choices: list[_Choice] = [(0, 0, moving, ())]
    for k in range(first, last + 1):
        times = np.flatnonzero(at == k)
        died = {t: dying[t][times] for t in work.tasks[k].inputs}
        least = max(least, min(need + state for need, state, _, _ in _offers(work, widest, k, live[times], died)))
        died = {t: n for t, n in died.items() if not slots[t]}
        offers = _together(work, frames, k, _offers(work, widest, k, estimate[times], died))
        choices = _undominated(
            [
                (max(need, more), state + kept, cost + extra, (*calls, call))
                for need, state, cost, calls in choices
                for more, kept, extra, call in _undominated(offers)
            ]
        )
    return least, tuple(best(Option(need + state, cost, _in_turn(calls)) for need, state, cost, calls in choices))


def _together(work: Work, frames: Sequence[_Frame], k: int, offers: Sequence[_Choice]) -> list[_Choice]:
    """Of the offers of one pass, what each call costs in all of them, which have the same calls in the same order."""
    found = []
    for n, (need, state, cost, call) in enumerate(offers):
        calls = (None,) * len(frames) if call is None else tuple(f.tasks[k].banded[n] for f in frames)
        every = cost if len(frames) == 1 else sum(_cost(work, c) for c in calls if c is not None)
        found.append((need, state, every, calls))
    return found


def _cost(work: Work, call: Call) -> int:
    """Of all rows, and what its flash is worth."""
    assert call.band is not None
    return call.band.instructions + work.flash_cost(call)


def _in_turn(calls: Sequence[tuple[Call | None, ...]]) -> tuple[Call | None, ...]:
    """The calls of all passes, one pass after another, from those of each task."""
    return tuple(call for every in zip(*calls, strict=True) for call in every)


def _slots(work: Work, first: int, last: int, direction: int, tensor: int, life: Life) -> int:
    """Of a tensor that becomes a ring of several slots: how many; else 0."""
    if work.made[tensor] < first or work.last[tensor] > last:
        return 0
    slots = ring(life, direction)
    return slots if 1 < slots < len(life.birth) else 0


_Choice = tuple[int, int, int, Any]


def _undominated(choices: list[_Choice]) -> list[_Choice]:
    kept: list[_Choice] = []
    for choice in sorted(choices, key=lambda c: c[:3]):
        if not any(k[1] <= choice[1] and k[2] <= choice[2] for k in kept):
            kept.append(choice)
    return kept


def _offers(work: Work, frame: _Frame, k: int, live: Ints, dying: Mapping[int, Ints]) -> list[_Choice]:
    """Per call of the task: live bytes at its worst event, its state not counted, and state, instructions, call."""
    one = frame.tasks[k]
    if not one.banded:
        return [(int(live.max()) + one.row_bytes, 0, 0, None)]
    output = frame.images[one.outputs[0]]
    written = output.bytes if one.accumulates else output.pitch
    births = np.arange(len(live)) == len(live) - 1 if one.accumulates else np.ones(len(live), bool)
    offers = []
    for call in one.banded:
        band = call.band
        assert band is not None
        saved = np.zeros(len(live), np.int64)
        for t, distance in in_place(call.inputs, band.in_place).items():
            if t in dying:
                saved += dying[t] * shared(frame.images[t].pitch, written, distance)
        if band.over_state is not None and output.height == 1:
            saved[-1] += shared(band.state_bytes, written, band.over_state)
        need = int((live - np.where(births, np.minimum(saved, written), 0)).max()) + band.scratch_bytes
        offers.append((need, band.state_bytes, _cost(work, call), call))
    return offers


def _live(
    work: Work,
    frame: _Frame,
    first: int,
    last: int,
    events: Events,
    found: Mapping[int, Life],
    slots: Mapping[int, int],
) -> Ints:
    """Bytes of tensors that these tasks touch, alive at each event, less what is alive across. Those in `slots` hold
    as many rows from the first to the last."""
    change = np.zeros(len(events) + 1, np.int64)
    for t, life in found.items():
        pitch, before, stays = frame.images[t].pitch, work.made[t] < first, work.needed(t, last + 1)
        rows = work.needed(t, first) & ~stays if before else life.birth >= 0
        birth, death = np.maximum(life.birth[rows], 0), np.maximum(life.birth, life.death)[rows & ~stays] + 1
        if slots.get(t):
            birth, death = np.sort(birth)[: slots[t]], np.sort(death)[-slots[t] :]
        np.add.at(change, birth, pitch)
        np.add.at(change, death, -pitch)
    return np.cumsum(change)[:-1]


def _count(times: Ints, events: int) -> Ints:
    """How many rows die at each event."""
    return np.bincount(times[times >= 0], minlength=events)
