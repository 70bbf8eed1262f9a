"""From a network and a board to a plan: a kernel for each operator, an address for each tensor.

Without a budget the plan is instant: the preferred kernels over whole tensors, placed greedily. Where that does not
fit, or where rows come and go one by one, the plan is searched for."""

from __future__ import annotations

import itertools
import time
from collections.abc import Sequence
from dataclasses import replace
from functools import lru_cache

from shoal.boards.board import Board
from shoal.errors import Unsupported
from shoal.network.graph import Graph
from shoal.operators import kind
from shoal.operators.base import Call
from shoal.plan import arena, candidates, pages, regions, remembered
from shoal.plan.arena import Layout
from shoal.plan.candidates import Work
from shoal.plan.choose import Chooser
from shoal.plan.fit import missing, shortfall
from shoal.plan.lifetimes import Cut, needs
from shoal.plan.predict import predict
from shoal.plan.regions import spread
from shoal.plan.remembered import Remembered
from shoal.plan.search import Search
from shoal.plan.steps import Options, Plan, Progress, silent


def plan(graph: Graph, board: Board, options: Options, progress: Progress = silent) -> Plan:
    """Plans a simplified network for one board; deterministic, and instant unless memory has to be searched for.

    Raises Unsupported where an option asks for what no plan does, DoesNotFit where a budget cannot be met or the board
    is too small."""
    made = lay_out(graph, board, options, progress)
    problem = shortfall(made, predict(made))
    if problem is not None:
        raise problem
    return made


def lay_out(graph: Graph, board: Board, options: Options, progress: Progress = silent) -> Plan:
    """The plan, whether it fits or not: of the preferred kernels over whole tensors or, where that needs too much, the
    fastest that fits; the smallest that is found where none does. Under a budget of flash that the smallest kernels do
    not keep, constants come from a second store. Raises Unsupported where an option asks for what no plan does."""
    _check_streams(graph, options)
    made = _in_flash(graph, board, options, progress)
    short = missing(made, predict(made))[1]
    return made if options.flash_budget is None or short <= 0 else _paged(graph, board, options, progress, made, short)


def instant(graph: Graph, board: Board, options: Options) -> Plan:
    """The plan of the preferred kernels over whole tensors, whether it fits or not: what `lay_out` gives where that
    fits, without a search where it does not."""
    return _preferred(graph, board, options)


def _in_flash(graph: Graph, board: Board, options: Options, progress: Progress) -> Plan:
    """With all constants in flash."""
    made = _preferred(graph, board, options)
    if options.feed == options.drain == "whole" and missing(made, predict(made))[0] <= 0:
        return made
    file = remembered.path(graph, board, options)
    known = remembered.read(
        file, lambda weight: _work(graph, board.core.features, options.feed, options.drain, weight, strips=True)
    )
    if known is None:
        started = time.monotonic()
        known = _found(graph, board, options, made, progress)
        if time.monotonic() - started > _SOON:
            remembered.write(file, known)
    return spread(known.work, known.cuts, known.needs, known.layout, known.bound, board, options)


def _found(graph: Graph, board: Board, options: Options, made: Plan, progress: Progress) -> Remembered:
    """The fastest plan that a search finds to fit the budget and what the board's RAM leaves beside a plan that was
    `made`, in strips only where none does otherwise; else the smallest, as for --prefer ram without a budget."""
    least = options.prefer == "ram" and options.ram_budget is None
    for weight in _WEIGHTS[options.prefer == "size" :]:
        search = _search(graph, board.core.features, options.feed, options.drain, weight, progress)
        for most in _rooms(board, options, made):
            found = None if least else search.fastest(most)
            if found is None:
                search = _search(graph, board.core.features, options.feed, options.drain, weight, progress, strips=True)
                found = None if least else search.fastest(most)
            found = found or search.smallest()
            known = Remembered(search.work, found.cuts, found.needs, found.layout, search.bound)
            placed = spread(search.work, found.cuts, found.needs, found.layout, search.bound, board, options)
            ram, flash = missing(placed, predict(placed))
            if ram <= 0:
                break
        if flash <= 0:
            break
    return known


def _rooms(board: Board, options: Options, made: Plan) -> list[int]:
    """How large an arena may be, by the budget and what the board's RAM leaves beside a plan that was `made`: in all
    regions together, which what is in one piece may not fit, and in one."""
    room = regions.rooms(board, predict(made).static_bytes).values()
    budget = _ANY if options.ram_budget is None else options.ram_budget
    return sorted({min(budget, sum(room)), min(budget, max(room))}, reverse=True)


