"""What a model needs on a board, by plan and tables alone: nothing is built."""

from __future__ import annotations

from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from shoal.boards.board import Board
from shoal.errors import DoesNotFit
from shoal.network.graph import Graph
from shoal.plan.steps import Options, Plan, Step


def read_model(model: Path) -> Graph:
    """A model file, verified and simplified. Raises BadInput, and Unsupported with the operators' names."""
    from shoal.network.read_tflite import read
    from shoal.network.simplify import simplify

    return simplify(read(model))


def predicted(graph: Graph, board: Board, options: Options, *, named: bool = True) -> dict[str, Any]:
    """One entry of `boards` in the document of `shoal analyze`. A budget or region that cannot be met is no error here:
    `fits` is false, `shortfall` says why, and the figures are those of the plan without budgets."""
    from shoal.plan.planner import plan
    from shoal.plan.predict import predict

    problem: DoesNotFit | None = None
    try:
        made = plan(graph, board, options)
    except DoesNotFit as error:
        problem = error
        made = plan(graph, board, replace(options, ram_budget=None, flash_budget=None))
    needs = predict(made)
    ram, flash = board.region("ram"), board.region("flash")
    entry = {
        "board": board.id,
        "named": named,
        "source": "model",
        "ram": {
            "region": ram.name,
            "region_bytes": ram.bytes,
            "arena_bytes": made.arena_bytes,
            "bound_bytes": made.bound,
            "static_bytes": needs.static_bytes,
            "stack_total_bytes": needs.stack_bytes,
            "total_bytes": made.arena_bytes + needs.static_bytes + needs.stack_bytes,
            "reserved_bytes": made.arena_bytes + needs.static_bytes + board.stack_bytes,
        },
        "flash": {
            "region": flash.name,
            "region_bytes": flash.bytes,
            "code_bytes": needs.code_bytes,
            "weights_bytes": made.weights_bytes,
            "total_bytes": needs.flash_bytes,
            "reserved_bytes": needs.flash_bytes,
        },
        "instructions": needs.instructions,
        "steps": [_step(made, s) for s in made.steps],
    }
    entry["shortfall"] = str(problem) if problem else _short(made, entry)
    entry["fits"] = entry["shortfall"] is None
    return entry


def _short(plan: Plan, entry: dict[str, Any]) -> str | None:
    """The region that is too small, the step that fills it, and by how much."""
    from shoal.plan.planner import widest

    said = []
    for kind in ("ram", "flash"):
        needs = entry[kind]
        missing = needs["reserved_bytes"] - needs["region_bytes"]
        if missing > 0:
            who = ""
            if kind == "ram":
                step = widest(plan)
                who = f"step {step.index} {step.kind} needs {step.arena_bytes:,} B of arena; "
            said.append(
                f"{who}region {needs['region']} has {needs['region_bytes']:,} B,"
                f" {needs['reserved_bytes']:,} B needed ({missing:,} B short)"
            )
    return "; ".join(said) or None


def _step(plan: Plan, step: Step) -> dict[str, Any]:
    output = plan.graph.tensors[step.call.outputs[0]]
    return {
        "index": step.index,
        "operators": [plan.graph.operators[o].kind for o in step.operators],
        "kind": step.kind,
        "name": step.name,
        "shape": list(output.shape),
        "kernel": step.call.kernel.function,
        "macs": step.macs,
        "weights_bytes": sum(c.bytes for c in step.call.constants),
        "arena_bytes": step.arena_bytes,
        "instructions": step.call.instructions,
    }


def as_result(graph: Graph, entry: dict[str, Any], options: Options) -> dict[str, Any]:
    """A prediction in the form of a result of `shoal bench`: what was not measured is null."""
    steps = [
        {
            "index": s["index"],
            "operators": s["operators"],
            "name": s["name"],
            "instructions": s["instructions"],
            "cycles_estimated": None,
            "macs": s["macs"],
            "arena_bytes": s["arena_bytes"],
            "code_bytes": None,
        }
        for s in entry["steps"]
    ]
    return {
        "board": entry["board"],
        "model": graph.name,
        "model_sha256": graph.sha256,
        "firmware_sha256": None,
        "build_id": None,
        "compiler": None,
        "flags": None,
        "options": asdict(options),
        "node": None,
        "source": "model",
        "rounding": "double",
        "clock_hz": None,
        "latency": {
            "instructions": entry["instructions"],
            "cycles": None,
            "cycles_estimated": None,
            "milliseconds": None,
            "milliseconds_estimated": None,
            "assumed_cpi": None,
            "assumption": None,
            "steps": steps,
        },
        "ram": {
            "arena_bytes": entry["ram"]["arena_bytes"],
            "static_bytes": entry["ram"]["static_bytes"],
            "stack_bytes": None,
            "stack_total_bytes": entry["ram"]["stack_total_bytes"],
            "total_bytes": entry["ram"]["total_bytes"],
        },
        "flash": {name: entry["flash"][name] for name in ("code_bytes", "weights_bytes", "total_bytes")},
        "energy": None,
        "exact": None,
        "exact_reason": "predicted, not run",
    }
