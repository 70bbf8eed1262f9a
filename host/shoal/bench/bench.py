"""Measures one generated folder on one node: the document of `shoal bench`."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any

from shoal.boards.board import Board
from shoal.link.node import Node
from shoal.tensors import Array

if TYPE_CHECKING:
    from shoal.bench.latency import Sample, Stopwatch
    from shoal.bench.meters import Drawn
    from shoal.build.builder import Built

#: where figures come from, by the node's kind
SOURCES = {"emulator": "emulated", "host": "host", "serial": "board"}


def _quiet() -> None:
    """Nobody counts."""


def bench(
    directory: Path,
    spec: str,
    runs: int = 1,
    steps: bool = False,
    advance: Callable[[], None] = _quiet,
    meter: str | None = None,
) -> dict[str, Any]:
    """Builds the folder's firmware if need be, runs it `runs` times on the default input and, with `steps`, each step
    alone as often; `advance` is called after each of these (`total` in all). `meter`: KIND:PORT of an instrument that
    measures the runs' current. Raises what building, the node and the meter raise.

    The published schema is cli/schemas/bench.schema.json. A figure that does not apply is null: instructions are
    counted on emulators only, cycles and milliseconds on boards only."""
    from shoal.bench.exact import judge
    from shoal.bench.inputs import generator
    from shoal.render.manifest import load

    manifest = load(directory)
    inputs = generator(manifest["inputs"])

    def compare(node: Node, outputs: Sequence[bytes]) -> tuple[bool | None, str | None]:
        return judge(node, directory, manifest, inputs, outputs)

    return measure(directory, spec, inputs, compare, runs, steps, advance, meter)[0]


def measure(
    directory: Path,
    spec: str,
    inputs: Sequence[Array],
    judge: Callable[[Node, Sequence[bytes]], tuple[bool | None, str | None]],
    runs: int = 1,
    steps: bool = False,
    advance: Callable[[], None] = _quiet,
    meter: str | None = None,
) -> tuple[dict[str, Any], tuple[bytes, ...]]:
    """The document for these inputs, and the last run's outputs; `judge` is given the open node and those, and says
    whether they are exact and, where it cannot or they are not, why."""
    from shoal import boards
    from shoal.bench import latency, meters
    from shoal.build.builder import build
    from shoal.link.connect import open_node
    from shoal.render.manifest import load

    manifest = load(directory)
    board = boards.load(str(directory / "boards" / f"{manifest['board']}.json"))
    kind = spec.partition(":")[0]
    source = SOURCES.get(kind, kind)
    if meter is not None:
        meters.check(meter, board, spec)
    built = build(directory, "host" if kind == "host" else None)
    data = [i.tobytes() for i in inputs]
    with (
        # first: the board's supply comes through it
        nullcontext() if meter is None else meters.open_meter(meter, board) as instrument,
        open_node(directory, spec, count=source == "emulated") as node,
    ):
        identity = node.identify()
        watch = latency.Stopwatch(node, source, board, built)
        samples = []
        if instrument is not None:
            instrument.start()
        for _ in range(runs):
            samples.append(watch.measure(lambda: node.run(data)))
            advance()
        drawn = None if instrument is None else meters.drawn(instrument.stop(), runs, instrument.name, board)
        measured = _steps(node, watch, data, manifest, built.elf, runs, advance) if steps else []
        exact = judge(node, samples[-1].answer.outputs)
    document = result(manifest, board, built, spec, identity.clock_hz, samples, measured, exact, drawn)
    return document, samples[-1].answer.outputs


def result(
    manifest: dict[str, Any],
    board: Board,
    built: Built,
    spec: str,
    clock_hz: int,
    samples: Sequence[Sample],
    steps: list[dict[str, Any]],
    exact: tuple[bool | None, str | None],
    drawn: Drawn | None = None,
) -> dict[str, Any]:
    """The document of what was measured. `clock_hz`: as the node says; `exact`: whether it is, and why not; `drawn`:
    what an instrument measured."""
    from shoal.bench import latency, sizes
    from shoal.bench.traffic import traffic

    source = SOURCES[spec.partition(":")[0]]
    # only a board's own word for its clock counts: an emulator's is made up
    clock_hz = clock_hz if source == "board" else board.clock_hz
    own = source != "host" or board.hal == "host"
    timing = latency.latency(samples, board, clock_hz, steps)
    answers = [s.answer for s in samples]
    return {
        "board": board.id,
        "model": manifest["name"],
        "model_sha256": manifest["model"]["sha256"],
        "firmware_sha256": built.firmware_sha256,
        "build_id": built.build_id,
        "compiler": built.compiler,
        "flags": built.flags,
        "options": manifest["options"],
        "node": spec,
        "source": source,
        "rounding": manifest["rounding"],
        "clock_hz": clock_hz if own and clock_hz else None,
        "latency": timing,
        "traffic": traffic(manifest, board, answers, source, clock_hz),
        "ram": sizes.ram(built, answers, own),
        "flash": sizes.flash(built, own),
        "energy": energy(board, timing["milliseconds"], drawn),
        "exact": exact[0],
        "exact_reason": exact[1],
    }


def total(directory: Path, runs: int, steps: bool) -> int:
    """How often `bench` calls `advance`."""
    from shoal.render.manifest import load

    return runs * (1 + (len(load(directory)["steps"]) if steps else 0))


def _steps(
    node: Node,
    watch: Stopwatch,
    data: Sequence[bytes],
    manifest: dict[str, Any],
    elf: Path,
    runs: int,
    advance: Callable[[], None],
) -> list[dict[str, Any]]:
    """Each step alone, in order, on the default input; medians of `runs` times through all of them."""
    from shoal.bench.latency import median
    from shoal.bench.sizes import step_code_bytes
    from shoal.render.manifest import kinds

    samples: list[list[Sample]] = [[] for _ in manifest["steps"]]
    for _ in range(runs):
        node.load(data)
        for index, found in enumerate(samples):
            found.append(watch.measure(functools.partial(node.run_steps, index, index + 1)))
            advance()
    code = step_code_bytes(elf, len(manifest["steps"]))
    return [
        {
            "index": step["index"],
            "operators": kinds(step) or [step["kind"]],
            "name": step["name"],
            "instructions": median([s.instructions for s in found]),
            "cycles": median([s.cycles for s in found]),
            "cycles_estimated": median([s.cycles_estimated for s in found]),
            "macs": step["macs"],
            "arena_bytes": step["arena_bytes"],
            "code_bytes": code_bytes,
        }
        for step, code_bytes, found in zip(manifest["steps"], code, samples, strict=True)
    ]


def energy(board: Board, milliseconds: float | None, drawn: Drawn | None = None) -> dict[str, Any]:
    """The member `energy`: what an instrument measured; else what the board draws by its file, typically, over a
    measured time. Null where neither is known."""
    if drawn is not None:
        return {
            "current_milliamperes": round(drawn.milliamperes, 6),
            "idle_milliamperes": round(drawn.idle_milliamperes, 6),
            "microjoules": round(drawn.microjoules, 6),
            "window_milliseconds": round(drawn.milliseconds, 6),
            "meter": drawn.meter,
            "source": "board",
            "sources": ["board"],
        }
    currents, supply = board.currents, board.supply_millivolts
    milliamperes = currents["run_milliamperes"] if currents else None
    microjoules = None
    if milliseconds is not None and milliamperes is not None and supply is not None:
        microjoules = round(milliamperes * supply / 1000 * milliseconds, 3)
    return {
        "current_milliamperes": milliamperes,
        "idle_milliamperes": None,
        "microjoules": microjoules,
        "window_milliseconds": None,
        "meter": None,
        "source": None if milliamperes is None else "model",
        "sources": [] if milliamperes is None else ["model"] if milliseconds is None else ["board", "model"],
    }
