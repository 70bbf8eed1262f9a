"""Builds generated models for an emulated core and runs them in QEMU: host_build.py's programs, on the core that a
kernel is for."""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

from host_build import Case, run_models
from shoal.tensors import Array

_HERE = Path(__file__).parent

_CORTEX_M_SCRIPT = """
ENTRY(reset)
SECTIONS {
  .vectors 0 : { KEEP(*(.vectors)) }
  .text : { *(.text*) *(.rodata*) }
  .ARM.exidx : { *(.ARM.exidx*) }
  .data 0x20000000 : { *(.data*) }
  .bss : { *(.bss*) *(COMMON) }
  end = .;
  stack_top = 0x20000000 + 0x3f0000;
}
"""

_WARNINGS = ("-std=c99", "-ffunction-sections", "-Wl,--gc-sections", "-Wall", "-Wextra", "-Wconversion", "-Werror")


@dataclass(frozen=True)
class Machine:
    """QEMU's `board` with such a core, the files and flags that make programs for it, and what kernels may use."""

    emulator: str
    board: tuple[str, ...]
    compiler: str
    flags: tuple[str, ...]
    startup: str
    script: str | None
    features: frozenset[str]


def _cortex_m(core: str, board: str, *features: str) -> Machine:
    flags = ("-mthumb", f"-mcpu={core}", "-nostartfiles", "--specs=rdimon.specs", "-T", "program.ld")
    compiler = "arm-none-eabi-gcc"
    return Machine(
        "qemu-system-arm", ("-M", board), compiler, flags, "cortex_m.c", _CORTEX_M_SCRIPT, frozenset(features)
    )


def _riscv() -> Machine:
    memory = {"flash": 0x80000000, "flash_size": 1 << 23, "ram": 0x80800000, "ram_size": 1 << 25}
    flags = (
        *("-march=rv32imc", "-misa-spec=2.2", "-mabi=ilp32"),
        *("--specs=picolibc.specs", "--oslib=semihost", "--crt0=hosted", "-T", "picolibc.ld"),
        *(f"-Wl,--defsym=__{name}={value:#x}" for name, value in memory.items()),
    )
    compiler, board = "riscv64-unknown-elf-gcc", ("-M", "virt", "-bios", "none")
    return Machine("qemu-system-riscv32", board, compiler, flags, "riscv.c", None, frozenset({"muldiv"}))


MACHINES = {
    "cortex-m3": _cortex_m("cortex-m3", "mps2-an385"),
    "cortex-m4": _cortex_m("cortex-m4", "mps2-an386", "dsp"),
    "rv32imc": _riscv(),
}


@dataclass(frozen=True)
class Toolchain:
    """What makes programs for a machine, and runs them; its `files` belong beside a program's sources."""

    compiler: str
    flags: tuple[str, ...]
    files: Mapping[str, str]
    launcher: tuple[str, ...]


def toolchain(core: str, optimize: str = "-O3") -> Toolchain:
    """Skips where there is no cross compiler or no QEMU."""
    machine = MACHINES[core]
    for program in (machine.compiler, machine.emulator):
        if shutil.which(program) is None:
            pytest.skip(f"needs {program}")
    files = {machine.startup: (_HERE / machine.startup).read_text()}
    if machine.script is not None:
        files["program.ld"] = machine.script
    quiet = ("-display", "none", "-monitor", "none", "-serial", "none")
    launcher = (machine.emulator, *machine.board, *quiet, "-semihosting-config", "enable=on,target=native", "-kernel")
    return Toolchain(machine.compiler, (*_WARNINGS, optimize, *machine.flags), files, launcher)


def run_emulated(cases: Sequence[Case], core: str, optimize: str = "-O3") -> list[list[list[Array]]]:
    """As run_models, on an emulated core. Skips where there is no cross compiler or no QEMU."""
    used = toolchain(core, optimize)
    return run_models(cases, used.flags, compiler=used.compiler, files=used.files, launcher=used.launcher)
