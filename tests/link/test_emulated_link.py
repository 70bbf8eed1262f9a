"""The firmware on every board that QEMU emulates: both serial ports, measuring, reset, faults."""

from __future__ import annotations

import re
import shutil
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path
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
    code = board.region("flash")
    in_code = code.address <= provoked.kept.pc < code.address + code.bytes
    assert in_code or (kind == FaultKind.STACK_OVERFLOW and provoked.kept.pc == 0)
    assert (provoked.kept.address != 0) == (kind != FaultKind.HARD_FAULT)
    works(node)


def test_a_watchdog_is_fed(tmp_path: Path) -> None:
    """Compiled in and harmless: this emulator's never bites."""
    board = boards.load("netduinoplus2")
    assert board.emulator is not None
    elf = tiny_firmware.build(board.id, tmp_path, macros={"SHOAL_WATCHDOG_MS": "500"})
    with StreamNode(qemu.start(elf, board.emulator.settings, name=board.id), name=board.id) as node:
        works(node)


@pytest.mark.parametrize("node", [False, True])
@pytest.mark.parametrize("name", ["netduinoplus2", "mps2_an386", "esp32c3"])
def test_what_runs_between_steps_calls_nothing_outside_of_its_sections(name: str, node: bool, tmp_path: Path) -> None:
    """Else its instructions would be counted as the model's. Where a byte of the arena lies, a shoal's node asks only
    while no model runs, of what runs between steps, too."""
    board = boards.load(name)
    elf = tiny_firmware.build(name, tmp_path, image="tiny_shoal_image.c" if node else "tiny_image.c", node=node)
    listing = subprocess.run(
        [f"{board.toolchain}objdump", "-d", "-j", ".text.isr", "-j", ".text.link", str(elf)],
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    functions = dict(re.findall(r"^[0-9a-f]+ <([^>]+)>:\n(.*?)(?:\n\n|\Z)", listing, re.S | re.M))
    wanted = ["node_tick" if node else "hal_tick"] + ["cortexm_interrupt"] * (board.hal != "esp32c3")
    reached: set[str] = set()
    while wanted:
        function = wanted.pop()
        if function not in reached and function != "arena_at":
            reached.add(function)
            wanted += re.findall(r"\t(?:bl?x?(?:\.[nw])?|j|jal)\t.*<(\w+)>", functions[function])
    assert len(reached) >= 2
