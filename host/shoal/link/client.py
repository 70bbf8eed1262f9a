"""A node over a byte stream: requests with retries, the credit window, and what a node says unasked.

Lost, damaged, repeated and reordered frames cost a retry. A node that restarts in the middle of a call fails that call:
what it had done is unknown. The next call opens a new session."""

from __future__ import annotations

import random
import struct
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from types import TracebackType
from typing import Protocol, Self

from shoal.errors import NodeError
from shoal.link import frames, messages
from shoal.link.frames import Frame
from shoal.link.messages import (
    Asked,
    Described,
    Fault,
    FaultKind,
    Notice,
    Opened,
    Ran,
    Refused,
    Sizes,
    Space,
    Status,
    Type,
)
from shoal.link.node import Answer, Identity

#: requests that may be on the way at once: the node remembers the answers of as many
_HISTORY = 8

#: tries of one opening before another session is chosen
_OPENING_TRIES = 2


class Stream(Protocol):
    """Bytes to and from a node; NodeError once the other end is gone."""

    def read(self, timeout: float) -> bytes:
        """What has come in, at least a byte, or b"" where nothing came within `timeout` seconds."""
        ...

    def write(self, data: bytes) -> None: ...

    def close(self) -> None: ...


@dataclass(frozen=True)
class Timing:
    """Seconds. A request is sent again after `retry`, then after twice as long each time up to `slowest`; a call ends
    in an error after `patience`, one that runs the model after `run`."""

    retry: float = 0.5
    slowest: float = 4.0
    patience: float = 15.0
    run: float = 120.0


@dataclass(frozen=True)
class Expected:
    """What the node must say it is before anything else of it is believed; None where anything will do."""

    build_id: str | None = None
    model_sha256: str | None = None
    advice: str = ""


class Restarted(NodeError):
    """The node is not the one that the session was opened with: it started anew, after `fault` if there was one."""

    def __init__(self, fault: Fault | None, where: str) -> None:
        super().__init__(
            f"the node faulted: {fault}" if fault else "the node restarted in the middle of a call", where=where
        )
        self.fault = fault


@dataclass(frozen=True)
class Provoked:
    """How a node took a fault on purpose: what it said right away, and what it said after its restart."""

    told: Fault | None
    kept: Fault | None


@dataclass
class _Request:
    type: Type
    payload: bytes
    answer: bytes | None = None
    source: int = 0
    value: bytes = b""

    @property
    def wire_bytes(self) -> int:
        return frames.OVERHEAD + len(self.payload)


