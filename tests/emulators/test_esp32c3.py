"""The ESP32-C3's emulator: boot, counts, traps, watchdogs, both serial ports."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tiny_images import ask, ask_words, needs, ready, virt
from tiny_images import esp32c3 as image

from shoal.errors import NodeError
from shoal.link.emulators import esp32c3, qemu
from shoal.link.emulators.process import Emulator

ENTRIES = ["tiny_run", "loops"]
RESTART, HANG, ILLEGAL, NOWHERE, GUARDED, LOCKUP = 254, 253, 252, 251, 250, 249
CALL, SHORT_BREAK, BREAK, SHORT_ILLEGAL = 248, 247, 246, 245


def boot(elf: Path, *, count: bool = False, blocks: bool = False) -> Emulator:
    emulator = esp32c3.start(elf.with_suffix(".bin"), elf, count=ENTRIES if count else (), blocks=blocks)
    ready(emulator)
    return emulator


def test_counts_loops_exactly(tmp_path: Path) -> None:
    with boot(image(tmp_path), count=True) as emulator:
        for millions in (0, 1, 7):
            ask(emulator, 200 + millions)
            assert [(r.entry, r.instructions) for r in emulator.regions()] == [("loops", 2 * millions * 1000000 + 3)]


def test_counts_as_qemu_does(tmp_path: Path) -> None:
    needs("qemu-system-riscv32")
    sizes = (1, 2, 3, 50, 199)
    settings = {
        "binary": "qemu-system-riscv32",
        "machine": "virt",
        "options": ["-bios", "none", "-icount", "shift=0"],
    }
    with qemu.start(virt(tmp_path), settings) as emulator:
        ready(emulator)
        retired = [ask(emulator, n) for n in sizes]
    with boot(image(tmp_path), count=True) as emulator:
        counted, told = [], []
        for n in sizes:
            told.append(ask(emulator, n))
            counted += [r.instructions for r in emulator.regions()]
    # what is read before and after the call takes the same few instructions each time, and so does tick
    assert len({r - c for r, c in zip(retired, counted, strict=True)}) == 1
    assert told == retired
    assert 0 < retired[0] - counted[0] < 80


def test_blocks_add_up(tmp_path: Path) -> None:
    with boot(image(tmp_path), count=True, blocks=True) as emulator:
        ask(emulator, 50)
        (region,) = emulator.regions()
    assert sum(b.instructions * b.runs for b in region.blocks) == region.instructions


@pytest.mark.parametrize(
    ("byte", "cause", "value"),
    [
        (ILLEGAL, 2, 0xC0001073),
        (SHORT_ILLEGAL, 2, 0),
        (BREAK, 3, None),
        (SHORT_BREAK, 3, None),
        (CALL, 11, 0),
        (NOWHERE, 5, 0x20000008),
        (GUARDED, 7, 0x3FC7FFF0),
    ],
)
def test_traps_reach_the_handler(tmp_path: Path, byte: int, cause: int, value: int | None) -> None:
    with boot(image(tmp_path)) as emulator:
        told = ask_words(emulator, byte, 3)
        assert told[0] == cause
        assert told[1] == (told[2] if value is None else value)  # a breakpoint's value is its address
        assert ask(emulator, 255) == 0xFEEDBEEF


def test_a_trap_without_a_handler_locks_up(tmp_path: Path) -> None:
    with boot(image(tmp_path)) as emulator, pytest.raises(NodeError, match="locked up: trap 7"):
        ask(emulator, LOCKUP)


@pytest.mark.parametrize("byte", [RESTART, HANG])
def test_restarts(tmp_path: Path, byte: int) -> None:
    with boot(image(tmp_path)) as emulator:
        emulator.write(bytes([byte]))
        ready(emulator)
        assert ask(emulator, 3) > 0


def test_the_second_port_is_a_wire(tmp_path: Path) -> None:
    elf = image(tmp_path, uart=0x60010000)
    with (
        esp32c3.start(elf.with_suffix(".bin"), elf) as emulator,
        socket.socket(socket.AF_UNIX) as wire,
    ):
        wire.settimeout(20)
        wire.connect(str(emulator.second))
        wire.sendall(b"\xff")
        assert wire.recv(4, socket.MSG_WAITALL) == b"\xef\xbe\xed\xfe"


def test_an_image_that_the_rom_would_not_start(tmp_path: Path) -> None:
    other = tmp_path / "other.bin"
    other.write_bytes(b"\xe9" + bytes(100))
    with pytest.raises(NodeError, match="no direct-boot header"):
        esp32c3.start(other, other)


@given(st.integers(0, 31), st.integers(-2048, 2047))
def test_operands_of_loads_and_stores(base: int, displacement: int) -> None:
    bits = displacement & 0xFFF
    assert esp32c3.address_operands(bits << 20 | base << 15 | 2 << 12 | 5 << 7 | 0x03) == (base, displacement)
    store = (bits >> 5) << 25 | 6 << 20 | base << 15 | 2 << 12 | (bits & 31) << 7 | 0x23
    assert esp32c3.address_operands(store) == (base, displacement)


@pytest.mark.parametrize(
    ("word", "operands"),
    [
        (0x41CC, (11, 4)),  # lw a1, 4(a1)
        (0xD3E8, (15, 100)),  # sw a0, 100(a5)
        (0x50B2, (2, 44)),  # lw ra, 44(sp)
        (0xDFFE, (2, 252)),  # sw t6, 252(sp)
    ],
)
def test_operands_of_compressed_loads_and_stores(word: int, operands: tuple[int, int]) -> None:
    assert esp32c3.address_operands(word) == operands
