"""The manifest beside generated code: what it was made from, what it needs, where everything lies."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

import shoal
from shoal.errors import BadInput
from shoal.network.graph import Graph
from shoal.operators.columns import Columns
from shoal.plan.addresses import solver
from shoal.plan.residents import added_bytes
from shoal.plan.steps import Plan, Resident, Rows, Segment, Step
from shoal.render.residents import boundaries
from shoal.render.text import c_ident
from shoal.tensors import Array

FILE = "manifest.json"
SCHEMA = 1
_SCHEMA_FILE = Path(__file__).with_name("manifest.schema.json")


def describe(plan: Plan, model_file: str, model_bytes: int) -> dict[str, Any]:
    """The manifest's members but `files`; published schema: manifest.schema.json."""
    graph = plan.graph
    options = plan.options
    return {
        "schema": SCHEMA,
        "tool_version": shoal.__version__,
        "name": c_ident(plan.name),
        "model": {"file": model_file, "sha256": graph.sha256, "bytes": model_bytes},
        "slices": slices(graph),
        "chunk": None if graph.chunk is None else {"first": graph.chunk.first, "last": graph.chunk.last},
        "board": plan.board.id,
        "board_sha256": plan.board.sha256,
        "options": {
            "name": options.name,
            "prefer": options.prefer,
            "ram_budget": options.ram_budget,
            "flash_budget": options.flash_budget,
            "feed": options.feed,
            "drain": options.drain,
        },
        "rounding": "double",
        "solver": solver(),
        "arena_bytes": plan.arena_bytes,
        "arena_parts": [{"region": s.region, "start": s.start, "bytes": s.bytes} for s in plan.spans],
        "bound_bytes": plan.bound,
        "weights_bytes": plan.weights_bytes,
        "store": _store(plan),
        "macs": sum(s.macs for s in plan.steps),
        "labels": list(graph.labels),
        "inputs": [_tensor(plan, t) for t in graph.inputs],
        "outputs": [_tensor(plan, t) for t in graph.outputs],
        "steps": list(_steps(plan)),
        "placements": [
            {"tensor": p.tensor, "offset": p.offset, "bytes": p.bytes, "first": p.first, "last": p.last}
            for p in plan.placements
        ],
        "boundaries": len(graph.operators) + 1,
        "seat": None if plan.seat is None else asdict(plan.seat),
        "residents": [
            _resident(one) | {"added_weights_bytes": more}
            for one, more in zip(plan.residents, added_bytes(plan.residents), strict=True)
        ],
    }


def slices(graph: Graph) -> list[dict[str, int]]:
    """The layers that were cut over their input channels."""
    return [{"operator": operator, "parts": parts} for operator, parts in graph.slices]


def _resident(resident: Resident) -> dict[str, Any]:
    """A plan of a node's image: the image's steps from `step` on, `steps` of them; at which boundaries of the network a
    step begins; and where tensors wait."""
    return {
        "variant": resident.variant,
        "model_sha256": resident.plan.graph.sha256,
        "first": resident.first,
        "last": resident.last,
        "step": resident.step,
        "steps": len(resident.plan.steps),
        "cuts": cuts(resident),
        "arena_bytes": resident.plan.arena_bytes,
        **{f"{slot}_{what}": getattr(resident, f"{slot}_{what}") for slot in _SLOTS for what in ("offset", "bytes")},
    }


#: where tensors wait
_SLOTS = ("receive", "retain")


def cuts(resident: Resident) -> list[int]:
    """The boundaries of the network at which a resident can be cut, its ends included."""
    begun = boundaries(resident)
    return [resident.first + b for b, step in enumerate(begun) if step is not None]


def _store(plan: Plan) -> dict[str, Any] | None:
    if not plan.store_bytes:
        return None
    file = f"model/{store_file(c_ident(plan.name), plan.mapped)}"
    return {"file": file, "bytes": plan.store_bytes, "mapped": plan.mapped}


def _tensor(plan: Plan, index: int) -> dict[str, Any]:
    tensor = plan.graph.tensors[index]
    quantized = tensor.quantization is not None
    stream = plan.streams.get(index)
    return {
        "tensor": index,
        "name": tensor.name,
        "dtype": tensor.dtype,
        "shape": list(tensor.shape),
        "scale": tensor.scale if quantized else None,
        "zero_point": tensor.zero_point if quantized else None,
        "offset": None if stream else plan.placement(index).offset,
        "bytes": tensor.bytes,
        "rows": None
        if stream is None
        else {
            "count": stream.count,
            "bytes": stream.bytes,
            "per_call": 1,
            "order": _ORDER[stream.direction],
            "passes": stream.passes,
        },
    }


#: of rows, by a segment's direction
_ORDER = {1: "down", -1: "up"}


def _steps(plan: Plan) -> Iterator[dict[str, Any]]:
    """Of a node's image those of all residents, one after another; each one's operators by its own network."""
    for one in plan.residents or (Resident(plan, 0, 0),):
        yield from (_step(one.plan, s) | {"index": one.step + s.index} for s in one.plan.steps)


