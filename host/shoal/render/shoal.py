"""The folder that `shoal split` writes: shoal.json, the model file, and one generated folder for each node."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import shoal
from shoal.errors import BadInput
from shoal.network.graph import Graph
from shoal.plan.costs import Times
from shoal.plan.profiles import Wire, weakest
from shoal.plan.steps import Plan
from shoal.render import manifest, project
from shoal.render.text import c_ident

FILE = "shoal.json"
SCHEMA = 1
_SCHEMA_FILE = Path(__file__).with_name("shoal.schema.json")


@dataclass(frozen=True)
class Member:
    """A node and its chunk, its wire, and what one inference takes there."""

    name: str
    plan: Plan
    first: int
    last: int
    wire: Wire
    times: Times


def names(boards: Sequence[str]) -> list[str]:
    """Of nodes, by their boards' ids: the id, then id-2, id-3, …"""
    return [b if boards[:n].count(b) == 0 else f"{b}-{1 + boards[:n].count(b)}" for n, b in enumerate(boards)]


def write(graph: Graph, members: Sequence[Member], asked: Mapping[str, Any], source: bytes, output: Path) -> None:
    """Writes the folder in one go. `graph`: the simplified network, cut into the members' chunks in their order;
    `asked`: the options of the split; `source`: the model file's bytes."""
    with project.replaced(output, FILE) as made:
        for member in members:
            project.write(member.plan, source, made / member.name)
        model = f"{c_ident(graph.name)}.tflite"
        (made / model).write_bytes(source)
        described = _describe(graph, members, asked, model, len(source))
        (made / FILE).write_text(json.dumps(described, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


def _describe(
    graph: Graph, members: Sequence[Member], asked: Mapping[str, Any], model: str, size: int
) -> dict[str, Any]:
    crossing = dict.fromkeys(t for m in members for t in (*m.plan.graph.inputs, *m.plan.graph.outputs))
    return {
        "schema": SCHEMA,
        "tool_version": shoal.__version__,
        "name": c_ident(graph.name),
        "model": {"file": model, "sha256": graph.sha256, "bytes": size},
        "topology": "star",
        "options": dict(asked),
        "operators": [
            {"kind": o.kind, "name": graph.tensors[o.outputs[0]].name, "sources": list(o.sources or (o.index,))}
            for o in graph.operators
        ],
        "slices": manifest.slices(graph),
        "labels": list(graph.labels),
        "inputs": list(graph.inputs),
        "outputs": list(graph.outputs),
        "tensors": [describe_tensor(graph, t) for t in crossing],
        "nodes": [{"name": m.name, "board": m.plan.board.id} for m in members],
        "wires": [
            {
                "node": m.name,
                "uart": m.plan.board.uarts[0].name,
                "to": "hub",
                "baud": m.plan.board.uarts[0].baud,
                "bandwidth": round(m.wire.goodput, 3),
                "source": m.wire.source,
            }
            for m in members
        ],
        "plans": [
            {
                "name": "all",
                "source": weakest(s for m in members for s in m.times.sources),
                "assignments": [
                    {
                        "node": m.name,
                        "first": m.first,
                        "last": m.last,
                        "inputs": list(m.plan.graph.inputs),
                        "outputs": list(m.plan.graph.outputs),
                        "arena_bytes": m.plan.arena_bytes,
                        "weights_bytes": m.plan.weights_bytes,
                        "nanoseconds": {k: getattr(m.times, k) for k in ("receive", "compute", "send")},
                    }
                    for m in members
                ],
            }
        ],
    }


def describe_tensor(graph: Graph, index: int) -> dict[str, Any]:
    """As a manifest describes one, and its channels where some were removed."""
    tensor = graph.tensors[index]
    quantized = tensor.quantization is not None
    channels = graph.channels.get(index)
    return {
        "tensor": index,
        "name": tensor.name,
        "dtype": tensor.dtype,
        "shape": list(tensor.shape),
        "scale": tensor.scale if quantized else None,
        "zero_point": tensor.zero_point if quantized else None,
        "bytes": tensor.bytes,
        "channels": None if channels is None else list(channels),
    }


def is_shoal(directory: Path) -> bool:
    return (directory / FILE).is_file()


def load(directory: Path) -> dict[str, Any]:
    """shoal.json of a folder, checked against its schema, and that each node's folder is the one it speaks of. BadInput
    where it is not."""
    from jsonschema import Draft202012Validator

    path, advice = directory / FILE, "split the model again: shoal split MODEL --board A --board B --output DIR"
    try:
        described: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise BadInput(f"cannot be read: {error}", where=str(path), advice=advice) from None
    schema = json.loads(_SCHEMA_FILE.read_text(encoding="utf-8"))
    problem = next(iter(Draft202012Validator(schema).iter_errors(described)), None)
    if problem is not None:
        raise BadInput(f"{problem.json_path}: {problem.message[:200]}", where=str(path), advice=advice)
    boards = {node["name"]: node["board"] for node in described["nodes"]}
    tensors = {t["tensor"] for t in described["tensors"]}
    have = set(described["inputs"])
    for one in described["plans"][0]["assignments"]:
        if one["node"] not in boards or not tensors.issuperset((*one["inputs"], *one["outputs"])):
            raise BadInput(f"its plan speaks of what is not there, at {one['node']}", where=str(path), advice=advice)
        if not have.issuperset(one["inputs"]):
            raise BadInput(f"nothing gives {one['node']} its inputs", where=str(path), advice=advice)
        have.update(one["outputs"])
        own = manifest.load(directory / one["node"])
        said = (own["board"], own["model"]["sha256"], *([t["tensor"] for t in own[k]] for k in ("inputs", "outputs")))
        if said != (boards[one["node"]], described["model"]["sha256"], one["inputs"], one["outputs"]):
            raise BadInput("is not what shoal.json says", where=str(directory / one["node"]), advice=advice)
    if not have.issuperset(described["outputs"]):
        raise BadInput("its plan does not make all outputs", where=str(path), advice=advice)
    return described


def tensor(described: Mapping[str, Any], index: int) -> dict[str, Any]:
    """A crossing tensor of a shoal.json."""
    found: dict[str, Any] = next(t for t in described["tensors"] if t["tensor"] == index)
    return found
