"""Host processes with the image of tiny_shoal_image.c, wired to each other and to this end, which is node 0."""

from __future__ import annotations

import itertools
import os
import socket
import struct
import time
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from types import TracebackType
from typing import Protocol, Self

import tiny_firmware
from lines import SocketLine
from tiny_firmware import SANITIZERS

from shoal.errors import NodeError
from shoal.link import frames, messages
from shoal.link.client import Stream
from shoal.link.frames import Frame
from shoal.link.host import HostProcess
from shoal.link.messages import REPLY, Begun, Delivery, Done, Header, Output, Part, State, Status, Type

#: tensors of the image: bytes and dtype
BYTES = {10: 300, 11: 500, 12: 300, 13: 300, 20: 64, 21: 40, 22: 40, 23: 40}
INT32 = frozenset({21, 22, 23})

#: a test's own patience, in seconds: far above what anything here takes
PATIENCE = 60.0

#: that nodes have routes to
_NODES = 4


class Starts(Protocol):
    def start(self, number: int) -> tuple[Stream, Stream]:
        """A node's two ports."""
        ...


@dataclass(frozen=True)
class Kind:
    """How all nodes of a shoal are: the program, whether in a chain or a star, with slots or without, how often each
    of their steps looks at the link, and whether they fetch a page."""

    elf: Path
    chained: bool = True
    slots: bool = True
    ticks: int = 1
    store: bool = False

    def environment(self, number: int) -> dict[str, str]:
        """Of node `number`: in a chain, lower ones are on its port 0."""
        routes = "".join("1" if self.chained and d > number else "0" for d in range(_NODES))
        return {
            "TINY_NODE": str(number),
            "TINY_ROUTES": routes,
            "TINY_SLOTS": str(int(self.slots)),
            "TINY_TICKS": str(self.ticks),
            "TINY_STORE": str(int(self.store)),
        }

    def start(self, number: int) -> tuple[Stream, Stream]:
        ours, theirs = socket.socketpair()
        own = self.environment(number)
        os.environ.update(own)  # which a process inherits
        try:
            return HostProcess(self.elf, theirs.fileno()), SocketLine(ours)
        finally:
            for name in own:
                del os.environ[name]
            theirs.close()


def build(folder: Path) -> Path:
    """The ELF file of every node."""
    return tiny_firmware.build("host", folder, SANITIZERS, {}, "tiny_shoal_image.c", True)


def made(tensors: Mapping[int, bytes]) -> dict[int, bytes]:
    """All tensors of a variant from its input."""
    if 10 in tensors:
        x = tensors[10]
        a = bytes((3 * x[i % 300] + i) & 255 for i in range(500))
        b = bytes((a[i] + a[i + 200]) & 255 for i in range(300))
        return {10: x, 11: a, 12: b, 13: bytes(p ^ q for p, q in zip(b, x, strict=True))}
    v = tensors[20]
    p, q = (
        [sum((i + 1) * (k + 1000) * v[k] for k in range(first, first + 32)) & 0xFFFFFFFF for i in range(10)]
        for first in (0, 32)
    )
    z = [(i + j) & 0xFFFFFFFF for i, j in zip(p, q, strict=True)]
    return {20: v, **{t: struct.pack("<10I", *s) for t, s in ((21, p), (22, q), (23, z))}}


Mistreat = Callable[[bytes], bytes]


