"""Firmware of a few hundred bytes, without a model, for tests of emulators."""

from __future__ import annotations

import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest

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
