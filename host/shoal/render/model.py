"""What the templates of a model place: every name, offset and array decided."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import shoal
from shoal.operators.base import Call
from shoal.plan.planner import unique_constants
from shoal.plan.steps import Plan, Step, instance
from shoal.render.text import C_TYPES, c_ident
from shoal.tensors import Tensor

#: a member of a C initializer: its name and its value, a number or the name of an array
Member = tuple[str, int | float | str]


@dataclass(frozen=True)
class Function:
    """One generated function: an instance of a kernel."""

    name: str
    kernel: str
    literal: bool
    shape: tuple[tuple[str, int], ...]
    comment: str


def context(plan: Plan, model_file: str) -> dict[str, Any]:
    """The names that the model's templates and image.c use."""
    name = c_ident(plan.name)
    graph = plan.graph
    functions = _functions(plan, name)
    constants, names = _constants(plan, name)
    inputs = [_tensor(plan, t, name, "INPUT", i) for i, t in enumerate(graph.inputs)]
    outputs = [_tensor(plan, t, name, "OUTPUT", i) for i, t in enumerate(graph.outputs)]
    return {
        "name": name,
        "NAME": name.upper(),
        "title": plan.name,
        "tool_version": shoal.__version__,
        "model_file": model_file,
        "sha256": graph.sha256,
        "sha256_bytes": [f"0x{b:02x}" for b in bytes.fromhex(graph.sha256)],
        "board": plan.board.id,
        "board_name": plan.board.name,
        "arena_bytes": plan.arena_bytes,
        "weights_bytes": plan.weights_bytes,
        "macs": sum(s.macs for s in plan.steps),
        "labels": list(graph.labels),
        "inputs": inputs,
        "outputs": outputs,
        "infer": len(inputs) == len(outputs) == 1,
        "stems": sorted({c.kernel.stem for s in plan.steps for c in s.calls}),
        "functions": list(functions.values()),
        "steps": [_step(s, functions, names) for s in plan.steps],
        "constants": constants,
    }


def _tensor(plan: Plan, index: int, name: str, role: str, ordinal: int) -> dict[str, Any]:
    tensor = plan.graph.tensors[index]
    quantized = tensor.quantization is not None
    shape = "×".join(map(str, tensor.shape)) or "scalar"
    meaning = f", real = {tensor.scale:.9g} · (value − {tensor.zero_point})" if quantized else ""
    return {
        "prefix": f"{name.upper()}_{role}_{ordinal}",
        "comment": f"{role.lower()} {ordinal}, {_short(tensor.name)}: {tensor.dtype} {shape}{meaning}".translate(
            _ASCII
        ),
        "type": C_TYPES[tensor.dtype],
        "bytes": tensor.bytes,
        "elements": tensor.elements,
        "shape": list(tensor.shape) or [1],
        "scale": tensor.scale if quantized else 1.0,
        "zero_point": tensor.zero_point if quantized else 0,
        "offset": plan.placement(index).offset,
    }


_ASCII = str.maketrans({"×": "x", "−": "-", "·": "*", "→": ">"})


def _dims(tensor: Tensor) -> str:
    return "x".join(map(str, tensor.shape)) or "scalar"


def _functions(plan: Plan, name: str) -> dict[Any, Function]:
    """One function for each distinct instance, in order of first use; shared ones carry no number."""
    users: dict[Any, list[Step]] = {}
    first: dict[Any, Call] = {}
    for step in plan.steps:
        for call in step.calls:
            first.setdefault(instance(call), call)
            users.setdefault(instance(call), []).append(step)
    functions: dict[Any, Function] = {}
    counts: dict[str, int] = {}
    for key, steps in users.items():
        call = first[key]
        kernel = call.kernel.function
        number = counts.get(kernel, 0)
        counts[kernel] = number + 1
        functions[key] = Function(
            name=f"{kernel}_{number}" if call.kernel.literal else f"{kernel}_any",
            kernel=kernel,
            literal=call.kernel.literal,
            shape=call.shape,
            comment=_function_comment(plan, call, steps),
        )
    return functions


def _function_comment(plan: Plan, call: Call, steps: list[Step]) -> str:
    where = f"Step{'s' if len(steps) > 1 else ''} {', '.join(str(s.index) for s in steps)}"
    first = steps[0]
    tensors = plan.graph.tensors
    if not call.kernel.literal:
        return f"{where}: {first.kind}, shapes from its record"
    sources = " and ".join(_dims(tensors[t]) for t in call.inputs)
    return f"{where}: {first.kind}, {sources} to {_dims(tensors[call.outputs[0]])}"


def _step(step: Step, functions: dict[Any, Function], names: dict[tuple[str, bytes], str]) -> dict[str, Any]:
    [call] = step.calls
    function = functions[instance(call)]
    return {
        "index": step.index,
        "comment": f"{step.kind}, {_short(step.name)}",
        "function": function.name,
        "kernel": function.kernel,
        "literal": function.literal,
        "shape": call.shape,
        "args": [*_addresses(step), *call.parameters, *_pointers(call, names)],
    }


def _short(name: str) -> str:
    """A tensor's name without those of the layers that a converter fused into it."""
    first = name.split(";")[0]
    return first if len(first) <= 80 else f"{first[:79]}~"


def _numbered(role: str, offsets: tuple[int, ...]) -> Iterable[Member]:
    if len(offsets) == 1:
        return [(role, offsets[0])]
    return [(f"{role}_{i}", o) for i, o in enumerate(offsets)]


def _addresses(step: Step) -> list[Member]:
    members = [*_numbered("input", step.inputs), *_numbered("output", step.outputs)]
    if step.scratch is not None:
        members.append(("scratch", step.scratch))
    if step.state is not None:
        members.append(("state", step.state))
    return members


def _pointers(call: Call, names: dict[tuple[str, bytes], str]) -> list[Member]:
    return [(c.role, names[c.values.dtype.str, c.values.tobytes()]) for c in call.constants]


def _constants(plan: Plan, name: str) -> tuple[list[dict[str, Any]], dict[tuple[str, bytes], str]]:
    """The arrays to emit, and the name of each by its dtype and bytes."""
    names: dict[tuple[str, bytes], str] = {}
    calls = [c for s in plan.steps for c in s.calls]
    aligns = {(c.values.dtype.str, c.values.tobytes()): c.align for c in unique_constants(calls)}
    arrays: list[dict[str, Any]] = []
    for step in plan.steps:
        for constant in (k for c in step.calls for k in c.constants):
            key = (constant.values.dtype.str, constant.values.tobytes())
            if key in names:
                continue
            names[key] = f"{name}_{step.index}_{constant.role}"
            arrays.append(
                {
                    "name": names[key],
                    "type": C_TYPES[constant.values.dtype.name],
                    "count": constant.values.size,
                    "align": aligns[key],
                    "array": constant.values,
                    "comment": f"Step {step.index}, {step.kind}: {constant.role}",
                }
            )
    return arrays, names
