"""Builds generated models for a Cortex-M and runs them in QEMU: host_build.py's programs, on the core that a kernel is
for."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path

import pytest

from host_build import Case, run_models
from shoal.tensors import Array

_HERE = Path(__file__).parent

#: QEMU's machine with such a core, and what kernels may use of it
MACHINES = {"cortex-m3": ("mps2-an385", frozenset[str]()), "cortex-m4": ("mps2-an386", frozenset({"dsp"}))}

_SCRIPT = """
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

_FLAGS = (
    *("-std=c99", "-mthumb", "-ffunction-sections", "-Wl,--gc-sections", "-nostartfiles", "--specs=rdimon.specs"),
    *("-Wall", "-Wextra", "-Wconversion", "-Werror"),
)


def run_emulated(cases: Sequence[Case], core: str, optimize: str = "-O3") -> list[list[list[Array]]]:
    """As run_models, on an emulated core. Skips where there is no cross compiler or no QEMU."""
    for program in ("arm-none-eabi-gcc", "qemu-system-arm"):
        if shutil.which(program) is None:
            pytest.skip(f"needs {program}")
    machine, _ = MACHINES[core]
    emulator = ["qemu-system-arm", "-M", machine, "-display", "none", "-monitor", "none", "-serial", "none"]
    return run_models(
        cases,
        (*_FLAGS, optimize, f"-mcpu={core}", "-T", "cortex_m.ld"),
        compiler="arm-none-eabi-gcc",
        files={"cortex_m.c": (_HERE / "cortex_m.c").read_text(), "cortex_m.ld": _SCRIPT},
        launcher=[*emulator, "-semihosting-config", "enable=on,target=native", "-kernel"],
    )
