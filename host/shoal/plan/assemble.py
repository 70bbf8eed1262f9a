"""From cuts and addresses to a plan: steps with everything decided."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from shoal.boards.board import Board
from shoal.operators import kind
from shoal.operators.base import Call, Constant
from shoal.plan.arena import Layout
from shoal.plan.candidates import Work
from shoal.plan.lifetimes import Cut, Needs, copy_key, page_key, scratch_key, state_key, tensor_key
from shoal.plan.pages import layout as arranged
from shoal.plan.pages import page
from shoal.plan.phases import phases
from shoal.plan.segments import Task
from shoal.plan.steps import Copy, Options, Page, Part, Placement, Plan, Rows, Segment, Span, Step


def assemble(
    work: Work,
    cuts: Sequence[Cut],
    needs: Needs,
    layout: Layout,
    bound: int,
    board: Board,
    options: Options,
    spans: tuple[Span, ...] = (),
) -> Plan:
    """`spans`: the parts of the arena, where it is not one in the board's RAM."""
    steps, stored = [], 0
    for index, cut in enumerate(cuts):
        steps.append(_step(work, index, cut, needs, layout, stored))
        stored += steps[-1].page.bytes if steps[-1].page else 0
    return Plan(
        graph=work.graph,
        board=board,
        options=options,
        name=options.name or work.graph.name,
        steps=tuple(steps),
        placements=_placements(work, cuts, needs, layout),
        spans=spans or (Span(board.region("ram").name, 0, layout.top),),
        arena_bytes=layout.top,
        bound=bound,
        weights_bytes=sum(c.bytes for c in unique_constants([c for s in steps if s.page is None for c in s.calls])),
        store_bytes=stored,
    )


def unique_constants(calls: Sequence[Call]) -> list[Constant]:
    """The constants of an image, each once: steps that read the same values share one array, and where some are the
    beginning of others, they lie there."""
    longest_first = sorted((k for c in calls for k in c.constants), key=lambda k: -k.bytes)
    kept: list[Constant] = []
    for constant in longest_first:
        place = next((i for i, other in enumerate(kept) if begins(other, constant)), None)
        if place is None:
            kept.append(constant)
        elif kept[place].align < constant.align:
            kept[place] = replace(kept[place], align=constant.align)
    return kept


def begins(array: Constant, constant: Constant) -> bool:
    """Whether an array holds a constant's values from its beginning."""
    size = constant.values.size
    return array.values.dtype == constant.values.dtype and np.array_equal(
        array.values[:size].view(np.uint8), constant.values.view(np.uint8)
    )


def _placements(work: Work, cuts: Sequence[Cut], needs: Needs, layout: Layout) -> tuple[Placement, ...]:
    """Of the tensors that are whole, in steps."""
    step_of = {k: n for n, c in enumerate(cuts) for k in range(c.candidate.first, c.candidate.last + 1)}
    step_of |= {-1: -1, len(work.tasks): len(cuts)}
    begun = {t: -1 for t, k in work.made.items() if k < 0}
    for k, one in enumerate(work.tasks):
        for t in one.outputs:
            begun.setdefault(t, k)
    return tuple(
        Placement(t, layout.offsets[tensor_key(t)], work.images[t].bytes, step_of[begun[t]], step_of[work.last[t]])
        for t in sorted(work.images)
        if t not in needs.rings
    )


def _step(work: Work, index: int, cut: Cut, needs: Needs, layout: Layout, stored: int) -> Step:
    candidate, tensors = cut.candidate, work.graph.tensors
    tasks = range(candidate.first, candidate.last + 1)
    operators = [work.graph.operators[o] for k in tasks if (o := work.tasks[k].operator) is not None]
    last = work.tasks[candidate.last]
    step = Step(
        index=index,
        operators=tuple(o.index for o in operators),
        kind=last.kind,
        name=tensors[(last.outputs or last.inputs)[0]].name,
        call=None,
        inputs=(),
        outputs=(),
        scratch=None,
        state=None,
        macs=sum(macs(work, k) for k in tasks),
        arena_bytes=_used(needs, layout, needs.times[index]),
    )
    if candidate.events:
        parts = tuple(_part(work, k, call, needs, layout) for k, call in zip(tasks, cut.option.calls, strict=True))
        trace = phases(candidate.events, candidate.first, candidate.direction)
        segment = Segment(parts, trace, candidate.direction)
        return replace(step, kind=last.kind if len(parts) == 1 else "segment", segment=segment)
    [call] = cut.option.calls
    assert call is not None
    one = work.tasks[candidate.first]
    return replace(
        step,
        call=call,
        page=_page(one, call, stored, layout.offsets[page_key(candidate.first)]) if one.page_bytes else None,
        inputs=tuple(layout.offsets[tensor_key(t)] for t in call.inputs),
        outputs=tuple(layout.offsets[tensor_key(t)] + one.channel for t in call.outputs),
        scratch=layout.offsets.get(scratch_key(candidate.first)),
        state=layout.offsets.get(state_key(candidate.first)),
        copy=_copy(candidate.first, call, layout),
    )


def _page(one: Task, call: Call, stored: int, place: int) -> Page:
    return page(call, stored, place, (one.channel, one.channel + one.channels))


def _copy(k: int, call: Call, layout: Layout) -> Copy | None:
    place = layout.offsets.get(copy_key(k))
    if place is None:
        return None
    starts, size = arranged(call.constants)
    return Copy(place, size, starts)


def macs(work: Work, k: int) -> int:
    """Of a task, which may compute only some of its operator's output channels."""
    one, graph = work.tasks[k], work.graph
    if one.operator is None:
        return 0
    operator = graph.operators[one.operator]
    every = kind(operator.kind).macs(operator, graph.tensors)
    return every * one.channels // graph.tensors[one.outputs[0]].shape[-1] if one.channels else every


def _part(work: Work, k: int, call: Call | None, needs: Needs, layout: Layout) -> Part:
    task = work.tasks[k]

    def rows(tensor: int) -> Rows:
        return Rows(layout.offsets[tensor_key(tensor)], work.images[tensor].pitch, needs.rings.get(tensor, 0))

    return Part(
        kind=task.kind,
        operator=task.operator,
        tensor=(task.outputs or task.inputs)[0],
        call=call,
        inputs=tuple(rows(t) for t in (task.inputs if call is None else call.inputs)),
        output=rows(task.outputs[0]) if task.outputs else None,
        scratch=layout.offsets.get(scratch_key(k)),
        state=layout.offsets.get(state_key(k)),
        copy=None if call is None else _copy(k, call, layout),
    )


def _used(needs: Needs, layout: Layout, times: range) -> int:
    """Bytes of the arena that anything takes at any of these times."""
    live = (b for b in needs.buffers if b.first <= times[-1] and b.last >= times[0])
    used = reached = 0
    for low, high in sorted((layout.offsets[b.key], layout.offsets[b.key] + b.bytes) for b in live):
        used += max(0, high - max(low, reached))
        reached = max(reached, high)
    return used
