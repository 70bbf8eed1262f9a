"""Which memory region each buffer lies in, where a board has several for the arena: the fastest first, by reads per
byte.

The arena stays one space of offsets, cut into parts that no buffer straddles: on a board each part is an array in its
region, on the host they are one. What is left of the fast regions takes copies of constants (`plan.copies`)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace

from shoal.boards.board import Board
from shoal.plan import arena, copies
from shoal.plan.arena import Buffer, Conflicts, Layout
from shoal.plan.assemble import assemble, macs
from shoal.plan.candidates import Work
from shoal.plan.lifetimes import Cut, Needs, page_key, scratch_key, state_key, tensor_key
from shoal.plan.predict import predict
from shoal.plan.steps import Options, Plan, Span

#: parts of the arena start and end at multiples of this
PART_ALIGN = 16

#: under a budget, the fast regions are filled to one part in so many, one after the other until it is kept: the last
#: region seldom needs as much less as the others take
_SHARES = (1, 2, 4, 8, 16)


def rooms(board: Board, static_bytes: int) -> dict[str, int]:
    """By region, the fastest first: what it has for the arena; not less than nothing."""
    return {
        r.name: max(0, r.bytes - (board.stack_bytes + static_bytes if r.arena else 0)) // PART_ALIGN * PART_ALIGN
        for r in board.arenas()
    }


def spread(
    work: Work, cuts: Sequence[Cut], needs: Needs, layout: Layout, bound: int, board: Board, options: Options
) -> Plan:
    """The plan of these cuts, which have a `layout` in one arena, with buffers in the fastest regions that have room:
    by reads per byte or, where what is left over does not fit so, all of it in the fastest region that takes it."""
    made = assemble(work, cuts, needs, layout, bound, board, options)
    spans: tuple[Span, ...] = ()
    if len(board.arenas()) > 1:
        room = rooms(board, predict(made).static_bytes)
        read = reads(work, cuts, needs)
        layout, spans = _spread(needs, layout, room, read, options.ram_budget)
        if options.prefer == "speed":
            needs, layout, spans = _copied(work, cuts, needs, layout, spans, room, board, options.ram_budget)
        made = assemble(work, cuts, needs, layout, bound, board, options, spans)
    if made.store_bytes and not made.mapped:
        needs, layout = _early(work, needs, layout, made.spans)
        made = assemble(work, cuts, needs, layout, bound, board, options, spans)
    return made


def _spread(
    needs: Needs, layout: Layout, room: Mapping[str, int], read: Counter[str], budget: int | None
) -> tuple[Layout, tuple[Span, ...]]:
    alone = [Span(name, 0, layout.top, sum(read.values())) for name, most in room.items() if layout.top <= most]
    if alone and alone[0].region == next(iter(room)):
        return layout, (alone[0],)

    def fits(divided: Layout, spans: tuple[Span, ...]) -> bool:
        return spans[-1].bytes <= room[spans[-1].region] and (budget is None or divided.top <= budget)

    every = (_divided(needs, read, room, share) for share in (_SHARES if budget is not None else _SHARES[:1]))
    found = next((one for one in every if fits(*one)), None)
    if found is None:
        found = (layout, (alone[0],)) if alone else _divided(needs, read, room, 1)
    return found


def _copied(
    work: Work,
    cuts: Sequence[Cut],
    needs: Needs,
    layout: Layout,
    spans: tuple[Span, ...],
    room: Mapping[str, int],
    board: Board,
    budget: int | None,
) -> tuple[Needs, Layout, tuple[Span, ...]]:
    """With copies of constants, the most reads per byte first, in what is left of the regions that hold nothing but
    parts of the arena, the fastest first; within the budget."""
    held = {
        name: [(b, layout.offsets[b.key] - s.start) for b in needs.buffers if _lies(layout.offsets[b.key], s)]
        for name in room
        for s in [next((s for s in spans if s.region == name), Span(name, 0, 0))]
    }
    size = dict.fromkeys(room, 0) | {s.region: s.bytes for s in spans}
    read = {s.region: s.reads or 0 for s in spans}
    added: list[arena.Buffer] = []
    for region in board.arenas():
        most = room[region.name]
        if budget is not None:
            most = min(most, budget - sum(size.values()) + size[region.name]) // PART_ALIGN * PART_ALIGN
        for buffer, count in copies.worthwhile(work, cuts, needs, board.region("flash"), region):
            at = arena.free(held[region.name], buffer)
            if region.tensors and at + buffer.bytes <= most and buffer not in added:
                added.append(buffer)
                held[region.name].append((buffer, at))
                size[region.name] = max(size[region.name], at + buffer.bytes)
                read[region.name] = read.get(region.name, 0) + count
    if not added:
        return needs, layout, spans
    offsets: dict[str, int] = {}
    joined: list[Span] = []
    for name in (n for n in room if size[n]):
        start = -(-(joined[-1].start + joined[-1].bytes) // PART_ALIGN) * PART_ALIGN if joined else 0
        if joined:
            joined[-1] = replace(joined[-1], bytes=start - joined[-1].start)
        offsets |= {b.key: start + at for b, at in held[name]}
        joined.append(Span(name, start, size[name], read[name]))
    top = joined[-1].start + joined[-1].bytes
    return replace(needs, buffers=(*needs.buffers, *added)), Layout(offsets, top), tuple(joined)


def _early(work: Work, needs: Needs, layout: Layout, spans: Sequence[Span]) -> tuple[Needs, Layout]:
    """With pages in places, where their region has any left, that nothing else needs from the step of the page before
    on: what is fetched can then go there meanwhile."""
    buffers, offsets = {b.key: b for b in needs.buffers}, dict(layout.offsets)
    paged = {page_key(k) for k, one in enumerate(work.tasks) if one.page_bytes}
    start = needs.times[0][0]
    for page in sorted((buffers[key] for key in paged), key=lambda b: b.first):
        span = next(s for s in spans if _lies(offsets[page.key], s))
        others = (b for b in buffers.values() if b.key != page.key and _lies(offsets[b.key], span))
        wanted = replace(page, first=start)
        at = span.start + arena.free([(b, offsets[b.key] - span.start) for b in others], wanted)
        if at + page.bytes <= span.start + span.bytes:
            buffers[page.key], offsets[page.key] = wanted, at
        start = page.first
    return replace(needs, buffers=tuple(buffers.values())), Layout(offsets, layout.top)


def _lies(offset: int, span: Span) -> bool:
    return span.start <= offset < span.start + span.bytes


def reads(work: Work, cuts: Sequence[Cut], needs: Needs) -> Counter[str]:
    """By buffer, how many bytes of it an inference reads, as far as the network says: every multiply-accumulate reads
    one where its kernel works, which is its state and scratch or, without these, its inputs; and inputs are read once
    at least. Pages of constants are read by every one, too."""
    sizes = {b.key: b.bytes for b in needs.buffers}
    found: Counter[str] = Counter()
    for cut in cuts:
        strips = cut.candidate.strips or (None,)
        for strip, calls in zip(strips, cut.candidate.by_pass(cut.option), strict=True):
            images = work.images if strip is None else {**work.images, **strip.images}
            for k, call in calls:
                inputs = work.tasks[k].inputs if call is None else call.inputs
                for tensor in inputs:
                    found[tensor_key(tensor)] += images[tensor].bytes
                own = [key for key in (scratch_key(k), state_key(k)) if key in sizes]
                worked = own or [tensor_key(t) for t in inputs]
                every, held = macs(work, k, strip), sum(sizes[key] for key in worked)
                for key in worked:
                    found[key] += every * sizes[key] // held
                if page_key(k) in sizes:
                    found[page_key(k)] += every
    return found


def _divided(needs: Needs, read: Counter[str], room: Mapping[str, int], share: int) -> tuple[Layout, tuple[Span, ...]]:
    """Every region takes of what is left the most read bytes that fit one part in `share` of it, but first what no
    later one has room for; the last one all that is left, fit or not."""
    left = sorted(needs.buffers, key=lambda b: (-read[b.key] / b.bytes, b.first, b.key))
    offsets: dict[str, int] = {}
    spans: list[Span] = []
    for number, (name, most) in enumerate(room.items(), 1):
        if number < len(room):
            later = max(list(room.values())[number:])
            order = sorted(left, key=lambda b: b.bytes <= later)
            held, layout = _filled(order, needs.conflicts, most // share // PART_ALIGN * PART_ALIGN)
        else:
            held, layout = left, arena.greedy(left, needs.conflicts, 0)
        if held:
            start = spans[-1].start + spans[-1].bytes if spans else 0
            offsets |= {key: start + offset for key, offset in layout.offsets.items()}
            size = layout.top if held == left else -(-layout.top // PART_ALIGN) * PART_ALIGN
            spans.append(Span(name, start, size, sum(read[b.key] for b in held)))
            left = [b for b in left if b not in held]
        if not left:
            break
    return Layout(offsets, spans[-1].start + spans[-1].bytes), tuple(spans)


def _filled(buffers: Sequence[Buffer], conflicts: Conflicts, most: int) -> tuple[list[Buffer], Layout]:
    """Of these buffers, in this order, each one that still fits."""
    held: list[Buffer] = []
    layout = Layout({}, 0)
    for buffer in buffers:
        if buffer.bytes <= most:
            tried = arena.greedy([*held, buffer], conflicts, most, repairs=1)
            if tried.top <= most:
                held, layout = [*held, buffer], tried
    return held, layout
