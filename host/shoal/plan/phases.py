"""A segment's trace as phases: what repeats is said once."""

from __future__ import annotations

from collections.abc import Sequence

from shoal.plan.segments import Events
from shoal.plan.steps import Phase, RowRun


def phases(events: Events, first: int, direction: int) -> tuple[Phase, ...]:
    """Prologue, periodic loop and epilogue of a trace, and more loops where those are long; parts are counted from task
    `first`."""
    return _split(_runs(events, first, direction), direction)


def _runs(events: Events, first: int, direction: int) -> list[RowRun]:
    """Rows of one part that follow each other, as one."""
    runs: list[RowRun] = []
    for task, row in events:
        part = task - first
        if runs and runs[-1].part == part and row == runs[-1].first + direction * runs[-1].count:
            runs[-1] = RowRun(part, runs[-1].first, runs[-1].count + 1)
        else:
            runs.append(RowRun(part, row, 1))
    return runs


def _split(runs: Sequence[RowRun], direction: int) -> tuple[Phase, ...]:
    """The loop that saves the most runs, and what is before and behind it split likewise."""
    if not runs:
        return ()
    best = (0, 0, 0, 0)  # runs saved, −period, −start, repetitions
    for period in range(1, len(runs) // 2 + 1):
        start = 0
        while start + 2 * period <= len(runs):
            alike = _alike(runs, start, period)
            times = alike // period + 1
            best = max(best, ((times - 1) * period, -period, -start, times))
            start += alike + 1
    saved, period, start, times = best[0], -best[1], -best[2], best[3]
    if saved == 0:
        return (Phase(1, tuple(runs)),)
    body = tuple(
        RowRun(run.part, run.first, run.count, runs[start + period + n].first - run.first)
        for n, run in enumerate(runs[start : start + period])
    )
    before, after = runs[:start], runs[start + period * times :]
    return (*_split(before, direction), Phase(times, body), *_split(after, direction))


def _alike(runs: Sequence[RowRun], start: int, period: int) -> int:
    """How many runs from `start` on are repeated one period later, each in as many rows and all rounds as far on."""
    advance: dict[int, int] = {}
    count = 0
    while start + count + period < len(runs):
        run, later = runs[start + count], runs[start + count + period]
        step = later.first - run.first
        if (run.part, run.count) != (later.part, later.count) or advance.setdefault(count % period, step) != step:
            break
        count += 1
    return count
