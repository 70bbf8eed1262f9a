"""The search for a plan in little memory: where to cut the network into steps, and which kernels to run them by.

Dynamic programming finds the cheapest cuts whose steps are each estimated to fit; what it picks is placed, step by step
and then as a whole, and what does not fit is known better when it picks again. Deterministic, whatever was asked
before."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TypeAlias

from shoal.plan import addresses, arena
from shoal.plan.addresses import Way
from shoal.plan.arena import Layout
from shoal.plan.candidates import Work, candidates
from shoal.plan.lifetimes import Cut, Needs, landing_key, needs, scratch_key, state_key, tensor_key
from shoal.plan.steps import Progress, silent

#: the most tasks that are fused into one step
LONGEST = 15

#: how often the dynamic programme picks again before a budget counts as impossible
_PICKS = 600

#: steps that are placed fast and miss a budget by this part of it may fit it when they are placed well
_HOPE = 64

_ANY = 1 << 40


@dataclass(frozen=True, eq=False)
class Found:
    """Cuts with addresses; `cost` in instructions."""

    cuts: tuple[Cut, ...]
    cost: int
    needs: Needs
    layout: Layout


#: worst bytes and cost of the cuts up to somewhere, the last of them, and those before
_Reach: TypeAlias = tuple[int, int, "Cut | None", "_Reach | None"]


class Search:
    """Over the candidates of one network; `progress` is told."""

    def __init__(self, work: Work, progress: Progress = silent) -> None:
        self.work, self.progress = work, progress
        self._placed: dict[Cut, tuple[int, Way]] = {}

    @cached_property
    def bound(self) -> int:
        """The least live bytes of all plans."""
        return self._ways[1]

    @cached_property
    def _ways(self) -> tuple[list[list[Cut]], int]:
        """All cuts, by the task after their last; and the bound."""
        tasks = len(self.work.tasks)
        found: list[list[Cut]] = [[] for _ in range(tasks + 1)]
        least = [0] + [_ANY] * tasks
        for end in range(1, tasks + 1):
            for first in range(max(0, end - LONGEST), end):
                wide = _ANY  # what tasks need without strips, which are of use where they need less
                for candidate in candidates(self.work, first, end - 1):
                    if candidate.strips and candidate.bound >= wide:
                        continue
                    wide = wide if candidate.strips else min(wide, candidate.bound)
                    least[end] = min(least[end], max(least[first], candidate.bound))
                    found[end] += [Cut(candidate, o) for o in candidate.options]
            self.progress("ways to cut the network", end / tasks)
        return found, least[tasks]

    def fastest(self, most: int) -> Found | None:
        """The fewest instructions that are found to fit an arena of `most` bytes."""
        known = self._estimates()
        hope = most + most // _HOPE
        for count in range(_PICKS):
            self.progress(f"a plan in {most:,} bytes", count / _PICKS)
            picked = self._pick(lambda worst, cost: (cost, worst), known, hope)
            if picked is None:
                return None
            known.update((cut, self._alone(cut)[0]) for cut in picked)
            if all(known[cut] <= hope for cut in picked):
                found = self._place(picked, most)
                if found is not None:
                    return found
                known[max(picked, key=lambda cut: known[cut])] = _ANY
        return None

    def smallest(self) -> Found:
        """The least arena that is found, whatever it costs."""
        known = self._estimates()
        best: Found | None = None
        for count in range(_PICKS):
            self.progress("the smallest plan", count / _PICKS)
            picked = self._pick(lambda worst, cost: (worst, cost), known, best.layout.top - 1 if best else _ANY)
            if picked is None:
                break
            worst = max(known[cut] for cut in picked)
            known.update((cut, self._alone(cut)[0]) for cut in picked)
            if all(known[cut] <= worst for cut in picked):
                found = self._place(picked, _ANY)
                assert found is not None
                if best is None or found.layout.top < best.layout.top:
                    best = found
                known[max(picked, key=lambda cut: known[cut])] = _ANY
        assert best is not None
        while (less := self.fastest(best.layout.top - 1)) is not None:
            best = less
        return best

    def least(self, task: int) -> int:
        """The fewest bytes that plans whose steps do not lie across the beginning of a task are estimated to need."""
        known = self._estimates()
        least = [0] + [_ANY] * len(self.work.tasks)
        for end, cuts in enumerate(self._ways[0]):
            for cut in cuts:
                if not cut.candidate.first < task < end:
                    least[end] = min(least[end], max(least[cut.candidate.first], known[cut]))
        return least[-1]

    def _estimates(self) -> dict[Cut, int]:
        return {cut: cut.option.estimate for cuts in self._ways[0] for cut in cuts}

    def _pick(self, key: Callable[[int, int], tuple[int, int]], known: dict[Cut, int], most: int) -> list[Cut] | None:
        """The cuts from the first task to the last that are best by `key(worst bytes, cost)`, of those that are thought
        to need at most `most` bytes."""
        reach: list[_Reach | None] = [(0, 0, None, None)] + [None] * len(self.work.tasks)
        for end, cuts in enumerate(self._ways[0]):
            for cut in cuts:
                before = reach[cut.candidate.first]
                if before is None or known[cut] > most:
                    continue
                worst, cost = max(before[0], known[cut]), before[1] + cut.option.cost
                now = reach[end]
                if now is None or key(worst, cost) < key(now[0], now[1]):
                    reach[end] = (worst, cost, cut, before)
        step = reach[-1]
        if step is None:
            return None
        picked = []
        while step is not None and step[2] is not None:
            picked.append(step[2])
            step = step[3]
        return picked[::-1]

    def _alone(self, cut: Cut) -> tuple[int, Way]:
        """The bytes that a cut needs when it is placed by itself, and what the solver must know of it."""
        if cut not in self._placed:
            need = needs(self.work, [cut])
            top = arena.greedy(need.buffers, need.conflicts, cut.option.estimate).top
            inner = range(cut.candidate.first, cut.candidate.last + 1)
            own = {key(t) for t in need.rings for key in (tensor_key, landing_key)} | {
                key(k) for k in inner for key in (scratch_key, state_key)
            }
            self._placed[cut] = max(top, cut.option.estimate), Way(need.buffers, need.conflicts, frozenset(own))
        return self._placed[cut]

    def _place(self, picked: Sequence[Cut], most: int) -> Found | None:
        """These cuts, or others of the same tasks that cost as much, in an arena of at most `most` bytes."""
        need = needs(self.work, picked)
        goal = max(cut.candidate.bound for cut in picked)
        layout = arena.greedy(need.buffers, need.conflicts, goal)
        if layout.top > most or (most == _ANY and layout.top > goal):
            steps = [[cut, *self._likes(cut, min(most, layout.top))] for cut in picked]
            ways = [[self._alone(cut)[1] for cut in cuts] for cuts in steps]
            effort = addresses.LEAST if most == _ANY else addresses.FIT
            solution = addresses.solve(ways, layout.offsets, goal, min(most, layout.top), effort)
            if solution is not None:
                picked = [cuts[n] for cuts, n in zip(steps, solution.ways, strict=True)]
                need = needs(self.work, picked)
                layout = Layout(solution.offsets, solution.top)
        if layout.top > most:
            return None
        return Found(tuple(picked), sum(cut.option.cost for cut in picked), need, layout)

    def _likes(self, cut: Cut, most: int) -> list[Cut]:
        """Other ways to run the same tasks that take no more instructions, or hardly more."""
        cost = cut.option.cost + cut.option.cost // 256
        return [
            other
            for other in self._ways[0][cut.candidate.last + 1]
            if other is not cut
            and other.candidate.first == cut.candidate.first
            and other.option.cost <= cost
            and self._alone(other)[0] <= most
        ]
