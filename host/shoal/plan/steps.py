"""Steps: what the firmware runs as one, with everything decided."""

from __future__ import annotations

from dataclasses import dataclass

from shoal.boards.board import Board
from shoal.network.graph import Graph
from shoal.operators.base import Call


@dataclass(frozen=True)
class Options:
    """The plan options that every command with a MODEL takes; None where the user left the choice to shoal.

    `ram_budget` bounds the arena in bytes, `flash_budget` code + weights in bytes."""

    name: str | None = None
    prefer: str = "speed"
    ram_budget: int | None = None
    flash_budget: int | None = None
    feed: str = "whole"
    drain: str = "whole"


@dataclass(frozen=True)
class Placement:
    """Where a tensor lies in the arena, and from which step to which it lives (inclusive; −1 is before the first)."""

    tensor: int
    offset: int
    bytes: int
    first: int
    last: int


@dataclass(frozen=True)
class Step:
    """`operators`: indices into the simplified network's operators. `arena_bytes`: live while it runs, scratch
    included. Offsets are byte offsets into the arena."""

    index: int
    operators: tuple[int, ...]
    kind: str
    name: str
    call: Call
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    scratch: int | None
    state: int | None
    macs: int
    arena_bytes: int


@dataclass(frozen=True)
class Plan:
    """A network planned for one board: steps over one arena. `bound` is the live-bytes bound over the plan space
    searched."""

    graph: Graph
    board: Board
    options: Options
    name: str
    steps: tuple[Step, ...]
    placements: tuple[Placement, ...]
    arena_bytes: int
    bound: int
    weights_bytes: int

    def placement(self, tensor: int) -> Placement:
        return next(p for p in self.placements if p.tensor == tensor)

    def widest(self) -> Step:
        """The step that needs the most of the arena: the one to name when it does not fit."""
        return max(self.steps, key=lambda s: (s.arena_bytes, -s.index))


def instance(call: Call) -> tuple[str, tuple[tuple[str, int], ...]]:
    """What tells two generated functions apart: the kernel, and the shape where it is made of literals."""
    return call.kernel.function, call.shape if call.kernel.literal else ()
