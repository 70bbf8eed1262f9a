"""Replays a plan in one poisoned arena: every row is computed by its operator's exact reference from what the arena
holds by then, and compared with the row that the network run as a whole has there."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from shoal.network.execute import trace
from shoal.network.graph import Graph
from shoal.operators import kind
from shoal.operators.base import Operator, RowWindow
from shoal.operators.columns import Columns
from shoal.operators.pooling import Pool
from shoal.operators.window import Window
from shoal.plan.candidates import in_place
from shoal.plan.steps import Page, Part, Plan, Rows, Segment, Step
from shoal.tensors import Array


class Clobbered(AssertionError):
    """Something was overwritten before it was read for the last time."""


def replay(plan: Plan, inputs: Sequence[Array], seed: int = 0) -> None:
    """Raises Clobbered where the plan's addresses are not safe, as far as these inputs show it."""
    _Replay(plan, inputs, seed).run()


class _Replay:
    def __init__(self, plan: Plan, inputs: Sequence[Array], seed: int) -> None:
        self.plan, self.graph = plan, plan.graph
        self.rng = np.random.default_rng(seed)
        self.arena = self.rng.integers(0, 256, plan.arena_bytes).astype(np.uint8)
        self.values = trace(plan.graph, inputs)
        self.inputs = dict(zip(plan.graph.inputs, inputs, strict=True))
        self.states: dict[int, Array] = {}
        self.sums: dict[int, dict[int, Array]] = {}

    def run(self) -> None:
        fed = {p.tensor for s in self.plan.steps if s.segment for p in s.segment.parts if p.kind == "feed"}
        drained = {p.tensor for s in self.plan.steps if s.segment for p in s.segment.parts if p.kind == "drain"}
        for tensor, value in self.inputs.items():
            if tensor not in fed:
                self.put(self.plan.placement(tensor).offset, value)
        for step in self.plan.steps:
            pages = (s.page for s in self.plan.steps[step.index + 1 :])
            if (ahead := next((page for page in pages if page is not None), None)) is not None and ahead.early:
                self.poison(ahead.place, ahead.bytes)
            for _, copy in step.copies:
                self.poison(copy.place, copy.bytes)
            copied = [self.arena[copy.place : copy.place + copy.bytes].copy() for _, copy in step.copies]
            if step.segment is None:
                self.whole(step)
            else:
                self.rows(step.segment)
            for (_, copy), before in zip(step.copies, copied, strict=True):
                if not np.array_equal(before, self.arena[copy.place : copy.place + copy.bytes]):
                    raise Clobbered(f"constants that were copied for step {step.index}")
        for tensor in self.graph.outputs:
            if tensor not in drained:
                self.check(tensor, self.get(self.plan.placement(tensor).offset, self.values[tensor]))

    def get(self, offset: int, like: Array) -> Array:
        assert 0 <= offset <= len(self.arena) - like.nbytes
        return self.arena[offset : offset + like.nbytes].copy().view(like.dtype).reshape(like.shape)

    def put(self, offset: int, value: Array) -> None:
        assert 0 <= offset <= len(self.arena) - value.nbytes
        self.arena[offset : offset + value.nbytes] = np.ascontiguousarray(value).reshape(-1).view(np.uint8)

    def poison(self, offset: int | None, size: int) -> None:
        if size:
            assert offset is not None and 0 <= offset <= len(self.arena) - size
            self.arena[offset : offset + size] = self.rng.integers(0, 256, size)

    def check(self, tensor: int, value: Array, row: int | None = None, rows: Rows | None = None) -> None:
        expected = self.values[tensor] if row is None or rows is None else _row(self.values[tensor], row, rows)
        if not np.array_equal(value.reshape(-1), expected.reshape(-1), equal_nan=value.dtype.kind == "f"):
            raise Clobbered(f"{self.graph.tensors[tensor].name}, row {row}")

    def whole(self, step: Step) -> None:
        call = step.call
        assert call is not None
        operator = self.graph.operators[step.operators[0]]
        self.poison(step.scratch, call.scratch_bytes)
        self.poison(step.state, call.state_bytes)
        first = 0
        if step.page is not None:
            self.poison(step.page.place, step.page.bytes)
            first = step.page.channels[0]
        allowed = in_place(call.inputs, call.in_place) if len(call.outputs) == 1 else {}
        for tensor, address in zip(call.outputs, step.outputs, strict=True):
            offset = address - first
            for source, start in zip(call.inputs, step.inputs, strict=True):
                sizes = self.graph.tensors[source].bytes, self.graph.tensors[tensor].bytes
                self.overwrite((start, sizes[0]), (offset, sizes[1]), allowed.get(source))
        sources = {
            tensor: self.get(offset, self.values[tensor])
            for tensor, offset in zip(call.inputs, step.inputs, strict=True)
        }
        results = kind(operator.kind).reference(operator, self.graph.tensors, _operands(self, operator, sources))
        by_tensor = dict(zip(operator.outputs, results, strict=True))
        if step.page is not None:
            self.paged(step.page, by_tensor[call.outputs[0]], step.outputs[0])
            return
        for tensor, offset in zip(call.outputs, step.outputs, strict=True):
            self.put(offset, by_tensor[tensor])
        self.poison(step.scratch, call.scratch_bytes)
        self.poison(step.state, call.state_bytes)
        for tensor, offset in zip(call.outputs, step.outputs, strict=True):
            self.check(tensor, self.get(offset, self.values[tensor]))

    def paged(self, page: Page, result: Array, offset: int) -> None:
        """Some channels of an output, whose first lies at `offset`, by constants that lie where the page does."""
        first, last = page.channels
        values = result.reshape(-1, result.shape[-1])
        assert first <= offset <= len(self.arena) and offset - first + values.size <= len(self.arena)
        for n, pixel in enumerate(values):
            self.put(offset + n * values.shape[1], pixel[first:last])

    def overwrite(self, read: tuple[int, int], written: tuple[int, int], distance: int | None) -> None:
        """Poisons what an output destroys of an input, both (offset, bytes), before it was read."""
        if distance is not None and written[0] <= read[0] + distance:
            return
        low, high = max(read[0], written[0]), min(read[0] + read[1], written[0] + written[1])
        self.poison(low, max(0, high - low))

    def rows(self, segment: Segment) -> None:
        for phase in segment.phases:
            for times in range(phase.repeat):
                for run in phase.runs:
                    for n in range(run.count):
                        row = run.first + times * run.advance + n * segment.direction
                        self.row(segment.parts[run.part], row)

    def row(self, part: Part, row: int) -> None:
        if part.kind == "feed":
            assert part.output is not None
            value = self.inputs[part.tensor]
            if part.output.columns is not None:
                assert part.scratch is not None
                self.put(part.scratch, value[0, row])
            self.put(_place(part.output, row), _row(value, row, part.output))
            return
        if part.kind == "drain":
            [rows] = part.inputs
            value = self.get(_place(rows, row), _row(self.values[part.tensor], row, rows))
            self.check(part.tensor, value, row, rows)
            return
        call = part.call
        assert call is not None and call.band is not None and part.output is not None and part.operator is not None
        band, operator = call.band, self.graph.operators[part.operator]
        self.poison(part.scratch, band.scratch_bytes)
        out = None if band.accumulates else row
        place, columns = _place(part.output, out or 0, _lands(part.output, out)), part.output.columns
        written = self.values[part.tensor] if out is None else _row(self.values[part.tensor], out, part.output)
        summed = self.sums.setdefault(part.operator, {})
        last = len(summed) == band.height - 1
        windows = {
            tensor: _inside(window, row, _height(self.values[tensor], rows))
            for tensor, window, rows in zip(call.inputs, band.windows, part.inputs, strict=True)
        }
        allowed = in_place(call.inputs, band.in_place)
        for tensor, rows in zip(call.inputs, part.inputs, strict=True):
            for y in windows[tensor] if last or not band.accumulates else ():
                size = _row(self.values[tensor], y, rows).nbytes
                self.overwrite(
                    (_place(rows, y, _late(rows, row) == y), size), (place, written.nbytes), allowed.get(tensor)
                )
        if last and part.state is not None:
            self.overwrite((part.state, band.state_bytes), (place, written.nbytes), band.over_state)
        read = {
            tensor: [
                self.get(_place(rows, y, _late(rows, row) == y), _row(self.values[tensor], y, rows))
                for y in windows[tensor]
            ]
            for tensor, rows in zip(call.inputs, part.inputs, strict=True)
        }
        self.state(part, band.state_bytes)
        if band.accumulates:
            [[summed[row]]] = read.values()
            if not last:
                return
            [source] = call.inputs
            shape = self.graph.tensors[source].shape
            sources = {source: np.stack([summed[y] for y in range(band.height)]).reshape(shape)}
            result = kind(operator.kind).reference(operator, self.graph.tensors, _operands(self, operator, sources))
            self.put(place, result[0])
        else:
            strip = None if columns is None else (columns, part.inputs[0].columns)
            result = self.computed(operator, call.inputs, band.windows, read, row, strip)
            self.put(place, result if _tall(result) else _row(result, row, part.output))
        self.poison(part.scratch, band.scratch_bytes)
        self.check(part.tensor, self.get(place, written), out, part.output)
        for rows in part.inputs:
            late = _late(rows, row)
            if rows.landing is not None and late is not None and late <= rows.landing.last:
                start, slot = rows.landing.offset, _place(rows, late, False)
                self.arena[slot : slot + rows.pitch] = self.arena[start : start + rows.pitch]

    def state(self, part: Part, size: int) -> None:
        """Nothing may touch a state between two rows of its part."""
        if size:
            assert part.state is not None and part.operator is not None
            now = self.arena[part.state : part.state + size]
            if part.operator in self.states and not np.array_equal(now, self.states[part.operator]):
                raise Clobbered(f"state of operator {part.operator}")
            self.poison(part.state, size)
            self.states[part.operator] = now.copy()

    def computed(
        self,
        operator: Operator,
        tensors: Sequence[int],
        windows: Sequence[RowWindow],
        read: dict[int, list[Array]],
        row: int,
        strip: tuple[Columns, Columns | None] | None,
    ) -> Array:
        """One row of the output, by the reference of an operator that has no other; of a `strip`, columns of the output
        and those that they are computed from, by that of one that has no other columns."""
        if operator.kind == "reshape":
            [[same]] = read.values()
            return same
        described = dict(self.graph.tensors)
        sources = {}
        attributes = operator.attributes
        for tensor, window in zip(tensors, windows, strict=True):
            shape = self.graph.tensors[tensor].shape
            rows = read[tensor]
            if _tall(self.values[tensor]):
                shape = (1, len(rows), shape[2] if strip is None else rows[0].shape[0], *shape[3:])
            described[tensor] = replace(described[tensor], shape=shape)
            sources[tensor] = np.stack(rows).reshape(shape) if rows else np.zeros(shape, self.values[tensor].dtype)
            if isinstance(attributes, Window):
                top = max(0, window.before - row * window.stride)
                bottom = window.size - top - len(rows)
                attributes = replace(attributes, pad_top=top, pad_bottom=bottom)
                if strip is not None:
                    attributes = _beside(attributes, self.graph, operator, *strip)
        [output] = operator.outputs
        if _tall(self.values[output]):
            shape = self.graph.tensors[output].shape
            width = shape[2] if strip is None else strip[0].width
            described[output] = replace(described[output], shape=(1, 1, width, *shape[3:]))
        one = replace(operator, attributes=attributes)
        [result] = kind(operator.kind).reference(one, described, _operands(self, operator, sources, row))
        return result


