"""Plans of a shoal: as shoal.json has them, and for cuts that are asked for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from shoal.link.messages import HOST_NODE, Output, Part
from shoal.link.shoal import Crossing, Plan
from shoal.network.graph import Graph

#: the host in shoal.json, as one that takes tensors
_HUB = "hub"


def described_plans(described: Mapping[str, Any]) -> list[Plan]:
    """Those of a shoal.json, the one that runs first."""
    numbers = {_HUB: HOST_NODE, **{n["name"]: n["number"] for n in described["nodes"]}}
    return [
        Plan(
            plan["name"],
            tuple(
                Part(
                    node=numbers[a["node"]],
                    first=a["first"],
                    last=a["last"],
                    inputs=tuple(a["inputs"]),
                    outputs=tuple(Output(o["tensor"], numbers[o["to"]]) for o in a["outputs"]),
                    variant=a["variant"],
                    mask=a["mask"],
                    quorum=a["quorum"],
                    deadline=a["deadline"],
                )
                for a in plan["assignments"]
            ),
        )
        for plan in described["plans"]
    ]


def network(directory: Path, described: Mapping[str, Any]) -> Graph:
    """The network that a shoal's boundaries and tensors are numbered by."""
    from shoal.network.read_tflite import read
    from shoal.network.simplify import simplify
    from shoal.network.slices import again

    simplified = simplify(read(directory / described["model"]["file"]))
    return again(simplified, [(s["operator"], s["parts"]) for s in described["slices"]])


def crossing(graph: Graph) -> dict[int, Crossing]:
    """All tensors that may cross a cut."""
    made = (*graph.inputs, *(t for o in graph.operators for t in o.outputs))
    return {t: Crossing(graph.tensors[t].bytes, graph.tensors[t].dtype) for t in made}


def cut_plan(graph: Graph, topology: str, nodes: Sequence[int], cuts: Sequence[int]) -> Plan:
    """The network cut at these boundaries, its chunks on these nodes in their order. In a chain a chunk takes all that
    is there at its first boundary and gives all that is there at its last one to the next node; in a star it takes what
    it reads from the host, and gives it what others read."""
    from shoal.plan.chunks import ways

    bounds = [0, *cuts, len(graph.operators)]
    parts = []
    for place, (node, first, last) in enumerate(zip(nodes, bounds, bounds[1:], strict=False)):
        to = nodes[place + 1] if topology == "chain" and place + 1 < len(nodes) else HOST_NODE
        takes, gives = ways(graph, first, last, carried=topology == "chain")
        parts.append(Part(node, first, last, takes, tuple(Output(t, to) for t in gives)))
    return Plan(f"cuts {','.join(map(str, cuts))}" if cuts else "whole", tuple(parts))
