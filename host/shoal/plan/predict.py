"""What a plan will take of flash and stack, before anything is built: from figures measured once per kernel and core.

Arena and weights are exact in the plan itself. Code, static data and stack come from footprint.json, which
tests/bench/footprint.py measures."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from shoal.boards.board import Board
from shoal.operators.base import Call, Kernel
from shoal.plan.sharing import Members, by_function, by_rows, common, differing, multiple, scalar_type, structure
from shoal.plan.steps import Plan, Segment

_FILE = Path(__file__).with_name("footprint.json")

#: bytes of an entry {run, args} in the table of steps; of a record's pointer to a constant, and of an offset into the
#: arena: those of most networks are below 64 KiB
_ENTRY_BYTES = 8
_POINTER_BYTES = 4
_ADDRESS_BYTES = 2

#: stack of a segment's function, and of the harness's that brings and takes rows over the link
_SEGMENT_FRAME = 64
_CALLBACK_STACK = 240


#: what the harness of a shoal's node takes besides: the engine, rings that hold its neighbours' frames, and what runs
#: between the model's steps (firmware/runtime/node.c), on a Cortex-M4, GCC 12
_ENGINE = {"flash": 6700, "static": 2504, "stack": 100}


@dataclass(frozen=True)
class Prediction:
    """`code_bytes`: the model's code and tables; `flash_bytes`: the whole image; `static_bytes`: RAM that is neither
    stack nor arena; `stack_bytes`: the painted total; `instructions`: of one inference, by the kernels' cost models."""

    code_bytes: int
    weights_bytes: int
    flash_bytes: int
    arena_bytes: int
    static_bytes: int
    stack_bytes: int
    instructions: int

    @property
    def ram_bytes(self) -> int:
        """What `shoal bench` calls the total: the part of the stack that is used counts, not all that is set aside."""
        return self.static_bytes + self.arena_bytes + self.stack_bytes


def predict(plan: Plan) -> Prediction:
    """Within 5 % or 1 KiB of flash and 128 bytes of RAM of what the linker and the painted stack say, for boards whose
    harness was measured; a harness that was not (of a registry's framework) counts as the largest one that was."""
    core, harness = _core(plan.board), _harness(plan.board)
    board, prefer = plan.board, plan.options.prefer
    calls = [s.call for s in plan.steps if s.call is not None]
    segments = [s.segment for s in plan.steps if s.segment is not None]
    rows = row_functions(segments)
    code = code_bytes(calls, board, prefer, rows) + sum(map(_segment_bytes, segments))
    code += _bringing_bytes(plan)
    frames = [frame_bytes(core, f, prefer) for f in by_function(calls)]
    frames += [_SEGMENT_FRAME + frame_bytes(core, f, prefer, rows=True) for f in rows]
    frames += [_SEGMENT_FRAME + _CALLBACK_STACK] if plan.streams or plan.store_bytes else []
    flash, static, stack = (harness[n] + (_ENGINE[n] if plan.seat else 0) for n in ("flash", "static", "stack"))
    return Prediction(
        code_bytes=code,
        weights_bytes=plan.weights_bytes,
        flash_bytes=flash + code + plan.weights_bytes,
        arena_bytes=plan.arena_bytes,
        static_bytes=static,
        stack_bytes=stack + max(frames),
        instructions=sum(s.instructions for s in plan.steps),
    )


#: of what brings a page and checks it, with what GCC 12 at -O3 clones of loops that the functions of pages share, up to
#: four times on a Cortex-M3; and of a page's record (firmware/kernels/page.h)
_PAGING_BYTES, _PAGE_BYTES = 300 + 4 * 370, 20

#: of what copies constants, and of each one's record (firmware/kernels/copies.h)
_COPYING_BYTES, _COPY_BYTES = 60, 12


def _bringing_bytes(plan: Plan) -> int:
    """Of what brings constants into the arena, with what the table of steps has more for it."""
    pages = sum(s.page is not None for s in plan.steps)
    copies = sum(len(copy.constants) for s in plan.steps for _, copy in s.copies)
    code = _PAGING_BYTES + _PAGE_BYTES * pages + (4 if plan.mapped else 8) * len(plan.steps) if pages else 0
    return code + (_COPYING_BYTES + _COPY_BYTES * copies + 8 * len(plan.steps) if copies else 0)


def row_functions(segments: Sequence[Segment]) -> list[list[Call]]:
    """The calls, as their bands see them, of each function that computes rows."""
    return by_function(by_rows(p.call) for segment in segments for p in segment.parts if p.call is not None)


def code_bytes(calls: Sequence[Call], board: Board, prefer: str, rows: Sequence[Sequence[Call]] = ()) -> int:
    """Of the functions that these calls need, and those that compute rows, each once, of what those share, and of the
    steps' tables."""
    functions = by_function(calls)
    every = [*functions, *rows]
    kernels = {(f[0].kernel.function, f[0].kernel.literal): f[0].kernel for f in every}
    code = overhead_bytes(board) + sum(function_bytes(f, board, prefer) for f in functions)
    code += sum(function_bytes(f, board, prefer, rows=True) for f in rows)
    code += sum(shared_bytes(k, board, prefer) for k in kernels.values())
    return code + sum(dict(part for f in every for c in f for part in c.parts).values())


def overhead_bytes(board: Board) -> int:
    """Of a model without steps."""
    overhead: int = _core(board)["overhead"]
    return overhead


