"""Measures a model's operators on a board, and what it takes the board to take crossing tensors in and give them out:
the document of `shoal profile`, which plan/profiles.py reads.

Operators are measured one by one in images of as many as the board holds at once, by whole tensors, as `shoal split`
plans its chunks. The link is measured on the first image: on a board by this computer's clock; on an emulator, whose
line has no speed, by counting what the firmware executes for a frame, while the wire counts by its line rate."""

from __future__ import annotations

import datetime
import functools
import statistics
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import shoal
from shoal.bench import meters
from shoal.bench.bench import SOURCES, energy, measure
from shoal.bench.crossing import Judge
from shoal.bench.inputs import generator
from shoal.boards.board import Board
from shoal.errors import DoesNotFit, NodeError
from shoal.link import messages, wire
from shoal.link.client import StreamNode
from shoal.link.node import Node
from shoal.network.execute import run
from shoal.network.graph import Graph
from shoal.operators import kind
from shoal.plan.chunks import Chunks
from shoal.plan.costs import cycles_per_instruction
from shoal.plan.profiles import SCHEMA, ordered, weakest
from shoal.plan.steps import Options, Progress, silent
from shoal.render import manifest as manifests
from shoal.render.shoal import describe_tensor
from shoal.tensors import Array

#: bytes of the two pieces whose difference is what a byte costs; both fit the smallest receive buffer
_SMALL, _LARGE = 1, 129

#: how often each is counted: what an emulator does between two looks at the line varies a little
_TRIES = 5

#: seconds within which an emulator that has answered comes to the end of that look
_SETTLED = 0.005

#: bytes that a board's line is measured by, and how often it is asked an empty question
_MOVED, _QUESTIONS = 4096, 20


@dataclass(frozen=True)
class Image:
    """Operators [first, last) in one firmware, made with these options."""

    first: int
    last: int
    options: Options


def images(chunks: Chunks, board: Board, options: Options) -> list[Image]:
    """As few firmwares as operators one after another fit the board in, without those that do not fit even alone.
    DoesNotFit where none does."""
    found, first, operators = [], 0, len(chunks.graph.operators)
    while first < operators:
        # an operator that does not fit as it is preferred may do so by kernels that take the least RAM
        last = next((n for n in range(operators, first, -1) if _fits(chunks, first, n, board, options)), first + 1)
        need = chunks.need(first, last, board, options)
        if not need.short:
            found.append(Image(first, last, need.options))
        first = last
    if not found:
        raise DoesNotFit(
            "not one operator of it fits", where=f"{chunks.graph.name} on {board.id}", advice="name another --board"
        )
    return found


def _fits(chunks: Chunks, first: int, last: int, board: Board, options: Options) -> bool:
    need = chunks.need(first, last, board, options)
    return not need.short and need.options == options


