"""Whether a plan fits its budgets and its board, and by how much it does not."""

from __future__ import annotations

from shoal.boards.board import Board, Region
from shoal.errors import DoesNotFit
from shoal.operators import kind
from shoal.operators.base import Call, Operator
from shoal.plan.candidates import arriving, leaving
from shoal.plan.pages import least
from shoal.plan.predict import Prediction
from shoal.plan.regions import rooms
from shoal.plan.steps import Plan, Step


def shortfall(plan: Plan, needs: Prediction) -> DoesNotFit | None:
    """The first thing that the plan does not fit: a budget, or a region of its board. The step that is named is the one
    that needs the most of the arena."""
    return _over_budget(plan, needs) or _over_region(plan, needs)


def missing(plan: Plan, needs: Prediction) -> tuple[int, int]:
    """How many bytes of RAM and of flash the plan is short of, by budgets and regions; not positive where it fits."""
    board, options = plan.board, plan.options
    ram, flash = _over(plan, needs)[1], needs.flash_bytes - board.region("flash").bytes
    if options.ram_budget is not None:
        ram = max(ram, plan.arena_bytes - options.ram_budget)
    if options.flash_budget is not None:
        flash = max(flash, needs.code_bytes + needs.weights_bytes - options.flash_budget)
    return ram, flash


def _over_budget(plan: Plan, needs: Prediction) -> DoesNotFit | None:
    budget = plan.options.ram_budget
    if budget is not None and plan.arena_bytes > budget:
        step = plan.widest()
        return DoesNotFit(
            f"needs {plan.arena_bytes:,} B of arena, budget {budget:,} B ({plan.arena_bytes - budget:,} B short);"
            f" whatever the plan, {plan.bound:,} B live at once",
            where=_named(step),
            advice=f"the smallest --ram-budget that works is {plan.arena_bytes}"
            + (f", or less with {rows}" if (rows := _rows_help(plan, budget)) else ""),
        )
    budget = plan.options.flash_budget
    needed = needs.code_bytes + needs.weights_bytes
    if budget is not None and needed > budget:
        return _over_flash_budget(plan, needs, budget)
    return None


def _over_flash_budget(plan: Plan, needs: Prediction, budget: int) -> DoesNotFit:
    """Why no more constants leave the flash: code stays there in any case, and a page needs room in the arena."""
    where, needed = f"board {plan.board.id}", needs.code_bytes + needs.weights_bytes
    if needs.code_bytes > budget:
        return DoesNotFit(
            f"code alone needs {needs.code_bytes:,} B (predicted), budget {budget:,} B"
            f" ({needs.code_bytes - budget:,} B short), and a store holds constants only",
            where=where,
            advice=f"try a --flash-budget of more than {needs.code_bytes}",
        )
    what = f"needs {needed:,} B of code (predicted) and weights, budget {budget:,} B ({needed - budget:,} B short)"
    most = sum(rooms(plan.board, needs.static_bytes).values())
    if plan.options.ram_budget is not None:
        most = min(most, plan.options.ram_budget)
    held = _held(plan, most)
    if held is None:
        return DoesNotFit(what, where=where, advice=f"try --flash-budget {needed}")
    step, channels, page = held
    left = max(0, most - step.arena_bytes)
    larger = plan.options.ram_budget is not None and most == plan.options.ram_budget
    return DoesNotFit(
        f"{what}: a page of {channels} of its output channels needs {page:,} B of arena, where {left:,} B are left",
        where=f"step {step.index} {step.kind}",
        advice=f"try {f'--ram-budget {step.arena_bytes + page}' if larger else 'another --board'},"
        f" or --flash-budget {needed}",
    )


def _held(plan: Plan, most: int) -> tuple[Step, int, int] | None:
    """The step with the most constants whose smallest page has no room in `most` bytes of arena, that page's channels
    and bytes; None where there is no such step."""
    resident = [s for s in plan.steps if s.page is None and s.call is not None and s.call.constants]
    for step in sorted(resident, key=lambda s: -sum(c.bytes for call in s.calls for c in call.constants)):
        channels, page = least(plan.graph, step.operators[0], plan.board.core.features)
        if step.arena_bytes + page > most:
            return step, channels, page
    return None