def function_bytes(calls: Sequence[Call], board: Board, prefer: str, *, rows: bool = False) -> int:
    """Of the function of these calls, and of the tables of their steps or parts."""
    kernels: Mapping[str, Any] = _core(board)["kernels"]
    return table_bytes(calls, rows=rows) + _figure(kernels, calls, prefer, "code", calls[0].code_bytes, rows)


def _segment_bytes(segment: Segment) -> int:
    """Of a segment's function, and its entry in the table of steps: fitted to those of five networks on a Cortex-M4."""
    runs = [run for phase in segment.phases for run in phase.runs]
    loops = sum(run.count > 1 for run in runs) + sum(phase.repeat > 1 for phase in segment.phases)
    streams = sum(segment.parts[run.part].call is None for run in runs)
    return _ENTRY_BYTES + 24 + 13 * len(runs) + 14 * loops + 8 * streams


def shared_bytes(kernel: Kernel, board: Board, prefer: str) -> int:
    """Of what all functions of a kernel share."""
    figures = _core(board)["kernels"].get(key(kernel.function, kernel.literal, prefer))
    return kernel.common_bytes if figures is None else int(figures["shared"])


def key(function: str, literal: bool, prefer: str, *, rows: bool = False) -> str:
    """The name of a kernel's figures; what is preferred for RAM is compiled for speed."""
    form = f"{function}/{'literal' if literal else 'shared'}/{'speed' if prefer == 'ram' else prefer}"
    return f"{form}/rows" if rows else form


def pattern(shape: Members) -> str:
    """What of a shape decides how a compiler unrolls and drops loops: small members as they are, of larger ones whether
    four divides them, and which ones come from records."""
    return "".join("-" if v is None else str(v) if v <= 8 else "y" if v % 4 == 0 else "n" for _, v in shape)


def table_bytes(calls: Sequence[Call], *, rows: bool = False) -> int:
    """Of the steps or parts that share a function: each one's record, and a step's entry in the table of steps."""
    first = calls[0]
    operands = len(first.inputs) + len(first.outputs) + bool(first.scratch_bytes) + bool(first.state_bytes)
    members = _POINTER_BYTES * len(first.constants) + _ADDRESS_BYTES * operands
    shapes, parameters = [dict(c.shape) for c in calls], [dict(c.parameters) for c in calls]
    for name in differing(common([c.shape for c in calls])):
        unit = multiple(s[name] for s in shapes)
        members += np.dtype(scalar_type(s[name] // unit for s in shapes)).itemsize
    for name in differing(common([c.parameters for c in calls])):
        members += np.dtype(scalar_type(p[name] for p in parameters)).itemsize
    return len(calls) * ((0 if rows else _ENTRY_BYTES) + members + -members % 4)


def _figure(
    kernels: Mapping[str, Any], calls: Sequence[Call], prefer: str, name: str, default: int, rows: bool = False
) -> int:
    """`code` or `stack` of the function of these calls: of one of the same pattern, else typical of the kernel. Where
    records say only how often something is done, that is a quarter more than of a literal one; where they say what is
    done, no less than the default, since what was measured may have had more in common. Rows of a kernel whose rows
    were not measured count as whole tensors."""
    kernel = calls[0].kernel
    figures = _measured_as(kernels, key(kernel.function, kernel.literal, prefer, rows=rows))
    if figures is None and rows:
        return _figure(kernels, calls, prefer, name, default)
    shape = common([c.shape for c in calls])
    if figures is not None and pattern(shape) in figures[name]:
        known: int = figures[name][pattern(shape)]
        return known
    typical = default if figures is None else int(figures[f"typical_{name}"])
    alike = _measured_as(kernels, key(kernel.function, True, prefer, rows=rows))
    if not kernel.literal and len({structure(c) for c in calls}) > 1:
        return max(typical, default)
    if not kernel.literal and alike is not None:
        literal: int = max(alike[name].get(pattern(c.shape), alike[f"typical_{name}"]) for c in calls)
        return literal * 5 // 4
    return typical


def _measured_as(kernels: Mapping[str, Any], name: str) -> Mapping[str, Any] | None:
    """A kernel's figures in this form; None where it was never met in it."""
    figures: Mapping[str, Any] | None = kernels.get(name)
    return figures if figures is not None and figures["code"] else None


def frame_bytes(core: Mapping[str, Any], calls: Sequence[Call], prefer: str, *, rows: bool = False) -> int:
    """Stack of a function and of what it calls."""
    kernel = calls[0].kernel
    helpers: int = core["kernels"].get(key(kernel.function, kernel.literal, prefer), {}).get("helper_stack", 0)
    return helpers + _figure(core["kernels"], calls, prefer, "stack", core["stack"], rows)


@cache
def _measured() -> Mapping[str, Any]:
    figures: Mapping[str, Any] = json.loads(_FILE.read_text(encoding="utf-8"))
    return figures


def _core(board: Board) -> Mapping[str, Any]:
    """The figures of the board's core; of one with the same instruction set, or of any, where it was not measured."""
    cores: Mapping[str, Mapping[str, Any]] = _measured()["cores"]
    if board.core.name in cores:
        return cores[board.core.name]
    alike = [c for c in cores.values() if c["isa"] == board.core.isa]
    return (alike or list(cores.values()))[0]


def _harness(board: Board) -> Mapping[str, int]:
    measured: Mapping[str, Mapping[str, Any]] = _measured()["harness"]
    if board.id in measured:
        return measured[board.id]
    alike = [h for h in measured.values() if h["hal"] == board.hal] or list(measured.values())
    return {name: max(h[name] for h in alike) for name in ("flash", "static", "stack")}
