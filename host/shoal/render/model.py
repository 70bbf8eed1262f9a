"""What the templates of a model place: every name, offset and array decided."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import shoal
from shoal.operators.base import Call
from shoal.plan.assemble import begins, unique_constants
from shoal.plan.sharing import common, differing
from shoal.plan.steps import Copy, Page, Plan, Span, Step, Stream, instance
from shoal.render import residents
from shoal.render.manifest import store_file
from shoal.render.records import Function, Names, User, bind, constant, operands, place
from shoal.render.segment import Segments
from shoal.render.text import C_TYPES, c_ident
from shoal.tensors import Tensor


@dataclass(frozen=True)
class StepFunction:
    """One generated function: an instance of a kernel, and what its steps bring to it."""

    name: str
    kernel: str
    comment: str
    bound: Function


def context(plan: Plan, model_file: str) -> dict[str, Any]:
    """The names that the model's templates and image.c use."""
    name = c_ident(plan.name)
    graph = plan.graph
    functions = _functions(plan)
    constants, names = _constants(plan, name)
    segments = Segments(plan, names)
    inputs = [_tensor(plan, t, name, "INPUT", i) for i, t in enumerate(graph.inputs)]
    outputs = [_tensor(plan, t, name, "OUTPUT", i) for i, t in enumerate(graph.outputs)]
    streams, paged, mapped = bool(plan.streams), plan.store_bytes > 0, plan.mapped
    fetched = paged and not mapped
    asks = streams or fetched
    copies = _copies(plan, names)
    headers = {stem for stem, there in (("rows", streams), ("page", paged), ("copies", copies)) if there}
    wanted = (("read", asks), ("write", asks), ("fetch", fetched), ("ahead", fetched))
    callbacks = [c for c, there in wanted if there]
    typed = ", ".join([*(f"{name}_{c} {c}" for c in callbacks), *(["void *context"] if asks else [])])
    given = [*callbacks, *(["context"] if asks else [])]
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
        "spans": plan.spans,
        "parts": len(plan.spans) > 1,
        "arena_section": _arena_section(plan, plan.spans[0]),
        "sections": {s.region: _arena_section(plan, s) for s in plan.spans},
        "weights_bytes": plan.weights_bytes,
        "macs": sum(s.macs for s in plan.steps),
        "labels": list(graph.labels),
        "inputs": inputs,
        "outputs": outputs,
        "infer": len(inputs) == len(outputs) == 1 and not asks,
        "streams": streams,
        "paged": paged,
        "mapped": mapped,
        "fetched": fetched,
        "asks": asks,
        "ends_early": asks or paged,
        "store_bytes": plan.store_bytes,
        "store_file": store_file(name, mapped),
        "run_name": "run_with" if fetched else "run_rows" if streams else "run",
        "callback_fields": [(f"{name}_{c}", c) for c in callbacks],
        "callback_arguments": ", ".join(given),
        "io_arguments": [f"io->{argument}" for argument in given],
        "run_parameters": typed or "void",
        "more_parameters": f", {typed}" if typed else "",
        "more_arguments": "".join(f", {argument}" for argument in given),
        "io_values": ", ".join([*given, "0"]),
        "fed": any(i["rows"] is not None for i in inputs),
        "stripped": any(i["rows"] is not None and i["rows"]["passes"] > 1 for i in inputs),
        "drained": any(o["rows"] is not None for o in outputs),
        "parameters": "uint8_t *base, const void *args" + (", run_io *io" if asks or paged else ""),
        "stems": sorted({c.kernel.stem for s in plan.steps for c in s.calls} | headers),
        "functions": list(functions.values()),
        "row_functions": segments.rows,
        "segments": segments.functions,
        "steps": [
            (_step(plan, s, functions, names) if s.segment is None else segments.step(s, s.segment))
            | {"page": _page(plan, s), "next": _next_page(plan, s), "copies": copies.get(s.index, [])}
            for s in plan.steps
        ],
        "ran": f"{name.upper()}_STEP_COUNT" if not plan.residents else len(plan.residents[0].plan.steps),
        "copies": bool(copies),
        "constants": constants,
        "seat": plan.seat,
        "chunks": residents.described(plan),
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
        "offset": None if index in plan.streams else plan.placement(index).offset,
        "place": None if index in plan.streams else place(plan.placement(index).offset, plan.spans),
        "rows": _rows(plan.streams.get(index)),
    }


def _rows(stream: Stream | None) -> dict[str, Any] | None:
    if stream is None:
        return None
    order = "from the top down" if stream.direction > 0 else "from the bottom up"
    return {
        "count": stream.count,
        "bytes": stream.bytes,
        "order": order,
        "step": stream.direction,
        "passes": stream.passes,
    }


def _arena_section(plan: Plan, span: Span) -> str:
    """The section of a part of the arena: the linker script of its board knows which region that goes to."""
    return ".bss.arena" if span.region == plan.board.region("ram").name else f".bss.arena.{span.region}"


_ASCII = str.maketrans({"×": "x", "−": "-", "·": "*", "→": ">"})


def _dims(tensor: Tensor) -> str:
    return "x".join(map(str, tensor.shape)) or "scalar"