class Shoal:
    """Nodes' ports, the wires between them, and this end: `hub` names the port of each wire that ends here. Nothing
    happens but in `pump`."""

    def __init__(self, kind: Starts, hub: Mapping[int, tuple[int, int]], wires: Sequence[tuple[int, int]] = ()) -> None:
        """The keys of `hub` are the nodes; it says by which port, (node, port), each is reached from here. `wires`:
        (left, right): port 1 of the one is port 0 of the other."""
        self._kind = kind
        self.ports: dict[tuple[int, int], Stream] = {}
        for number in hub:
            self.start(number)
        self.hub = dict(hub)
        self.joints = [((left, 1), (right, 0)) for left, right in wires]
        self.mistreat: dict[tuple[int, int], Mistreat] = {}
        self.seen: list[tuple[tuple[int, int], Frame]] = []
        self._receivers: defaultdict[tuple[int, int], frames.Receiver] = defaultdict(frames.Receiver)
        self._sequence = 0
        self._answers: dict[int, bytes] = {}
        self.epoch = 1
        self.begun: dict[int, bytes] = {}
        self.tensors: defaultdict[int, dict[int, bytes]] = defaultdict(dict)
        self._partial: defaultdict[tuple[int, int], bytearray] = defaultdict(bytearray)
        self.done: defaultdict[int, dict[int, Done]] = defaultdict(dict)
        self.lost: list[tuple[int, messages.Lost]] = []
        #: what nodes fetch pages from, and the runs that they said it was for
        self.store = b""
        self.pulled: set[tuple[int, int]] = set()
        #: whether node 0 leaves questions unanswered
        self.deaf = False
        #: takes the answers to a session's requests
        self.session: Callable[[Frame], None] | None = None

    def start(self, number: int) -> None:
        self.ports[number, 0], self.ports[number, 1] = self._kind.start(number)

    def kill(self, number: int) -> None:
        for port in (0, 1):
            self.ports.pop((number, port)).close()

    @property
    def alive(self) -> list[int]:
        return [number for number, port in self.ports if port == 0]

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for number in self.alive:
            self.kill(number)

    # the wires

    def pump(self, wait: float = 0.001) -> None:
        """Carries what has come on, once."""
        for a, b in self.joints:
            self._carry(a, b)
            self._carry(b, a)
        for end in set(self.hub.values()):
            if end not in self.ports:
                continue
            data = self.mistreat.get(end, bytes)(self.ports[end].read(wait))
            for frame in self._receivers[end].feed(data):
                self._take(end, frame)

    def _carry(self, source: tuple[int, int], target: tuple[int, int]) -> None:
        if source in self.ports:
            data = self.ports[source].read(0.0)
            for frame in self._receivers[source].feed(data):
                self.seen.append((source, frame))
            data = self.mistreat.get(source, bytes)(data)
            if data and target in self.ports:
                self.ports[target].write(data)

    def write(self, end: tuple[int, int], data: bytes) -> None:
        if end in self.ports:
            self.ports[end].write(data)

    def send(self, to: int, kind: int, payload: bytes, sequence: int = 0, end: tuple[int, int] | None = None) -> None:
        frame = Frame(0, to, kind, 0, sequence, payload)
        self.write(end or self.hub[to], frames.encode(frame))

    def until(self, what: Callable[[], object]) -> None:
        deadline = time.monotonic() + PATIENCE
        while not what():
            assert time.monotonic() < deadline, "nothing came of it"
            self.pump()

    # node 0

    def _take(self, end: tuple[int, int], frame: Frame) -> None:
        self.seen.append((end, frame))
        if frame.destination not in (0, messages.ANY_NODE):
            if frame.destination in self.hub:
                self.write(self.hub[frame.destination], frames.encode(frame))
        elif frame.session and self.session:
            self.session(frame)
        elif frame.type & REPLY:
            self._answers[frame.sequence] = frame.payload
        elif frame.type == Type.LOST:
            self.lost.append((frame.source, messages.Lost.unpack(frame.payload)))
        elif frame.type >= Type.IDENTIFY and not self.deaf:
            status = self._serve(frame)
            answer = Frame(0, frame.source, frame.type | REPLY, 0, frame.sequence, status)
            self.write(end, frames.encode(answer))

    def _serve(self, frame: Frame) -> bytes:
        if frame.type == Type.ECHO:
            return b"\0" + frame.payload
        if frame.type == Type.PULL:
            asked = messages.Asked.unpack(Type.PULL, frame.payload)
            self.pulled.add((frame.source, asked.session + (asked.sequence << 16)))
            return b"\0" + self.store[asked.offset : asked.offset + asked.size]
        epoch, inference = struct.unpack_from("<II", frame.payload)
        if epoch != self.epoch:
            return bytes([Status.EPOCH])
        if frame.type == Type.BEGIN:
            self.begun[inference] = Begun.unpack(frame.payload).packet
        elif frame.type == Type.DONE:
            self.done[inference][frame.source] = Done.unpack(frame.payload)
        elif frame.type == Type.DELIVER:
            return self._collect(Delivery.unpack(frame.payload))
        else:
            return bytes([Status.UNKNOWN])
        return bytes([Status.OK])

    def _collect(self, piece: Delivery) -> bytes:
        if piece.inference not in self.begun:
            return bytes([Status.NO_BEGIN])
        partial = self._partial[piece.inference, piece.tensor]
        assert (piece.header is not None) == (piece.offset == 0)
        if piece.offset > len(partial):
            return struct.pack("<BI", Status.GAP, len(partial))
        if piece.offset == len(partial) and piece.tensor not in self.tensors[piece.inference]:
            partial += piece.data
            if piece.last:
                assert len(partial) == BYTES[piece.tensor]
                self.tensors[piece.inference][piece.tensor] = bytes(partial)
        return bytes([Status.OK])

    def ask(self, to: int, kind: Type, payload: bytes = b"", end: tuple[int, int] | None = None) -> bytes:
        """The answer with its status; asks again, ever again."""
        self._sequence = (self._sequence + 1) & 0xFFFF
        deadline = time.monotonic() + PATIENCE
        while True:
            self.send(to, kind, payload, self._sequence, end)
            again = time.monotonic() + 0.25
            while time.monotonic() < again:
                self.pump()
                if self._sequence in self._answers:
                    return self._answers.pop(self._sequence)
            if time.monotonic() > deadline:
                raise NodeError("no answer", where=str(to))

    def insist(self, to: int, kind: Type, payload: bytes) -> None:
        """Asks until there is room."""
        while (answer := self.ask(to, kind, payload))[0] == Status.FULL:
            pass
        assert answer[0] == Status.OK, answer

    def start_epoch(self, epoch: int) -> None:
        self.epoch = epoch
        self.begun.clear()
        self.tensors.clear()
        self._partial.clear()
        self.done.clear()
        for number in self.alive:
            assert self.ask(number, Type.START, struct.pack("<I", epoch)) == b"\0"

    def state(self, number: int) -> State:
        return State.unpack(messages.check(self.ask(number, Type.STATE)))

    def give(self, to: int, inference: int, packet: bytes, tensors: Mapping[int, bytes]) -> None:
        """The source's part: an inference begins at a node, and gets these tensors."""
        self.insist(to, Type.BEGIN, messages.pack_begin(self.epoch, inference, packet))
        for tensor, data in tensors.items():
            for piece in pieces(self.epoch, inference, tensor, data):
                self.insist(to, Type.DELIVER, piece.pack())


