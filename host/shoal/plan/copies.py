"""Constants that a step reads many times, copied before it runs from flash to a memory region that is faster.

They are copied in each run and not once for all: between runs the arena is its owner's, who may share it among models,
and in other steps other buffers lie in the same place."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from shoal.boards.board import Region
from shoal.operators.base import Call
from shoal.plan import pages
from shoal.plan.arena import Buffer
from shoal.plan.candidates import Work
from shoal.plan.lifetimes import PAGE_ALIGN, Cut, Needs, copy_key

#: cycles to copy a word where no memory waits: of eight loads and stores by LDM and STM, and their loop
_COPIED = 4


def worthwhile(
    work: Work, cuts: Sequence[Cut], needs: Needs, flash: Region, region: Region
) -> list[tuple[Buffer, int]]:
    """Copies to a region that save more cycles than they take, each with the bytes that are read of it: the most reads
    per byte first."""
    found = [
        (Buffer(copy_key(k), size, PAGE_ALIGN, times[0], times[-1]), call.passes * size)
        for k, call, times in _calls(work, cuts, needs)
        if (size := pages.layout(call.constants)[1]) and saved(size, call.passes, flash, region) > 0
    ]
    return sorted(found, key=lambda one: (-one[1] / one[0].bytes, one[0].first, one[0].key))


def saved(size: int, passes: int, flash: Region, region: Region) -> float:
    """Cycles of a run, by wait states: what `passes` over constants of `size` bytes wait in flash, less what they wait
    in the region and what copying takes, which reads the flash once, too."""
    lines, words = -(-size // flash.line_bytes), -(-size // 4)
    there = lines * flash.wait_states
    stays = size <= flash.cache_bytes
    copying = there + words * (_COPIED + region.wait_states)
    return (there if stays else passes * there) - passes * words * region.wait_states - copying


def _calls(work: Work, cuts: Sequence[Cut], needs: Needs) -> Iterator[tuple[int, Call, range]]:
    """Task, call and times of all that has constants in flash and is one step: strips would copy them again each."""
    steps = 0
    for cut in cuts:
        times = needs.times[steps]
        steps += max(1, len(cut.candidate.strips))
        for k, call in enumerate(() if cut.candidate.strips else cut.option.calls, cut.candidate.first):
            if call is not None and call.constants and not work.tasks[k].page_bytes:
                yield k, call, times
