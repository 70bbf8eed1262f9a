"""From cuts and addresses to a plan: steps with everything decided."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from shoal.boards.board import Board
from shoal.operators import kind
from shoal.operators.base import Call, Constant
from shoal.operators.columns import Columns
from shoal.plan.arena import Layout
from shoal.plan.candidates import Work
from shoal.plan.lifetimes import Cut, Needs, copy_key, landing_key, page_key, scratch_key, state_key, tensor_key
from shoal.plan.pages import layout as arranged
from shoal.plan.pages import page
from shoal.plan.phases import phases
from shoal.plan.segments import Landing
from shoal.plan.steps import Copy, LandingPlace, Options, Page, Part, Placement, Plan, Rows, Segment, Span, Step
from shoal.plan.strips import Strip


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
    steps: list[Step] = []
    stored = 0
    for cut in cuts:
        steps += _steps(work, len(steps), cut, needs, layout, stored)
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
    stay, steps = len(work.tasks), 0
    first_step, last_step = {-1: -1}, {-1: -1}
    for cut in cuts:
        tasks = range(cut.candidate.first, cut.candidate.last + 1)
        first_step |= dict.fromkeys(tasks, steps)
        steps += max(1, len(cut.candidate.strips))
        last_step |= dict.fromkeys(tasks, steps - 1)
    last_step[stay] = steps
    begun = {t: -1 for t, k in work.made.items() if k < 0}
    for k, one in enumerate(work.tasks):
        for t in one.outputs:
            begun.setdefault(t, k)
    return tuple(
        Placement(t, layout.offsets[tensor_key(t)], work.images[t].bytes, first_step[begun[t]], last_step[work.last[t]])
        for t in sorted(work.images)
        if t not in needs.rings
    )


def _steps(work: Work, index: int, cut: Cut, needs: Needs, layout: Layout, stored: int) -> list[Step]:
    """The steps of a cut, the first of them number `index`: one, or one for each of its strips."""
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
        trace = phases(candidate.events, candidate.first, candidate.direction)
        kinds = last.kind if len(tasks) == 1 else "segment"
        steps = []
        for n, calls in enumerate(candidate.by_pass(cut.option)):
            strip = candidate.strips[n] if candidate.strips else None
            segment = Segment(
                tuple(_part(work, k, call, needs, layout, strip, candidate.landings) for k, call in calls),
                trace,
                candidate.direction,
                None if strip is None else strip.made[candidate.last],
            )
            steps.append(
                replace(
                    step,
                    index=index + n,
                    kind=kinds,
                    segment=segment,
                    macs=sum(macs(work, k, strip) for k in tasks),
                    arena_bytes=_used(needs, layout, needs.times[index + n]),
                )
            )
        return steps
    [call] = cut.option.calls
    assert call is not None
    one = work.tasks[candidate.first]
    alone = replace(
        step,
        call=call,
        page=_page(work, candidate.first, call, stored, needs, layout, needs.times[index]),
        inputs=tuple(layout.offsets[tensor_key(t)] for t in call.inputs),
        outputs=tuple(layout.offsets[tensor_key(t)] + one.channel for t in call.outputs),
        scratch=layout.offsets.get(scratch_key(candidate.first)),
        state=layout.offsets.get(state_key(candidate.first)),
        copy=_copy(candidate.first, call, layout),
    )
    return [alone]


def _page(work: Work, k: int, call: Call, stored: int, needs: Needs, layout: Layout, times: range) -> Page | None:
    one, key = work.tasks[k], page_key(k)
    if not one.page_bytes:
        return None
    early = any(b.key == key and b.first < times[0] for b in needs.buffers)
    made = page(call, stored, layout.offsets[key], (one.channel, one.channel + one.channels))
    return replace(made, early=early)


def _copy(k: int, call: Call, layout: Layout) -> Copy | None:
    place = layout.offsets.get(copy_key(k))
    if place is None:
        return None
    starts, size = arranged(call.constants)
    return Copy(place, size, starts)


def macs(work: Work, k: int, strip: Strip | None = None) -> int:
    """Of a task, which may compute only some of its operator's output channels, or only a strip."""
    one, graph = work.tasks[k], work.graph
    if one.operator is None:
        return 0
    operator = graph.operators[one.operator]
    if strip is not None:
        return kind(operator.kind).macs(*strip.narrowed(graph, k))
    every = kind(operator.kind).macs(operator, graph.tensors)
    return every * one.channels // graph.tensors[one.outputs[0]].shape[-1] if one.channels else every


def _part(
    work: Work,
    k: int,
    call: Call | None,
    needs: Needs,
    layout: Layout,
    strip: Strip | None,
    landings: Mapping[int, Landing],
) -> Part:
    task = work.tasks[k]

    def rows(tensor: int, columns: Columns | None) -> Rows:
        offset, count = layout.offsets[tensor_key(tensor)], needs.rings.get(tensor, 0)
        landed, landing = landings.get(tensor), None
        if landed is not None:
            place = layout.offsets[landing_key(tensor)]
            landing = LandingPlace(place, landed.first, landed.stride, landed.last)
        if strip is None or columns is None:
            return Rows(offset, work.images[tensor].pitch, count, None, landing)
        image = strip.images.get(tensor, work.images[tensor])
        return Rows(offset + strip.start(tensor, columns), image.pitch, count, columns, landing)

    inputs = task.inputs if call is None else call.inputs
    return Part(
        kind=task.kind,
        operator=task.operator,
        tensor=(task.outputs or task.inputs)[0],
        call=call,
        inputs=tuple(rows(t, None if strip is None else strip.read[k, t]) for t in inputs),
        output=rows(task.outputs[0], None if strip is None else strip.made[k]) if task.outputs else None,
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
