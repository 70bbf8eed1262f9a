"""Fused segments in C: a function per band and a function per trace, each with a record of what it works on."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from shoal.network.graph import Graph
from shoal.operators.base import Band, Call
from shoal.plan.sharing import by_rows
from shoal.plan.steps import Part, Plan, RowRun, Rows, Segment, Step, instance
from shoal.render.records import Function, Names, User, bind, from_record, operands, place
from shoal.render.text import Members


@dataclass(frozen=True)
class RowFunction:
    """Computes one row by a kernel's band. `rows`: its inputs' rows; `output`: where its row goes;
    `arguments`: what the band is called with; `settled`: what rows move to their slots behind it."""

    name: str
    kernel: str
    comment: str
    bound: Function
    rows: tuple[str, ...]
    output: str
    arguments: tuple[str, ...]
    settled: tuple[str, ...]


@dataclass(frozen=True)
class Statement:
    """A line of a segment's function, or what it repeats. `kind`: row, repeat, end or clear.

    row: `function` computes or moves row `row` of what lies at `place`, or, where there is a `loop`, all of its rows;
    `tick` after each. repeat: what follows, up to end, runs `count` times. clear: `count` bytes of the state of the
    part `place` become zero, where it is `first` only in the first repetition."""

    kind: str
    margin: str = ""
    function: str = ""
    place: str = ""
    row: str = ""
    loop: str = ""
    streams: bool = False
    tick: bool = False
    first: bool = False
    count: int = 0


@dataclass(frozen=True)
class SegmentFunction:
    """Runs a segment; those of the same functions and trace share it. `fields`: C type and name of its record's
    members, one for each part."""

    name: str
    comment: str
    fields: tuple[tuple[str, str], ...]
    statements: tuple[Statement, ...]

    @property
    def streams(self) -> bool:
        return any(s.streams for s in self.statements)


class Segments:
    """What the templates place of all segments of a plan."""

    def __init__(self, plan: Plan, names: Names) -> None:
        self._names, self._spans = names, plan.spans
        streamed = ((t, plan.graph.tensors[t]) for t in plan.streams)
        self._pixels = {t: x.bytes // (x.shape[1] * x.shape[2]) for t, x in streamed if len(x.shape) == 4}
        self._rows = _row_functions(plan)
        self._functions: dict[Any, SegmentFunction] = {}
        for step in plan.steps:
            if step.segment is not None:
                key = self._key(step.segment)
                if key not in self._functions:
                    self._functions[key] = self._function(f"segment_{len(self._functions)}", step.index, step.segment)

    @property
    def rows(self) -> list[RowFunction]:
        return list(self._rows.values())

    @property
    def functions(self) -> list[SegmentFunction]:
        return list(self._functions.values())

    def step(self, step: Step, segment: Segment) -> dict[str, Any]:
        """A step's record in terms of the templates."""
        function = self._functions[self._key(segment)]
        parts = zip(function.fields, segment.parts, strict=True)
        return {
            "index": step.index,
            "comment": _kinds(segment) + _columns(segment),
            "function": function.name,
            "record": [(name, self._record(part)) for (_, name), part in parts],
        }

    def _key(self, segment: Segment) -> Any:
        functions = tuple(self._place(p, p.kind) if p.call is None else row_key(p) for p in segment.parts)
        return functions, segment.phases, segment.direction

    def _place(self, part: Part, member: str) -> str:
        """What a row's function takes in front of the row."""
        if part.call is not None:
            return f"base, &parts->{member}"
        rows = _streamed(part)
        first = f"base + parts->{member}" if rows.columns is None else f"base, &parts->{member}"
        return f"{first}, {rows.pitch}, {rows.count}"

    def _function(self, name: str, index: int, segment: Segment) -> SegmentFunction:
        members = [f"{part.kind}_{number}" for number, part in enumerate(segment.parts)]
        functions = [_stream(p)[0] if p.call is None else self._rows[row_key(p)].name for p in segment.parts]
        places = [self._place(part, member) for part, member in zip(segment.parts, members, strict=True)]
        types = [
            _stream(p)[1] if p.call is None else f"{f}_record" for p, f in zip(segment.parts, functions, strict=True)
        ]
        way = "from the top down" if segment.direction > 0 else "from the bottom up"
        strip = "" if segment.columns is None else f"{segment.columns.width} columns, "
        return SegmentFunction(
            name=name,
            comment=f"Step {index}, {strip}row by row {way}: {_kinds(segment)}",
            fields=tuple(zip(types, members, strict=True)),
            statements=tuple(_statements(segment, functions, places, members)),
        )

    def _record(self, part: Part) -> int | str | Members:
        if part.call is None:
            return self._stream_record(part)
        return self._rows[row_key(part)].bound.record(_user(part, part.call), self._names, self._spans)

    def _stream_record(self, part: Part) -> int | str | Members:
        """Where rows that travel lie; where a feed keeps some of their columns, where a whole one lies and which."""
        rows = _streamed(part)
        to = place(rows.offset, self._spans)
        if rows.columns is None:
            return to
        assert part.scratch is not None
        pixel = self._pixels[part.tensor]
        first, size = rows.columns.first * pixel, rows.columns.width * pixel
        return [("to", to), ("row", place(part.scratch, self._spans)), ("first", first), ("bytes", size)]


