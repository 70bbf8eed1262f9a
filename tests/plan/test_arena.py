"""Addresses in the arena: safe for every set of lifetimes and distances, and deterministic."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from shoal.plan import arena
from shoal.plan.arena import Buffer, Conflicts, Layout, Slots


@dataclass
class Problem:
    slots: dict[str, Slots]
    align: dict[str, int]
    over: dict[tuple[str, str], int]  # slots of y over dying slots of x

    @property
    def buffers(self) -> list[Buffer]:
        return [
            Buffer(k, int(s.end.max()), self.align[k], int(s.birth.min()), int(s.death.max()))
            for k, s in self.slots.items()
        ]

    @property
    def conflicts(self) -> Conflicts:
        keys = list(self.slots)
        pairs = [(x, y) for i, x in enumerate(keys) for y in keys[i + 1 :]]
        return {
            (x, y): arena.unsafe(self.slots[x], self.slots[y], self.over.get((x, y)), self.over.get((y, x)))
            for x, y in pairs
        }

    def solve(self, goal: int = 0) -> Layout:
        return arena.greedy(self.buffers, self.conflicts, goal)


def slots(*rows: tuple[int, int, int, int]) -> Slots:
    return Slots(*np.array(rows, np.int64).T)


@st.composite
def problems(draw: st.DrawFn) -> Problem:
    found: dict[str, Slots] = {}
    for i in range(draw(st.integers(1, 9))):
        rows = []
        for _ in range(draw(st.integers(1, 4))):
            start, birth = draw(st.integers(0, 60)), draw(st.integers(-1, 9))
            rows.append((start, start + draw(st.integers(1, 90)), birth, birth + draw(st.integers(0, 4))))
        found[f"t{i}"] = slots(*rows)
    align = {key: draw(st.sampled_from([1, 4, 8, 16])) for key in found}
    over = {(x, y): draw(st.integers(-40, 40)) for x in found for y in found if x < y and draw(st.booleans())}
    return Problem(found, align, over)


def safe(x: tuple[int, ...], y: tuple[int, ...], over: int | None, under: int | None) -> bool:
    """Of two slots (start, end, birth, death) at their addresses, by the definition."""
    if x[2] > y[3] or y[2] > x[3] or x[1] <= y[0] or y[1] <= x[0]:
        return True
    if over is not None and x[3] == y[2] and y[0] <= x[0] + over:
        return True
    return under is not None and y[3] == x[2] and x[0] <= y[0] + under


@given(problems())
def test_every_pair_of_slots_that_lives_together_is_safe(problem: Problem) -> None:
    layout = problem.solve()
    at = {
        key: [
            (s + layout.offsets[key], e + layout.offsets[key], b, d)
            for s, e, b, d in zip(*vars(held).values(), strict=True)
        ]
        for key, held in problem.slots.items()
    }
    for key, rows in at.items():
        assert layout.offsets[key] % problem.align[key] == 0
        assert layout.offsets[key] >= 0 and max(r[1] for r in rows) <= layout.top
        for other, others in at.items():
            if key < other:
                over, under = problem.over.get((key, other)), problem.over.get((other, key))
                assert all(safe(x, y, over, under) for x in rows for y in others)


@given(problems())
def test_the_intervals_are_exactly_what_is_not_safe(problem: Problem) -> None:
    for (x, y), spans in problem.conflicts.items():
        over, under = problem.over.get((x, y)), problem.over.get((y, x))
        rows = [list(zip(*vars(problem.slots[key]).values(), strict=True)) for key in (x, y)]
        for difference in range(-160, 161):
            moved = [(s + difference, e + difference, b, d) for s, e, b, d in rows[0]]
            expected = all(safe(a, b, over, under) for a in moved for b in rows[1])
            assert expected == (not any(low < difference < high for low, high in spans))


@given(problems())
def test_the_same_problem_has_the_same_layout(problem: Problem) -> None:
    again = Problem(dict(problem.slots), dict(problem.align), dict(problem.over))
    assert problem.solve() == again.solve()


def test_a_chain_in_place_takes_its_largest_tensor() -> None:
    chain = {f"t{i}": slots((0, 100, i - 1, i)) for i in range(5)}
    over = {(f"t{i}", f"t{i + 1}"): 0 for i in range(4)}
    assert Problem(chain, dict.fromkeys(chain, 4), over).solve(100).top == 100


def test_an_output_that_must_trail_its_input_starts_below_it() -> None:
    held = {"x": slots((0, 100, -1, 0)), "y": slots((0, 100, 0, 1))}
    layout = Problem(held, {"x": 1, "y": 1}, {("x", "y"): -12}).solve(112)
    assert layout.top == 112
    assert layout.offsets == {"y": 0, "x": 12}


def test_a_ring_fills_what_was_consumed() -> None:
    """Rows of an image die from the top down while others are born: those fit where the first ones were."""
    image = slots(*((10 * y, 10 * y + 10, -1, y) for y in range(8)))
    half = slots(*((5 * y, 5 * y + 5, 2 * y + 1, 99) for y in range(4)))
    layout = Problem({"image": image, "half": half}, {"image": 1, "half": 1}, {}).solve(80)
    assert layout.top == 80
