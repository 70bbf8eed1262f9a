"""Which kernel runs each operator: chosen together, because steps share code, by what flash and instructions cost."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from shoal.boards.board import Board
from shoal.operators.base import Call
from shoal.plan.predict import function_bytes, overhead_bytes, shared_bytes
from shoal.plan.sharing import structure
from shoal.plan.steps import instance

#: of each operator, the fastest first
Choices = Sequence[Sequence[Call]]

#: how many instructions a byte of flash is worth with --prefer size
_SIZE = 2048

#: and where flash is short, from the least that matters to more than any kernel saves, in powers of two
_LEAST, _MOST = -2, 16


class Chooser:
    """Chooses for one network, board and preference."""

    def __init__(self, choices: Choices, board: Board, prefer: str) -> None:
        self._choices, self._board, self._prefer = choices, board, prefer
        every = [c for calls in choices for c in calls]
        self._kernels = sorted({_key(c) for c in every})
        self._targets = {kernel: _targets(choices, kernel) for kernel in self._kernels}
        numbers: dict[object, int] = {}
        self._function = {id(c): numbers.setdefault(instance(c), len(numbers)) for c in every}
        self._functions: dict[tuple[int, ...], int] = {}
        self._once = {id(c): self._shared(c, numbers) for c in every}

    def preferred(self) -> list[Call]:
        """For speed the fastest candidate of each operator; for size those that cost the least flash together, unless a
        few bytes save very many instructions."""
        fastest = [c[0] for c in self._choices]
        return self._climb(fastest, _SIZE) if self._prefer == "size" else fastest

    def within(self, room: int) -> list[Call]:
        """The fastest that is found with so many bytes of code and constants; the smallest where none is."""
        fastest = [c[0] for c in self._choices]
        fitting = [self._climb(fastest, 2.0**_MOST)]
        if self.flash(fitting[0]) > room:
            return fitting[0]
        low, high = _LEAST, _MOST
        while low < high:
            middle = (low + high) // 2
            found = self._climb(fastest, 2.0**middle)
            if self.flash(found) <= room:
                high = middle
                fitting.append(found)
            else:
                low = middle + 1
        nearest = sorted(fitting, key=_instructions)[:2]
        filled = [self._filled(calls, room, by_byte) for calls in nearest for by_byte in (True, False)]
        return min(filled, key=_instructions)

    def _filled(self, calls: list[Call], room: int, by_byte: bool) -> list[Call]:
        """Spends what is left of the room, first on the move that saves the most instructions, or the most by byte."""
        while True:
            flash, instructions = self.flash(calls), _instructions(calls)
            best, most = None, 0.0
            for moved in self._every_move(calls):
                saved = instructions - _instructions(moved)
                if saved <= 0 or (size := self.flash(moved)) > room:
                    continue
                value = saved / max(1, size - flash) if by_byte else float(saved)
                if value > most:
                    best, most = moved, value
            if best is None:
                return calls
            calls = best

    def flash(self, calls: Sequence[Call]) -> int:
        """Bytes of code and constants, no less than a plan will say: `code_bytes` again, with all that can be known
        beforehand."""
        functions: dict[int, list[Call]] = {}
        once: dict[int, int] = {}
        for call in calls:
            functions.setdefault(self._function[id(call)], []).append(call)
            once.update(self._once[id(call)])
        total = overhead_bytes(self._board) + sum(once.values())
        for function in functions.values():
            identity = tuple(map(id, function))
            if identity not in self._functions:
                self._functions[identity] = function_bytes(function, self._board, self._prefer)
            total += self._functions[identity]
        return total

    def _shared(self, call: Call, numbers: dict[object, int]) -> dict[int, int]:
        """What an image holds once for all calls that have it, each by a number of its own, in bytes: constants, parts,
        the kernel's own."""
        held: list[tuple[object, int]] = [*call.parts]
        held += [((c.values.dtype.str, c.values.tobytes()), c.bytes) for c in call.constants]
        held.append((_key(call), shared_bytes(call.kernel, self._board, self._prefer)))
        return {numbers.setdefault(what, len(numbers)): size for what, size in held}

    def _climb(self, calls: list[Call], worth: float) -> list[Call]:
        """Moves steps to other kernels for as long as that costs less, a byte of flash worth so many instructions."""
        best, least = calls, _instructions(calls) + worth * self.flash(calls)
        improved = True
        while improved:
            improved = False
            for kernel in self._kernels:
                for moved in self._moved(best, kernel):
                    cost = _instructions(moved) + worth * self.flash(moved)
                    if cost < least:
                        best, least, improved = moved, cost, True
        return best

    def _every_move(self, calls: list[Call]) -> Iterator[list[Call]]:
        for kernel in self._kernels:
            yield from self._moved(calls, kernel)

    def _moved(self, calls: list[Call], kernel: tuple[str, bool]) -> Iterator[list[Call]]:
        """The calls with steps moved to a kernel: every step that it takes, those of one structure, each alone. Code
        that steps share makes them move together."""
        targets, groups = self._targets[kernel]
        for group in groups:
            moving = [i for i in group if targets[i] is not calls[i]]
            if moving:
                moved = list(calls)
                for i in moving:
                    moved[i] = targets[i]
                yield moved


def _targets(choices: Choices, kernel: tuple[str, bool]) -> tuple[dict[int, Call], list[list[int]]]:
    """By step, its call of a kernel; which steps move there together."""
    calls = {i: c for i, every in enumerate(choices) for c in reversed(every) if _key(c) == kernel}
    alike: dict[tuple[int, ...], list[int]] = {}
    for i, call in calls.items():
        alike.setdefault(structure(call), []).append(i)
    together = [list(calls), *(alike.values() if len(alike) > 1 else [])]
    return calls, [*together, *([i] for i in calls)]


def _key(call: Call) -> tuple[str, bool]:
    return call.kernel.function, call.kernel.literal


def _instructions(calls: Sequence[Call]) -> int:
    return sum(c.instructions for c in calls)
