"""BakeNN (PyPI: bakenn[tflite]), measured as our own firmware is: same compiler, flags, machine, input and counter.

It is installed into an environment of its own, never into ours. It refuses the models as they are, so that it gets
copies: without shape signatures, with options on every RESHAPE, ending in front of the softmax."""

from __future__ import annotations

import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import tflite

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from shoal import boards, oracle, resources
from shoal.bench import cortex_m4
from shoal.bench.inputs import Generator
from shoal.boards.board import Board
from shoal.build import elf
from shoal.errors import ToolError
from shoal.link.emulators import qemu
from shoal.render.platformio import MODEL_FLAGS
from tflite_builder import OPTIONS, TENSOR_TYPES, ModelBuilder

VERSION = "1.0.0"

#: how it chooses kernels → what it is told: by default its own portable ones, else Arm's where it has them
VARIANTS = {
    "portable": "CBackendOptions()",
    "CMSIS-NN": "CBackendOptions(kernel_policy=KernelPolicy.STATIC_PRIORITY, enable_cmsis_nn=True, target=CORTEX_M4)",
}

_COMPILE = """
import sys
from bakenn.backend.portable_c.selection import CBackendOptions, KernelPolicy
from bakenn.compiler import compile_tflite
from bakenn.targets import resolve_target
CORTEX_M4 = resolve_target("cortex-m4")
compile_tflite(sys.argv[1], sys.argv[2], name="peer", backend_options={options})
"""

#: one inference, then a file: how deep the stack went, and the output
_MAIN = """
#include <stdint.h>
#include "bknn_peer.h"

#define REG(address) (*(volatile uint32_t *)(address))

extern uint32_t stack_bottom[], stack_top[];
static const int8_t input[] = {INPUT};
static struct {
    uint32_t stack;
    int8_t output[BKNN_PEER_OUTPUT_BYTES];
} told;
static uint8_t arena[BKNN_PEER_ARENA_SIZE + 1] __attribute__((aligned(16)));

/* A request to the emulator. */
static int ask(int operation, const void *arguments) {
    register int r0 __asm__("r0") = operation;
    register const void *r1 __asm__("r1") = arguments;
    __asm__ volatile("bkpt 0xAB" : "+r"(r0) : "r"(r1) : "memory");
    return r0;
}

/* Opens the file ANSWER to write binary, writes what is told and closes it. */
static void tell(void) {
    const void *const name[] = {ANSWER, (void *)5, (void *)(sizeof ANSWER - 1)};
    int file = ask(1, name);
    const void *const bytes[] = {(void *)file, &told, (void *)sizeof told};
    ask(5, bytes);
    ask(2, &file);
}

static void answer(void) {
    uint32_t *here = __builtin_frame_address(0);
    uint32_t *end = here - 16; /* what this function itself may still push */
    for (uint32_t *word = stack_bottom; word < end; ++word) {
        *word = 0xA5A5A5A5;
    }
#ifdef CALL
    bknn_peer_infer(arena, input, told.output);
#endif
    uint32_t *deepest = stack_bottom;
    while (deepest < end && *deepest == 0xA5A5A5A5) {
        ++deepest;
    }
    told.stack = (uint32_t)((uint8_t *)here - (uint8_t *)deepest);
    tell();
}

__attribute__((noreturn)) void reset(void) {
    REG(0xE000ED88) |= 0xFu << 20; /* the FPU, as the compiler may use it */
    answer();
    for (;;) {
    }
}

static void fault(void) {
    for (;;) {
    }
}

__attribute__((section(".vectors"), used)) static void (*const vectors[16])(void) = {
    (void (*)(void))stack_top, reset, fault, fault, fault, fault, fault};
"""

_SCRIPT = """
ENTRY(reset)
SECTIONS {
  .vectors 0 : { KEEP(*(.vectors)) }
  .text : { *(.text*) *(.rodata*) *(.data*) }
  .ARM.exidx : { *(.ARM.exidx*) }
  .bss 0x20000000 (NOLOAD) : { *(.bss*) *(COMMON) }
  stack_bottom = 0x20300000;
  stack_top = 0x20310000;
}
"""

#: how long an answer may take, and between two looks for it, in seconds
_PATIENCE, _PAUSE = 120.0, 0.05


