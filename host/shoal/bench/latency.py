"""What one inference takes: instructions on an emulator, cycles on a board, times only where they mean something."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import median_low
from typing import Any

from shoal.bench import cortex_m4
from shoal.boards.board import Board
from shoal.build.builder import Built
from shoal.errors import NodeError
from shoal.link.emulators.regions import Region
from shoal.link.node import Answer, Node

#: estimates of cycles by a board file's `cycle_table`
_TABLES = {"cortex-m4": cortex_m4}


@dataclass(frozen=True)
class Sample:
    """One measured call. `instructions` are an emulator's, `cycles` a board's own counter's."""

    answer: Answer
    instructions: int | None = None
    cycles: int | None = None
    cycles_estimated: int | None = None


class Stopwatch:
    """Measures calls on an open node. `source`: board, emulated or host."""

    def __init__(self, node: Node, source: str, board: Board, built: Built) -> None:
        self._node, self._source, self._board, self._built = node, source, board, built
        self._counts = node.identify().counts == "cycles"

    def measure(self, call: Callable[[], Answer]) -> Sample:
        """Makes a call that runs the model, or steps of it, once."""
        answer = call()
        if self._source == "board":
            return Sample(answer, cycles=answer.cycles if self._counts else None)
        if self._source == "host":
            return Sample(answer)
        regions = self._node.regions()  # type: ignore[attr-defined]  # every emulated node counts
        if not regions:
            raise NodeError("the emulator counted no call of the model", where=self._board.id)
        # an earlier one is of a run whose answer was lost on the way
        return counted(answer, regions[-1], self._board, self._built)


def counted(answer: Answer, region: Region, board: Board, built: Built) -> Sample:
    """A call that an emulator counted."""
    table = _TABLES.get(board.core.cycle_table or "")
    estimated = None
    if table is not None:
        estimated = table.estimate(built.elf, region.blocks, f"{board.toolchain}objdump")
    return Sample(answer, region.instructions, cycles_estimated=estimated)


def median(values: Sequence[int | None]) -> int | None:
    """The (lower) median, None where there is none."""
    known = [v for v in values if v is not None]
    return median_low(known) if known else None


def latency(samples: Sequence[Sample], board: Board, clock_hz: int, steps: list[dict[str, Any]]) -> dict[str, Any]:
    """The member `latency` of a result: medians of the samples, times where they are measured or can be estimated."""
    instructions = median([s.instructions for s in samples])
    cycles = median([s.cycles for s in samples])
    estimated = median([s.cycles_estimated for s in samples])
    milliseconds_estimated = assumed_cpi = assumption = None
    if estimated is not None:
        milliseconds_estimated = milliseconds(estimated, clock_hz)
        assumption = cortex_m4.ASSUMPTION
    elif instructions is not None and board.assumed_cpi is not None:
        assumed_cpi = board.assumed_cpi.value
        milliseconds_estimated = milliseconds(instructions * assumed_cpi, clock_hz)
        assumption = f"{assumed_cpi:g} cycles per instruction: {board.assumed_cpi.source}"
    return {
        "instructions": instructions,
        "cycles": cycles,
        "cycles_estimated": estimated,
        "milliseconds": None if cycles is None else milliseconds(cycles, clock_hz),
        "milliseconds_estimated": milliseconds_estimated,
        "assumed_cpi": assumed_cpi,
        "assumption": assumption,
        "steps": steps,
    }


def milliseconds(cycles: float, clock_hz: int) -> float:
    return round(cycles / clock_hz * 1000, 6)
