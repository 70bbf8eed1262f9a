"""From a network and a board to a plan: a kernel for each operator, an address for each tensor."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import lru_cache

from shoal.boards.board import Board
from shoal.errors import Unsupported
from shoal.network.graph import Graph
from shoal.operators import kind
from shoal.operators.base import Call, Constant, Operator
from shoal.plan import arena
from shoal.plan.fit import missing, shortfall
from shoal.plan.predict import code_bytes, predict
from shoal.plan.sharing import structure
from shoal.plan.steps import Options, Placement, Plan, Step

#: tensors start at multiples of this, so that kernels may read words
TENSOR_ALIGN = 4


def plan(graph: Graph, board: Board, options: Options) -> Plan:
    """Plans a simplified network for one board; deterministic and instant.

    Raises Unsupported where an option asks for what no plan does, DoesNotFit where a budget cannot be met or the board
    is too small."""
    made = lay_out(graph, board, options)
    problem = shortfall(made, predict(made))
    if problem is not None:
        raise problem
    return made


def lay_out(graph: Graph, board: Board, options: Options) -> Plan:
    """The plan, whether it fits or not: of the preferred kernels or, where those need too much, with slower ones in
    place of some. Raises Unsupported where an option asks for what no plan does."""
    if options.feed != "whole" or options.drain != "whole":
        raise Unsupported(
            "rows are not planned: every tensor is whole",
            where=f"--feed {options.feed} --drain {options.drain}",
            advice="use --feed whole --drain whole",
        )
    candidates = _candidates(graph, board.core.features)
    chosen = _choose(candidates, board, options)
    made = _made(graph, board, options, chosen)
    while (change := _lighter(made, chosen, candidates, *missing(made, predict(made)))) is not None:
        index, call = change
        chosen[index] = call
        made = _made(graph, board, options, chosen)
    return made


@lru_cache(maxsize=16)
def _candidates(graph: Graph, features: frozenset[str]) -> tuple[tuple[Call, ...], ...]:
    """What can run each operator; boards of one core share it."""
    return tuple(tuple(kind(o.kind).calls(o, graph.tensors, features)) for o in graph.operators)


def _lighter(
    plan: Plan,
    calls: Sequence[Call],
    candidates: Sequence[Sequence[Call]],
    missing_ram: int,
    missing_flash: int,
) -> tuple[int, Call] | None:
    """The step to give a slower kernel, and which, while bytes are missing: the step that needs the most of the arena,
    or the one whose flash costs the fewest instructions to save. Only ever slower ones: that comes to an end."""
    if missing_ram > 0:
        index = plan.widest().index
        call = calls[index]
        less = [c for c in _slower(call, candidates[index]) if _working_bytes(c) < _working_bytes(call)]
        if less:
            return index, less[0]
    if missing_flash > 0:
        moves = [
            ((c.instructions - call.instructions) / (_flash_bytes(call) - _flash_bytes(c)), i, n, c)
            for i, call in enumerate(calls)
            for n, c in enumerate(_slower(call, candidates[i]))
            if _flash_bytes(c) < _flash_bytes(call) and _working_bytes(c) <= _working_bytes(call)
        ]
        if moves:
            _, index, _, call = min(moves, key=lambda m: m[:3])
            return index, call
    return None


def _slower(call: Call, candidates: Sequence[Call]) -> Sequence[Call]:
    """The candidates after this one."""
    return candidates[next(i for i, c in enumerate(candidates) if c is call) + 1 :]


def _working_bytes(call: Call) -> int:
    return call.scratch_bytes + call.state_bytes


def _flash_bytes(call: Call) -> int:
    return call.code_bytes + sum(c.bytes for c in call.constants)


def _made(graph: Graph, board: Board, options: Options, calls: Sequence[Call]) -> Plan:
    problem = _problem(graph, calls)
    layout = arena.solve(problem)
    steps = tuple(
        _step(graph, i, o, c, layout, problem) for i, (o, c) in enumerate(zip(graph.operators, calls, strict=True))
    )
    placements = tuple(
        Placement(int(b.key[1:]), layout.offsets[b.key], b.bytes, b.first, b.last)
        for b in problem.buffers
        if b.key.startswith("t")
    )
    return Plan(
        graph=graph,
        board=board,
        options=options,
        name=options.name or graph.name,
        steps=steps,
        placements=placements,
        arena_bytes=layout.top,
        bound=arena.bound(problem),
        weights_bytes=sum(c.bytes for c in unique_constants(calls)),
    )


def unique_constants(calls: Sequence[Call]) -> list[Constant]:
    """The constants of an image, each once: steps that read the same values share one array."""
    seen: dict[tuple[str, bytes], Constant] = {}
    for call in calls:
        for constant in call.constants:
            key = (constant.values.dtype.str, constant.values.tobytes())
            known = seen.get(key)
            if known is None or known.align < constant.align:
                seen[key] = constant
    return list(seen.values())


#: with --prefer size, a byte of flash is worth this many instructions
_INSTRUCTIONS_PER_BYTE = 2048


def _choose(candidates: Sequence[Sequence[Call]], board: Board, options: Options) -> list[Call]:
    """For speed the fastest candidate of each operator; for size those that cost the least flash together, unless a few
    bytes save very many instructions."""
    fastest = [c[0] for c in candidates]
    if options.prefer == "speed":
        return fastest
    kernels = sorted({(c.kernel.function, c.kernel.literal) for choices in candidates for c in choices})

    def price(calls: Sequence[Call]) -> float:
        constants = sum(constant.bytes for c in calls for constant in c.constants)
        instructions = sum(c.instructions for c in calls)
        return code_bytes(calls, board, options.prefer) + constants + instructions / _INSTRUCTIONS_PER_BYTE

    # code that steps share makes them move together: all that can to one kernel, or all to anything but it
    best, least = fastest, price(fastest)
    improved = True
    while improved:
        improved = False
        for function, literal in kernels:
            for moved in _moved(candidates, best, function, literal):
                cost = price(moved)
                if cost < least:
                    best, least, improved = moved, cost, True
    return best


def _moved(
    candidates: Sequence[Sequence[Call]], calls: Sequence[Call], function: str, literal: bool
) -> Iterator[list[Call]]:
    """The calls with steps moved to a kernel: every step that it takes, those of one structure, each alone."""
    other = [
        next((c for c in choices if (c.kernel.function, c.kernel.literal) == (function, literal)), call)
        for choices, call in zip(candidates, calls, strict=True)
    ]
    yield other
    moving = [i for i, call in enumerate(calls) if other[i] is not call]
    alike = {structure(other[i]) for i in moving}
    groups = [{i for i in moving if structure(other[i]) == s} for s in sorted(alike)] if len(alike) > 1 else []
    for group in (*groups, *({i} for i in moving)):
        yield [other[i] if i in group else call for i, call in enumerate(calls)]


def _problem(graph: Graph, calls: Sequence[Call]) -> arena.Problem:
    end = len(calls)
    first: dict[int, int] = dict.fromkeys(graph.inputs, -1)
    last: dict[int, int] = dict.fromkeys(graph.inputs, -1)
    align: dict[int, int] = {}
    for step, call in enumerate(calls):
        for tensor in call.outputs:
            first[tensor] = last[tensor] = step
        for tensor in call.inputs:
            last[tensor] = step
        for tensor in (*call.inputs, *call.outputs):
            align[tensor] = max(align.get(tensor, TENSOR_ALIGN), call.align)
    for tensor in graph.outputs:
        last[tensor] = end
    buffers = [
        arena.Buffer(f"t{t}", graph.tensors[t].bytes, align.get(t, TENSOR_ALIGN), first[t], last[t])
        for t in sorted(first)
    ]
    in_place: dict[tuple[str, str], int] = {}
    for step, call in enumerate(calls):
        if call.scratch_bytes:
            buffers.append(
                arena.Buffer(f"scratch{step}", call.scratch_bytes, max(call.align, TENSOR_ALIGN), step, step)
            )
        if call.state_bytes:
            buffers.append(arena.Buffer(f"state{step}", call.state_bytes, max(call.align, TENSOR_ALIGN), step, step))
        for tensor, distance in zip(call.inputs, call.in_place, strict=False):
            if distance is not None and last[tensor] == step:
                for output in call.outputs:
                    pair = (f"t{tensor}", f"t{output}")
                    in_place[pair] = min(distance, in_place.get(pair, distance))
        for tensor in set(call.inputs):
            distances = [d for t, d in zip(call.inputs, call.in_place, strict=False) if t == tensor]
            if None in distances or len(distances) < call.inputs.count(tensor):
                for output in call.outputs:
                    in_place.pop((f"t{tensor}", f"t{output}"), None)
    return arena.Problem(tuple(buffers), in_place)


def _step(
    graph: Graph, index: int, operator: Operator, call: Call, layout: arena.Layout, problem: arena.Problem
) -> Step:
    live = [b for b in problem.buffers if b.first <= index <= b.last]
    spans = sorted((layout.offsets[b.key], layout.offsets[b.key] + b.bytes) for b in live)
    used, reached = 0, 0
    for low, high in spans:
        used += max(0, high - max(low, reached))
        reached = max(reached, high)
    return Step(
        index=index,
        operators=(operator.index,),
        kind=operator.kind,
        name=graph.tensors[operator.outputs[0]].name,
        call=call,
        inputs=tuple(layout.offsets[f"t{t}"] for t in call.inputs),
        outputs=tuple(layout.offsets[f"t{t}"] for t in call.outputs),
        scratch=layout.offsets.get(f"scratch{index}"),
        state=layout.offsets.get(f"state{index}"),
        macs=kind(operator.kind).macs(operator, graph.tensors),
        arena_bytes=used,
    )
