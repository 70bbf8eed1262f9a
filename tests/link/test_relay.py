"""Emulated wires: what they carry, lose, damage and hold up, and what is seen of that."""

from __future__ import annotations

import socket
import threading
import time
from contextlib import ExitStack

import pytest
from hypothesis import given
from hypothesis import strategies as st
from lines import SocketLine

from shoal.errors import NodeError
from shoal.link import frames
from shoal.link.conditions import PERFECT, Conditions, Line
from shoal.link.frames import Frame
from shoal.link.messages import Begun, Delivery, Type, pack_begin
from shoal.link.relay import End, Relay

SECONDS = 20.0


def echo(number, payload=b"", source=1, destination=2):
    return Frame(source, destination, Type.ECHO, 0, number, payload)


class Seen(list):
    """Events as they were seen."""

    def __init__(self):
        self._more = threading.Condition()

    def __call__(self, event):
        with self._more:
            self.append(event)
            self._more.notify_all()

    def until(self, count):
        with self._more:
            assert self._more.wait_for(lambda: len(self) >= count, SECONDS)


@pytest.fixture
def wire():
    """`wire(link, seed)`: a relay with one wire from node a to node b, their streams, and what was seen on it."""
    with ExitStack() as stack:

        def made(link=PERFECT, seed=0):
            seen, ends = Seen(), []
            for name in "ab":
                outer, inner = socket.socketpair()
                stack.callback(outer.close)
                ends.append((SocketLine(outer), End(name, SocketLine(inner))))
            relay = stack.enter_context(Relay(seen, seed, link))
            relay.join("a:uart1", ends[0][1], ends[1][1])
            return relay, ends[0][0], ends[1][0], seen

        yield made


def received(stream, count):
    """The next so many frames."""
    receiver, got, deadline = frames.Receiver(), [], time.monotonic() + SECONDS
    while len(got) < count:
        assert time.monotonic() < deadline, f"{len(got)} of {count} frames came"
        got += receiver.feed(stream.read(1.0))
    return got


def test_frames_arrive_whole_and_in_order_both_ways(wire):
    _, a, b, seen = wire()
    there = [echo(i, bytes([i]) * i) for i in range(100)]
    back = [echo(i, b"back", 2, 1) for i in range(50)]
    a.write(b"".join(map(frames.encode, there)))
    b.write(b"".join(map(frames.encode, back)))
    assert received(b, 100) == there
    assert received(a, 50) == back
    assert [e.number for e in seen] == list(range(1, 151))
    assert [e.sequence for e in seen if e.sender == "a"] == list(range(100))
    assert all(e.wire == "a:uart1" and not e.lost for e in seen)
    assert sum(e.wire_bytes for e in seen) == sum(len(frames.encode(f)) for f in there + back)


def test_bytes_that_are_no_frame_pass_and_are_not_seen(wire):
    _, a, b, seen = wire()
    a.write(b"boot: hello" * 1000 + frames.encode(echo(7)))
    assert received(b, 1) == [echo(7)]
    assert len(seen) == 1


def lost(wire, link, seed):
    _, a, b, seen = wire(link, seed)
    for number in range(230):
        a.write(frames.encode(echo(number)))
    seen.until(230)
    arrived = received(b, sum(not e.lost for e in seen))
    assert [f.sequence for f in arrived] == [e.sequence for e in seen if not e.lost]
    return [e.sequence for e in seen if e.lost]


@pytest.mark.parametrize("link", [Line(loss=0.2), Line(garble=0.2)])
def test_the_seed_and_a_frames_number_alone_say_what_is_lost(wire, link):
    always = Conditions(lines=(link,))
    first = lost(wire, always, seed=1)
    assert 20 < len(first) < 80
    assert lost(wire, always, seed=1) == first
    assert lost(wire, always, seed=2) != first


def test_bandwidth_and_delay_hold_frames_up(wire):
    one = len(frames.encode(echo(0, b"x" * 200)))
    _, a, b, _ = wire(Conditions(lines=(Line(bandwidth=one / 0.02, delay=0.1),)))
    started = time.monotonic()
    a.write(b"".join(frames.encode(echo(i, b"x" * 200)) for i in range(10)))
    received(b, 10)
    assert time.monotonic() - started >= 10 * 0.02 + 0.1 - 0.001


