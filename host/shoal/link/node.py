"""A node: something that runs chunks, reached the same way whether serial port, emulator or host process."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from types import TracebackType
from typing import Protocol, Self

from shoal.errors import NodeError


@dataclass(frozen=True)
class Identity:
    """What a node says of itself before anything is believed. `build_id` is the linker's, in hex; `counts` says what
    its counter counts: cycles, or none."""

    protocol: int
    build_id: str
    model_sha256: str
    model_name: str
    board: str
    tool_version: str
    clock_hz: int
    counts: str
    arena_bytes: int
    static_bytes: int
    stack_size: int
    steps: int
    input_bytes: tuple[int, ...]
    output_bytes: tuple[int, ...]


@dataclass(frozen=True)
class Answer:
    """What a run came back with. `cycles`: the core's counter around NAME_run (0 where it has none); `stack_bytes`: the
    high-water below the call of the model; `stack_total_bytes`: of the whole stack since start; `retries`: frames that
    had to be sent again; `link_cycles`: what rows and pages took on the link meanwhile, which `cycles` leaves out;
    `ahead_bytes`: of pages, what had come while the model computed."""

    outputs: tuple[bytes, ...]
    cycles: int
    stack_bytes: int
    stack_total_bytes: int
    retries: int
    link_cycles: int = 0
    ahead_bytes: int = 0


class Node(Protocol):
    """Opened by `with`; every wait is bounded; raises NodeError."""

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...

    def identify(self) -> Identity: ...

    def run(self, inputs: Sequence[bytes]) -> Answer:
        """One inference: the model's inputs as bytes of their own dtype, whole."""
        ...

    def load(self, inputs: Sequence[bytes]) -> None:
        """Sends the inputs and runs nothing."""
        ...

    def run_steps(self, first: int, last: int) -> Answer:
        """Runs steps [first, last) on what lies in the arena, inputs that travel in rows as they were last loaded;
        `outputs` of the answer is empty."""
        ...

    def drained(self, index: int) -> bytes:
        """Output `index`, which leaves in rows, as it has come since the inputs were last loaded."""
        ...

    def read_arena(self, offset: int, size: int) -> bytes: ...

    def reset(self) -> None:
        """Restarts the firmware; the next call talks to a freshly started one."""
        ...


@contextmanager
def named(name: str) -> Iterator[None]:
    """Says which of several nodes it was that an error of a node is about."""
    try:
        yield
    except NodeError as error:
        where = f"node {name}" + (f", {error.where}" if error.where else "")
        raise NodeError(error.what, where=where, advice=error.advice) from error
