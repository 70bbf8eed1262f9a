"""Traces: rows are made in order, once, as late as demand allows; rings are as short as lifetimes allow; phases say the
same in fewer words."""

from __future__ import annotations

from dataclasses import dataclass

from hypothesis import given
from hypothesis import strategies as st

from shoal.operators.base import RowWindow
from shoal.plan.phases import phases
from shoal.plan.segments import Events, Image, Life, Task, lives, ring, trace
from shoal.plan.steps import Segment


@dataclass
class Chain:
    """Tasks that each read the output of the one before, some that of an earlier one as well."""

    tasks: list[Task]
    images: dict[int, Image]

    def trace(self, direction: int, eager: bool) -> Events:
        return trace(self.tasks, 0, len(self.tasks) - 1, self.images, {len(self.tasks)}, direction, eager)

    def reads(self, task: int, row: int) -> set[tuple[int, int]]:
        """(tensor, row) of what one event reads."""
        one = self.tasks[task]
        windows = zip(one.inputs, one.windows or (), strict=True)
        return {
            (t, y)
            for t, w in windows
            for y in range(row * w.stride - w.before, row * w.stride - w.before + w.size)
            if 0 <= y < self.images[t].height
        }


@st.composite
def chains(draw: st.DrawFn) -> Chain:
    """Tensor k is written by task k − 1."""
    heights, tasks = [draw(st.integers(1, 24))], []
    for k in range(draw(st.integers(1, 6))):
        size = draw(st.integers(1, min(4, heights[-1])))
        window = RowWindow(size, draw(st.integers(1, 2)), draw(st.integers(0, size - 1)))
        height = (heights[-1] + window.before - size) // window.stride + 1
        inputs, windows = [k], [window]
        same = [t for t in range(k) if heights[t] == height]
        if same and draw(st.booleans()):
            inputs.append(draw(st.sampled_from(same)))
            windows.append(RowWindow())
        if draw(st.integers(0, 5)) == 0:  # an accumulator: a row of its input at a time, one row of output
            tasks.append(Task("mean", k, (k,), (k + 1,), (), (), heights[-1], (RowWindow(),), True))
            height = 1
        else:
            tasks.append(Task("conv_2d", k, tuple(inputs), (k + 1,), (), (), height, tuple(windows)))
        heights.append(height)
    return Chain(tasks, {t: Image(h, 4) for t, h in enumerate(heights)})


ways = st.tuples(st.sampled_from([1, -1]), st.booleans())


@given(chains(), ways)
def test_every_row_is_made_once_in_order_and_before_it_is_read(chain: Chain, way: tuple[int, bool]) -> None:
    direction, _ = way
    events = chain.trace(*way)
    made: dict[int, list[int]] = {}
    there = {(0, y) for y in range(chain.images[0].height)}
    for task, row in events:
        assert chain.reads(task, row) <= there
        rows = made.setdefault(task, [])
        assert row == (rows[-1] + direction if rows else (0 if direction > 0 else chain.tasks[task].height - 1))
        rows.append(row)
        if not chain.tasks[task].accumulates:
            there.add((task + 1, row))
        elif len(rows) == chain.tasks[task].height:
            there.add((task + 1, 0))
    assert len(made[len(chain.tasks) - 1]) == chain.tasks[-1].height


@given(chains(), ways)
def test_lives_are_first_write_and_last_read(chain: Chain, way: tuple[int, bool]) -> None:
    events = chain.trace(*way)
    for tensor, life in lives(chain.tasks, events, chain.images).items():
        for y in range(chain.images[tensor].height):
            read = [n for n, (task, row) in enumerate(events) if (tensor, y) in chain.reads(task, row)]
            assert life.death[y] == (read[-1] if read else -1)
            last = tensor > 0 and chain.tasks[tensor - 1].accumulates
            written = [n for n, (t, row) in enumerate(events) if t == tensor - 1 and (last or row == y)]
            assert life.birth[y] == ((written[-1] if last else written[0]) if written else -1)


def fits(life: Life, slots: int) -> bool:
    """Whether no row is overwritten before its last reader, each row y in slot y modulo `slots`."""
    rows = [y for y in range(len(life.birth)) if life.birth[y] >= 0]
    spans = {y: (life.birth[y], max(life.birth[y], life.death[y])) for y in rows}
    return not any(
        x < y and x % slots == y % slots and spans[x][0] <= spans[y][1] and spans[y][0] <= spans[x][1]
        for x in rows
        for y in rows
    )


@given(chains(), ways)
def test_rings_are_the_shortest_that_are_safe(chain: Chain, way: tuple[int, bool]) -> None:
    found = lives(chain.tasks, chain.trace(*way), chain.images)
    for tensor, life in found.items():
        if 0 < tensor < len(chain.tasks):
            slots = ring(life, way[0])
            assert fits(life, slots)
            assert slots == 1 or not fits(life, slots - 1)


@given(chains(), ways)
def test_phases_say_the_whole_trace(chain: Chain, way: tuple[int, bool]) -> None:
    direction, events = way[0], chain.trace(*way)
    segment = Segment((), phases(events, 0, direction), direction)
    said = [
        (run.part, run.first + times * run.advance + direction * row)
        for phase in segment.phases
        for times in range(phase.repeat)
        for run in phase.runs
        for row in range(run.count)
    ]
    assert said == list(events)


def test_a_long_trace_has_few_words() -> None:
    """Two 3×3 convolutions and a strided one over 96 rows: a start, a loop, an end."""
    windows = [RowWindow(3, 1, 1), RowWindow(3, 1, 1), RowWindow(3, 2, 0)]
    heights = [96, 96, 96, 48]
    tasks = [Task("conv_2d", k, (k,), (k + 1,), (), (), heights[k + 1], (w,)) for k, w in enumerate(windows)]
    images = {t: Image(h, 4) for t, h in enumerate(heights)}
    events = trace(tasks, 0, 2, images, {3})
    said = phases(events, 0, 1)
    assert len(events) == 240
    assert sum(len(phase.runs) for phase in said) <= 12
    assert {t: ring(life, 1) for t, life in lives(tasks, events, images).items() if t in (1, 2)} == {1: 3, 2: 3}
