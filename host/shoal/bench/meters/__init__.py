"""Instruments that measure what a board draws: one file each, all used the same way.

An instrument samples the current and the board's trigger pin, which is up while the model runs. Samples before the
first inference say what the board draws while nothing is asked of it; an inference's energy is what it takes above
that."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import median
from types import TracebackType
from typing import Any, Protocol, Self

import numpy as np

from shoal.boards.board import Board
from shoal.errors import BadInput, NodeError
from shoal.tensors import Array

#: the kinds of instruments: the stems of the files here
KINDS = ("ppk2",)


@dataclass(frozen=True)
class Recording:
    """Samples in their order, `seconds` from one to the next. `up` and `whole`, bool of shape (samples,): whether the
    trigger pin was up, and whether no sample was lost just in front of it. `milliamperes(first, last)`: the currents of
    samples [first, last), float64."""

    up: Array
    whole: Array
    seconds: float
    milliamperes: Callable[[int, int], Array]


class Meter(Protocol):
    """Opened by `with`. Raises NodeError where the instrument does not answer, or what it says makes no sense."""

    #: its kind
    name: str

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...

    def start(self) -> None:
        """Samples from now on; comes back once it has seen enough of a board that nothing is asked of."""
        ...

    def stop(self) -> Recording:
        """What was sampled since `start`, all that is on its way included."""
        ...


@dataclass(frozen=True)
class Drawn:
    """What inferences took: currents while the trigger pin was up and before that; of one inference the energy above
    idle and the time that the pin was up, medians."""

    meter: str
    milliamperes: float
    idle_milliamperes: float
    microjoules: float
    milliseconds: float


def check(spec: str, board: Board, node: str) -> None:
    """BadInput where `spec`, KIND:PORT, is no instrument's, or it cannot measure this board on this node."""
    kind, _, port = spec.partition(":")
    if kind not in KINDS or not port:
        raise BadInput(
            f"there is no meter {spec!r}", where="--meter", advice=f"say KIND:PORT, KIND one of {', '.join(KINDS)}"
        )
    if not node.startswith("serial:"):
        raise BadInput(
            f"a meter measures a real board, not its {node}", where=f"--meter {spec}", advice="add --node serial:PORT"
        )
    missing = [
        what
        for what, known in (("trigger pin", board.trigger_pin), ("supply voltage", board.supply_millivolts))
        if known is None
    ]
    if missing:
        raise BadInput(
            f"its file has no {' and no '.join(missing)}, which --meter needs",
            where=f"board {board.id}",
            advice="add it to a board file of your own",
        )


def open_meter(spec: str, board: Board) -> Meter:
    """The instrument KIND:PORT on a board's supply; `check` passed. ToolError where its package is not installed."""
    kind, _, port = spec.partition(":")
    made: Meter = importlib.import_module(f"shoal.bench.meters.{kind}").open(port, board)
    return made


def drawn(recording: Recording, runs: int, meter: str, board: Board) -> Drawn:
    """Of `runs` inferences. NodeError where the trigger pin was not up as often, or was up before the first."""
    edges = np.flatnonzero(np.diff(recording.up.astype(np.int8), prepend=0, append=0))
    windows = [(int(a), int(b)) for a, b in zip(edges[::2], edges[1::2], strict=True)]
    advice = f"wire pin {board.trigger_pin} of the board and its ground to the meter, its supply through the meter"
    if len(windows) != runs:
        raise NodeError(f"saw the trigger pin up {len(windows)} times in {runs} runs", where=meter, advice=advice)
    if windows[0][0] == 0:
        raise NodeError("saw the trigger pin up before anything ran", where=meter, advice=advice)
    kept = [(a, b) for a, b in windows if recording.whole[a:b].all()]
    if not kept:
        raise NodeError("lost samples in every run", where=meter, advice="plug it into another port, without a hub")
    idle = float(recording.milliamperes(0, windows[0][0]).mean())
    currents = [recording.milliamperes(a, b) for a, b in kept]
    assert board.supply_millivolts is not None  # `check`
    watts = board.supply_millivolts * 1e-6
    return Drawn(
        meter,
        float(np.concatenate(currents).mean()),
        idle,
        float(median(watts * (c - idle).sum() * recording.seconds * 1e6 for c in currents)),
        float(median(c.size * recording.seconds * 1e3 for c in currents)),
    )


def together(found: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """The member `energy` of one network in several firmwares, by those of each that were measured: energies and times
    add up, currents are means over time."""
    times = [e["window_milliseconds"] for e in found]

    def over_time(key: str) -> float:
        charge: float = sum(e[key] * t for e, t in zip(found, times, strict=True))
        return float(round(charge / sum(times), 6))

    return {
        **found[0],
        "current_milliamperes": over_time("current_milliamperes"),
        "idle_milliamperes": over_time("idle_milliamperes"),
        "microjoules": round(sum(e["microjoules"] for e in found), 6),
        "window_milliseconds": round(sum(times), 6),
    }