def _tall(value: Array) -> bool:
    return value.ndim == 4 and len(value) == 1


def _in_rows(value: Array, rows: Rows) -> bool:
    """Whether it lies as the rows of an image, and not in pieces of its only one."""
    return _tall(value) and (rows.columns is not None or value[0, 0].nbytes == rows.pitch)


def _height(value: Array, rows: Rows) -> int:
    return len(value[0]) if _in_rows(value, rows) else value.nbytes // rows.pitch


def _row(value: Array, row: int, rows: Rows) -> Array:
    """Of an image a row, or some columns of it; of any other tensor a piece."""
    if _in_rows(value, rows):
        return value[0, row] if rows.columns is None else value[0, row][rows.columns.first : rows.columns.last]
    size = rows.pitch // value.itemsize
    return value if value.size == size else value.reshape(-1)[row * size : (row + 1) * size]


def _beside(attributes: Window, graph: Graph, operator: Operator, made: Columns, read: Columns | None) -> Window:
    """With the padding that is left where only some columns of an image are made: none but at the image's edges."""
    [source] = [t for t in operator.inputs if t is not None and graph.tensors[t].data is None]
    width = graph.tensors[source].shape[2]
    if isinstance(attributes, Pool):
        taps = attributes.filter_w
    else:
        taps = next(graph.tensors[t].shape[2] for t in operator.inputs[1:2] if t is not None)
    start = made.first * attributes.stride_w - attributes.pad_left
    end = (made.last - 1) * attributes.stride_w - attributes.pad_left + (taps - 1) * attributes.dilation_w + 1
    assert read == (max(0, start), min(width, end))
    return replace(attributes, pad_left=max(0, -start), pad_right=max(0, end - width))


