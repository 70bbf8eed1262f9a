"""Strips: a segment that runs over its rows several times, each time for some columns of its output.

Every strip computes, of each tensor inside of the segment, the columns that its own columns of the output are made of,
those that its neighbours need too once more: rings are narrower, for more instructions."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache

from shoal.network.graph import Graph
from shoal.operators import kind
from shoal.operators.base import Call, Operator, Tensors
from shoal.operators.columns import Columns, Crop, crop, cropped, hull, is_image, window
from shoal.plan.segments import Image, Task, image, task

#: the most strips of a segment
_MOST = 8

#: rows of a strip start at multiples of this, so that kernels may read words
_PITCH = 4


@dataclass(frozen=True, eq=False)
class Strip:
    """Some columns of every tensor that a segment touches.

    `columns`: of each tensor, those that lie in the arena: all of one that other steps make or read. `read`, `made`:
    those that a task reads of an input, by (task, tensor), and makes. `crops`: by task that is an operator. `tasks`: as
    they are in the strip, with their calls. `images`: of the tensors that live in the strip only. `pixels`: bytes of a
    pixel, by tensor."""

    columns: Mapping[int, Columns]
    read: Mapping[tuple[int, int], Columns]
    made: Mapping[int, Columns]
    crops: Mapping[int, Crop]
    tasks: Mapping[int, Task]
    images: Mapping[int, Image]
    pixels: Mapping[int, int]

    def start(self, tensor: int, columns: Columns) -> int:
        """How many bytes from the start of a tensor's row in the arena these columns are."""
        return (columns.first - self.columns[tensor].first) * self.pixels[tensor]

    def narrowed(self, graph: Graph, k: int) -> tuple[Operator, Tensors]:
        """The operator of a task as it is in the strip."""
        operator = self.tasks[k].operator
        assert operator is not None
        return cropped(graph.operators[operator], graph.tensors, self.crops[k])


def divisions(
    graph: Graph, tasks: Mapping[int, Task], images: Mapping[int, Image], features: frozenset[str]
) -> Iterator[tuple[Strip, ...]]:
    """Ways to run consecutive tasks, the last of which makes the one tensor that stays, in strips on a core of these
    features, each way with more strips than the one before. The calls of a task are of the same kernels, in the same
    order, in all of its strips."""
    last = tasks[max(tasks)]
    if not all(t.kind == "feed" or (t.banded and not t.accumulates) for t in tasks.values()) or not last.banded:
        return
    if not all(is_image(graph.tensors[t]) for one in tasks.values() for t in (*one.inputs, *one.outputs)):
        return
    width = graph.tensors[last.outputs[0]].shape[2]
    for step in sorted({-(-width // count) for count in range(2, _MOST + 1)} - {width}, reverse=True):
        parts = [Columns(x, min(x + step, width)) for x in range(0, width, step)]
        strips = [_strip(graph, tasks, images, features, columns) for columns in parts]
        if any(s is None for s in strips):
            return
        alike = _alike([s for s in strips if s is not None])
        if all(t.banded or t.kind == "feed" for t in alike[0].tasks.values()):
            yield alike


def _strip(
    graph: Graph, tasks: Mapping[int, Task], images: Mapping[int, Image], features: frozenset[str], columns: Columns
) -> Strip | None:
    """The strip that makes these columns; None where a task may need any column, or makes some of padding alone."""
    [output] = tasks[max(tasks)].outputs
    inner = {t for one in tasks.values() for t in one.outputs} - {output}
    needed = {output: columns}
    read: dict[tuple[int, int], Columns] = {}
    crops: dict[int, Crop] = {}
    for k in sorted(tasks, reverse=True):
        one = tasks[k]
        if one.outputs[0] not in needed:
            return None
        if one.operator is None:
            continue
        across = window(graph.operators[one.operator], graph.tensors)
        if across is None:
            return None
        for t in one.inputs:
            read[k, t], crops[k] = crop(across, needed[one.outputs[0]], graph.tensors[t].shape[2])
            if read[k, t].width < 1:
                return None
            needed[t] = hull(needed, t, read[k, t])
    widths = {t: graph.tensors[t].shape[2] for t in needed}
    pixels = {t: images[t].pitch // widths[t] for t in needed}
    strip = Strip(
        columns={t: c if t in inner else Columns(0, widths[t]) for t, c in needed.items()},
        read=read,
        made={k: needed[one.outputs[0]] for k, one in tasks.items()},
        crops=crops,
        tasks={},
        images={t: Image(images[t].height, -(-needed[t].width * pixels[t] // _PITCH) * _PITCH) for t in inner},
        pixels=pixels,
    )
    narrow = {k: _task(graph, one.operator, crops[k], features) for k, one in tasks.items() if one.operator is not None}
    fitting = {k: _fitting(strip, images, k, one, tasks[k]) for k, one in narrow.items()}
    feeds = {k: replace(one, row_bytes=images[one.outputs[0]].pitch) for k, one in tasks.items() if k not in narrow}
    return replace(strip, tasks=feeds | fitting)


@lru_cache(maxsize=4096)
def _task(graph: Graph, operator: int, part: Crop, features: frozenset[str]) -> Task:
    narrow, tensors = cropped(graph.operators[operator], graph.tensors, part)
    images = {t: image(tensors[t]) for t in (*narrow.inputs, *narrow.outputs) if t is not None}
    return task(narrow, kind(narrow.kind).calls(narrow, tensors, features), images)


def _fitting(strip: Strip, images: Mapping[int, Image], k: int, narrow: Task, whole: Task) -> Task:
    """The task with those calls that walk rows as the whole task's do and may work where the strip's rows lie."""
    starts = [*((t, strip.read[k, t]) for t in narrow.inputs), (narrow.outputs[0], strip.made[k])]
    steps = [strip.start(t, columns) for t, columns in starts]
    steps += [strip.images.get(t, images[t]).pitch for t, _ in starts]
    shaped = (narrow.windows, narrow.height, narrow.accumulates) == (whole.windows, whole.height, whole.accumulates)
    banded = tuple(c for c in narrow.banded if shaped and not any(n % c.align for n in steps))
    return replace(narrow, banded=banded)


def _alike(strips: Sequence[Strip]) -> tuple[Strip, ...]:
    """The strips with only those calls whose kernels compute every strip."""
    menus = [{k: _by_kernel(t) for k, t in s.tasks.items()} for s in strips]
    common = {k: [n for n in menu if all(n in other[k] for other in menus)] for k, menu in menus[0].items()}
    return tuple(
        replace(s, tasks={k: replace(t, banded=tuple(menu[k][n] for n in common[k])) for k, t in s.tasks.items()})
        for s, menu in zip(strips, menus, strict=True)
    )


def _by_kernel(one: Task) -> dict[tuple[str, bool], Call]:
    return {(c.kernel.function, c.kernel.literal): c for c in reversed(one.banded)}
