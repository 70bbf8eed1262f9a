"""A shoal's node in Python, for what needs a node that misbehaves on purpose or must be had at once.

It runs a made-up network: tensor 0 is the input, operator b makes tensor b + 1 of one or two tensors before it."""

from __future__ import annotations

import contextlib
import select
import struct
import threading
import time

from shoal.errors import NodeError
from shoal.link import frames, messages
from shoal.link.frames import Frame
from shoal.link.messages import (
    HOST_NODE,
    REPLY,
    STATES,
    Delivery,
    Header,
    Output,
    Part,
    Status,
    Type,
)

OPERATORS = 6
SIZE = 500  # of each tensor: three pieces
#: what each operator reads; the edge from 1 to 4 passes two operators by
READS = [(0,), (1,), (2,), (3, 1), (4,), (5,)]


def operator(index, inputs):
    return bytes((sum(column) * 3 + index) & 0xFF for column in zip(*inputs, strict=True))


def network(data):
    """What the whole network makes of an input."""
    return run(0, OPERATORS, {0: data})[OPERATORS]


def run(first, last, values):
    values = dict(values)
    for b in range(first, last):
        values[b + 1] = operator(b, [values[t] for t in READS[b]])
    return values


def live(boundary):
    """Tensors that are there at a boundary and read behind it, or are the network's output."""
    return [
        t
        for t in range(boundary + 1)
        if t == OPERATORS == boundary or any(t in READS[b] for b in range(boundary, OPERATORS))
    ]


def chain(cuts, nodes, end=OPERATORS):
    """Parts in a chain: all that lives at a boundary goes on to the next node."""
    bounds = [0, *cuts, end]
    parts = []
    for i, node in enumerate(nodes):
        to = nodes[i + 1] if i + 1 < len(nodes) else HOST_NODE
        outputs = tuple(Output(t, to) for t in live(bounds[i + 1]))
        parts.append(Part(node, bounds[i], bounds[i + 1], tuple(live(bounds[i])), outputs))
    return tuple(parts)


def star(cuts, nodes):
    """Parts in a star: a chunk takes what it reads, and gives the host what others read."""
    bounds = [0, *cuts, OPERATORS]
    parts = []
    for i, node in enumerate(nodes):
        first, last = bounds[i], bounds[i + 1]
        reads = dict.fromkeys(t for b in range(first, last) for t in READS[b] if t <= first)
        gives = [t for t in range(first + 1, last + 1) if t in live(last)]
        parts.append(Part(node, first, last, tuple(reads), tuple(Output(t, HOST_NODE) for t in gives)))
    return tuple(parts)


