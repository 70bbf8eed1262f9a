"""Addresses by constraint programming: the least arena that a plan's lifetimes allow.

Deterministic: one worker, a fixed seed, a limit in the solver's own units of work, ties to the smallest sum of
addresses. OR-tools is imported when it is needed: it takes longer to load than most plans to make."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.metadata import version
from typing import Any

from shoal.plan.arena import Buffer, Conflicts, Unsafe


@cache
def solver() -> str:
    """Name and version."""
    return f"ortools {version('ortools')}"


#: addresses are searched in multiples of this
UNIT = 4

#: work that the solver may do for addresses that fit, for the least top, and for the smallest addresses below that, in
#: its own units
FIT, LEAST, _TIES = 1.0, 4.0, 1.0


@dataclass(frozen=True)
class Way:
    """One way to run a step: what is alive meanwhile, and which addresses of two buffers are not safe. Buffers that
    other steps have too have the same key in all ways of all steps; the others are the step's `own`."""

    buffers: tuple[Buffer, ...]
    conflicts: Conflicts
    own: frozenset[str]


@dataclass(frozen=True)
class Solution:
    """`ways`: the index of the way taken, per step. `offsets`: those of its buffers, in bytes. `top`: the arena's."""

    ways: tuple[int, ...]
    offsets: Mapping[str, int]
    top: int


def solve(
    steps: Sequence[Sequence[Way]], known: Mapping[str, int], goal: int, most: int, work: float
) -> Solution | None:
    """Ways and addresses with the least top, which cannot be below `goal`; None where none was found whose top is at
    most `most`. Of equal ones that with the most first ways, then the smallest sum of addresses. `known`: offsets to
    begin with, of the first ways. `work`: FIT, which is enough where there is some room, or LEAST."""
    from ortools.sat.python import cp_model

    model = _Model(cp_model, most)
    for index, ways in enumerate(steps):
        model.add(index, ways)
    model.hint(known)
    model.model.Minimize(model.top)
    model.model.Add(model.top >= min(-(-goal // UNIT), model.limit))
    solver = model.run(work)
    if solver is None:
        return None
    model.fix(solver, [model.top])
    others = [literal for literals in model.taken for literal in literals[1:]]
    solver = model.again(solver, sum(others)) if others else solver
    taken = tuple([solver.Value(literal) for literal in literals].index(1) for literals in model.taken)
    model.fix(solver, [literal for literals in model.taken for literal in literals])
    used = {key: place for key, place in model.places.items() if key[0] is None or taken[key[0][0]] == key[0][1]}
    solver = model.again(solver, sum(used.values()))
    offsets = {key: solver.Value(place) * UNIT for (_, key), place in used.items()}
    ends = (offsets[b.key] + b.bytes for ways, way in zip(steps, taken, strict=True) for b in ways[way].buffers)
    return Solution(taken, offsets, max(ends))


#: the step and way that a buffer is of, None where several share it, and its own key
_Key = tuple[tuple[int, int] | None, str]


class _Model:
    def __init__(self, cp_model: Any, most: int) -> None:
        self.cp_model, self.model, self.most = cp_model, cp_model.CpModel(), most
        self.limit = -(-most // UNIT)
        self.top = self.model.NewIntVar(0, self.limit, "top")
        self.places: dict[_Key, Any] = {}
        self.taken: list[list[Any]] = []

    def add(self, step: int, ways: Sequence[Way]) -> None:
        literals = [self.model.NewBoolVar(f"{step}.{n}") for n in range(len(ways))]
        self.model.AddExactlyOne(literals)
        self.taken.append(literals)
        for n, (way, literal) in enumerate(zip(ways, literals, strict=True)):
            key: dict[str, _Key] = {b.key: ((step, n) if b.key in way.own else None, b.key) for b in way.buffers}
            for b in way.buffers:
                self._buffer(key[b.key], b, literal)
            for (x, y), spans in way.conflicts.items():
                allowed = self.cp_model.Domain.FromIntervals(_safe(spans, self.limit))
                difference = self.places[key[x]] - self.places[key[y]]
                self.model.AddLinearExpressionInDomain(difference, allowed).OnlyEnforceIf(literal)

    def _buffer(self, key: _Key, buffer: Buffer, literal: Any) -> None:
        """In the arena if this way of the step is taken."""
        if key not in self.places:
            self.places[key] = self.model.NewIntVar(0, self.limit, str(key))
        place = self.places[key]
        if buffer.align > UNIT:
            self.model.AddModuloEquality(0, place, buffer.align // UNIT)
        self.model.Add(place <= (self.most - buffer.bytes) // UNIT).OnlyEnforceIf(literal)
        self.model.Add(place + -(-buffer.bytes // UNIT) <= self.top).OnlyEnforceIf(literal)

    def hint(self, known: Mapping[str, int]) -> None:
        for (of, key), place in self.places.items():
            if (of is None or of[1] == 0) and key in known:
                self.model.AddHint(place, known[key] // UNIT)
        for literals in self.taken:
            for n, literal in enumerate(literals):
                self.model.AddHint(literal, n == 0)

    def fix(self, solver: Any, variables: Sequence[Any]) -> None:
        """These stay as they were found."""
        for variable in variables:
            self.model.Add(variable == solver.Value(variable))

    def again(self, solver: Any, least: Any) -> Any:
        """From a solution to one with the least of this, as far as it goes."""
        self.model.ClearHints()
        for variable in (*self.places.values(), *(literal for literals in self.taken for literal in literals)):
            self.model.AddHint(variable, solver.Value(variable))
        self.model.Minimize(least)
        return self.run(_TIES) or solver

    def run(self, work: float) -> Any:
        solver = self.cp_model.CpSolver()
        parameters = solver.parameters
        parameters.num_workers, parameters.interleave_search, parameters.random_seed = 1, True, 0
        parameters.max_deterministic_time = work
        status = solver.Solve(self.model)
        return solver if status in (self.cp_model.OPTIMAL, self.cp_model.FEASIBLE) else None


def _safe(spans: Unsafe, limit: int) -> list[list[int]]:
    """The closed intervals from −limit to limit, in units, outside of the open ones, in bytes."""
    safe, start = [], -limit
    for low, high in spans:
        if start <= low // UNIT:
            safe.append([start, low // UNIT])
        start = max(start, -(-high // UNIT))
    if start <= limit:
        safe.append([start, limit])
    return safe
