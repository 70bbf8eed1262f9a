"""The firmware on every board that QEMU emulates: both serial ports, measuring, reset, faults."""

from __future__ import annotations

import shutil
import socket
from collections.abc import Iterator
from random import Random

import pytest
import tiny_firmware
from lines import SocketLine
from tiny_firmware import FIRST, SECOND

from shoal import boards
from shoal.link.client import StreamNode
from shoal.link.emulators import qemu
from shoal.link.emulators.process import Emulator
from shoal.link.messages import FaultKind

EMULATED = [
    name for name in boards.names() if (emulator := boards.load(name).emulator) is not None and emulator.kind == "qemu"
]

pytestmark = pytest.mark.skipif(not shutil.which("qemu-system-arm"), reason="needs qemu-system-arm")


@pytest.fixture(scope="module", params=EMULATED)
def emulator(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Emulator]:
    board = boards.load(request.param)
    assert board.emulator is not None
    elf = tiny_firmware.build(board.id, tmp_path_factory.mktemp("board"))
    with qemu.start(elf, board.emulator.settings, name=board.id) as emulator:
        yield emulator


@pytest.fixture
def node(emulator: Emulator) -> StreamNode:
    return StreamNode(emulator, name=emulator.name)


def works(node: StreamNode) -> None:
    random = Random(1)
    sample = random.randbytes(FIRST), random.randbytes(SECOND)
    answer = node.run(sample)
    assert answer.outputs == tiny_firmware.outputs(*sample)
    assert 200 <= answer.stack_bytes <= 260
    assert answer.stack_bytes < answer.stack_total_bytes < 1500


def test_it_says_who_it_is_and_works(node: StreamNode) -> None:
    board = boards.load(node.name)
    identity = node.identify()
    assert identity.board == board.id
    assert identity.clock_hz == board.clock_hz
    assert identity.counts == "none"
    assert identity.stack_size == board.stack_bytes
    assert 1024 < identity.static_bytes < 4096
    works(node)


def test_its_second_port_works(emulator: Emulator) -> None:
    if len(boards.load(emulator.name).uarts) < 2:
        pytest.skip("has one port")
    wire = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    wire.connect(str(emulator.second))
    with StreamNode(SocketLine(wire), name="second port") as node:
        works(node)


def test_it_asks(node: StreamNode) -> None:
    node.ask(0, 100)


def test_it_restarts(node: StreamNode) -> None:
    node.identify()
    starts = node._starts
    node.reset()
    assert node._starts == starts + 1
    works(node)


@pytest.mark.parametrize("kind", FaultKind)
def test_it_tells_of_its_faults(node: StreamNode, kind: FaultKind) -> None:
    board = boards.load(node.name)
    assert board.emulator is not None
    if kind.name.lower() not in board.emulator.faults:
        pytest.skip("its emulator cannot raise this fault")
    provoked = node.provoke(kind)
    assert provoked.told == provoked.kept
    assert provoked.kept is not None
    assert provoked.kept.kind == kind
    works(node)
