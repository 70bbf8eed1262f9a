"""What image.c says of the chunks that a node's firmware holds: firmware/runtime/model.h has its side of it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from shoal.network.graph import Graph
from shoal.plan.steps import Plan, Resident

#: how a crossing tensor's dtype is numbered, as in its header on the wire
DTYPES = ("int8", "int16", "int32", "float32", "uint8")

_NO_CUT = "MODEL_NO_CUT"


def described(plan: Plan) -> dict[str, Any]:
    """`reads`: of each tensor that may cross, the array of the operators that read it; `residents`: tables, names
    decided. Nothing of either where the image is no node's."""
    reads: dict[str, list[int]] = {}
    tables = []
    for number, one in enumerate(plan.residents):
        crossing = list(_crossing(one, reads))
        tables.append(
            {
                "comment": f"Operators {one.first} to {one.last - 1}{_variant(one)}",
                "number": number,
                "variant": one.variant,
                "first": one.first,
                "last": one.last,
                "steps": [_NO_CUT if s is None else s for s in boundaries(one)],
                "crossing": crossing,
                "receive": (one.receive_offset, one.receive_bytes),
                "retain": (one.retain_offset, one.retain_bytes),
            }
        )
    operators = len(plan.residents[0].whole.operators) if plan.residents else 0
    return {"operators": operators, "reads": reads, "residents": tables}


def boundaries(resident: Resident) -> list[int | None]:
    """The image's step that begins at each boundary of a resident, the last one included; None inside of a step."""
    begin = {min(s.operators): resident.step + s.index for s in reversed(resident.plan.steps)}
    begin[len(resident.plan.graph.operators)] = resident.step + len(resident.plan.steps)
    return [begin.get(b) for b in range(resident.last - resident.first + 1)]


def _variant(one: Resident) -> str:
    return f" of variant {one.variant}" if one.variant else ""


def _crossing(one: Resident, reads: dict[str, list[int]]) -> Iterator[dict[str, Any]]:
    """A table's row for each tensor that is whole in the arena, by ascending index; adds to `reads`."""
    graph = one.whole
    made = made_at(graph)
    for placed in sorted(one.plan.placements, key=lambda p: p.tensor):
        tensor = graph.tensors[placed.tensor]
        by = readers(graph, placed.tensor)
        name = f"reads_{one.variant}_{placed.tensor}"
        reads.setdefault(name, by)
        yield {
            "offset": placed.offset,
            "bytes": tensor.bytes,
            "index": placed.tensor,
            "made": made[placed.tensor],
            "dtype": DTYPES.index(tensor.dtype),
            "read_count": len(by),
            "reads": name,
        }


def made_at(graph: Graph) -> dict[int, int]:
    """The boundary from which on each tensor is there."""
    return dict.fromkeys(graph.inputs, 0) | {t: o.index + 1 for o in graph.operators for t in o.outputs}


def readers(graph: Graph, tensor: int) -> list[int]:
    """The operators that read a tensor, ascending; the number of operators for who reads the network's outputs."""
    found = sorted({o.index for o in graph.consumers(tensor)})
    return found + [len(graph.operators)] * (tensor in graph.outputs)
