"""The C for ESP32 and ESP32-S3, as far as it goes without Espressif's compiler: Debian's Xtensa compiler takes all of
it without a warning, and a generated model gives the oracle's bytes on QEMU's Xtensa core."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
from probe_image import WARNINGS, macros

from shoal import boards, demo, oracle, resources
from shoal.boards.board import Board
from shoal.network import read_tflite, simplify
from shoal.plan.planner import plan
from shoal.plan.steps import Options
from shoal.render import project

_HERE = Path(__file__).parent
_CC, _CXX = "xtensa-lx106-elf-gcc", "xtensa-lx106-elf-g++"
# no C library comes with this compiler, so a loop that is a memcpy must not become a call of itself; literals are far
# from code in large functions
_FREE = ("-ffreestanding", "-fno-tree-loop-distribute-patterns", "-mtext-section-literals")
_ARDUINO = [b for b in map(boards.load, boards.names()) if b.hal == "arduino"]

#: the core starts in one memory; all else is in the other
_SCRIPT = """
MEMORY { rom : ORIGIN = 0x50000000, LENGTH = 4K ram : ORIGIN = 0x60000000, LENGTH = 16M }
ENTRY(_start)
SECTIONS
{
    .entry : { *(.text.entry) } > rom
    .text : { *(.literal .literal.* .text .text.* .rodata .rodata.*) } > ram
    .data : { *(.data .data.*) } > ram
    .bss : { *(.bss .bss.* .arena .arena.* COMMON) } > ram
    stack_top = ORIGIN(ram) + LENGTH(ram) - 16;
}
"""


@pytest.fixture(autouse=True)
def tools() -> None:
    for program in (_CC, _CXX, "qemu-system-xtensa"):
        if shutil.which(program) is None:
            pytest.skip(f"needs {program}")


def string_header(folder: Path) -> Path:
    """A folder with what the kernels use of <string.h>."""
    (folder / "string.h").write_text(
        "#include <stddef.h>\n"
        "void *memcpy(void *, const void *, size_t);\n"
        "void *memmove(void *, const void *, size_t);\n"
        "void *memset(void *, int, size_t);\n"
    )
    return folder


@pytest.mark.parametrize("board", _ARDUINO, ids=[b.id for b in _ARDUINO])
def test_firmware_compiles_without_warnings(board: Board, tmp_path: Path) -> None:
    firmware = resources.firmware()
    includes = [f"-I{firmware}", f"-I{_HERE / 'arduino_stub'}", f"-I{string_header(tmp_path)}"]
    sources = [
        firmware / "main.c",
        *(p for f in ("link", "runtime", "hal/arduino") for p in (firmware / f).glob("*.c")),
    ]
    common = [*_FREE, *macros(board), *includes, "-Os", "-fsyntax-only"]
    subprocess.run([_CC, *WARNINGS, *common, *map(str, sources)], check=True)
    serial = firmware / "hal" / "arduino" / "serial.cpp"
    subprocess.run([_CXX, "-std=gnu++11", "-Wall", "-Wextra", "-Werror", *common, str(serial)], check=True)


def build(model: Path, folder: Path) -> Path:
    """The ELF that runs the model's C, as generated for an ESP32, on the emulated core. Any warning fails."""
    graph = simplify.simplify(read_tflite.read(model))
    files = project.library(plan(graph, boards.load("esp32dev"), Options(name="m")))
    for path, content in files.items():
        target = folder / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(content)
    script, elf = folder / "sim.ld", folder / "sim.elf"
    script.write_text(_SCRIPT)
    tensors = [graph.tensors[graph.inputs[0]].bytes, graph.tensors[graph.outputs[0]].bytes]
    defines = ['-DMODEL_HEADER="m.h"', "-DMODEL(name)=m_##name"]
    defines += [f"-DMODEL_{kind}_BYTES={size}" for kind, size in zip(("INPUT", "OUTPUT"), tensors, strict=True)]
    command = [
        *(_CC, *_FREE, *WARNINGS, "-O2", *defines, f"-I{folder}", f"-I{string_header(folder)}"),
        *(str(_HERE / "xtensa_sim.c"), *map(str, folder.glob("m*.c"))),
        *("-nostdlib", "-Wl,--no-warn-rwx-segments", "-T", str(script), "-lgcc", "-o", str(elf)),
    ]
    subprocess.run(command, check=True)
    return elf


def assert_exact(model: Path, folder: Path, samples: int) -> None:
    if oracle.reason() is not None:
        pytest.skip(f"needs the oracle: {oracle.reason()}")
    judge = oracle.open_oracle(model.read_bytes())
    graph = read_tflite.read(model)
    first = graph.tensors[graph.inputs[0]]
    inputs = np.random.default_rng(1).integers(-128, 128, (samples, *first.shape), np.int8)
    elf = build(model, folder)
    machine = ["qemu-system-xtensa", "-M", "sim", "-cpu", "lx106", "-semihosting", "-display", "none"]
    command = [*machine, "-monitor", "none", "-kernel", str(elf)]
    ran = subprocess.run(command, input=inputs.tobytes(), capture_output=True, timeout=120, check=False)
    assert ran.returncode == 0, ran.stderr
    assert ran.stdout == b"".join(judge.run([x])[0].tobytes() for x in inputs)


def test_demo_is_exact(tmp_path: Path) -> None:
    assert_exact(Path(demo.__file__).with_name("digits.tflite"), tmp_path, 5)


@pytest.mark.parametrize("name", ["kws", "ad", "vww"])
def test_mlperf_tiny_is_exact(name: str, data: Path, tmp_path: Path) -> None:
    assert_exact(data / "models" / f"mlperf_{name}_int8.tflite", tmp_path, 2)
