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

from shoal.boards.board import Board
from shoal.operators.base import Call
from shoal.plan.steps import Plan, instance

_FILE = Path(__file__).with_name("footprint.json")

#: bytes of a step record {run, args} and of a member of an args struct
_RECORD_BYTES = 8
_MEMBER_BYTES = 4


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
    calls = [c for s in plan.steps for c in s.calls]
    instances = {instance(c): c for c in calls}.values()
    code = code_bytes(calls, plan.board, plan.options.prefer)
    deepest = max(frame_bytes(core, c, plan.options.prefer) for c in instances)
    return Prediction(
        code_bytes=code,
        weights_bytes=plan.weights_bytes,
        flash_bytes=harness["flash"] + code + plan.weights_bytes,
        arena_bytes=plan.arena_bytes,
        static_bytes=harness["static"],
        stack_bytes=harness["stack"] + deepest,
        instructions=sum(c.instructions for c in calls),
    )


def code_bytes(calls: Sequence[Call], board: Board, prefer: str) -> int:
    """Of the functions that these calls need, each once, of what those share, and of the steps' tables."""
    core = _core(board)
    kernels: Mapping[str, Any] = core["kernels"]
    instances = {instance(c): c for c in calls}.values()
    used = {key(c.kernel.function, c.kernel.literal, prefer): c.kernel.common_bytes for c in instances}
    code: int = core["overhead"] + sum(table_bytes(c) for c in calls)
    code += sum(_instance_bytes(kernels, c, prefer) for c in instances)
    code += sum(kernels[k]["shared"] if k in kernels else common for k, common in used.items())
    code += sum(dict(part for c in instances for part in c.parts).values())
    return code


def key(function: str, literal: bool, prefer: str) -> str:
    """The name of a kernel's figures."""
    return f"{function}/{'literal' if literal else 'shared'}/{prefer}"


def pattern(shape: Sequence[tuple[str, int]]) -> str:
    """What of a shape decides how a compiler unrolls and drops loops: small members as they are, of larger ones whether
    four divides them."""
    return "".join(str(value) if value <= 8 else "y" if value % 4 == 0 else "n" for _, value in shape)


def table_bytes(call: Call) -> int:
    """A step's record and arguments."""
    members = len(call.inputs) + len(call.outputs) + len(call.parameters) + len(call.constants)
    members += bool(call.scratch_bytes) + bool(call.state_bytes)
    if not call.kernel.literal:
        members += len(call.shape)
    return _RECORD_BYTES + _MEMBER_BYTES * members


def _figure(kernels: Mapping[str, Any], call: Call, prefer: str, name: str, default: int) -> int:
    """`code` or `stack` of an instance like this one: of the same pattern, else typical of the kernel."""
    figures = kernels.get(key(call.kernel.function, call.kernel.literal, prefer))
    if figures is None:
        return default
    by_pattern: Mapping[str, int] = figures[name]
    known: int = by_pattern.get(pattern(call.shape) if call.kernel.literal else "", figures[f"typical_{name}"])
    return known


def _instance_bytes(kernels: Mapping[str, Any], call: Call, prefer: str) -> int:
    return _figure(kernels, call, prefer, "code", call.code_bytes)


def frame_bytes(core: Mapping[str, Any], call: Call, prefer: str) -> int:
    """Stack of a kernel's instance and of what it calls."""
    helpers: int = (
        core["kernels"].get(key(call.kernel.function, call.kernel.literal, prefer), {}).get("helper_stack", 0)
    )
    return helpers + _figure(core["kernels"], call, prefer, "stack", core["stack"])


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
