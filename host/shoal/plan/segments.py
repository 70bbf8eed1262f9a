"""Segments: runs of operators computed row by row, so that the tensors between them are never whole.

A tile is one whole output row. A segment's trace is driven by demand: the last operator's rows are produced one by one,
downwards or upwards, each after the rows of its windows, and so on backwards. A row lives from the event that writes it
to the last event that reads it, which is all that the arena needs to know; nothing is computed twice."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from shoal.operators.base import Band, Call, Operator, RowWindow
from shoal.tensors import Tensor

Ints = npt.NDArray[np.int64]
Flags = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Image:
    """A tensor as rows: `height` of them, `pitch` bytes each. What is not one NHWC image is a single row, or pieces
    where it travels and kernels take or make it so."""

    height: int
    pitch: int

    @property
    def bytes(self) -> int:
        return self.height * self.pitch


def image(tensor: Tensor) -> Image:
    height = tensor.shape[1] if len(tensor.shape) == 4 and tensor.shape[0] == 1 and min(tensor.shape) > 0 else 1
    return Image(height, tensor.bytes // height)


def in_pieces(whole: Image, bands: Iterable[Collection[int]]) -> Image:
    """A single row as the pieces that kernels know: `bands` has, for each operator at its other end, the heights of
    their bands. As it is where they do not agree."""
    heights = {frozenset(h for h in one if h > 1) for one in bands}
    if whole.height > 1 or len(heights) != 1 or len(found := next(iter(heights))) != 1:
        return whole
    [height] = found
    return Image(height, whole.pitch // height)


@dataclass(frozen=True)
class Task:
    """An operator as the planner sees it; or the feed that brings the network's input, or the drain that takes its
    output away, row by row (`operator` None, no `calls`).

    `windows`: the rows of each input that an event reads; None where it needs whole tensors. It has `height` events,
    one for each row of its output or, where it `accumulates`, of its input: then the last one writes all the output.
    `banded`: the calls that compute it so.
    `row_bytes`: of a whole row, where a feed keeps only some columns of it: it comes to a place of its own.
    `page_bytes`: of constants that are brought into the arena for it. Then it may be one of several tasks of its
    operator, and computes `channels` output channels from `channel` on."""

    kind: str
    operator: int | None
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    calls: tuple[Call, ...] = ()
    banded: tuple[Call, ...] = ()
    height: int = 1
    windows: tuple[RowWindow, ...] | None = None
    accumulates: bool = False
    row_bytes: int = 0
    page_bytes: int = 0
    channel: int = 0
    channels: int = 0


def task(operator: Operator, calls: Sequence[Call], images: Mapping[int, Image]) -> Task:
    """With the bands that divide it alike: an accumulating one before one that reads all rows at once."""
    fitting = [(c, c.band) for c in calls if c.band is not None and _fits(c, c.band, images)]
    fitting.sort(key=lambda found: not found[1].accumulates)
    first = calls[0]
    if not fitting:
        return Task(operator.kind, operator.index, first.inputs, first.outputs, tuple(calls))
    like = fitting[0][1]
    alike = [
        c for c, b in fitting if (b.windows, b.height, b.accumulates) == (like.windows, like.height, like.accumulates)
    ]
    call = alike[0]
    return Task(
        operator.kind,
        operator.index,
        call.inputs,
        call.outputs,
        tuple(calls),
        tuple(alike),
        like.height,
        like.windows,
        like.accumulates,
    )


def _fits(call: Call, band: Band, images: Mapping[int, Image]) -> bool:
    """Whether the band's rows are the tensors' rows: what was reshaped on the way may be read in another division. Rows
    of a ring lie one pitch apart, which must suit the kernel."""
    inputs, outputs = [images[t] for t in call.inputs], [images[t] for t in call.outputs]
    if len(outputs) != 1 or len(band.windows) != len(inputs) or any(i.pitch % call.align for i in (*inputs, *outputs)):
        return False
    if band.accumulates:
        return [i.height for i in inputs] == [band.height]
    if band.height != outputs[0].height:
        return False
    return all(
        w.before >= 0
        and (band.height - 1) * w.stride - w.before < i.height
        and (band.height - 1) * w.stride - w.before + w.size > i.height - max(w.stride, 1)
        for w, i in zip(band.windows, inputs, strict=True)
    )


class _Tracer:
    def __init__(
        self, tasks: Sequence[Task], first: int, last: int, direction: int, eager: bool, images: Mapping[int, Image]
    ) -> None:
        self.tasks, self.direction = tasks, direction
        self.events: list[tuple[int, int]] = []
        self.made = dict.fromkeys(range(first, last + 1), 0)
        self.maker = {t: k for k in self.made for t in tasks[k].outputs}
        self.needs = {k: self._needs(tasks[k], images) for k in self.made}
        self.early = self._early() if eager else {}

    def _needs(self, task: Task, images: Mapping[int, Image]) -> list[tuple[int, list[int]]]:
        """Per input that is made here: its maker, and how many rows of it each row of the task needs to be there."""
        needs = []
        for tensor, window in zip(task.inputs, task.windows or (), strict=True):
            if tensor in self.maker:
                height = images[tensor].height
                top = np.arange(task.height) * window.stride - window.before
                bottom = np.minimum(top + window.size, height)
                top = np.maximum(top, 0)
                count = bottom if self.direction > 0 else (height - top)[::-1]
                count = np.where((bottom > top)[:: self.direction], count, 0)
                if self.tasks[self.maker[tensor]].accumulates:
                    count = np.where(count > 0, self.tasks[self.maker[tensor]].height, 0)
                needs.append((self.maker[tensor], [int(n) for n in np.maximum.accumulate(count)]))
        return needs

    def _early(self) -> dict[int, list[int]]:
        """Per maker of a row: the tasks that run as soon as they can, one row wide, beside another reader of it."""
        readers: dict[int, list[int]] = {}
        for k in self.made:
            for tensor in set(self.tasks[k].inputs):
                readers.setdefault(tensor, []).append(k)
        early: dict[int, list[int]] = {}
        for tensor, found in readers.items():
            if len(found) > 1 and tensor in self.maker:
                for k in found:
                    if len(self.tasks[k].inputs) == 1 and (self.tasks[k].windows or ())[0].size == 1:
                        early.setdefault(self.maker[tensor], []).append(k)
        return early

    def ensure(self, task: int, count: int) -> None:
        while self.made[task] < count:
            self.step(task)

    def step(self, task: int) -> None:
        row = self.made[task]
        for maker, counts in self.needs[task]:
            self.ensure(maker, counts[row])
        if self.made[task] != row:  # an early task has run meanwhile
            return
        height = self.tasks[task].height
        self.events.append((task, row if self.direction > 0 else height - 1 - row))
        self.made[task] += 1
        for k in self.early.get(task, ()):
            while self.made[k] < self.tasks[k].height and all(
                self.made[maker] >= counts[self.made[k]] for maker, counts in self.needs[k]
            ):
                self.step(k)


#: (task, row), rows counted from the top of the image, in the order in which they run
Events = tuple[tuple[int, int], ...]


def trace(
    tasks: Sequence[Task],
    first: int,
    last: int,
    images: Mapping[int, Image],
    whole: Collection[int],
    direction: int = 1,
    eager: bool = False,
) -> Events:
    """The trace of tasks `first` to `last`, the last one included. Of the tensors in `whole`, which others read later,
    and of a feed's all rows are made; of others those that are needed. `eager`: a one-row task on a tensor that others
    read too, the shortcut around a block, runs as soon as its row is there, not when its own reader asks."""
    tracer = _Tracer(tasks, first, last, direction, eager, images)
    for k in (last, *range(first, last)):
        if k == last or tasks[k].kind == "feed" or any(t in whole for t in tasks[k].outputs):
            tracer.ensure(k, tasks[k].height)
    return tuple(tracer.events)


@dataclass(frozen=True)
class Life:
    """Of each row of a tensor, from the top of the image: the event that writes it and the last that reads it; −1 where
    there is none in this trace."""

    birth: Ints
    death: Ints


def lives(tasks: Sequence[Task], events: Events, images: Mapping[int, Image]) -> dict[int, Life]:
    """Of every tensor that the trace touches."""
    found: dict[int, Life] = {}

    def life(tensor: int) -> Life:
        if tensor not in found:
            found[tensor] = Life(*(np.full(images[tensor].height, -1, np.int64) for _ in range(2)))
        return found[tensor]

    order = np.array(events, np.int64).reshape(-1, 2)
    for k in sorted(set(order[:, 0].tolist())):
        task = tasks[k]
        times = np.flatnonzero(order[:, 0] == k)
        rows = order[times, 1]
        for tensor, window in zip(task.inputs, task.windows or (), strict=True):
            death = life(tensor).death
            for tap in range(window.size):
                read = rows * window.stride - window.before + tap
                inside = (read >= 0) & (read < len(death))
                np.maximum.at(death, read[inside], times[inside])
        for tensor in task.outputs:
            birth = life(tensor).birth
            if task.accumulates:
                birth[:] = times[-1]
            else:
                birth[rows] = times
    return found


def ring(life: Life, direction: int) -> int:
    """The least number of slots of a tensor that lives in this trace only: the row that takes a slot again is born
    after the one that had it died. Rows that are not made need none."""
    made = life.birth >= 0
    birth, death = life.birth[made][::direction], np.maximum(life.birth, life.death)[made][::direction]
    return max(1, int((np.searchsorted(birth, death, side="right") - np.arange(len(birth))).max(initial=0)))


@dataclass(frozen=True)
class Landing:
    """How a tensor gets by with a slot less: rows `first`, `first` + `stride`, …, each the last row of a window of its
    only reader, come to a place of their own, and those up to `last`, which are read again, move to their slot once the
    row of the output is done that is the first to need them.

    `lands`: of each row, whether it does; then `reads` is that event, and `moves` the same, or −1 where it does not
    move."""

    first: int
    stride: int
    last: int
    slots: int
    lands: Flags
    reads: Ints
    moves: Ints


def landings(
    tasks: Sequence[Task],
    events: Events,
    images: Mapping[int, Image],
    found: Mapping[int, Life],
    inner: Collection[int],
) -> dict[int, Landing]:
    """Of those `inner` tensors of a downward trace for which it saves a slot."""
    order = np.array(events, np.int64).reshape(-1, 2)
    range_ = sorted(set(order[:, 0].tolist()))
    makers = {t: k for k in range_ for t in tasks[k].outputs}
    landed = {}
    for t in inner:
        readers = [k for k in range_ for u in tasks[k].inputs if u == t]
        if len(readers) == 1 and all(tasks[k].banded and not tasks[k].accumulates for k in (makers[t], readers[0])):
            reader = tasks[readers[0]]
            times = np.flatnonzero(order[:, 0] == readers[0])
            landing = _landing(reader, t, order[times, 1], times, images[t].height, found[t])
            if landing is not None and landing.slots < ring(found[t], 1):
                landed[t] = landing
    return landed


def _landing(reader: Task, tensor: int, rows: Ints, times: Ints, height: int, life: Life) -> Landing | None:
    """Of a tensor whose reader makes these rows at these times, all of them downwards."""
    assert reader.windows is not None
    window = reader.windows[reader.inputs.index(tensor)]
    first, stride = window.size - 1 - window.before, window.stride
    if window.size <= stride or first < 0 or not np.array_equal(rows, np.arange(len(rows))):
        return None
    late = first + rows * stride
    late, at = late[late < height], times[late < height]
    made = np.flatnonzero(life.birth >= 0)
    if not np.array_equal(made[(made >= first) & ((made - first) % stride == 0)], late):
        return None
    if (life.birth[late[1:]] < at[:-1]).any():
        return None  # it would come before the one before has left
    lands, reads, moves = np.zeros(height, bool), np.full(height, -1, np.int64), np.full(height, -1, np.int64)
    lands[late], reads[late] = True, at
    again = life.death[late] > at
    moves[late[again]] = at[again]
    # a slot is free for what moves in the event of its row's last reading
    birth = np.where(lands, 2 * moves + 1, 2 * life.birth)
    stays = np.where(lands & (moves < 0), -1, birth)
    slots = ring(Life(stays, 2 * life.death), 1)
    return Landing(first, stride, int(late[again].max(initial=-1)), slots, lands, reads, moves)
