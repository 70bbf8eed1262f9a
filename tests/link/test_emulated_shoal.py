"""A chain of three emulated boards of different kinds, wired by their second ports."""

from __future__ import annotations

import shutil
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path
from random import Random

import pytest
import tiny_firmware
from lines import SocketLine
from tiny_shoal import Shoal, chain_plan, made

from shoal import boards
from shoal.link.client import Stream
from shoal.link.emulators import esp32c3, qemu

BOARDS = {1: "netduinoplus2", 2: "esp32c3", 3: "mps2_an385"}

pytestmark = pytest.mark.skipif(not shutil.which("qemu-system-arm"), reason="needs qemu-system-arm")


class Emulated:
    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def start(self, number: int) -> tuple[Stream, Stream]:
        board = boards.load(BOARDS[number])
        assert board.emulator is not None
        routes = ",".join("01"[d > number] for d in range(len(BOARDS) + 1))
        macros = {"TINY_NODE": str(number), "TINY_ROUTES": routes}
        elf = tiny_firmware.build(board.id, self._folder, (), macros, "tiny_shoal_image.c", True)
        if board.emulator.kind == "esp32c3":
            image = elf.with_suffix(".bin")
            subprocess.run([f"{board.toolchain}objcopy", "-O", "binary", str(elf), str(image)], check=True)
            emulator = esp32c3.start(image, elf)
        else:
            emulator = qemu.start(elf, board.emulator.settings, name=board.id)
        wire = socket.socket(socket.AF_UNIX)
        wire.connect(str(emulator.second))
        return emulator, SocketLine(wire)


@pytest.fixture(scope="module")
def shoal(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shoal]:
    kind = Emulated(tmp_path_factory.mktemp("boards"))
    with Shoal(kind, dict.fromkeys(BOARDS, (1, 0)), [(1, 2), (2, 3)]) as shoal:
        yield shoal


def test_boards_of_three_kinds_pass_tensors_on(shoal: Shoal) -> None:
    random = Random(1)
    shoal.start_epoch(random.randrange(1, 1 << 32))
    given = [{10: random.randbytes(300)} for _ in range(4)]
    for number, x in enumerate(given, 1):
        shoal.give(1, number, chain_plan(1, 2), x)
    for number, x in enumerate(given, 1):
        shoal.until(lambda number=number: 13 in shoal.tensors[number] and len(shoal.done[number]) == 3)
        assert shoal.tensors[number][13] == made(x)[13]
    assert all(0 < done.stack_bytes < 700 for done in shoal.done[1].values())


def test_a_board_that_counts_knows_its_wires(shoal: Shoal) -> None:
    counts = {n: shoal.state(n).ports for n in BOARDS}
    clock = boards.load(BOARDS[2]).clock_hz
    right = counts[2][1]
    assert right.bytes == 300 and right.round_trip > 0 and right.goodput(clock) > 0
    assert counts[1][1].cycles == 0  # QEMU's board has no counter
