"""The folder that `shoal split` writes: shoal.json, the model file, and one generated folder for each node."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import shoal
from shoal.errors import BadInput
from shoal.network.graph import Graph
from shoal.plan.place import HOST
from shoal.plan.planner import cost_of_cuts
from shoal.plan.profiles import Wire, weakest
from shoal.plan.shoals import Division
from shoal.plan.steps import Plan
from shoal.render import manifest, project
from shoal.render.text import c_ident

FILE = "shoal.json"
SCHEMA = 2
_SCHEMA_FILE = Path(__file__).with_name("shoal.schema.json")

#: who the host's own computer is, which feeds the nodes and takes the answers
HUB = "hub"


@dataclass(frozen=True)
class Member:
    """A node: its image, which knows its number, and its wire."""

    name: str
    plan: Plan
    wire: Wire

    @property
    def number(self) -> int:
        assert self.plan.seat is not None
        return self.plan.seat.number


def names(boards: Sequence[str]) -> list[str]:
    """Of nodes, by their boards' ids: the id, then id-2, id-3, …"""
    return [b if boards[:n].count(b) == 0 else f"{b}-{1 + boards[:n].count(b)}" for n, b in enumerate(boards)]


def write(
    graph: Graph,
    topology: str,
    members: Sequence[Member],
    divisions: Sequence[Division],
    asked: Mapping[str, Any],
    source: bytes,
    output: Path,
) -> None:
    """Writes the folder in one go. `graph`: the simplified network; `divisions`: of it over the members, by their
    places, the first one that of all of them; `asked`: the options of the split; `source`: the model file's bytes."""
    with project.replaced(output, FILE) as made:
        for member in members:
            project.write(member.plan, source, made / member.name)
        model = f"{c_ident(graph.name)}.tflite"
        (made / model).write_bytes(source)
        described = {
            "schema": SCHEMA,
            "tool_version": shoal.__version__,
            "name": c_ident(graph.name),
            "model": {"file": model, "sha256": graph.sha256, "bytes": len(source)},
            "topology": topology,
            "options": dict(asked),
            "operators": [
                {"kind": o.kind, "name": graph.tensors[o.outputs[0]].name, "sources": list(o.sources or (o.index,))}
                for o in graph.operators
            ],
            "slices": manifest.slices(graph),
            "labels": list(graph.labels),
            "inputs": list(graph.inputs),
            "outputs": list(graph.outputs),
            "tensors": [
                describe_tensor(graph, t) for t in (*graph.inputs, *(t for o in graph.operators for t in o.outputs))
            ],
            "nodes": [{"name": m.name, "board": m.plan.board.id, "number": m.number} for m in members],
            "wires": wires(topology, members),
            "plans": [plan(one, members) for one in divisions],
            "residents": {m.name: residents(m.plan) for m in members},
        }
        (made / FILE).write_text(json.dumps(described, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


def wires(topology: str, members: Sequence[Member]) -> list[dict[str, Any]]:
    """Those of boards in the order of their numbers, then those of the host's processes. A chain is closed through the
    hub: it begins and ends there."""
    numbered = sorted(members, key=lambda m: m.number)
    line = [m for m in numbered if m.plan.board.hal != "host"] if topology == "chain" else []
    found = [_wire(line[0], 0)] if line else []
    found += [_wire(one, 1, to) for one, to in pairwise(line)]
    found += [_wire(line[-1], 1)] if line else []
    return found + [_wire(m, 0) for m in numbered if m not in line]


def _wire(member: Member, uart: int, to: Member | None = None) -> dict[str, Any]:
    own, ends = member.plan.board.uarts[uart], [member.wire] if to is None else [member.wire, to.wire]
    slower = min(ends, key=lambda w: w.goodput)
    return {
        "node": member.name,
        "uart": own.name,
        "to": HUB if to is None else to.name,
        "to_uart": None if to is None else to.plan.board.uarts[0].name,
        "baud": own.baud if to is None else min(own.baud, to.plan.board.uarts[0].baud),
        "bandwidth": round(slower.goodput, 3),
        "delay": 0.0,
        "loss": 0.0,
        "source": slower.source,
    }


def plan(division: Division, members: Sequence[Member]) -> dict[str, Any]:
    """A division as a plan of shoal.json."""
    lost = [members[n].name for n in division.lost]
    return {
        "name": f"without {', '.join(lost)}" if lost else "all",
        "lost": lost,
        "source": weakest(s for a in division.assignments for s in a.times.sources),
        "nanoseconds": {"latency": division.latency, "stage": division.stage},
        "assignments": [
            {
                "node": members[a.node].name,
                "variant": 0,
                "first": a.first,
                "last": a.last,
                "mask": 0,
                "quorum": 0,
                "deadline": 0,
                "inputs": list(a.inputs),
                "outputs": [{"tensor": t, "to": HUB if to == HOST else members[to].name} for t, to in a.outputs],
                "bytes_in": a.need.bytes_in,
                "bytes_out": a.need.bytes_out,
                "nanoseconds": {k: getattr(a.times, k) for k in ("receive", "compute", "send", "stage")},
            }
            for a in division.assignments
        ],
    }


def residents(plan: Plan) -> list[dict[str, Any]]:
    """The plans of a node's image, and what it would cost of RAM to be able to cut them inside of their steps."""
    return [
        {
            "variant": one.variant,
            "first": one.first,
            "last": one.last,
            "cuts": manifest.cuts(one),
            "arena_bytes": one.plan.arena_bytes,
            "receive_bytes": one.receive_bytes,
            "retain_bytes": one.retain_bytes,
            "cost_of_cuts": [
                {"boundary": one.first + b, "bytes": more} for b, more in sorted(cost_of_cuts(one.plan).items())
            ],
        }
        for one in plan.residents
    ]


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
    _check(directory, described, advice)
    return described


def _check(directory: Path, described: Mapping[str, Any], advice: str) -> None:
    """That plans speak of nodes and tensors that are there and of chunks that nodes hold, and that each node's folder
    is the one that is spoken of."""
    path = str(directory / FILE)
    boards = {node["name"]: node for node in described["nodes"]}
    tensors = {t["tensor"] for t in described["tensors"]}
    for plan in described["plans"]:
        have = set(described["inputs"])
        for one in plan["assignments"]:
            names = {one["node"], *(o["to"] for o in one["outputs"])}
            if not {*boards, HUB}.issuperset(names) or not tensors.issuperset((*one["inputs"], *given(one))):
                raise BadInput(f"a plan speaks of what is not there, at {one['node']}", where=path, advice=advice)
            if not have.issuperset(one["inputs"]):
                raise BadInput(f"nothing gives {one['node']} its inputs", where=path, advice=advice)
            have.update(given(one))
            if not any({one["first"], one["last"]} <= {*held["cuts"]} for held in described["residents"][one["node"]]):
                raise BadInput(
                    f"{one['node']} holds no chunk {one['first']} to {one['last']}", where=path, advice=advice
                )
        if not have.issuperset(described["outputs"]):
            raise BadInput("a plan does not make all outputs", where=path, advice=advice)
    for name, node in boards.items():
        own = manifest.load(directory / name)
        said = own["board"], own["model"]["sha256"], own["seat"] and own["seat"]["number"]
        held = [{k: r[k] for k in ("variant", "first", "last", "cuts")} for r in own["residents"]]
        listed = [{k: r[k] for k in ("variant", "first", "last", "cuts")} for r in described["residents"].get(name, ())]
        if said != (node["board"], described["model"]["sha256"], node["number"]) or held != listed:
            raise BadInput("is not what shoal.json says", where=str(directory / name), advice=advice)


def tensor(described: Mapping[str, Any], index: int) -> dict[str, Any]:
    """A crossing tensor of a shoal.json."""
    found: dict[str, Any] = next(t for t in described["tensors"] if t["tensor"] == index)
    return found


def given(assignment: Mapping[str, Any]) -> list[int]:
    """The tensors that an assignment gives, each once, whoever gets it."""
    return list(dict.fromkeys(o["tensor"] for o in assignment["outputs"]))
