"""The hub of a shoal: the host's ends of wires, frames that pass on from one to another, and node 0's own questions.

Each wire has a thread that reads and one that writes, so that one that hangs holds up no other; everything else runs in
the event loop in which the hub was made. A frame that cannot be sent on is dropped: whoever asked asks again."""

from __future__ import annotations

import asyncio
import itertools
import queue
import random
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from shoal.errors import NodeError
from shoal.link import frames, messages
from shoal.link.client import Stream
from shoal.link.frames import Frame
from shoal.link.messages import Opened, Status, Type

#: how long a read of a wire blocks, and how long a broken one is left alone, in seconds
_SLICE, _PAUSE = 0.05, 0.1

#: frames that may wait to be written to a wire
_WAITING = 64


@dataclass(frozen=True)
class Timing:
    """Seconds. A question is asked again after `retry`, or a few of that node's round trips, within `quickest` and
    `slowest`, then after twice as long each time; after `patience` its node counts as silent."""

    retry: float = 0.5
    quickest: float = 0.1
    slowest: float = 1.0
    patience: float = 5.0


class Silent(NodeError):
    """A node does not answer."""

    def __init__(self, node: int, why: NodeError | None = None) -> None:
        super().__init__(why.what if why else "the node does not answer", where=why.where if why else "")
        self.node = node


class Wire:
    """The hub's end of a wire. `broken`: why nothing comes or goes, as long as that is so."""

    def __init__(self, name: str, stream: Stream, take: Callable[[Wire, Frame], None]) -> None:
        self.name = name
        self.broken: NodeError | None = None
        self._stream = stream
        self._take = take
        self._outbox: queue.Queue[bytes] = queue.Queue(_WAITING)
        self._closing = threading.Event()
        self._threads = [
            threading.Thread(target=t, name=f"wire {name}", daemon=True) for t in (self._read, self._write)
        ]
        for thread in self._threads:
            thread.start()

    def send(self, frame: Frame) -> None:
        if self.broken is None:
            try:
                self._outbox.put_nowait(frames.encode(frame))
            except queue.Full:
                return

    def stop(self) -> None:
        self._closing.set()

    def join(self) -> None:
        for thread in self._threads:
            thread.join()

    def _read(self) -> None:
        receiver = frames.Receiver()
        while not self._closing.is_set():
            try:
                data = self._stream.read(_SLICE)
                self.broken = None
            except NodeError as error:
                self.broken = error
                self._closing.wait(_PAUSE)
                continue
            for frame in receiver.feed(data):
                self._take(self, frame)

    def _write(self) -> None:
        while not self._closing.is_set():
            try:
                self._stream.write(self._outbox.get(timeout=_SLICE))
            except queue.Empty:
                continue
            except NodeError as error:
                self.broken = error
                self._closing.wait(_PAUSE)


