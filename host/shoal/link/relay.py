"""The wires of an emulated shoal: bytes carried between the ports of emulated nodes and the hub, as well as a line does
that is slow, late, lossy or broken.

A wire carries whole frames: what comes between two zero bytes is held until it is complete. What happens to one is
drawn by the seed and by its number on its wire and way alone, so that it does not depend on threads and their time.
Buffers are bounded: who writes faster than a wire carries waits."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum
from random import Random
from types import TracebackType
from typing import Self

from shoal.errors import NodeError
from shoal.link import frames
from shoal.link.client import Stream
from shoal.link.conditions import PERFECT, Conditions, Line
from shoal.link.events import Watch, unwatched
from shoal.link.log import frame_seen

#: seconds after which a thread that waits looks whether it is still wanted
_SLICE = 0.1
#: bytes between two zeros that are more than any frame: noise, passed on in pieces of that size
_NOISE = 4096
#: frames on their way along one wire and way
_UNDER_WAY = 64
#: bytes that wait for the hub to read or for a wire to carry, and seconds that its writer waits for room
_BUFFER = 65536
_WRITE_SECONDS = 10.0


@dataclass(frozen=True)
class End:
    """One end of a wire: a node's port."""

    name: str
    stream: Stream


class State(Enum):
    """A wire as it should be; one that carries nothing; one that damages every frame."""

    WHOLE = "whole"
    CUT = "cut"
    GARBLED = "garbled"


class Relay:
    """All wires of a shoal; they carry until `with` is left. Streams stay their owners' to close.

    A stream that fails with NodeError is tried again and again: a node that was restarted is back on its wires."""

    def __init__(self, watch: Watch = unwatched, seed: int = 0, link: Conditions = PERFECT) -> None:
        self._watch = watch
        self._seed = seed
        self._link = link
        self._opened = time.monotonic()
        self._ended = threading.Event()
        self._seen = threading.Lock()
        self._number = 0
        self._states: dict[str, State] = {}
        self._threads: list[threading.Thread] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._ended.set()
        for thread in self._threads:
            thread.join()

    def join(self, wire: str, a: End, b: End) -> None:
        """A wire between two nodes. Where one of them ends, it goes silent."""
        self._carry(wire, a, b)

    def hub_end(self, wire: str, node: End) -> Stream:
        """A wire between a node and the hub: the hub's end of it. Where the node ends, that fails as the node's own
        stream does, until it answers again."""
        to_hub, to_node = _Pipe(self._ended), _Pipe(self._ended)
        self._carry(wire, End("hub", _Duplex(to_node, to_hub)), node)
        return _Duplex(to_hub, to_node)

    def cut(self, wire: str) -> None:
        self._set(wire, State.CUT)

    def garble(self, wire: str) -> None:
        self._set(wire, State.GARBLED)

    def mend(self, wire: str) -> None:
        self._set(wire, State.WHOLE)

    def _set(self, wire: str, state: State) -> None:
        if wire not in self._states:
            raise KeyError(wire)
        self._states[wire] = state

    def _carry(self, wire: str, a: End, b: End) -> None:
        if wire in self._states:
            raise ValueError(f"there is a wire {wire} already")
        self._states[wire] = State.WHOLE
        for source, sink in ((a, b), (b, a)):
            # what is drawn for a way depends on its name, not on the order in which wires are joined
            random = Random(f"{self._seed} {wire} {source.name}")
            thread = threading.Thread(
                target=self._pump, args=(wire, source, sink, random), name=f"wire {wire} from {source.name}"
            )
            self._threads.append(thread)
            thread.start()

    def _pump(self, wire: str, source: End, sink: End, random: Random) -> None:
        """Carries one way until the relay ends."""
        splitter = _Splitter()
        under_way: deque[_Carried] = deque()
        free = 0.0  # when the line has sent all that was given to it
        while not self._ended.is_set():
            now = time.monotonic()
            while under_way and under_way[0].due <= now:
                self._arrive(wire, source.name, sink.stream, under_way.popleft())
            wait = min(under_way[0].due - now, _SLICE) if under_way else _SLICE
            if len(under_way) >= _UNDER_WAY:
                self._ended.wait(max(wait, 0.0))
                continue
            try:
                data = source.stream.read(max(wait, 0.0))
            except NodeError as error:
                self._tell(sink, error)
                self._ended.wait(_SLICE)
                continue
            self._tell(sink, None)
            now = time.monotonic()
            for unit in splitter.feed(data):
                line = self._link.at(now - self._opened)
                free = max(free, now) + len(unit) / line.bandwidth
                under_way.append(_treated(unit, free + line.delay, line, self._states[wire], random))

    def _arrive(self, wire: str, sender: str, sink: Stream, carried: _Carried) -> None:
        for frame in frames.Receiver().feed(carried.sent):
            # under the lock, so that whoever is told is told in the order of the numbers
            with self._seen:
                self._number += 1
                self._watch(frame_seen(self._number, wire, sender, frame, len(carried.sent), carried.lost))
        if carried.bytes:
            try:
                sink.write(carried.bytes)
            except NodeError:
                return  # a line does not know that nobody listens; whoever reads from that node is told

    @staticmethod
    def _tell(sink: End, error: NodeError | None) -> None:
        """Tells the hub how the node at the other end is."""
        if isinstance(sink.stream, _Duplex):
            sink.stream.fail(error)


