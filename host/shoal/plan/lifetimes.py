"""The buffers of a plan that has been cut into steps, and which addresses of theirs are safe."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields

import numpy as np

from shoal.operators.base import Call
from shoal.plan.arena import Buffer, Conflicts, Slots, unsafe
from shoal.plan.candidates import Candidate, Option, Work, in_place
from shoal.plan.segments import Ints, Life, Task, lives, ring

#: tensors, scratch and state start at multiples of this, so that kernels may read words
TENSOR_ALIGN = 4

#: pages of constants, of which some kernels read double words
PAGE_ALIGN = 8

_NEVER = -2


@dataclass(frozen=True, eq=False)
class Cut:
    """One step of a plan: a candidate with one of its options taken."""

    candidate: Candidate
    option: Option


@dataclass(frozen=True, eq=False)
class Needs:
    """What has to be placed. Keys of buffers: `tensor_key`, `scratch_key`, `state_key`, `landing_key`, `page_key` and,
    once `copies` has added them, `copy_key`. `rings`: slots of each tensor that is a ring; `times`: the events of each
    step, from the first to the last. A cut into strips is a step for each of them."""

    buffers: tuple[Buffer, ...]
    conflicts: Conflicts
    rings: Mapping[int, int]
    times: tuple[range, ...]


def tensor_key(tensor: int) -> str:
    return f"t{tensor}"


def scratch_key(task: int) -> str:
    return f"scratch{task}"


def state_key(task: int) -> str:
    return f"state{task}"


def landing_key(tensor: int) -> str:
    return f"landing{tensor}"


def page_key(task: int) -> str:
    return f"page{task}"


def copy_key(task: int) -> str:
    return f"copy{task}"


class _Collector:
    """Lifetimes in events of the whole plan: each event of each segment, each step over whole tensors, is one."""

    def __init__(self, work: Work, first: int) -> None:
        self.work, self.next = work, first
        self.birth = {t: np.full(i.height, _NEVER, np.int64) for t, i in work.images.items()}
        self.death = {t: np.full(i.height, _NEVER, np.int64) for t, i in work.images.items()}
        self.align = dict.fromkeys(work.images, TENSOR_ALIGN)
        for t, made in work.made.items():
            if made < first:
                there = work.needed(t, first) | (first == 0)  # who writes an input writes it whole
                self.birth[t][there] = self.death[t][there] = -1
        self.rings: dict[int, int] = {}
        self.others: dict[str, Slots] = {}  # scratch, state, pages and what lives in strips
        self.align_of: dict[str, int] = {}
        self.over: dict[tuple[str, str], int] = {}  # rows of y over dying rows, or the dying state, of x
        self.whole_over: dict[tuple[str, str], int] = {}  # all of y over all of x
        self.times: list[range] = []
        self.now = 0

    def add(self, cut: Cut) -> None:
        candidate = cut.candidate
        self.next = candidate.last + 1
        if candidate.strips:
            self._strips(cut)
        elif candidate.events:
            self._rows(cut)
        else:
            self._whole(cut)
        events = max(1, len(candidate.events))
        for _ in candidate.strips or (None,):
            self.times.append(range(self.now, self.now + events))
            self.now += events

    def _whole(self, cut: Cut) -> None:
        k, [call] = cut.candidate.first, cut.option.calls
        assert call is not None
        one = self.work.tasks[k]
        for t in one.inputs:
            self.death[t][:] = self.now
        for t in one.outputs:
            self.birth[t][self.birth[t] == _NEVER] = self.now  # another part of its channels may be there already
            self.death[t][:] = self.now
        for t, distance in in_place(call.inputs, call.in_place).items():
            if self.work.last[t] == k and len(one.outputs) == 1:
                self.whole_over[tensor_key(t), tensor_key(one.outputs[0])] = distance
        self._aligned(one.inputs + one.outputs, call.align)
        self._working(k, call.scratch_bytes, call.state_bytes, np.array([self.now]))
        if one.page_bytes:
            now, zero = np.array([self.now]), np.zeros(1, np.int64)
            self.others[page_key(k)] = Slots(zero, zero + one.page_bytes, now, now)
            self.align_of[page_key(k)] = PAGE_ALIGN

    def _rows(self, cut: Cut) -> None:
        candidate, work = cut.candidate, self.work
        found = lives(work.tasks, candidate.events, work.images)
        for t, life in found.items():
            if t in candidate.landings:
                self._ring(t, life, candidate, work.images[t].pitch, self.now)
                continue
            born, dead = life.birth >= 0, life.death >= 0
            self.birth[t][born] = self.death[t][born] = self.now + life.birth[born]
            self.death[t][dead] = self.now + life.death[dead]
            if work.made[t] >= candidate.first and work.last[t] <= candidate.last:
                slots = ring(life, candidate.direction)
                if slots < work.images[t].height:
                    self.rings[t] = slots
        [calls] = candidate.by_pass(cut.option)
        self._calls(candidate, calls, work.tasks, self.now)

    def _strips(self, cut: Cut) -> None:
        """Whole tensors are taken from the first strip to the last one. What lives in strips lies at the same place in
        each of them."""
        candidate = cut.candidate
        found = lives(self.work.tasks, candidate.events, self.work.images)
        for number, (strip, calls) in enumerate(zip(candidate.strips, candidate.by_pass(cut.option), strict=True)):
            now = self.now + number * len(candidate.events)
            for t, life in found.items():
                if t in strip.images:
                    self._ring(t, life, candidate, strip.images[t].pitch, now)
                else:
                    born, dead = life.birth >= 0, life.death >= 0
                    fresh = born & (self.birth[t] == _NEVER)
                    self.birth[t][fresh] = now + life.birth[fresh]
                    self.death[t][born] = now + life.birth[born]
                    self.death[t][dead] = now + life.death[dead]
            self._calls(candidate, calls, strip.tasks, now)

    def _ring(self, t: int, life: Life, candidate: Candidate, pitch: int, now: int) -> None:
        """A tensor that lives in these events only; at most all of its rows have slots."""
        landing = candidate.landings.get(t)
        birth, death = life.birth, np.maximum(life.birth, life.death)
        if landing is not None:
            late = landing.lands
            start = np.zeros(int(late.sum()), np.int64)
            self._hold(landing_key(t), start, pitch, now + birth[late], now + landing.reads[late])
            birth = np.where(late, landing.moves, birth)
        self.rings[t] = ring(life, candidate.direction) if landing is None else landing.slots
        rows = np.flatnonzero(birth >= 0)
        self._hold(tensor_key(t), rows % self.rings[t] * pitch, pitch, now + birth[rows], now + death[rows])

    def _calls(
        self,
        candidate: Candidate,
        calls: Sequence[tuple[int, Call | None]],
        tasks: Sequence[Task] | Mapping[int, Task],
        now: int,
    ) -> None:
        """What these calls of a pass over the rows need, and where they may write."""
        at = np.array([k for k, _ in candidate.events])
        for k, call in calls:
            moments = now + np.flatnonzero(at == k)
            if call is None:
                self._working(k, tasks[k].row_bytes, 0, moments)
                continue
            assert call.band is not None
            [output] = tasks[k].outputs
            places = [tensor_key(output)] + ([landing_key(output)] if output in candidate.landings else [])
            for t, distance in in_place(call.inputs, call.band.in_place).items():
                for pair in ((tensor_key(t), place) for place in places):
                    self.over[pair] = min(distance, self.over.get(pair, distance))
            if call.band.over_state is not None and self.work.images[output].height == 1:
                self.over[state_key(k), tensor_key(output)] = call.band.over_state
            self._aligned((*call.inputs, output), call.align)
            self._working(k, call.band.scratch_bytes, call.band.state_bytes, moments)

    def _aligned(self, tensors: Sequence[int], align: int) -> None:
        for t in tensors:
            self.align[t] = max(self.align[t], align)

    def _working(self, k: int, scratch: int, state: int, moments: Ints) -> None:
        """Scratch at these moments, state from the first to the last."""
        if scratch:
            self._hold(scratch_key(k), np.zeros(len(moments), np.int64), scratch, moments, moments)
        if state:
            self._hold(state_key(k), np.zeros(1, np.int64), state, moments[:1], moments[-1:])

    def _hold(self, key: str, start: Ints, size: int, birth: Ints, death: Ints) -> None:
        """Slots of so many bytes, beside those that the buffer has in strips before."""
        known, more = self.others.get(key), Slots(start, start + size, birth, death)
        pairs = [more] if known is None else [known, more]
        joined = (np.concatenate([getattr(s, f.name) for s in pairs]) for f in fields(Slots))
        self.others[key] = Slots(*joined)

    def needs(self) -> Needs:
        slots: dict[str, Slots] = {}
        whole: dict[str, int] = {}  # bytes
        align = self.align_of
        for t, image in self.work.images.items():
            key, stays = tensor_key(t), self.work.needed(t, self.next) & (self.birth[t] > _NEVER)
            self.death[t][stays] = self.now
            rows = np.flatnonzero(self.birth[t] > _NEVER)
            align[key] = align[landing_key(t)] = self.align[t]
            if len(rows):
                start = rows % self.rings.get(t, image.height) * image.pitch
                slots[key] = Slots(start, start + image.pitch, self.birth[t][rows], self.death[t][rows])
                whole.update({} if t in self.rings else {key: image.bytes})
        slots.update(self.others)
        buffers = tuple(
            Buffer(
                key,
                whole.get(key, int(held.end.max())),
                align.get(key, TENSOR_ALIGN),
                int(held.birth.min()),
                int(held.death.max()),
            )
            for key, held in slots.items()
        )
        return Needs(buffers, self._conflicts(buffers, slots), self.rings, tuple(self.times))

    def _conflicts(self, buffers: Sequence[Buffer], slots: Mapping[str, Slots]) -> Conflicts:
        found = {}
        for i, x in enumerate(buffers):
            for y in buffers[i + 1 :]:
                if x.last < y.first or y.last < x.first:
                    continue
                pair, turned = (x.key, y.key), (y.key, x.key)
                if pair in self.whole_over:
                    spans = _span(-x.bytes, min(y.bytes, -self.whole_over[pair]))
                elif turned in self.whole_over:
                    spans = _span(max(-x.bytes, self.whole_over[turned]), y.bytes)
                else:
                    spans = unsafe(slots[x.key], slots[y.key], self.over.get(pair), self.over.get(turned))
                if spans:
                    found[pair] = spans
        return found


def _span(low: int, high: int) -> tuple[tuple[int, int], ...]:
    return ((low, high),) if low < high else ()


def needs(work: Work, cuts: Sequence[Cut]) -> Needs:
    """Of steps that follow each other: all of a plan or a part of it, with the tensors that others made or need."""
    collector = _Collector(work, cuts[0].candidate.first)
    for cut in cuts:
        collector.add(cut)
    return collector.needs()