def _functions(plan: Plan) -> dict[Any, StepFunction]:
    """One function for each distinct instance, in order of first use; shared ones carry no number."""
    users: dict[Any, list[tuple[Step, Call]]] = {}
    for step in plan.steps:
        for call in step.calls if step.segment is None else ():
            users.setdefault(_function_key(step, call), []).append((step, call))
    functions: dict[Any, StepFunction] = {}
    counts: dict[str, int] = {}
    for key, used in users.items():
        kernel = used[0][1].kernel
        number = counts.get(kernel.function, 0)
        counts[kernel.function] = number + 1
        brought = "" if _brought(used[0][0]) is None else "_brought"
        name = f"{kernel.function}_{number}" if kernel.literal else f"{kernel.function}_any{brought}"
        comment = _function_comment(plan, [c for _, c in used], [s for s, _ in used])
        bound = bind([_user(s, c) for s, c in used], plan.spans)
        functions[key] = StepFunction(name, kernel.function, comment, bound)
    return functions


def _function_key(step: Step, call: Call) -> Any:
    """Steps share a function where they share an instance, and all of them bring their constants or none."""
    return instance(call), _brought(step) is None


def _brought(step: Step) -> Page | Copy | None:
    """What brings a step's constants into the arena."""
    return step.page or step.copy


def _user(step: Step, call: Call) -> User:
    inputs, outputs = operands("input", len(step.inputs)), operands("output", len(step.outputs))
    addresses = dict(zip((*inputs, *outputs), (*step.inputs, *step.outputs), strict=True))
    addresses |= {name: at for name, at in (("scratch", step.scratch), ("state", step.state)) if at is not None}
    return User(addresses, call.shape, call.parameters, call.constants, brought=_brought(step))


def _function_comment(plan: Plan, calls: list[Call], steps: list[Step]) -> str:
    where = f"Step{'s' if len(steps) > 1 else ''} {', '.join(str(s.index) for s in steps)}"
    kind, call = steps[0].kind, calls[0]
    if differing(common([c.shape for c in calls])):
        return f"{where}: {kind}, shapes from their records"
    tensors = plan.owner(steps[0]).graph.tensors
    sources = " and ".join(_dims(tensors[t]) for t in call.inputs)
    return f"{where}: {kind}, {sources} to {_dims(tensors[call.outputs[0]])}"


def _step(plan: Plan, step: Step, functions: dict[Any, StepFunction], names: Names) -> dict[str, Any]:
    [call] = step.calls
    function = functions[_function_key(step, call)]
    return {
        "index": step.index,
        "comment": f"{step.kind}, {_short(step.name)}",
        "function": function.name,
        "record": function.bound.record(_user(step, call), names, plan.spans),
    }


def _page(plan: Plan, step: Step) -> list[tuple[str, Any]] | None:
    """The members of a page's record."""
    page = step.page
    if page is None:
        return None
    where = place(page.place, plan.spans)
    members: list[tuple[str, Any]] = [("offset", page.offset), ("bytes", page.bytes), ("crc", page.crc)]
    return [*members, ("place", where), ("early", int(page.early))]


def _next_page(plan: Plan, step: Step) -> int | None:
    """The next step that has a page; of a node's image only of the same network."""
    owner = plan.owner(step)
    later = (s.index for s in plan.steps if s.index > step.index and s.page is not None and plan.owner(s) is owner)
    return next(later, None)


def _copies(plan: Plan, names: Names) -> dict[int, list[list[tuple[str, Any]]]]:
    """By step, the members of a record for each constant that is copied before it."""
    return {
        step.index: [
            [("from", constant(one, names)), ("place", place(copy.place + start, plan.spans)), ("bytes", one.bytes)]
            for call, copy in step.copies
            for one, start in zip(call.constants, copy.constants, strict=True)
        ]
        for step in plan.steps
        if step.copies
    }


def _short(name: str) -> str:
    """A tensor's name without those of the layers that a converter fused into it."""
    first = name.split(";")[0]
    return first if len(first) <= 80 else f"{first[:79]}~"


def _aligned(call: Call) -> Call:
    """With its constants at multiples of four, where they are copied from."""
    return replace(call, constants=tuple(replace(c, align=max(4, c.align)) for c in call.constants))


def _constants(plan: Plan, name: str) -> tuple[list[dict[str, Any]], dict[tuple[str, bytes], str]]:
    """The arrays to emit, and by the dtype and bytes of every constant the name of the array that begins with it."""
    names: dict[tuple[str, bytes], str] = {}
    resident = [s for s in plan.steps if s.page is None]
    copied = [_aligned(call) for s in resident for call, _ in s.copies]
    unique = unique_constants([*(c for s in resident for c in s.calls), *copied])
    arrays: dict[int, dict[str, Any]] = {}
    for step in resident:
        for part, one in ((p, k) for p, c in enumerate(step.calls) for k in c.constants):
            key = (one.values.dtype.str, one.values.tobytes())
            if key in names:
                continue
            place = f"{step.index}" if step.segment is None else f"{step.index}_{part}"
            number, held = next((i, u) for i, u in enumerate(unique) if begins(u, one))
            array = {
                "name": f"{name}_{place}_{one.role}",
                "type": C_TYPES[held.values.dtype.name],
                "count": held.values.size,
                "align": held.align,
                "array": held.values,
                "comment": f"Step {step.index}, {step.kind}: {one.role}",
            }
            names[key] = arrays.setdefault(number, array)["name"]
    return list(arrays.values()), names