def _place(rows: Rows, row: int, late: bool = False) -> int:
    if late:
        assert rows.landing is not None
        return rows.landing.offset
    return rows.offset + (row % rows.count if rows.count else row) * rows.pitch


def _lands(rows: Rows, row: int | None) -> bool:
    landing = rows.landing
    return (
        landing is not None and row is not None and row >= landing.first and (row - landing.first) % landing.stride == 0
    )


def _late(rows: Rows, row: int) -> int | None:
    """The row that came last where a row of its reader is computed."""
    return None if rows.landing is None else rows.landing.first + row * rows.landing.stride


def _inside(window: RowWindow, row: int, height: int) -> list[int]:
    first = row * window.stride - window.before
    return list(range(max(first, 0), min(first + window.size, height)))


def _operands(state: _Replay, operator: Operator, sources: dict[int, Array], row: int | None = None) -> list[Array]:
    """A reference's inputs: constants from the network, of one row where it has as many rows as the output."""
    height = len(state.values[operator.outputs[0]][0]) if _tall(state.values[operator.outputs[0]]) else 1
    found = []
    for tensor in operator.inputs:
        if tensor is not None:
            data = state.graph.tensors[tensor].data
            if data is not None and row is not None and not isinstance(operator.attributes, Window) and _tall(data):
                data = data[:, row : row + 1] if len(data[0]) == height > 1 else data
            found.append(sources[tensor] if data is None else data)
    return found