@dataclass(frozen=True)
class _Carried:
    """What was `sent`, what of it comes out of the other end, and when (monotonic seconds)."""

    sent: bytes
    bytes: bytes
    due: float
    lost: bool


def _treated(unit: bytes, due: float, line: Line, state: State, random: Random) -> _Carried:
    """Draws as often for every frame, whatever becomes of it: so that the next one's draws are the same."""
    loss, garble, place, flip = (random.random() for _ in range(4))
    if state is State.CUT or loss < line.loss:
        return _Carried(unit, b"", due, lost=True)
    if state is State.GARBLED or garble < line.garble:
        at = 1 + int(place * (len(unit) - 2))
        damaged = unit[:at] + bytes([unit[at] ^ 1 + int(flip * 255)]) + unit[at + 1 :]
        return _Carried(unit, damaged, due, lost=True)
    return _Carried(unit, unit, due, lost=False)


class _Splitter:
    """Takes bytes as they come and gives what lies between zeros, with one at each end."""

    def __init__(self) -> None:
        self._pending = b""

    def feed(self, data: bytes) -> Iterator[bytes]:
        *ended, self._pending = (self._pending + data).split(b"\0")
        if len(self._pending) >= _NOISE:
            ended.append(self._pending)
            self._pending = b""
        return (b"\0" + unit + b"\0" for unit in ended if unit)


class _Pipe:
    """Bytes from one thread to another, a bounded number."""

    def __init__(self, ended: threading.Event) -> None:
        self._ended = ended
        self._changed = threading.Condition()
        self._bytes = bytearray()
        self._error: NodeError | None = None

    def read(self, timeout: float) -> bytes:
        with self._changed:
            self._changed.wait_for(lambda: self._bytes or self._error, max(timeout, 0.0))
            if self._error and not self._bytes:
                raise NodeError(self._error.what, where=self._error.where, advice=self._error.advice)
            data = bytes(self._bytes)
            self._bytes.clear()
            self._changed.notify_all()
            return data

    def write(self, data: bytes) -> None:
        """NodeError where there is no room for long: nobody reads."""
        deadline = time.monotonic() + _WRITE_SECONDS
        with self._changed:
            while len(self._bytes) + len(data) > _BUFFER and self._bytes:
                if self._ended.is_set() or time.monotonic() > deadline:
                    raise NodeError("the wire carries nothing")
                self._changed.wait(_SLICE)
            self._bytes += data
            self._changed.notify_all()

    def fail(self, error: NodeError | None) -> None:
        """From now on reading fails with `error`, if there is one, once all bytes are read."""
        if error is self._error:
            return
        with self._changed:
            self._error = error
            self._changed.notify_all()


class _Duplex:
    """One end of two pipes as a Stream."""

    def __init__(self, incoming: _Pipe, outgoing: _Pipe) -> None:
        self._incoming, self._outgoing = incoming, outgoing

    def read(self, timeout: float) -> bytes:
        return self._incoming.read(timeout)

    def write(self, data: bytes) -> None:
        self._outgoing.write(data)

    def fail(self, error: NodeError | None) -> None:
        """From now on the other end's reading fails with `error`, if there is one."""
        self._outgoing.fail(error)

    def close(self) -> None:
        """The relay closes its wires itself."""