def document(graph: Graph, prefer: str, boards: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """A profile of these boards' parts (`profile`). Published schema: cli/schemas/profile.schema.json."""
    return {
        "schema": SCHEMA,
        "tool_version": shoal.__version__,
        "date": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "model": graph.name,
        "model_sha256": graph.sha256,
        "options": {"prefer": prefer},
        "operators": [
            {
                "index": o.index,
                "kind": o.kind,
                "name": graph.tensors[o.outputs[0]].name,
                "macs": kind(o.kind).macs(o, graph.tensors),
            }
            for o in graph.operators
        ],
        "boards": list(boards),
    }


def profile(
    model: Path,
    chunks: Chunks,
    board: Board,
    spec: str,
    found: Sequence[Image],
    runs: int = 1,
    advance: Callable[[], None] = lambda: None,
    progress: Progress = silent,
    meter: str | None = None,
) -> dict[str, Any]:
    """One board's part: `found` (`images` of it) built, run `runs` times on the node `spec` (emulator or serial:PORT)
    on the default input, and each operator alone as often; `advance` is called after each of these. `meter`: KIND:PORT
    of an instrument that measures the current. A board that needs several images is flashed with each. Raises what
    planning, building, flashing, the node and the meter raise."""
    from shoal.build.cache import project
    from shoal.build.flash import flash

    graph, source = chunks.graph, SOURCES[spec.partition(":")[0]]
    start = [describe_tensor(graph, t) for t in graph.inputs]
    values: dict[int, Array] = dict(zip(graph.inputs, generator(start), strict=True))
    known = Judge(model, [], graph, list(values.values()))
    results, directories, done = [], [], 0
    for image in found:
        for operator in graph.operators[done : image.first]:  # those that no firmware has
            values.update(zip(operator.outputs, run(operator, graph.tensors, values), strict=True))
        done = image.last
        span = None if image.last - image.first == len(graph.operators) else (image.first, image.last)
        directory = project(model, board, image.options, progress, span)
        if len(found) > 1 and source == "board":
            flash(directory, spec.partition(":")[2])
        own = manifests.load(directory)
        inputs = [values[t["tensor"]] for t in own["inputs"]]
        judge = functools.partial(_judge, known, own, inputs)
        results.append(measure(directory, spec, inputs, judge, runs, True, advance, meter))
        directories.append(directory)
        for given, data in zip(own["outputs"], results[-1][1], strict=True):
            values[given["tensor"]] = manifests.array_of(data, given)
    measured = [r[0] for r in results]
    clock_hz = measured[0]["clock_hz"]
    if not clock_hz:
        raise NodeError("does not know its clock", where=spec)
    link = _on_board(directories[-1], board, spec) if source == "board" else _emulated(directories[0], board)
    tensors = [_tensor(graph, t, link, clock_hz, board) for t in _crossing(graph)]
    return {
        "board": board.id,
        "board_sha256": board.sha256,
        "node": spec,
        "source": source,
        "clock_hz": clock_hz,
        "runs": runs,
        "assumption": _assumption(measured[0], board),
        "images": [_image(i, m) for i, m in zip(found, measured, strict=True)],
        "operators": [
            o for i, m in zip(found, measured, strict=True) for o in _operators(chunks, i, m, board, clock_hz)
        ],
        "tensors": tensors,
        "boundaries": [_boundary(graph, b, tensors) for b in range(len(graph.operators) + 1)],
        "link": {
            "uart": board.uarts[0].name,
            "baud": board.uarts[0].baud,
            "goodput": round(2 / (1 / link.goodput_in + 1 / link.goodput_out), 3),
            "goodput_in": round(link.goodput_in, 3),
            "goodput_out": round(link.goodput_out, 3),
            "round_trip_milliseconds": link.round_trip and round(link.round_trip * 1e3, 6),
            "source": "board" if source == "board" else "model",
        },
        "energy": _energy(board, measured),
    }


def _judge(
    known: Judge, own: Mapping[str, Any], inputs: Sequence[Array], node: Node, outputs: Sequence[bytes]
) -> tuple[bool | None, str | None]:
    return known.judge(node, own, inputs, outputs)


def total(found: Sequence[Image], runs: int) -> int:
    """How often `profile` calls `advance`."""
    return sum(runs * (1 + i.last - i.first) for i in found)


def _image(image: Image, measured: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "first": image.first,
        "last": image.last,
        "prefer": image.options.prefer,
        **{k: measured[k] for k in ("firmware_sha256", "build_id", "compiler", "flags")},
        "instructions": measured["latency"]["instructions"],
        "cycles": measured["latency"]["cycles"],
        "exact": measured["exact"],
        "exact_reason": measured["exact_reason"],
    }


def _operators(
    chunks: Chunks, image: Image, measured: Mapping[str, Any], board: Board, clock_hz: int
) -> Iterator[dict[str, Any]]:
    """One for each step: whole tensors have a step for each operator."""
    works = chunks.need(image.first, image.last, board, image.options).works
    for work, step in zip(works, measured["latency"]["steps"], strict=True):
        cycles = next((step[k] for k in ("cycles", "cycles_estimated") if step[k] is not None), None)
        if cycles is None and step["instructions"] is None:
            raise NodeError(
                "the node counts neither cycles nor instructions", where=board.id, advice="profile its emulator"
            )
        if cycles is None:
            cycles = step["instructions"] * cycles_per_instruction(board)
        yield {
            "operator": work.operator,
            "function": work.function,
            "literal": work.literal,
            **{k: step[k] for k in ("instructions", "cycles", "cycles_estimated")},
            "nanoseconds": round(cycles * 1e9 / clock_hz),
            "source": measured["source"],
            "sources": [measured["source"]],
        }


def _assumption(measured: Mapping[str, Any], board: Board) -> str | None:
    """How counts became times; None where a board measured them."""
    if measured["source"] == "board":
        return None
    said: str | None = measured["latency"]["assumption"]
    return f"estimated: {said or f'{cycles_per_instruction(board):g} cycle per instruction, assumed'}"


def _energy(board: Board, measured: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """The member `energy`, of all images together."""
    if all(m["energy"]["meter"] is not None for m in measured):
        return meters.together([m["energy"] for m in measured])
    times = [m["latency"]["milliseconds"] for m in measured]
    return energy(board, None if None in times else sum(times))


# the link


@dataclass(frozen=True)
class Handling:
    """Instructions that one direction of the link takes for a frame, and for each byte of a tensor in it."""

    frame: float
    byte: float
    most: int

    def instructions(self, size: int) -> int:
        return round(-(-size // self.most) * self.frame + size * self.byte)


@dataclass(frozen=True)
class Link:
    """Payload bytes per second each way; seconds of an empty question, where a board answered it; instructions each
    way, where an emulator counted them."""

    goodput_in: float
    goodput_out: float
    round_trip: float | None = None
    taking: Handling | None = None
    giving: Handling | None = None


def _on_board(directory: Path, board: Board, spec: str) -> Link:
    """By this computer's clock: what a host that carries tensors on gets of the line."""
    from shoal.link.connect import open_node

    with open_node(directory, spec) as opened:
        assert isinstance(opened, StreamNode)  # a serial port's
        node, size = opened, min(_MOVED, opened.identify().arena_bytes)

        def seconds(call: Callable[[], object]) -> float:
            started = time.perf_counter()
            call()
            return max(time.perf_counter() - started, 1e-9)

        trip = statistics.median(seconds(lambda: node.echo(b"")) for _ in range(_QUESTIONS))
        data = bytes(i * 7 % 251 for i in range(size))
        sending = seconds(lambda: node.write_arena(0, data))
        reading = seconds(lambda: node.read_arena(0, size))
        return Link(size / sending, size / reading, trip)


def _emulated(directory: Path, board: Board) -> Link:
    """Instructions counted, of two pieces of different sizes; speed by the line's rate."""
    from shoal.link.connect import open_node
    from shoal.link.emulators.node import EmulatedNode

    with open_node(directory, "emulator", count=True, serving=True) as opened:
        assert isinstance(opened, EmulatedNode)
        node = opened

        def looks(call: Callable[[], object]) -> list[int]:
            """Instructions of each look at the line during a call."""
            node.regions()
            call()
            time.sleep(_SETTLED)
            return [r.instructions for r in node.regions()]

        most = node.identify().arena_bytes
        small, large = (bytes(i * 7 % 251 + 1 for i in range(min(n, most))) for n in (_SMALL, _LARGE))
        tries = range(_TRIES)
        taking = [[looks(functools.partial(node.write_arena, 0, data)) for _ in tries] for data in (small, large)]
        giving = [[looks(functools.partial(node.read_arena, 0, len(data))) for _ in tries] for data in (small, large)]
    # a look that finds nothing is the shortest; how many of these there are is up to the emulator
    nothing = min(n for way in (taking, giving) for size in way for found in size for n in found)
    taken, given = (
        [statistics.median_low(sum(n - nothing for n in f) for f in size) for size in way] for way in (taking, giving)
    )
    more = max(1, len(large) - len(small))
    rate = wire.goodput(board.uarts[0].baud)
    return Link(
        rate,
        rate,
        None,
        *(
            Handling(of[0] - (of[1] - of[0]) / more * len(small), (of[1] - of[0]) / more, size)
            for of, size in ((taken, messages.MAX_WRITE), (given, messages.MAX_READ))
        ),
    )


def _crossing(graph: Graph) -> list[int]:
    """The tensors that can cross a boundary: all that are not constant, in the order in which they come to be."""
    return list(dict.fromkeys([*graph.inputs, *(t for o in graph.operators for t in o.outputs)]))


def _tensor(graph: Graph, index: int, link: Link, clock_hz: int, board: Board) -> dict[str, Any]:
    size = graph.tensors[index].bytes
    return {
        "tensor": index,
        "bytes": size,
        "entry": _figure(size, link.goodput_in, link.round_trip, link.taking, clock_hz, board),
        "exit": _figure(size, link.goodput_out, link.round_trip, link.giving, clock_hz, board),
    }


def _figure(
    size: int, goodput: float, round_trip: float | None, handling: Handling | None, clock_hz: int, board: Board
) -> dict[str, Any]:
    """What a tensor takes in one direction: as long as the wire is at it, or the node where that is slower."""
    seconds, instructions = max(size / goodput, round_trip or 0.0), None
    if handling is not None:
        instructions = handling.instructions(size)
        seconds = max(seconds, instructions * cycles_per_instruction(board) / clock_hz)
    sources = ordered(["board"] if round_trip is not None else ["emulated", "model"])
    return {
        "instructions": instructions,
        "nanoseconds": round(seconds * 1e9),
        "source": weakest(sources),
        "sources": sources,
    }


def _boundary(graph: Graph, boundary: int, tensors: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """A cut in front of operator `boundary`: what is there before it and is wanted behind."""
    there = graph.live(boundary)
    across = [t for t in tensors if t["tensor"] in there]
    return {
        "boundary": boundary,
        "tensors": [t["tensor"] for t in across],
        "bytes": sum(t["bytes"] for t in across),
        "entry_nanoseconds": sum(t["entry"]["nanoseconds"] for t in across),
        "exit_nanoseconds": sum(t["exit"]["nanoseconds"] for t in across),
        "source": weakest([t["entry"]["source"] for t in across] or ["model"]),
    }
