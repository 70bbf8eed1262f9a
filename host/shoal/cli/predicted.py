"""What a model needs on a board, by plan and tables alone: nothing is built."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any

from shoal.boards.board import Board
from shoal.network.graph import Graph
from shoal.plan.steps import Options, Plan, Progress, Step, silent


def read_model(model: Path) -> Graph:
    """A model file, verified and simplified. Raises BadInput, and Unsupported with the operators' names."""
    from shoal.network.read_tflite import read
    from shoal.network.simplify import simplify

    return simplify(read(model))


def predicted(
    graph: Graph,
    board: Board,
    options: Options,
    *,
    named: bool = True,
    candidates: bool = False,
    progress: Progress = silent,
) -> dict[str, Any]:
    """One entry of `boards` in the document of `shoal analyze`. A budget or region that cannot be met is no error here:
    `fits` is false and `shortfall` says why. `candidates`: each step says between which kernels was chosen. Planning
    tells `progress`."""
    from shoal.plan.fit import reserved_ram, shortfall
    from shoal.plan.planner import lay_out
    from shoal.plan.predict import predict

    plan = lay_out(graph, board, options, progress)
    needs = predict(plan)
    problem = shortfall(plan, needs)
    ram, flash = board.region("ram"), board.region("flash")
    return {
        "board": board.id,
        "named": named,
        "source": "model",
        "fits": problem is None,
        "shortfall": None if problem is None else str(problem),
        "ram": {
            "region": ram.name,
            "region_bytes": ram.bytes,
            "arena_bytes": plan.arena_bytes,
            "parts": [{"region": s.region, "bytes": s.bytes, "reads": s.reads} for s in plan.spans],
            "bound_bytes": plan.bound,
            "static_bytes": needs.static_bytes,
            "stack_total_bytes": needs.stack_bytes,
            "total_bytes": needs.ram_bytes,
            "reserved_bytes": reserved_ram(plan, needs),
        },
        "flash": {
            "region": flash.name,
            "region_bytes": flash.bytes,
            "code_bytes": needs.code_bytes,
            "weights_bytes": needs.weights_bytes,
            "total_bytes": needs.flash_bytes,
            "reserved_bytes": needs.flash_bytes,
        },
        "store": _store(plan),
        "instructions": needs.instructions,
        "steps": [_step(plan, s) | ({"candidates": _candidates(plan, s)} if candidates else {}) for s in plan.steps],
    }


def curve(graph: Graph, board: Board, options: Options, progress: Progress = silent) -> dict[str, Any]:
    """The member `curve` of that document."""
    from shoal.plan import planner
    from shoal.plan.fit import missing
    from shoal.plan.predict import predict

    plans = planner.curve(graph, board, options, progress)
    points = []
    for plan in plans:
        needs = predict(plan)
        points.append(
            {
                "arena_bytes": plan.arena_bytes,
                "instructions": needs.instructions,
                "flash_bytes": needs.code_bytes + needs.weights_bytes,
                "steps": len(plan.steps),
                "segments": sum(s.segment is not None for s in plan.steps),
                "parts": [{"region": s.region, "bytes": s.bytes} for s in plan.spans],
                "fits": missing(plan, needs)[0] <= 0,
            }
        )
    return {"board": board.id, "bound_bytes": plans[0].bound, "points": points}


def _step(plan: Plan, step: Step) -> dict[str, Any]:
    calls = step.calls
    output = plan.graph.tensors[calls[-1].outputs[0] if step.segment is None else step.segment.parts[-1].tensor]
    return {
        "index": step.index,
        "operators": [plan.graph.operators[o].kind for o in step.operators] or [step.kind],
        "kind": step.kind,
        "name": step.name,
        "shape": list(output.shape),
        "kernel": " + ".join(c.kernel.function for c in calls),
        "macs": step.macs,
        "weights_bytes": 0 if step.page else sum(constant.bytes for c in calls for constant in c.constants),
        "store_bytes": step.page.bytes if step.page else 0,
        "copied_bytes": sum(copy.bytes for _, copy in step.copies),
        "arena_bytes": step.arena_bytes,
        "instructions": step.instructions,
    }


def _store(plan: Plan) -> dict[str, Any] | None:
    if not plan.store_bytes:
        return None
    return {
        "bytes": plan.store_bytes,
        "pages": sum(s.page is not None for s in plan.steps),
        "mapped": plan.mapped,
    }


def _candidates(plan: Plan, step: Step) -> list[dict[str, Any]]:
    """The kernels that can run each operator of a step over whole tensors, the fastest first; a step that computes
    rows has kernels chosen for those."""
    from shoal.plan.planner import choices
    from shoal.plan.predict import code_bytes

    board, prefer = plan.board, plan.options.prefer
    every, none = choices(plan.graph, board), code_bytes([], plan.board, prefer)
    return [
        {
            "operator": plan.graph.operators[operator].kind,
            "kernel": call.kernel.function,
            "shared": not call.kernel.literal,
            "chosen": (call.kernel, call.shape) == (chosen.kernel, chosen.shape),
            "instructions": call.instructions,
            "code_bytes": code_bytes([call], board, prefer) - none,
            "weights_bytes": sum(constant.bytes for constant in call.constants),
            "scratch_bytes": call.scratch_bytes + call.state_bytes,
        }
        for operator, chosen in zip(step.operators, step.calls, strict=True)
        for call in every[operator]
    ]


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
        "traffic": None,
        "ram": {
            "arena_bytes": entry["ram"]["arena_bytes"],
            "static_bytes": entry["ram"]["static_bytes"],
            "stack_bytes": None,
            "stack_total_bytes": entry["ram"]["stack_total_bytes"],
            "stack_bound_bytes": None,
            "total_bytes": entry["ram"]["total_bytes"],
        },
        "flash": {name: entry["flash"][name] for name in ("code_bytes", "weights_bytes", "total_bytes")},
        "energy": None,
        "exact": None,
        "exact_reason": "predicted, not run",
    }