def cost_of_cuts(plan: Plan) -> dict[int, int]:
    """By each boundary of a plan's network that lies inside of a step: how many bytes more of arena a plan is estimated
    to need that can be cut there."""
    fused = [s.operators for s in plan.steps if len(s.operators) > 1]
    inside = [b for operators in fused for b in range(operators[0] + 1, operators[-1] + 1)]
    if not inside:
        return {}
    options = plan.options
    search = _search(plan.graph, plan.board.core.features, options.feed, options.drain, 0, silent)
    tasks = {t.operator: k for k, t in enumerate(search.work.tasks)}
    return {b: max(0, search.least(tasks[b]) - plan.arena_bytes) for b in inside}


def curve(graph: Graph, board: Board, options: Options, progress: Progress = silent) -> list[Plan]:
    """RAM against instructions: plans from the smallest that is found to the fastest, none beaten in both by another.
    Budgets of RAM and flash and the board's own memory do not count; `options` says how input and output travel. Where
    the board has several regions for the arena, each plan is spread over them as far as that takes little more bytes
    in all, without copies of constants."""
    _check_streams(graph, options)
    weight = _WEIGHTS[-1] if options.prefer == "size" else _WEIGHTS[0]
    search = _search(graph, board.core.features, options.feed, options.drain, weight, progress, strips=True)
    found = [search.smallest()]
    most = _ANY
    while most >= found[0].layout.top:
        faster = search.fastest(most)
        if faster is None:
            break
        found.append(faster)
        most = faster.layout.top - max(1, faster.layout.top // _POINTS)
    free = replace(options, ram_budget=None, flash_budget=None)
    tight = replace(free, prefer="size" if options.prefer == "size" else "ram")
    plans = []
    for f in found:
        budgeted = replace(tight, ram_budget=f.layout.top + f.layout.top // _POINTS)
        plans.append((spread(search.work, f.cuts, f.needs, f.layout, search.bound, board, budgeted), f))
    plans.sort(key=lambda one: (one[0].arena_bytes, one[1].cost))
    return [
        replace(made, options=free)
        for n, (made, f) in enumerate(plans)
        if all(f.cost < smaller.cost for _, smaller in plans[:n])
    ]


#: how much of the room that is left beside a step's tensors a page may take, one after the other until all fits
_SHARES = (1.0, 0.9, 0.75, 0.5)


def _paged(graph: Graph, board: Board, options: Options, progress: Progress, whole: Plan, short: int) -> Plan:
    """With constants of some operators in a second store, so that `short` bytes less of them lie in flash than in the
    plan `whole`; as near to that as it goes."""
    features, weight = board.core.features, _WEIGHTS[-1]
    calls = _candidates(graph, features)
    largest = max(regions.rooms(board, predict(whole).static_bytes).values())
    base = _work(graph, features, options.feed, options.drain, weight)
    live = {t.operator: candidates.live_bytes(base, k) for k, t in enumerate(base.tasks) if t.operator is not None}
    made = whole
    for most, share in itertools.product(_rooms(board, options, whole), _SHARES):
        tasks = {
            i: pages.tasks(graph, i, features, min(int(share * (most - held)), largest)) for i, held in live.items()
        }
        sizes = {i: sum(t.page_bytes for t in found) for i, found in tasks.items() if found and found[0].page_bytes}
        less, chosen = short, list[int]()
        while len(chosen) < len(sizes):
            chosen = pages.choose(sizes, less)
            work = candidates.work(graph, calls, options.feed, options.drain, weight, {i: tasks[i] for i in chosen})
            search = Search(work)
            search.progress = progress
            found = search.fastest(most) or search.smallest()
            made = spread(work, found.cuts, found.needs, found.layout, search.bound, board, options)
            ram, flash = missing(made, predict(made))
            if ram > 0:
                break
            if flash <= 0:
                return made
            less += flash
    return made


def _check_streams(graph: Graph, options: Options) -> None:
    """Raises Unsupported where rows of more than one tensor would come or go at once."""
    for tensors, what, choice in ((graph.inputs, "input", options.feed), (graph.outputs, "output", options.drain)):
        flag = f"--{'feed' if what == 'input' else 'drain'}"
        if choice != "whole" and len(tensors) != 1:
            raise Unsupported(
                f"the network has {len(tensors)} {what}s, and rows are of one",
                where=f"{flag} {choice}",
                advice=f"use {flag} whole",
            )


#: neighbours on a curve differ by at least this part of the arena
_POINTS = 48

_ANY = 1 << 40

#: what takes no longer is not worth remembering, in seconds
_SOON = 1.0

#: how many instructions a byte of flash is worth, one after the other until the flash suffices; --prefer size skips
#: the first
_WEIGHTS = (0, 64, 2048)


@lru_cache(maxsize=8)
def _work(graph: Graph, features: frozenset[str], feed: str, drain: str, weight: int, strips: bool = False) -> Work:
    calls = _candidates(graph, features)
    return candidates.work(graph, calls, feed, drain, weight, strips=features if strips else None)


_searches: dict[Work, Search] = {}


def _search(
    graph: Graph,
    features: frozenset[str],
    feed: str,
    drain: str,
    weight: int,
    progress: Progress,
    *,
    strips: bool = False,
) -> Search:
    """Remembered, because boards of several cores and several budgets ask the same network."""
    work = _work(graph, features, feed, drain, weight, strips)
    if work not in _searches:
        while len(_searches) >= 4:
            del _searches[next(iter(_searches))]
        _searches[work] = Search(work)
    _searches[work].progress = progress
    return _searches[work]


def _preferred(graph: Graph, board: Board, options: Options) -> Plan:
    """Whole tensors, step by step: the preferred kernels or, where flash is short, the fastest found to fit."""
    chooser = Chooser(_candidates(graph, board.core.features), board, options.prefer)
    if options.prefer == "ram":
        made = _least(graph, board, options)
    else:
        made = by_calls(graph, board, options, chooser.preferred())
    needed = predict(made)
    short = missing(made, needed)[1]
    if short <= 0:
        return made
    return by_calls(graph, board, options, chooser.within(needed.code_bytes + needed.weights_bytes - short))


def _least(graph: Graph, board: Board, options: Options) -> Plan:
    """The least arena that whole tensors come by: of the fastest kernels that let no step need more than the one that
    needs the most must; where these lie badly, of those that need the least each, or those of --prefer size."""
    every = choices(graph, board)
    work = _work(graph, board.core.features, "whole", "whole", 0)
    live = [
        [(candidates.whole(work, k, call).options[0].estimate, call) for call in calls] for k, calls in enumerate(every)
    ]
    most = max(min(needed for needed, _ in calls) for calls in live)
    within = [next(call for needed, call in calls if needed <= most) for calls in live]
    least = [min(calls, key=lambda c: c[0])[1] for calls in live]
    found = (within, least, Chooser(every, board, "size").preferred())
    return min((by_calls(graph, board, options, calls) for calls in found), key=lambda made: made.arena_bytes)


def choices(graph: Graph, board: Board) -> tuple[tuple[Call, ...], ...]:
    """The calls that can run each operator on the board's core, the fastest first."""
    return _candidates(graph, board.core.features)


@lru_cache(maxsize=16)
def _candidates(graph: Graph, features: frozenset[str]) -> tuple[tuple[Call, ...], ...]:
    """What can run each operator; boards of one core share it, and so do the chunks of a network."""
    if graph.chunk is not None:
        return _candidates(graph.chunk.whole, features)[graph.chunk.first : graph.chunk.last]
    return tuple(tuple(kind(o.kind).calls(o, graph.tensors, features)) for o in graph.operators)


def by_calls(graph: Graph, board: Board, options: Options, calls: Sequence[Call]) -> Plan:
    """The plan of one step for each operator, by its call over whole tensors, whether it fits or not."""
    work = _work(graph, board.core.features, "whole", "whole", 0)
    cuts = []
    for k, call in enumerate(calls):
        candidate = candidates.whole(work, k, call)
        cuts.append(Cut(candidate, candidate.options[0]))
    need = needs(work, cuts)
    bound = max(c.candidate.bound for c in cuts)
    layout = _greedy(need.buffers, tuple(need.conflicts.items()), bound)
    return spread(work, cuts, need, layout, bound, board, options)


@lru_cache(maxsize=64)
def _greedy(
    buffers: tuple[arena.Buffer, ...], conflicts: tuple[tuple[tuple[str, str], arena.Unsafe], ...], bound: int
) -> Layout:
    """Remembered, because boards of several cores pose the same problem."""
    return arena.greedy(buffers, dict(conflicts), bound)
