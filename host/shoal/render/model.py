"""What the templates of a model place: every name, offset and array decided."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

import shoal
from shoal.operators.base import Call
from shoal.plan.assemble import unique_constants
from shoal.plan.sharing import common, differing, multiple, scalar_type
from shoal.plan.steps import Plan, Step, instance
from shoal.render.text import C_TYPES, c_ident
from shoal.tensors import Tensor

#: a member of a C initializer: its name and its value, a number or the name of an array
Member = tuple[str, int | float | str]


@dataclass(frozen=True)
class Function:
    """One generated function: an instance of a kernel. `shape` and `args` are the members of its initializers: what its
    steps have in common as literals, the rest from a record. `fields`: C type and name of the record's members, `units`
    what some of them are counted in."""

    name: str
    kernel: str
    comment: str
    shape: list[Member]
    args: list[Member]
    fields: list[tuple[str, str]]
    units: dict[str, int]


def context(plan: Plan, model_file: str) -> dict[str, Any]:
    """The names that the model's templates and image.c use."""
    name = c_ident(plan.name)
    graph = plan.graph
    functions = _functions(plan)
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


def _functions(plan: Plan) -> dict[Any, Function]:
    """One function for each distinct instance, in order of first use; shared ones carry no number."""
    users: dict[Any, list[tuple[Step, Call]]] = {}
    for step in plan.steps:
        for call in step.calls:
            users.setdefault(instance(call), []).append((step, call))
    functions: dict[Any, Function] = {}
    counts: dict[str, int] = {}
    for key, used in users.items():
        kernel = used[0][1].kernel
        number = counts.get(kernel.function, 0)
        counts[kernel.function] = number + 1
        name = f"{kernel.function}_{number}" if kernel.literal else f"{kernel.function}_any"
        functions[key] = _function(plan, name, used)
    return functions


def _function(plan: Plan, name: str, users: list[tuple[Step, Call]]) -> Function:
    steps, calls = [s for s, _ in users], [c for _, c in users]
    shape, parameters = common([c.shape for c in calls]), common([c.parameters for c in calls])
    addresses, values = [dict(_addresses(s)) for s in steps], [dict((*c.shape, *c.parameters)) for c in calls]
    units = {n: multiple(dict(c.shape)[n] for c in calls) for n in differing(shape)}
    scalars = [(scalar_type([a[n] for a in addresses], "uint32"), n) for n in addresses[0]]
    scalars += [
        (scalar_type([v[n] // units[n] if n in units else v[n] for v in values]), n)
        for n in values[0]
        if n in units or n in differing(parameters)
    ]
    # the widest first, so that they lie without gaps
    scalars.sort(key=lambda field: -np.dtype(field[0]).itemsize)
    pointers = [(f"const {C_TYPES[c.values.dtype.name]} *", c.role) for c in calls[0].constants]
    data = [*addresses[0], *(role for _, role in pointers)]
    return Function(
        name=name,
        kernel=calls[0].kernel.function,
        comment=_function_comment(plan, calls, steps),
        shape=[(n, _from_record(n, units.get(n, 1)) if v is None else v) for n, v in shape],
        args=[
            *((n, _from_record(n)) for n in data),
            *((n, _from_record(n) if v is None else v) for n, v in parameters),
        ],
        fields=[*pointers, *((f"{C_TYPES[dtype]} ", n) for dtype, n in scalars)],
        units=units,
    )


def _from_record(member: str, unit: int = 1) -> str:
    return f"record->{member}" if unit == 1 else f"record->{member} * {unit}"


def _function_comment(plan: Plan, calls: list[Call], steps: list[Step]) -> str:
    where = f"Step{'s' if len(steps) > 1 else ''} {', '.join(str(s.index) for s in steps)}"
    kind, call = steps[0].kind, calls[0]
    if differing(common([c.shape for c in calls])):
        return f"{where}: {kind}, shapes from their records"
    tensors = plan.graph.tensors
    sources = " and ".join(_dims(tensors[t]) for t in call.inputs)
    return f"{where}: {kind}, {sources} to {_dims(tensors[call.outputs[0]])}"


def _step(step: Step, functions: dict[Any, Function], names: dict[tuple[str, bytes], str]) -> dict[str, Any]:
    [call] = step.calls
    function = functions[instance(call)]
    members: dict[str, Any] = dict((*_pointers(call, names), *_addresses(step), *call.shape, *call.parameters))
    members |= {name: members[name] // unit for name, unit in function.units.items()}
    return {
        "index": step.index,
        "comment": f"{step.kind}, {_short(step.name)}",
        "function": function.name,
        "record": [(name, members[name]) for _, name in function.fields],
    }


def _short(name: str) -> str:
    """A tensor's name without those of the layers that a converter fused into it."""
    first = name.split(";")[0]
    return first if len(first) <= 80 else f"{first[:79]}~"


def _numbered(role: str, offsets: tuple[int, ...]) -> list[tuple[str, int]]:
    if len(offsets) == 1:
        return [(role, offsets[0])]
    return [(f"{role}_{i}", o) for i, o in enumerate(offsets)]


def _addresses(step: Step) -> list[tuple[str, int]]:
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