class Routed:
    """The line of a session to node `number`; what comes meanwhile goes its way."""

    def __init__(self, shoal: Shoal, number: int) -> None:
        self._shoal = shoal
        self._number = number
        self._data = b""

    def read(self, timeout: float) -> bytes:
        self._shoal.session = self._take
        self._shoal.pump()
        self._shoal.session = None
        data, self._data = self._data, b""
        return data

    def _take(self, frame: Frame) -> None:
        self._data += frames.encode(frame)

    def write(self, data: bytes) -> None:
        """An opening, to whoever is at the other end, is for this node: others may lie between."""
        for frame in frames.Receiver().feed(data):
            addressed = replace(frame, destination=self._number)
            self._shoal.write(self._shoal.hub[self._number], frames.encode(addressed))

    def close(self) -> None: ...


def header(tensor: int) -> Header:
    dtype = messages.DTYPES["int32" if tensor in INT32 else "int8"]
    return Header(tensor, dtype, 32 if tensor in INT32 else 8, BYTES[tensor])


def pieces(epoch: int, inference: int, tensor: int, data: bytes) -> list[Delivery]:
    cut, at, size = [], 0, messages.MAX_FIRST_DELIVER
    while at < len(data):
        part = data[at : at + size]
        end = at + len(part) == len(data)
        cut.append(Delivery(epoch, inference, tensor, at, part, end, None if at else header(tensor)))
        at, size = at + len(part), messages.MAX_DELIVER
    return cut


def to(node: int, *tensors: int) -> tuple[Output, ...]:
    return tuple(Output(t, node) for t in tensors)


def host(*tensors: int) -> Part:
    return Part(0, 3, 3, inputs=tensors)


#: what crosses each boundary of the chain, the residual among it
LIVE = {0: (10,), 1: (10, 11), 2: (10, 12), 3: (13,)}


def chain_plan(*cuts: int, hold: bool = False, after: int = 0) -> bytes:
    """Nodes 1, 2, … between the boundaries 0, *cuts, 3; the last gives to the host."""
    ends = (0, *cuts, 3)
    parts = [
        Part(n, first, last, LIVE[first], to(0 if last == 3 else n + 1, *LIVE[last]), after=after)
        for n, (first, last) in enumerate(itertools.pairwise(ends), 1)
    ]
    return messages.pack_packet([*parts, host(13)], messages.HOLD if hold else 0)
