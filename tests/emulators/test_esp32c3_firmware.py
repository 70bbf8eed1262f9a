"""The real firmware on the emulated ESP32-C3: answers, restarts, faults."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
import tiny_firmware
from tiny_images import needs

from shoal.link.client import StreamNode
from shoal.link.emulators import esp32c3
from shoal.link.emulators.process import Emulator
from shoal.link.messages import FaultKind

BOARD = "esp32c3"


@pytest.fixture(scope="module")
def elf(tmp_path_factory: pytest.TempPathFactory) -> Path:
    needs("riscv64-unknown-elf-gcc")
    elf = tiny_firmware.build(BOARD, tmp_path_factory.mktemp("firmware"))
    subprocess.run(["riscv64-unknown-elf-objcopy", "-O", "binary", elf, elf.with_suffix(".bin")], check=True)
    return elf


@pytest.fixture
def emulator(elf: Path) -> Iterator[Emulator]:
    with esp32c3.start(elf.with_suffix(".bin"), elf) as emulator:
        yield emulator


def test_answers_and_restarts(emulator: Emulator) -> None:
    inputs = bytes(range(200)) * 3, b"\x07\x01\x02\x03\x04"
    with StreamNode(emulator, name=BOARD) as node:
        assert node.identify().clock_hz == 160_000_000
        for _ in range(3):
            answer = node.run(inputs)
            assert answer.outputs == tiny_firmware.outputs(*inputs)
            assert answer.retries == 0
        node.reset()
        assert node.run(inputs).outputs == tiny_firmware.outputs(*inputs)


@pytest.mark.parametrize("kind", FaultKind)
def test_tells_its_faults(emulator: Emulator, kind: FaultKind) -> None:
    with StreamNode(emulator, name=BOARD) as node:
        told = node.provoke(kind)
        assert told.told is not None and told.kept is not None
        assert told.told.kind == told.kept.kind == kind
        assert told.told.pc in range(0x42000000, 0x42400000)
        if kind is FaultKind.BUS_FAULT:
            assert told.told.address == 0x20000000
        assert node.identify().board == BOARD