def test_a_writer_waits_for_a_slow_wire(wire):
    _, a, _, _ = wire(Conditions(lines=(Line(bandwidth=1000),)))
    a._end.settimeout(0.3)
    with pytest.raises(TimeoutError):
        for number in range(50_000):  # 11 MB
            a.write(frames.encode(echo(number, b"x" * 200)))


def test_a_wire_can_be_cut_garbled_and_mended(wire):
    relay, a, b, seen = wire()
    for change, number in ((relay.cut, 1), (relay.garble, 2), (relay.mend, 3)):
        change("a:uart1")
        a.write(frames.encode(echo(number)))
        seen.until(number)
    assert received(b, 1) == [echo(3)]
    assert [e.lost for e in seen] == [True, True, False]
    with pytest.raises(KeyError):
        relay.cut("nowhere")


class Node:
    """A node's stream that can end and start again."""

    def __init__(self):
        self.outer, inner = socket.socketpair()
        self.line, self.alive = SocketLine(inner), True

    def read(self, timeout):
        if not self.alive:
            raise NodeError("the emulator ended", where="a")
        return self.line.read(timeout)

    def write(self, data):
        if not self.alive:
            raise NodeError("the emulator ended", where="a")
        self.line.write(data)

    def close(self):
        self.outer.close()
        self.line.close()


class Patient:
    """A stream that is read as if it did not fail."""

    def __init__(self, stream):
        self._stream = stream

    def read(self, timeout):
        try:
            return self._stream.read(timeout)
        except NodeError:
            return b""


def test_the_hubs_end_fails_while_the_node_is_gone():
    node = Node()
    with Relay() as relay:
        hub = relay.hub_end("a:uart0", End("a", node))
        hub.write(frames.encode(echo(1)))
        assert received(SocketLine(node.outer), 1) == [echo(1)]
        node.outer.sendall(frames.encode(echo(2)))
        assert received(hub, 1) == [echo(2)]
        node.alive = False
        with pytest.raises(NodeError, match="the emulator ended"):
            received(hub, 1)
        hub.write(frames.encode(echo(3)))  # to nobody, as on a line
        node.alive = True
        node.outer.sendall(frames.encode(echo(4)))
        assert received(Patient(hub), 1) == [echo(4)]
    node.close()


def test_what_messages_say_is_seen(wire):
    _, a, b, seen = wire()
    piece = Delivery(epoch=5, inference=6, tensor=7, offset=210, data=b"x" * 21, last=True)
    for number, (kind, payload) in enumerate(
        [
            (Type.BEGIN, pack_begin(5, 6, b"packet")),
            (Type.DELIVER, piece.pack()),
            (Type.DELIVER | 0x80, b"\x0b"),
            (Type.DELIVER, b"short"),
        ]
    ):
        a.write(frames.encode(Frame(1, 2, kind, 0, number, payload)))
    assert Begun.unpack(received(b, 4)[0].payload).inference == 6
    begin, deliver, answer, short = seen
    assert (begin.epoch, begin.inference, begin.tensor) == (5, 6, None)
    assert (deliver.inference, deliver.tensor, deliver.offset, deliver.data_bytes) == (6, 7, 210, 21)
    assert answer.status == 11 and answer.inference is None
    assert short.type == Type.DELIVER and short.inference is None


@given(st.binary(max_size=600), st.integers(1, 50))
def test_however_bytes_are_cut_the_same_frames_come_out(noise, size):
    from shoal.link.relay import _Splitter

    line = noise + b"".join(frames.encode(echo(i, bytes(range(i)))) for i in range(0, 200, 40))
    splitter = _Splitter()
    out = b"".join(unit for at in range(0, len(line), size) for unit in splitter.feed(line[at : at + size]))
    assert frames.Receiver().feed(out) == frames.Receiver().feed(line)