def _step(plan: Plan, step: Step) -> dict[str, Any]:
    operators = [plan.graph.operators[i] for i in step.operators]
    calls = step.calls
    outputs = () if not _is_done(plan, step) else _remaining(plan, step) if step.call is None else step.call.outputs
    return {
        "index": step.index,
        "operators": list(step.operators),
        "sources": sorted({s for o in operators for s in (o.sources or (o.index,))}),
        "kind": step.kind,
        "name": step.name,
        "kernel": " + ".join(c.kernel.stem for c in calls),
        "function": " + ".join(c.kernel.function for c in calls),
        "literal": all(c.kernel.literal for c in calls),
        "macs": step.macs,
        "instructions": step.instructions,
        "arena_bytes": step.arena_bytes,
        "scratch_bytes": max((c.scratch_bytes for c in calls), default=0),
        "outputs": [_tensor(plan, t) | _made(plan, t) for t in outputs],
        "segment": None if step.segment is None else _segment(step.segment),
        "page": None if step.page is None else asdict(step.page),
        "copies": [asdict(copy) for _, copy in step.copies],
    }


def _is_done(plan: Plan, step: Step) -> bool:
    """Whether all channels and columns of a step's output are there after it."""
    if step.segment is not None:
        columns = step.segment.columns
        return columns is None or columns.last == plan.graph.tensors[step.segment.parts[-1].tensor].shape[2]
    return step.page is None or step.page.channels[1] == plan.graph.tensors[step.calls[0].outputs[0]].shape[-1]


def _remaining(plan: Plan, step: Step) -> list[int]:
    """The tensors that a segment makes and that can be read after it: whole ones that live on, and those that left in
    rows."""
    parts = step.segment.parts if step.segment is not None else ()
    made = dict.fromkeys(part.tensor for part in parts if part.kind != "feed")
    left = {part.tensor for part in parts if part.kind == "drain"}
    left |= {p.tensor for p in plan.placements if p.last > step.index}
    return [tensor for tensor in made if tensor in left]


def _made(plan: Plan, tensor: int) -> dict[str, Any]:
    """What more a step says of its output: where it lies even if it leaves in rows later, and its channels."""
    offset = next((p.offset for p in plan.placements if p.tensor == tensor), None)
    return {"offset": offset, "channels": _channels(plan, tensor)}


def _segment(segment: Segment) -> dict[str, Any]:
    return {
        "direction": _ORDER[segment.direction],
        "columns": _columns(segment.columns),
        "parts": [
            {
                "kind": part.kind,
                "operator": part.operator,
                "tensor": part.tensor,
                "function": None if part.call is None else part.call.kernel.function,
                "inputs": [_rows(rows) for rows in part.inputs],
                "output": None if part.output is None else _rows(part.output),
                "scratch": part.scratch,
                "state": part.state,
            }
            for part in segment.parts
        ],
        "phases": [
            {
                "repeat": phase.repeat,
                "runs": [
                    {"part": run.part, "first": run.first, "count": run.count, "advance": run.advance}
                    for run in phase.runs
                ],
            }
            for phase in segment.phases
        ],
    }


def _rows(rows: Rows) -> dict[str, Any]:
    return asdict(rows) | {"columns": _columns(rows.columns)}


def _columns(columns: Columns | None) -> list[int] | None:
    return None if columns is None else list(columns)


def _channels(plan: Plan, index: int) -> list[int] | None:
    """The model file's channel of each that is left, −1 for one that only fills up; None where none was removed."""
    left = plan.graph.channels.get(index)
    return None if left is None else list(left)


def own_steps(manifest: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The steps of what a folder runs by itself: all of them or, of an image of several plans, the first one's."""
    steps: list[dict[str, Any]] = manifest["steps"]
    held = manifest.get("residents")
    return steps[: held[0]["steps"]] if held else steps


def kinds(step: Mapping[str, Any]) -> list[str]:
    """The kinds of the operators that a manifest's step runs."""
    if step["segment"] is None:
        return [step["kind"]]
    return [part["kind"] for part in step["segment"]["parts"] if part["operator"] is not None]


def array_of(data: bytes, described: Mapping[str, Any]) -> Array:
    """A manifest tensor's bytes as an array."""
    return np.frombuffer(data, np.dtype(described["dtype"]).newbyteorder("<")).reshape(described["shape"])


def dump(manifest: dict[str, Any]) -> bytes:
    return (json.dumps(manifest, indent=1, ensure_ascii=False) + "\n").encode()


def store_file(name: str, mapped: bool) -> str:
    """Beside a model's C: the constants that are not in flash, to be linked where they are mapped, or to be fetched."""
    return f"{name}_store.{'c' if mapped else 'bin'}"


def store(directory: Path, manifest: Mapping[str, Any]) -> bytes:
    """What a node of a generated folder fetches while it runs, empty where that is nothing; BadInput where it is not as
    it was made."""
    described = manifest["store"]
    if described is None or described["mapped"]:
        return b""
    path = directory / described["file"]
    content = path.read_bytes() if path.is_file() else b""
    if hashlib.sha256(content).hexdigest() != manifest["files"][described["file"]]:
        raise BadInput("is not what was generated", where=str(path), advice="generate the folder again")
    return content


def load(directory: Path) -> dict[str, Any]:
    """The manifest of a generated folder, checked against its schema; BadInput where it is none."""
    from jsonschema import Draft202012Validator

    path = directory / FILE
    try:
        manifest: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise BadInput(
            "is not a folder that shoal generated: it has no manifest.json",
            where=str(directory),
            advice="make one with shoal generate MODEL --board BOARD --output DIR",
        ) from None
    except (OSError, ValueError) as error:
        raise BadInput(f"cannot be read: {error}", where=str(path), advice="generate the folder again") from None
    schema = json.loads(_SCHEMA_FILE.read_text(encoding="utf-8"))
    problem = next(iter(Draft202012Validator(schema).iter_errors(manifest)), None)
    if problem is not None:
        raise BadInput(
            f"{problem.json_path}: {problem.message[:200]}", where=str(path), advice="generate the folder again"
        )
    return manifest
