"""What is seen of a shoal while it runs: the live view, the log and its replay read nothing else."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True)
class FrameSeen:
    """A whole frame on a wire, in the order in which wires let them through.

    `wire`: its name as in `NODE:UART`; `sender`: the end it came from, a node's name or `hub`. Then the
    frame's own: numbers of its source and destination, type (bit 7 in answers), sequence number, and where the message
    has them the status of an answer, epoch, inference, tensor and offset of a piece. `data_bytes`: of a tensor,
    `wire_bytes`: of the whole frame on the line. `lost`: the wire lost or damaged it, nobody got it."""

    number: int
    wire: str
    sender: str
    source: int
    destination: int
    type: int
    sequence: int
    wire_bytes: int
    data_bytes: int = 0
    status: int | None = None
    epoch: int | None = None
    inference: int | None = None
    tensor: int | None = None
    offset: int | None = None
    lost: bool = False


@dataclass(frozen=True)
class NodeSeen:
    """What a node said of itself (STATE), or the host of itself and of nodes that it lost.

    `state`: idle, receiving, running, sending, waiting, silent or lost; `waits_for`: a node's name; bytes since the
    epoch began."""

    name: str
    state: str
    inference: int = 0
    queue: int = 0
    waits_for: str | None = None
    bytes_in: int = 0
    bytes_out: int = 0
    retries: int = 0


@dataclass(frozen=True)
class Ran:
    """A node's own word (DONE) for a chunk that it ran: `cycles` of its counter, 0 without one; bytes of crossing
    tensors."""

    name: str
    inference: int
    cycles: int
    queue: int
    bytes_in: int
    bytes_out: int
    retries: int


@dataclass(frozen=True)
class Turned:
    """An epoch begins, after the trouble that `why` tells of ("" at first), with the plan of this name: inferences
    without an answer run again."""

    epoch: int
    plan: str
    why: str


@dataclass(frozen=True)
class Answered:
    """The whole answer of an inference is with the host."""

    inference: int


Event = FrameSeen | NodeSeen | Ran | Turned | Answered

#: is told events from several threads, never two at a time from one; must not block
Watch = Callable[[Event], None]


def unwatched(event: Event) -> None:
    """Nobody watches."""