class StreamNode:
    """A node of the protocol in node.py behind a byte stream, opened by `with`: that is when it must say who it is.

    `progress`, where set, is called with (bytes done, bytes of this transfer) as tensors travel."""

    def __init__(
        self, stream: Stream, *, name: str, expected: Expected = Expected(), timing: Timing = Timing(), number: int = 1
    ) -> None:
        self.name = name
        self.retries = 0
        self.progress: Callable[[int, int], None] | None = None
        self._stream = stream
        self._expected = expected
        self._timing = timing
        self._number = number
        self._receiver = frames.Receiver()
        self._session = 0
        self._sequence = 0
        self._window = 0
        self._starts = 0
        self._awake = False
        self._planned = False
        self._described: Described | None = None
        self._identity: Identity | None = None
        self._sizes: dict[Space, tuple[Sizes, ...]] = {}
        #: constants that the node has no flash for, and fetches while it runs
        self.store = b""
        #: what travels while the node runs: that store, rows of inputs to come, of outputs that came
        self._streams: dict[tuple[int, int], bytearray] = {}
        self._running = False

    def __enter__(self) -> Self:
        try:
            self.identify()
        except BaseException:
            self._stream.close()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stream.close()

    # what every node can do

    def identify(self) -> Identity:
        described = self._described = Described.unpack(self._call(Type.IDENTIFY))
        self._check_expected(described)
        self._sizes = {
            Space.INPUT: self._tensor_sizes(Space.INPUT, described.inputs),
            Space.OUTPUT: self._tensor_sizes(Space.OUTPUT, described.outputs),
        }
        identity = Identity(
            protocol=frames.VERSION,
            build_id=described.build_id,
            model_sha256=described.model_sha256,
            model_name=described.model_name,
            board=described.board,
            tool_version=described.tool_version,
            clock_hz=described.clock_hz,
            counts=described.counts,
            arena_bytes=described.arena_bytes,
            static_bytes=described.static_bytes,
            stack_size=described.stack_size,
            steps=described.steps,
            input_bytes=tuple(s.whole for s in self._sizes[Space.INPUT]),
            output_bytes=tuple(s.whole for s in self._sizes[Space.OUTPUT]),
        )
        self._identity = identity
        return identity

    def run(self, inputs: Sequence[bytes]) -> Answer:
        before = self.retries
        self.load(inputs)
        ran = self._ran(Type.RUN)
        outputs = tuple(
            self.drained(i) if size.row else self._read(Space.OUTPUT, i, 0, size.whole)
            for i, size in enumerate(self._sizes[Space.OUTPUT])
        )
        return self._answer(outputs, ran, before)

    def load(self, inputs: Sequence[bytes]) -> None:
        sizes = self._known().input_bytes
        if len(inputs) != len(sizes):
            raise NodeError(f"the model has {len(sizes)} inputs, {len(inputs)} were given", where=self.name)
        for i, (data, size) in enumerate(zip(inputs, sizes, strict=True)):
            if len(data) != size:
                raise NodeError(f"input {i} has {size} bytes, {len(data)} were given", where=self.name)
        self._plan()
        self._streams = {
            (Space.OUTPUT, i): bytearray(s.whole) for i, s in enumerate(self._sizes[Space.OUTPUT]) if s.row
        }
        self._streams[Space.STORE, 0] = bytearray(self.store)
        for i, (data, travels) in enumerate(zip(inputs, self._sizes[Space.INPUT], strict=True)):
            if travels.row:
                self._streams[Space.INPUT, i] = bytearray(data)
            else:
                self._write(Space.INPUT, i, 0, data)

    def run_steps(self, first: int, last: int) -> Answer:
        before = self.retries
        self._plan()
        ran = self._ran(Type.RUN_STEPS, struct.pack("<HH", first, last))
        return self._answer((), ran, before)

    def _answer(self, outputs: tuple[bytes, ...], ran: Ran, retries_before: int) -> Answer:
        retries = self.retries - retries_before
        counts = (ran.cycles, ran.stack_bytes, ran.stack_total_bytes, retries, ran.link_cycles, ran.ahead_bytes)
        return Answer(outputs, *counts)

    def drained(self, index: int) -> bytes:
        return bytes(self._streams[Space.OUTPUT, index])

    def read_arena(self, offset: int, size: int) -> bytes:
        return self._read(Space.ARENA, 0, offset, size)

    def reset(self) -> None:
        self._until_restart(Type.RESET)
        self.identify()

    # what links are tested by

    @contextmanager
    def through(self, line: Callable[[Stream], Stream]) -> Iterator[None]:
        """Puts a line of one's own between this end and the node, for a while."""
        plain = self._stream
        self._stream = line(plain)
        try:
            yield
        finally:
            self._stream = plain

    def write_arena(self, offset: int, data: bytes) -> None:
        self._write(Space.ARENA, 0, offset, data)

    def echo(self, data: bytes) -> bytes:
        """The same bytes, from the node; frames.MAX_PAYLOAD − 1 at most."""
        return self._call(Type.ECHO, data)

    def ask(self, port: int, size: int) -> None:
        """Makes the node ask the other end of one of its ports to echo `size` bytes; Refused if it did not."""
        self._call(Type.ASK, struct.pack("<BB", port, size))

    def plan(self, *parts: messages.Part) -> None:
        """Sends a plan packet; Refused, with the reason, unless the node holds that plan."""
        self._call(Type.PLAN, messages.pack_packet(parts))
        self._planned = True

    @property
    def fault(self) -> Fault | None:
        """The last fault since power came, as the node said when it was identified."""
        return self._described.fault if self._described else None

    @property
    def weights_bytes(self) -> int:
        assert self._described is not None
        return self._described.weights_bytes

    def provoke(self, kind: FaultKind) -> Provoked:
        """Makes the node fault; it restarts by itself. NodeError where it carries on instead."""
        if not self._session:
            self._open()
        starts = self._starts
        told = self._until_restart(Type.PROVOKE, struct.pack("<B", kind))
        self.identify()
        kept = self.fault
        return Provoked(told, kept if kept and kept.start == starts else None)

    # sessions

    def _forget(self) -> None:
        self._session = 0
        self._planned = False

    def _open(self) -> None:
        """Begins a session; the first patience of all goes to a node that may still be starting."""
        deadline = time.monotonic() + self._timing.patience
        while True:
            self._forget()
            self._session, self._sequence, self._starts = random.SystemRandom().randrange(1, 1 << 16), -1, 0
            request = _Request(Type.OPEN, bytes([self._number]))
            try:
                self._exchange([request], deadline, tries=_OPENING_TRIES)
                opened = Opened.unpack(messages.check(request.answer or b"", self.name))
            except _OutOfTries:
                continue
            except BaseException:
                self._forget()
                raise
            if opened.last == 0:
                break
        self._number = request.source  # a shoal's node keeps the number that it has
        self._window = opened.window
        self._starts = opened.starts

    def _until_restart(self, kind: Type, payload: bytes = b"") -> Fault | None:
        """Asks for what restarts the node, then talks in the session until the node does not know it any more. Gives
        the fault that it told of meanwhile; NodeError where it carries on."""
        deadline = time.monotonic() + self._timing.patience
        try:
            self._call(kind, payload)
            while time.monotonic() < deadline:
                self._call(Type.ECHO, b"still there?")
        except Restarted as restarted:
            return restarted.fault
        except Refused as refused:
            if refused.status == Status.NO_SESSION:
                return None
            raise
        self._forget()
        raise NodeError("the node carries on as if nothing had been asked", where=self.name)

    # requests

    def _call(self, kind: Type, payload: bytes = b"", patience: float | None = None) -> bytes:
        request = _Request(kind, payload)
        self._run([request], patience)
        return request.value

    def _run(self, requests: list[_Request], patience: float | None = None) -> None:
        """Runs requests in order, several on the way at once where the window allows."""
        if not self._session:
            self._open()
        deadline = time.monotonic() + (patience or self._timing.patience)
        try:
            self._exchange(requests, deadline)
        except BaseException:
            # requests may be missing or half done on the node: their numbers are never used again
            self._forget()
            raise
        for request in requests:
            request.value = messages.check(request.answer or b"", self.name)

    def _exchange(self, requests: list[_Request], deadline: float, tries: int | None = None) -> None:
        first = self._sequence + 1
        self._sequence = (self._sequence + len(requests)) & 0xFFFF
        sent = 0
        answered_to = 0  # all before it are answered
        wait = self._timing.retry
        again = time.monotonic() + wait
        resent_for = -1
        self._awake = False
        while answered_to < len(requests):
            sent = self._send_new(requests, first, answered_to, sent)
            now = time.monotonic()
            if now >= deadline:
                raise self._silence()
            if now >= again or self._awake:
                self._awake = False
                if tries is not None:
                    tries -= 1
                    if tries == 0:
                        raise _OutOfTries(self.name)
                self._send_again(requests, first, answered_to, sent)
                wait = min(2 * wait, self._timing.slowest)
                again = now + wait
                resent_for = -1
            for frame in self._receive(min(again, deadline) - now):
                index = (frame.sequence - first) & 0xFFFF
                if not self._is_answer(frame, requests, index, sent):
                    continue
                status = frame.payload[0]
                if status == Status.BUSY:
                    again = time.monotonic() + wait
                elif status == Status.NO_SESSION:
                    raise Refused(Status.NO_SESSION, where=self.name)
                elif status == Status.VERSION:
                    raise Refused(Status.VERSION, where=self.name)
                elif status == Status.GAP and len(frame.payload) == 3:
                    missing = (struct.unpack_from("<H", frame.payload, 1)[0] - first) & 0xFFFF
                    if missing != resent_for and answered_to <= missing < sent:
                        resent_for = missing
                        self._send_again(requests, first, missing, sent)
                elif requests[index].answer is None:
                    requests[index].answer = frame.payload
                    requests[index].source = frame.source
                    wait = self._timing.retry
                    again = time.monotonic() + wait
            while answered_to < len(requests) and requests[answered_to].answer is not None:
                answered_to += 1

    def _send_new(self, requests: list[_Request], first: int, answered_to: int, sent: int) -> int:
        """Sends what the window has room for, one request at least; returns how many are sent then."""
        on_the_way = sum(r.wire_bytes for r in requests[answered_to:sent])
        while sent < len(requests) and sent - answered_to < _HISTORY:
            on_the_way += requests[sent].wire_bytes
            if sent > answered_to and on_the_way > self._window:
                break
            self._send(requests[sent], first + sent)
            sent += 1
        return sent

    def _send_again(self, requests: list[_Request], first: int, start: int, sent: int) -> None:
        for i in range(start, sent):
            if requests[i].answer is None:
                self.retries += 1
                self._send(requests[i], first + i)

    def _send(self, request: _Request, sequence: int) -> None:
        self._send_frame(request.type, self._session, sequence & 0xFFFF, request.payload, self._number)

    def _send_frame(self, kind: int, session: int, sequence: int, payload: bytes, destination: int) -> None:
        if kind == Type.OPEN:
            destination = messages.ANY_NODE
        self._stream.write(frames.encode(Frame(messages.HOST_NODE, destination, kind, session, sequence, payload)))

    def _is_answer(self, frame: Frame, requests: list[_Request], index: int, sent: int) -> bool:
        return (
            frame.session == self._session
            and index < sent
            and frame.type == requests[index].type | messages.REPLY
            and len(frame.payload) > 0
        )

    def _receive(self, timeout: float) -> Iterator[Frame]:
        """Answers among what comes in; deals with the rest: notices, and what the node asks."""
        for frame in self._receiver.feed(self._stream.read(max(timeout, 0.0))):
            if frame.version != frames.VERSION:
                raise Refused(Status.VERSION, where=self.name)
            if frame.type in (Type.FAULT, Type.STARTED):
                self._notice(Notice.unpack(Type(frame.type), frame.payload))
            elif frame.type & messages.REPLY:
                yield frame
            elif frame.destination in (messages.HOST_NODE, messages.ANY_NODE):
                self._serve(frame)

    def _notice(self, notice: Notice) -> None:
        """Of this session's start or the next: an older one was late on the way. A node that starts while a session is
        being opened has missed what was sent before."""
        if not self._starts:
            self._awake = notice.type == Type.STARTED
            return
        if notice.type == Type.FAULT and notice.starts == self._starts:
            raise Restarted(notice.fault, self.name)
        if notice.type == Type.STARTED and notice.starts > self._starts:
            fault = notice.fault
            raise Restarted(fault if fault and fault.start == self._starts else None, self.name)

    def _serve(self, frame: Frame) -> None:
        """The node asks. What it may ask comes to the same however often it does, so a repeated question is answered
        again."""
        if frame.type == Type.ECHO and len(frame.payload) < frames.MAX_PAYLOAD:
            answer = bytes([Status.OK]) + frame.payload
        elif frame.type in (Type.PULL, Type.PUSH):
            answer = self._stream_rows(Asked.unpack(Type(frame.type), frame.payload))
        else:
            answer = bytes([Status.UNKNOWN])
        self._send_frame(frame.type | messages.REPLY, frame.session, frame.sequence, answer, frame.source)

    def _ran(self, kind: Type, payload: bytes = b"") -> Ran:
        self._running = True
        try:
            return Ran.unpack(self._call(kind, payload, patience=self._timing.run))
        finally:
            self._running = False

    def _stream_rows(self, asked: Asked) -> bytes:
        """The answer to a PULL or PUSH; refused where it is of an earlier run."""
        if not self._running or (asked.session, asked.sequence) != (self._session, self._sequence):
            return bytes([Status.NO_SESSION])
        if asked.space not in ((Space.OUTPUT,) if asked.data else (Space.INPUT, Space.STORE)):
            return bytes([Status.MALFORMED])
        tensor = self._streams.get((asked.space, asked.index), bytearray())
        if asked.offset + asked.size > len(tensor) or asked.size > messages.MAX_READ:
            return bytes([Status.RANGE])
        place = slice(asked.offset, asked.offset + asked.size)
        if asked.data:
            tensor[place] = asked.data
            return bytes([Status.OK])
        return bytes([Status.OK]) + tensor[place]

    def _silence(self) -> NodeError:
        return NodeError(
            "the node does not answer",
            where=self.name,
            advice="check that it has power, runs this firmware and that nothing else uses its port",
        )

    # tensors

    def _known(self) -> Identity:
        return self._identity or self.identify()

    def _check_expected(self, described: Described) -> None:
        expected = self._expected
        for what, got, wanted in (
            ("firmware", described.build_id, expected.build_id),
            ("a model", described.model_sha256, expected.model_sha256),
        ):
            if wanted is not None and got != wanted:
                raise NodeError(
                    f"the node runs {what} other than this folder's ({got[:12] or 'without an id'}, not {wanted[:12]})",
                    where=self.name,
                    advice=expected.advice,
                )

    def _tensor_sizes(self, space: Space, count: int) -> tuple[Sizes, ...]:
        sizes: tuple[Sizes, ...] = ()
        while len(sizes) < count:
            more = messages.unpack_tensors(self._call(Type.TENSORS, struct.pack("<BH", space, len(sizes))))
            if not more or len(sizes) + len(more) > count:
                raise NodeError("the node contradicts itself about its tensors", where=self.name)
            sizes += more
        return sizes

    def _plan(self) -> None:
        if not self._session:
            self._open()
        if not self._planned:
            self.plan(messages.Part(self._number))

    def _write(self, space: Space, index: int, offset: int, data: bytes) -> None:
        size = self._piece_bytes(messages.MAX_WRITE)
        pieces = [
            _Request(
                Type.WRITE,
                messages.pack_write(space, index, offset + at, data[at : at + size], last=at + size >= len(data)),
            )
            for at in range(0, len(data), size)
        ]
        self._transfer(pieces, size, len(data))

    def _read(self, space: Space, index: int, offset: int, size: int) -> bytes:
        step = messages.MAX_READ
        pieces = [
            _Request(Type.READ, messages.pack_read(space, index, offset + at, min(step, size - at)))
            for at in range(0, size, step)
        ]
        self._transfer(pieces, step, size)
        data = b"".join(p.value for p in pieces)
        if len(data) != size:
            raise NodeError(f"the node sent {len(data)} of {size} bytes", where=self.name)
        return data

    def _piece_bytes(self, most: int) -> int:
        """So that a whole frame fits the node's receive buffer."""
        if not self._session:
            self._open()
        overhead = frames.OVERHEAD + frames.MAX_PAYLOAD - messages.MAX_WRITE
        return max(1, min(most, self._window - overhead))

    def _transfer(self, pieces: list[_Request], size: int, total: int) -> None:
        """In lots, so that patience is a matter of bytes."""
        lot = 4 * _HISTORY
        for at in range(0, len(pieces), lot):
            self._run(pieces[at : at + lot])
            if self.progress:
                self.progress(min((at + lot) * size, total), total)


class _OutOfTries(NodeError):
    """This opening went unanswered; another may not."""