def _stream(part: Part) -> tuple[str, str]:
    """What moves a row of the input or the output, and the type of its member of a record."""
    if part.kind == "drain":
        return "write_row", "uint32_t"
    return ("read_row", "uint32_t") if _streamed(part).columns is None else ("read_columns", "columns_record")


def _row_functions(plan: Plan) -> dict[Any, RowFunction]:
    """One for each distinct instance of a band, in order of first use; shared ones carry no number."""
    users: dict[Any, list[tuple[Part, Call]]] = {}
    owners: dict[Any, Plan] = {}
    for step in plan.steps:
        for part in step.segment.parts if step.segment is not None else ():
            if part.call is not None:
                users.setdefault(row_key(part), []).append((part, part.call))
                owners.setdefault(row_key(part), plan.owner(step))
    functions: dict[Any, RowFunction] = {}
    counts: dict[str, int] = {}
    for key, used in users.items():
        kernel = used[0][1].kernel
        number = counts.get(kernel.function, 0)
        counts[kernel.function] = number + kernel.literal
        name = f"{kernel.function}_row_{number if kernel.literal else 'any'}"
        if used[0][0].copy is not None:
            name = f"{name}_brought"
        lands, settles = _landings(used[0][0])
        name += "_landing" * lands + "_settling" * settles
        bound = bind([_user(p, c) for p, c in used], plan.spans)
        functions[key] = _row_function(owners[key].graph, name, bound, *used[0])
    return functions


def _row_function(graph: Graph, name: str, bound: Function, part: Part, call: Call) -> RowFunction:
    """`part` and `call`: of its first user, a part of this network."""
    band = _band(call)
    inputs, working = operands("input", len(call.inputs)), _working(band)
    late = [name for name, rows in zip(inputs, part.inputs, strict=True) if rows.landing is not None]
    shapes = ["x".join(map(str, graph.tensors[t].shape)) for t in (*call.inputs, *call.outputs)]
    sizes = f"{' and '.join(shapes[:-1])} to {shapes[-1]}" if call.kernel.literal else "shapes from its record"
    if call.kernel.literal and part.output is not None and part.output.columns is not None:
        sizes += f", {part.output.columns.width} columns of it"
    return RowFunction(
        name=name,
        kernel=call.kernel.function,
        comment=f"A row of {part.kind}, {sizes}",
        bound=bound,
        rows=tuple(f"rows_late({_late(bound, i)})" if i in late else f"rows_at({_lies(bound, i)})" for i in inputs),
        output=_output(bound, part, band),
        arguments=(
            *(f"&rows[{i}]" for i in range(len(inputs))),
            "y",
            f"(span){{0, {bound.geometry['row_width']}}}",
            "output",
            *(f"base + {from_record(w)}" for w in working),
            "&own",
            "&shape",
        ),
        settled=tuple(f"{_late(bound, i)}, {bound.geometry[f'{i}_last']}" for i in late),
    )


def _output(bound: Function, part: Part, band: Band) -> str:
    """Where a part's row goes."""
    row = "0" if band.accumulates else "y"
    if part.output is None or part.output.landing is None:
        return f"row_at({_lies(bound, 'output')}, {row})"
    late = f"base + {from_record('output_late')}, {bound.geometry['output_first']}, {bound.geometry['output_step']}"
    return f"row_or_late({_lies(bound, 'output')}, {row}, {late})"