class Hub:
    """Made, used and closed in one event loop. `serve` gets what is for the host: its answer's payload, or None where
    it is a notice; NodeError where it cannot be read. `routes`: the wire by which each node is reached now; `heard`:
    when something last came from it (time.monotonic); `round_trips`: seconds to the last answer to a question that was
    asked once; `retries`: questions asked again."""

    def __init__(
        self,
        wires: Mapping[str, Stream],
        routes: Mapping[int, str],
        serve: Callable[[Frame], bytes | None],
        timing: Timing = Timing(),
    ) -> None:
        self.routes = dict(routes)
        self.heard: dict[int, float] = {}
        self.round_trips: dict[int, float] = {}
        self.retries = 0
        self._serve = serve
        self._timing = timing
        self._loop = asyncio.get_running_loop()
        self._numbers = itertools.count(random.SystemRandom().randrange(1 << 16))
        self._asked: dict[tuple[int, int, int, int], asyncio.Future[bytes]] = {}
        self._wires = {name: Wire(name, stream, self._arrived) for name, stream in wires.items()}

    def close(self) -> None:
        """Leaves the wires; their streams stay open."""
        for wire in self._wires.values():
            wire.stop()
        for wire in self._wires.values():
            wire.join()

    def broken(self, node: int) -> NodeError | None:
        """What is wrong with the wire by which a node is reached now."""
        wire = self._wires.get(self.routes.get(node, ""))
        return NodeError("no wire leads to the node") if wire is None else wire.broken

    async def ask(
        self,
        node: int,
        kind: Type,
        payload: bytes = b"",
        *,
        session: int = 0,
        sequence: int | None = None,
        wire: str | None = None,
        patience: float | None = None,
    ) -> bytes:
        """The answer to a request, its status in front. Over its route, a node behind a broken wire is Silent at once;
        over `wire` only when nothing came for `patience` seconds: the wire may mend."""
        number = next(self._numbers) & 0xFFFF if sequence is None else sequence
        frame = Frame(messages.HOST_NODE, node, kind, session, number, payload)
        key = (node, kind | messages.REPLY, session, number)
        deadline = time.monotonic() + (patience or self._timing.patience)
        wait = self._first_wait(node)
        self._asked[key] = self._loop.create_future()
        try:
            for tries in itertools.count():
                if not wire and (broken := self.broken(node)):
                    raise Silent(node, broken)
                through = self._wires[wire or self.routes[node]]
                self.retries += tries > 0
                sent = time.monotonic()
                through.send(frame)
                await asyncio.wait({self._asked[key]}, timeout=min(wait, deadline - sent))
                if self._asked[key].done():
                    answer = self._asked[key].result()
                    if answer[0] != Status.BUSY:
                        if tries == 0:
                            self.round_trips[node] = time.monotonic() - sent
                        return answer
                    self._asked[key] = self._loop.create_future()
                    await asyncio.sleep(wait)
                if time.monotonic() >= deadline:
                    raise Silent(node, through.broken)
                wait = min(2 * wait, self._timing.slowest)
            raise AssertionError
        finally:
            del self._asked[key]

    async def call(self, node: int, requests: Iterable[tuple[Type, bytes]]) -> list[bytes]:
        """Requests that run once and in order, in a session of their own: what follows each status. Refused where a
        node refuses one; the others are not asked then."""
        session = 0
        while not session:
            session = random.SystemRandom().randrange(1, 1 << 16)
            answer = await self.ask(node, Type.OPEN, bytes([node]), session=session, sequence=0)
            if Opened.unpack(messages.check(answer)).last:
                session = 0  # this very session was open already
        values = []
        for sequence, (kind, payload) in enumerate(requests, 1):
            answer = await self.ask(node, kind, payload, session=session, sequence=sequence)
            values.append(messages.check(answer))
        return values

    def _first_wait(self, node: int) -> float:
        trip = self.round_trips.get(node)
        wait = self._timing.retry if trip is None else 8 * trip
        return min(max(wait, self._timing.quickest), self._timing.slowest)

    def _arrived(self, wire: Wire, frame: Frame) -> None:
        """In a wire's thread."""
        try:
            self._loop.call_soon_threadsafe(self._take, wire, frame)
        except RuntimeError:
            wire.stop()  # the loop is closed, and so is the hub soon

    def _take(self, wire: Wire, frame: Frame) -> None:
        self.heard[frame.source] = time.monotonic()
        if frame.destination not in (messages.HOST_NODE, messages.ANY_NODE):
            onward = self._wires.get(self.routes.get(frame.destination, ""))
            if onward is not None and onward is not wire:
                onward.send(frame)
        elif frame.type & messages.REPLY:
            asked = self._asked.get((frame.source, frame.type, frame.session, frame.sequence))
            if asked is not None and not asked.done() and frame.payload:
                asked.set_result(frame.payload)
        else:
            self._answer(wire, frame)

    def _answer(self, wire: Wire, frame: Frame) -> None:
        """An answer goes back by the wire that its request came by."""
        if frame.version != frames.VERSION:
            answer: bytes | None = bytes([Status.VERSION])
        else:
            try:
                answer = self._serve(frame)
            except NodeError:
                answer = bytes([Status.MALFORMED])
        if answer is not None:
            kind = frame.type | messages.REPLY
            wire.send(Frame(messages.HOST_NODE, frame.source, kind, frame.session, frame.sequence, answer))
