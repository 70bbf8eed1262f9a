"""Firmware of a few hundred bytes, without a model, for tests of emulators."""

from __future__ import annotations

import shutil
import struct
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest

from shoal.link.emulators.process import Emulator

_TIMEOUT = 20.0
_HERE = Path(__file__).parent


@dataclass(frozen=True)
class Machine:
    name: str
    core: str
    flash: int
    ram: int
    define: str


MACHINES = (
    Machine("netduinoplus2", "cortex-m4", 0x08000000, 0x20000000, "STM32"),
    Machine("netduino2", "cortex-m3", 0x08000000, 0x20000000, "STM32"),
    Machine("mps2-an385", "cortex-m3", 0x0, 0x20000000, "UART=0x40004000"),
    Machine("mps2-an386", "cortex-m4", 0x0, 0x20000000, "UART=0x40004000"),
    Machine("mps2-an500", "cortex-m7", 0x0, 0x20000000, "UART=0x40004000"),
    Machine("mps2-an505", "cortex-m33", 0x10000000, 0x38000000, "UART=0x50200000"),
)

_SCRIPT = """
ENTRY(reset)
SECTIONS {{
  .vectors {flash:#x} : {{ KEEP(*(.vectors)) }}
  .text : {{ *(.text .text.main .text.startup) }}
  .text.paged : {{ *(.text.paged) }}
  .text.isr : {{ *(.text.isr) }}
  .text.link : {{ *(.text.link) }}
  .rodata : {{ *(.rodata*) }}
  .bss {ram:#x} (NOLOAD) : {{ *(.bss*) *(COMMON) }}
  stack_top = {ram:#x} + 0x8000;
}}
"""


def needs(*programs: str) -> None:
    """Skips the test where one of them is not installed."""
    for program in programs:
        if shutil.which(program) is None:
            pytest.skip(f"needs {program}")


def cortex_m(machine: Machine, folder: Path) -> Path:
    """tiny_cortex_m.c for a machine."""
    needs("arm-none-eabi-gcc", "qemu-system-arm")
    script = folder / f"{machine.name}.ld"
    script.write_text(_SCRIPT.format(flash=machine.flash, ram=machine.ram))
    elf = folder / f"{machine.name}.elf"
    flags = [f"-mcpu={machine.core}", "-mthumb", "-std=gnu99", "-Os", "-nostdlib", "-Wall", f"-D{machine.define}"]
    command = ["arm-none-eabi-gcc", *flags, "-T", str(script), str(_HERE / "tiny_cortex_m.c"), "-o", str(elf)]
    subprocess.run(command, check=True)
    return elf


_RISCV_SCRIPT = """
ENTRY(_entry)
SECTIONS {{
  .entry {flash:#x} : {{ KEEP(*(.text.entry)) }}
  .text : {{ *(.text .text.start_c) }}
  .text.link : {{ *(.text.link) }}
  .rodata : {{ *(.rodata*) *(.srodata*) }}
  .bss {ram:#x} (NOLOAD) : {{ *(.bss*) *(.sbss*) *(COMMON) }}
  stack_top = {ram:#x} + 0x8000;
}}
"""


def riscv(folder: Path, name: str, flash: int, ram: int, define: str) -> Path:
    """tiny_riscv.c; its flash image lies beside the ELF file, with the suffix .bin."""
    needs("riscv64-unknown-elf-gcc")
    script = folder / f"{name}.ld"
    script.write_text(_RISCV_SCRIPT.format(flash=flash, ram=ram))
    elf = folder / f"{name}.elf"
    flags = ["-march=rv32imc", "-misa-spec=2.2", "-mabi=ilp32", "-mno-relax", "-O2", "-ffreestanding", "-nostdlib"]
    command = [
        "riscv64-unknown-elf-gcc",
        *flags,
        "-Wall",
        f"-D{define}",
        "-T",
        str(script),
        str(_HERE / "tiny_riscv.c"),
    ]
    subprocess.run([*command, "-o", str(elf)], check=True)
    subprocess.run(["riscv64-unknown-elf-objcopy", "-O", "binary", elf, elf.with_suffix(".bin")], check=True)
    return elf


def esp32c3(folder: Path, uart: int = 0x60000000) -> Path:
    return riscv(folder, f"esp32c3-{uart:x}", 0x42000000, 0x3FC80000, f"UART={uart:#x}")


def virt(folder: Path) -> Path:
    """For qemu-system-riscv32 -M virt."""
    return riscv(folder, "virt", 0x80000000, 0x80100000, "VIRT")


def ready(emulator: Emulator) -> None:
    """Waits until the firmware listens."""
    answer = b""
    for _ in range(200):
        emulator.write(b"\xff")
        answer += emulator.read(0.1)
        if answer:
            break
    while more := emulator.read(0.2):
        answer += more
    assert answer[:4] == b"\xef\xbe\xed\xfe"


def ask(emulator: Emulator, byte: int) -> int:
    """Sends one byte; the uint32 that comes back."""
    return ask_words(emulator, byte, 1)[0]


def ask_words(emulator: Emulator, byte: int, words: int) -> tuple[int, ...]:
    emulator.write(bytes([byte]))
    answer = b""
    while len(answer) < 4 * words:
        more = emulator.read(_TIMEOUT)
        assert more, "no answer"
        answer += more
    return struct.unpack(f"<{words}I", answer)