def _named(step: Step) -> str:
    """A step as its user can find it in the model; one of several operators has no other name than theirs."""
    rows = f" of operators {step.operators[0]} to {step.operators[-1]}" if len(step.operators) > 1 else ""
    return f"step {step.index} {step.kind}{rows}"


def _rows_help(plan: Plan, budget: int) -> str:
    """Options by which input and output come and go in rows, where nothing fits while they are whole and they can."""
    graph, options = plan.graph, plan.options

    def calls(operator: Operator) -> list[Call]:
        return kind(operator.kind).calls(operator, graph.tensors, plan.board.core.features)

    found = []
    if budget < plan.bound:
        if options.feed == "whole" and len(graph.inputs) == 1 and arriving(graph, calls).height > 1:
            found.append("--feed rows")
        if options.drain == "whole" and len(graph.outputs) == 1 and leaving(graph, calls).height > 1:
            found.append("--drain rows")
    return " ".join(found)


def _over_region(plan: Plan, needs: Prediction) -> DoesNotFit | None:
    board = plan.board
    flash = board.region("flash")
    ram, short = _over(plan, needs)
    if short > 0:
        step = plan.widest()
        room = max(0, plan.arena_bytes - short)
        rows = _rows_help(plan, room)
        return DoesNotFit(
            f"needs {step.arena_bytes:,} B of arena, which takes {plan.arena_bytes:,} B in all;"
            f" {_left(board, ram, room)} beside stack and static data ({short:,} B short)",
            where=_named(step),
            advice=f"try {rows}{', or ' if rows else ''}another --board: `shoal analyze MODEL` says which ones fit",
        )
    short = needs.flash_bytes - flash.bytes
    if short > 0:
        room = flash.bytes - needs.flash_bytes + needs.code_bytes + needs.weights_bytes
        advice = f"try --flash-budget {room}, which may leave constants to a store, or another --board"
        if plan.options.prefer != "size":
            advice = f"try --prefer size, {advice.removeprefix('try ')}"
        return DoesNotFit(
            f"needs {needs.flash_bytes:,} B of flash ({needs.weights_bytes:,} B of them weights, code predicted),"
            f" region {flash.name} of {board.id} has {flash.bytes:,} B ({short:,} B short)",
            where=f"board {board.id}",
            advice=advice,
        )
    if plan.mapped and board.store is not None and plan.store_bytes > board.store.bytes:
        return DoesNotFit(
            f"leaves {plan.store_bytes:,} B to the store of {board.id}, which has {board.store.bytes:,} B"
            f" ({plan.store_bytes - board.store.bytes:,} B short)",
            where=f"board {board.id}",
            advice="try a larger --flash-budget",
        )
    return None


def _left(board: Board, ram: Region, room: int) -> str:
    every = board.arenas()
    if len(every) == 1:
        return f"region {ram.name} of {board.id} has {ram.bytes:,} B, of which {room:,} B are left"
    return f"regions {', '.join(r.name for r in every)} of {board.id} leave {room:,} B"


def reserved_ram(plan: Plan, needs: Prediction) -> int:
    """What the linker must find room for in the board's RAM: the whole stack that the board sets aside, not only the
    part in use, static data, and the part of the arena that lies there."""
    held = sum(s.bytes for s in plan.spans if s.region == plan.board.region("ram").name)
    return plan.board.stack_bytes + needs.static_bytes + held


def _over(plan: Plan, needs: Prediction) -> tuple[Region, int]:
    """The region that is short of RAM by the most bytes, or has the least to spare, and that number."""
    ram = plan.board.region("ram")
    held = {s.region: s.bytes for s in plan.spans} | {ram.name: reserved_ram(plan, needs)}
    regions = [r for r in plan.board.arenas() if r.name in held]
    return max(((r, held[r.name] - r.bytes) for r in regions), key=lambda found: found[1])
