"""Inputs and outputs that travel in rows while the model runs: the node asks, the client answers."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from pathlib import Path
from random import Random

import pytest
import tiny_firmware
from lines import FaultyLine
from tiny_firmware import NARROW, ROWS, SANITIZERS, WIDE, row_outputs

from shoal.errors import NodeError
from shoal.link import frames, messages
from shoal.link.client import Stream, StreamNode, Timing
from shoal.link.frames import Frame
from shoal.link.host import HostProcess
from shoal.link.messages import Refused, Space, Status, Type

QUICK = Timing(retry=0.05, slowest=0.2, patience=10.0, run=20.0)


@pytest.fixture(scope="module")
def elf(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_firmware.build("host", tmp_path_factory.mktemp("rows"), SANITIZERS, image="tiny_rows_image.c")


@pytest.fixture
def node(elf: Path) -> Iterator[StreamNode]:
    with StreamNode(HostProcess(elf), name="rows", timing=QUICK) as node:
        yield node


def test_rows_are_asked_for_and_handed_over(node: StreamNode) -> None:
    assert (node.identify().input_bytes, node.identify().output_bytes) == ((ROWS * WIDE,), (ROWS * NARROW,))
    for seed in range(3):
        sample = Random(seed).randbytes(ROWS * WIDE)
        assert node.run([sample]).outputs == (row_outputs(sample),)


def test_steps_take_and_give_rows_too(node: StreamNode) -> None:
    sample = Random(4).randbytes(ROWS * WIDE)
    node.load([sample])
    assert node.drained(0) == bytes(ROWS * NARROW)
    node.run_steps(0, 1)
    assert node.drained(0) == row_outputs(sample)
    node.run_steps(1, 2)
    assert node.drained(0) == row_outputs(sample)


@pytest.mark.parametrize("space", [Space.INPUT, Space.OUTPUT])
def test_what_is_never_whole_is_neither_written_nor_read(node: StreamNode, space: Space) -> None:
    node.load([bytes(ROWS * WIDE)])
    with pytest.raises(Refused) as refused:
        node._write(space, 0, 0, b"x") if space == Space.INPUT else node._read(space, 0, 0, 1)
    assert refused.value.status == Status.RANGE


@pytest.mark.parametrize("seed", range(4))
def test_a_bad_line_costs_retries_and_never_a_wrong_row(elf: Path, seed: int) -> None:
    random = Random(seed)
    with (
        StreamNode(HostProcess(elf), name="rows", timing=QUICK) as node,
        node.through(lambda line: FaultyLine(line, random, 0.12)),
    ):
        for _ in range(3):
            sample = random.randbytes(ROWS * WIDE)
            assert node.run([sample]).outputs == (row_outputs(sample),)


class Spy:
    """A line that keeps what the node asked."""

    def __init__(self, line: Stream) -> None:
        self._line, self._receiver = line, frames.Receiver()
        self.asked: list[Frame] = []

    def read(self, timeout: float) -> bytes:
        data = self._line.read(timeout)
        self.asked += [f for f in self._receiver.feed(data) if f.type in (Type.PULL, Type.PUSH)]
        return data

    def write(self, data: bytes) -> None:
        self._line.write(data)

    def close(self) -> None:
        self._line.close()


def test_rows_of_an_earlier_run_do_not_get_into_the_next(node: StreamNode) -> None:
    """The node's questions name the run that they belong to; a late one is refused."""
    spies: list[Spy] = []

    def spied(line: Stream) -> Stream:
        spies.append(Spy(line))
        return spies[0]

    sample = Random(7).randbytes(ROWS * WIDE)
    with node.through(spied):
        node.run([sample])
    rows = [messages.Asked.unpack(Type(f.type), f.payload) for f in spies[0].asked]
    assert [r.offset // WIDE for r in rows if r.space == Space.INPUT and r.offset % WIDE == 0] == [3, 2, 1, 0]
    node.load([bytes(ROWS * WIDE)])
    for asked in rows:
        assert node._stream_rows(asked) == bytes([Status.NO_SESSION])
    assert node.drained(0) == bytes(ROWS * NARROW)


def test_questions_out_of_range_are_refused(node: StreamNode) -> None:
    node.load([bytes(ROWS * WIDE)])
    node._running = True
    run = struct.pack("<HH", node._session, node._sequence)
    for kind, space, index, offset, rest in (
        (Type.PULL, Space.INPUT, 0, ROWS * WIDE - 1, struct.pack("<H", 2)),
        (Type.PULL, Space.INPUT, 1, 0, struct.pack("<H", 1)),
        (Type.PULL, Space.INPUT, 0, 0, struct.pack("<H", 1000)),
        (Type.PUSH, Space.OUTPUT, 0, ROWS * NARROW, b"x"),
    ):
        asked = messages.Asked.unpack(kind, run + struct.pack("<BBHI", space, 0, index, offset) + rest)
        assert node._stream_rows(asked) == bytes([Status.RANGE])
    for kind, space, rest in ((Type.PULL, Space.OUTPUT, struct.pack("<H", 1)), (Type.PUSH, Space.INPUT, b"x")):
        asked = messages.Asked.unpack(kind, run + struct.pack("<BBHI", space, 0, 0, 0) + rest)
        assert node._stream_rows(asked) == bytes([Status.MALFORMED])


def test_a_short_question_is_an_error() -> None:
    with pytest.raises(NodeError, match="cut short"):
        messages.Asked.unpack(Type.PULL, b"\0" * 12)