@dataclass(frozen=True)
class Peer:
    """`arena_bytes`: what the caller gives it, input and output included, as our arena holds them; `model_bytes`: what
    the call adds to a program, weights included; `exact`: its bytes in front of the softmax are TensorFlow Lite
    Micro's."""

    model: str
    variant: str
    instructions: int
    cycles_estimated: int
    arena_bytes: int
    stack_bytes: int
    model_bytes: int
    exact: bool


def environment() -> Path:
    """The interpreter of an environment with BakeNN, made in the user's cache. Raises ToolError where pip fails."""
    folder = resources.cache() / "peers" / f"bakenn-{VERSION}"
    python = folder / "bin" / "python"
    done = folder / "complete"
    if not done.exists():
        for command in (
            [sys.executable, "-m", "venv", "--clear", str(folder)],
            [str(python), "-m", "pip", "install", "--quiet", f"bakenn[tflite]=={VERSION}"],
        ):
            ran = subprocess.run(command, capture_output=True, text=True, check=False)
            if ran.returncode:
                raise ToolError(f"BakeNN cannot be installed: {ran.stderr.strip().splitlines()[-1:]}")
        done.touch()
    return python


def measure(model: Path, variant: str) -> Peer:
    """Compiles a copy of the model, builds it for mps2_an386 and counts one inference on the default input."""
    board = boards.load("mps2_an386")
    copied = copy(model.read_bytes())
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "copy.tflite").write_bytes(copied)
        command = [str(environment()), "-c", _COMPILE.format(options=VARIANTS[variant])]
        _run([*command, "copy.tflite", "peer"], folder)
        sizes = _sizes((folder / "peer" / "bknn_peer.h").read_text())
        values = Generator().take(sizes["INPUT_BYTES"])
        (folder / "main.c").write_text(_MAIN.replace("INPUT}", f"{', '.join(map(str, values))}}}", 1))
        (folder / "link.ld").write_text(_SCRIPT)
        told = folder / "answer"
        image = _built(folder, board, "with.elf", ["-DCALL"])
        without = _built(folder, board, "without.elf", [])
        assert board.emulator is not None
        count = ["bknn_peer_infer"]
        settings = {**board.emulator.settings, "options": ["-semihosting-config", "enable=on,target=native"]}
        with qemu.start(image, settings, name="BakeNN in QEMU", count=count, blocks=True) as emulator:
            answer = _told(told, 4 + sizes["OUTPUT_BYTES"])[: 4 + sizes["OUTPUT_BYTES"]]  # what follows fills a word
            (region,) = emulator.regions()
            cycles = cortex_m4.estimate(image, region.blocks)
        (wanted,) = oracle.open_oracle(copied).run([values.reshape(_input_shape(copied))])
        return Peer(
            model=model.stem,
            variant=variant,
            instructions=region.instructions,
            cycles_estimated=cycles,
            arena_bytes=sizes["ARENA_SIZE"] + sizes["INPUT_BYTES"] + sizes["OUTPUT_BYTES"],
            stack_bytes=int.from_bytes(answer[:4], "little"),
            model_bytes=elf.loaded_bytes(image) - elf.loaded_bytes(without),
            exact=answer[4:] == wanted.tobytes(),
        )