def _late(bound: Function, operand: str) -> str:
    """The rows of an input, and the one that came last where a part computes row y."""
    first, step = bound.geometry[f"{operand}_first"], bound.geometry[f"{operand}_step"]
    row = f"y + {first}" if step == 1 else f"{step} * y + {first}"
    return f"{_lies(bound, operand)}, base + {from_record(f'{operand}_late')}, {row}"


def _landings(part: Part) -> tuple[bool, bool]:
    """Whether some rows of a part's output land, and whether it moves rows of an input that did."""
    lands = part.output is not None and part.output.landing is not None
    return lands, any(rows.landing is not None for rows in part.inputs)


def _lies(bound: Function, operand: str) -> str:
    pitch, slots = bound.geometry[f"{operand}_pitch"], bound.geometry[f"{operand}_slots"]
    return f"base + {from_record(operand)}, {pitch}, {slots}"


def _user(part: Part, call: Call) -> User:
    band = _band(call)
    assert part.output is not None
    rows = dict(zip(operands("input", len(call.inputs)), part.inputs, strict=True)) | {"output": part.output}
    addresses = {name: place.offset for name, place in rows.items()}
    addresses |= {name: getattr(part, name) for name in _working(band)}
    geometry = [
        (f"{name}_{what}", value)
        for name, place in rows.items()
        for what, value in (("pitch", place.pitch), ("slots", place.count))
    ]
    geometry.append(("row_width", band.width))
    for name, lie in rows.items():
        landing = lie.landing
        if landing is not None:
            addresses[f"{name}_late"] = landing.offset
            geometry += [(f"{name}_first", landing.first), (f"{name}_step", landing.stride)]
            geometry += [(f"{name}_last", landing.last)] if name != "output" else []
    return User(addresses, band.shape, call.parameters, call.constants, geometry, part.copy)


def row_key(part: Part) -> Any:
    """What tells two functions of rows apart: the kernel, the shape where it is made of literals, whether constants are
    in flash, and whether rows land."""
    assert part.call is not None
    return instance(by_rows(part.call)), part.copy is None, _landings(part)


def _band(call: Call) -> Band:
    assert call.band is not None, f"{call.kernel.function} has no band"
    return call.band


def _working(band: Band) -> list[str]:
    return [name for name, size in (("scratch", band.scratch_bytes), ("state", band.state_bytes)) if size]


def _streamed(part: Part) -> Rows:
    """Where the rows lie that a feed brings or a drain hands away."""
    rows = part.output if part.kind == "feed" else part.inputs[0]
    assert rows is not None
    return rows


def _columns(segment: Segment) -> str:
    return "" if segment.columns is None else f", columns {segment.columns.first} to {segment.columns.last - 1}"


def _kinds(segment: Segment) -> str:
    return ", ".join(part.kind for part in segment.parts)


def _statements(
    segment: Segment, functions: Sequence[str], places: Sequence[str], members: Sequence[str]
) -> Iterator[Statement]:
    own = [number for number, part in enumerate(segment.parts) if part.call is not None]
    last = own[-1] if own else len(segment.parts) - 1
    started: set[int] = set()
    for phase in segment.phases:
        repeats = phase.repeat > 1
        margin = " " * (8 if repeats else 4)
        if repeats:
            yield Statement("repeat", count=phase.repeat)
        for run in phase.runs:
            call = segment.parts[run.part].call
            state = 0 if call is None else _band(call).state_bytes
            if state and run.part not in started:
                yield Statement("clear", margin, place=members[run.part], first=repeats, count=state)
            started.add(run.part)
            yield Statement(
                "row",
                margin,
                function=functions[run.part],
                place=places[run.part],
                row=_row(run.first, run.advance) if run.count == 1 else "y",
                loop=_loop(run, segment.direction) if run.count > 1 else "",
                streams=call is None,
                tick=run.part == last,
            )
        if repeats:
            yield Statement("end")


def _loop(run: RowRun, direction: int) -> str:
    """The head of a loop over a run's rows."""
    first, end = _row(run.first, run.advance), _row(run.first + direction * run.count, run.advance)
    return f"int32_t y = {first}; y < {end}; ++y" if direction > 0 else f"int32_t y = {first}; y > {end}; --y"


def _row(first: int, advance: int) -> str:
    """`first` + i · `advance` as C."""
    if advance == 0:
        return str(first)
    times = "i" if abs(advance) == 1 else f"{abs(advance)} * i"
    if advance < 0:
        return f"{first} - {times}"
    return times if first == 0 else f"{times} {'+' if first > 0 else '-'} {abs(first)}"