class FakeNode:
    """`ends`: sockets of its ports; `routes`: port by node. `seconds`: that its chunk takes; `cuts`: the boundaries at
    which its chunks may begin and end."""

    def __init__(self, number, ends, routes, seconds=0.0, cuts=range(OPERATORS + 1)):
        self.number, self.routes = number, dict(routes)
        self.seconds, self.cuts = seconds, cuts
        self.gate = lambda inference: True  # whether its chunk may run now
        self.log = []
        self._ends = list(ends)
        self._receivers = [frames.Receiver() for _ in ends]
        self._sequence = 0
        self._alive = True
        self.restart()
        self._thread = threading.Thread(target=self._loop, daemon=True)
        self._thread.start()

    def kill(self):
        """Its power is gone, and with it what is on its wires."""
        self._alive = False
        self._thread.join()
        for end in self._ends:
            end.close()

    def restart(self):
        """Forgets everything."""
        self._epoch = 0
        self._session = (0, 0)
        self._forget()

    def _forget(self):
        self._receive = None  # [inference, part, {tensor: bytearray}, {complete}]
        self._questions = []
        self._sending = None  # the inference whose outputs are being sent
        self._asked = None  # [frame, port, due, wait, tries]
        self._ran = 0
        self._runs_until = None

    def _loop(self):
        while self._alive:
            with contextlib.suppress(OSError, ValueError):
                ready = select.select(self._ends, [], [], 0.005)[0]
                for port, end in enumerate(self._ends):
                    if end in ready:
                        for frame in self._receivers[port].feed(end.recv(65536)):
                            self._take(port, frame)
            self._engine()

    def _send(self, port, frame):
        with contextlib.suppress(OSError):
            self._ends[port].sendall(frames.encode(frame))

    def _take(self, port, frame):
        if frame.destination not in (self.number, messages.ANY_NODE):
            out = self.routes.get(frame.destination)
            if out == port and frame.destination == HOST_NODE:
                out = 1 - port
            if out is not None and out != port and out < len(self._ends):
                self._send(out, frame)
        elif frame.type & REPLY:
            if self._asked and (frame.type, frame.sequence) == (self._asked[0].type | REPLY, self._asked[0].sequence):
                (question, port, *_), self._asked = self._asked, None
                self._answered(question, port, frame.payload)
        elif (answer := self._serve(frame)) is not None:
            back = Frame(self.number, frame.source, frame.type | REPLY, frame.session, frame.sequence, answer)
            self._send(port, back)

    def _serve(self, frame):
        try:
            status = self._answer(frame)
        except NodeError:
            status = Status.MALFORMED
        return bytes([status]) if isinstance(status, int) else status

    def _answer(self, frame):
        kind, payload = frame.type, frame.payload
        if kind == Type.OPEN:
            self._session = (frame.session, 0)
            return struct.pack("<BHHI", 0, 1024, 0, 1)
        if kind in (Type.PLAN, Type.ROUTE):
            if frame.session != self._session[0]:
                return Status.NO_SESSION
            if kind == Type.PLAN:
                return self._plan(payload)
            self.routes = {n: port for n, port in enumerate(payload) if port != messages.NO_ROUTE}
            return Status.OK
        if kind == Type.IDENTIFY:
            return described(self.number)
        if kind == Type.STATE:
            state = "receiving" if self._receive else "sending" if self._questions else "idle"
            packed = struct.pack(
                "<BIBIBBIIH", self.number, self._epoch, STATES.index(state), self._ran, 0, 0xFF, 0, 0, 0
            )
            return b"\0" + packed
        if kind == Type.START:
            (epoch,) = struct.unpack("<I", payload)
            if epoch != self._epoch:
                self._forget()
                self._epoch = epoch
            return Status.OK
        if kind in (Type.BEGIN, Type.DELIVER, Type.RELEASE):
            epoch, inference = struct.unpack_from("<II", payload)
            if epoch != self._epoch or not epoch:
                return Status.EPOCH
            if inference <= self._ran or kind == Type.RELEASE:
                self.log.append((Type(kind).name, inference))
                return Status.OK
            return self._begin(inference, payload[8:]) if kind == Type.BEGIN else self._deliver(payload)
        return None if 0x30 <= kind < 0x40 else Status.UNKNOWN

    def _plan(self, packet):
        parts, _ = messages.unpack_packet(packet)
        part = next(p for p in parts if p.node == self.number)
        for status, boundary in ((Status.PLAN_FIRST, part.first), (Status.PLAN_LAST, part.last)):
            if boundary not in self.cuts:
                return bytes([status]) + struct.pack("<I", boundary)
        return Status.OK

    def _begin(self, inference, packet):
        if self._receive:
            return Status.OK if self._receive[0] == inference else Status.FULL
        parts, _ = messages.unpack_packet(packet)
        part = next(p for p in parts if p.node == self.number)
        if part.after and inference - part.after > self._ran:
            return Status.FULL
        self._receive = [inference, part, packet, {t: bytearray() for t in part.inputs}, set()]
        self.log.append(("BEGIN", inference))
        return Status.OK

    def _deliver(self, payload):
        piece = Delivery.unpack(payload)
        if not self._receive or piece.inference != self._receive[0]:
            return Status.NO_BEGIN
        _, _, _, got, complete = self._receive
        if piece.tensor not in got:
            return Status.PLAN_TENSORS
        if piece.offset > len(got[piece.tensor]):
            return bytes([Status.GAP]) + struct.pack("<I", len(got[piece.tensor]))
        if piece.offset == len(got[piece.tensor]) and piece.tensor not in complete:
            got[piece.tensor] += piece.data
            if piece.last:
                complete.add(piece.tensor)
                self._due = time.monotonic() + self._receive[1].deadline / 1000
        return Status.OK

    def _engine(self):
        now = time.monotonic()
        if self._receive and not self._questions:
            inference, part, packet, got, complete = self._receive
            ready = len(complete) == len(got)
            if not ready and part.quorum and len(complete) >= part.quorum and now >= self._due:
                ready = True
            if ready and self._runs_until is None:
                self._runs_until = now + self.seconds
            if ready and now >= self._runs_until and self.gate(inference):
                self._runs_until, self._receive, self._ran = None, None, inference
                given = {t: bytes(d) if t in complete else bytes(SIZE) for t, d in got.items()}
                self._sending = (inference, part, packet, run(part.first, part.last, given))
                self.log.append(("RUN", inference))
                self._restart_sending()
        if self._asked and now >= self._asked[2]:
            self._asked[3] = min(2 * self._asked[3], 1.0)
            self._asked[4] += 1
            self._asked[2] = now + self._asked[3]
            if self._asked[4] == 6:
                lost = bytes([self._asked[0].destination, Status.NO_ANSWER])
                for port in range(len(self._ends)):
                    self._send(port, Frame(self.number, HOST_NODE, Type.LOST, 0, 0, lost))
            self._send(self._asked[1], self._asked[0])
        elif self._questions and not self._asked and now >= self._pause:
            to, kind, payload = self._questions[0]
            self._sequence = (self._sequence + 1) & 0xFFFF
            frame = Frame(self.number, to, kind, 0, self._sequence, payload)
            self._asked = [frame, self.routes.get(to, 0), now + 0.1, 0.1, 0]
            self._send(self._asked[1], frame)

    _pause = 0.0

    def _restart_sending(self):
        inference, part, packet, values = self._sending
        self._questions = []
        begun = set()
        for way in part.outputs:
            if way.to not in begun:
                begin = messages.pack_begin(self._epoch, inference, packet)
                self._questions.append((way.to, Type.BEGIN, begin))
                begun.add(way.to)
            data = values[way.tensor]
            for at, end in ((0, 200), (200, 400), (400, len(data))):
                header = None if at else Header(way.tensor, 0, 8, len(data))
                last = end == len(data)
                piece = Delivery(self._epoch, inference, way.tensor, at, data[at:end], last, header)
                self._questions.append((way.to, Type.DELIVER, piece.pack()))
        done = struct.pack("<IIQIIBIIHQBi", self._epoch, inference, 100, 8, 16, 0, SIZE, SIZE, 0, 0, 0, 0)
        self._questions.append((HOST_NODE, Type.DONE, done))

    def _answered(self, question, port, answer):
        status = answer[0]
        if status == Status.OK:
            self._questions.pop(0)
        elif status in (Status.NO_BEGIN, Status.GAP):
            self._restart_sending()
        elif status == Status.EPOCH:
            lost = bytes([question.destination, status])
            self._send(port, Frame(self.number, HOST_NODE, Type.LOST, 0, 0, lost))
            self._pause = time.monotonic() + 0.2
        else:
            self._pause = time.monotonic() + 0.01


def described(number):
    packed = struct.pack("<2B5I3H", number, 0, 1_000_000, 100, 100, 100, 100, 1, 1, 1)
    packed += bytes(24) + struct.pack("<I32s", 1, bytes(32))
    return b"\0" + packed + b"".join(bytes([len(t)]) + t for t in (b"\x01" * 20, b"fake", b"fake", b"0"))