def copy(source: bytes) -> bytes:
    """A model that BakeNN reads: the same tensors, constants and operators, but for what the module's text says."""
    model = tflite.Model.GetRootAs(source, 0)
    graph = model.Subgraphs(0)
    names = {value: name for name, value in vars(tflite.BuiltinOperator).items() if isinstance(value, int)}
    dtypes = {value: name for name, value in TENSOR_TYPES.items()}
    built = ModelBuilder()
    for tensor in (graph.Tensors(i) for i in range(graph.TensorsLength())):
        dtype, shape = dtypes[tensor.Type()], tuple(tensor.ShapeAsNumpy()) if tensor.ShapeLength() else ()
        buffer = model.Buffers(tensor.Buffer())
        data = np.frombuffer(buffer.DataAsNumpy().tobytes(), dtype).reshape(shape) if buffer.DataLength() else None
        scaled = tensor.Quantization() if tensor.Quantization() and tensor.Quantization().ScaleLength() else None
        if scaled is None:
            built.tensor(shape, dtype, data=data)
        else:
            scale, zero_point = scaled.ScaleAsNumpy(), scaled.ZeroPointAsNumpy()
            axis = scaled.QuantizedDimension()
            built.tensor(shape, dtype, scale=scale, zero_point=zero_point, axis=axis, data=data)
    ends = graph.OutputsAsNumpy().tolist()
    for operator in (graph.Operators(i) for i in range(graph.OperatorsLength())):
        code = model.OperatorCodes(operator.OpcodeIndex())
        name = names[code.BuiltinCode()]
        inputs, outputs = operator.InputsAsNumpy().tolist(), operator.OutputsAsNumpy().tolist()
        if name == "SOFTMAX":
            ends = [inputs[0] if end == outputs[0] else end for end in ends]
        elif name == "RESHAPE":
            shape = graph.Tensors(outputs[0]).ShapeAsNumpy().tolist()
            built.operator(name, inputs, outputs, version=code.Version(), new_shape=shape)
        else:
            built.operator(name, inputs, outputs, version=code.Version(), **_options(name, operator))
    return built.build(inputs=graph.InputsAsNumpy().tolist(), outputs=ends)


def _options(name: str, operator: tflite.Operator) -> dict[str, Any]:
    """The operator's options, by their names in snake case."""
    table = OPTIONS[name]
    options = getattr(tflite, table)()
    options.Init(operator.BuiltinOptions().Bytes, operator.BuiltinOptions().Pos)
    fields = [f.removeprefix(f"{table}Add") for f in vars(tflite) if f.startswith(f"{table}Add")]
    return {re.sub(r"(?<=.)([A-Z])", r"_\1", field).lower(): getattr(options, field)() for field in fields}


def _input_shape(source: bytes) -> tuple[int, ...]:
    graph = tflite.Model.GetRootAs(source, 0).Subgraphs(0)
    return tuple(graph.Tensors(graph.Inputs(0)).ShapeAsNumpy())


def _sizes(header: str) -> dict[str, int]:
    return {name: int(value) for name, value in re.findall(r"#define BKNN_PEER_(\w+) (\d+)u", header)}


def _built(folder: Path, board: Board, name: str, flags: Sequence[str]) -> Path:
    """Of the sources that BakeNN lists for its build."""
    listed = (folder / "peer" / "bakenn_sources.cmake").read_text()
    blocks = dict(re.findall(r"set\(BAKENN_MODEL_(\w+)\n(.*?)\)", listed, re.DOTALL))
    paths = {k: re.findall(r"\$\{CMAKE_CURRENT_LIST_DIR\}/([^\"]+)", v) for k, v in blocks.items()}
    machine = board.manifest["shoal"]["machine_flags"]
    _run(
        [
            f"{board.toolchain}gcc",
            *(
                *machine,
                MODEL_FLAGS["speed"],
                "-std=c11",
                "-ffunction-sections",
                "-fdata-sections",
                "-Wl,--gc-sections",
            ),
            *(
                "-nostartfiles",
                "--specs=nano.specs",
                "--specs=nosys.specs",
                "-T",
                "link.ld",
                *flags,
                f'-DANSWER="{folder}/answer"',
                "-o",
                name,
            ),
            *(f"-D{d}" for d in blocks.get("COMPILE_DEFINITIONS", "").split()),
            *(f"-Ipeer/{p}" for p in paths["INCLUDE_DIRS"]),
            *("main.c", *(f"peer/{p}" for p in paths["SOURCES"])),
        ],
        folder,
    )
    return folder / name


def _run(command: Sequence[str], folder: Path) -> None:
    ran = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    if ran.returncode:
        raise ToolError(f"{Path(command[0]).name} failed: {ran.stderr.strip()[-400:]}")


def _told(file: Path, count: int) -> bytes:
    """What the firmware wrote, once it is complete."""
    deadline = time.monotonic() + _PATIENCE
    while not file.exists() or file.stat().st_size < count:
        if time.monotonic() > deadline:
            raise ToolError("BakeNN's firmware does not answer")
        time.sleep(_PAUSE)
    return file.read_bytes()
