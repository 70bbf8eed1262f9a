"""Generated folders as PlatformIO libraries: two models in somebody's C++ firmware, sharing one arena or not, and one
that is fed row by row."""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path

import numpy as np
import pytest

from shoal import boards, demo
from shoal.build import tools
from shoal.network.execute import execute
from shoal.network.graph import Graph
from shoal.network.read_tflite import read
from shoal.network.simplify import simplify
from shoal.plan.planner import plan
from shoal.plan.steps import Options
from shoal.render import project
from shoal.tensors import Array
from tflite_builder import ModelBuilder

DIGITS = Path(demo.__file__).with_name("digits.tflite")

MAIN = """
#include <cstdio>
#include <cstdint>
#include "digits.h"
#include "gate.h"

#ifdef SHARED_ARENA
alignas(16) uint8_t shared_arena[DIGITS_ARENA_BYTES > GATE_ARENA_BYTES ? DIGITS_ARENA_BYTES : GATE_ARENA_BYTES];
#endif

static_assert(DIGITS_INPUT_0_ELEMENTS == 28 * 28, "the demo's input");
static const int gate_shape[] = GATE_INPUT_0_SHAPE;

int main() {
    static int8_t image[DIGITS_INPUT_0_BYTES];
    int8_t scores[DIGITS_OUTPUT_0_ELEMENTS];
    for (unsigned i = 0; i < sizeof image; ++i) {
        image[i] = static_cast<int8_t>(i * 7 % 251 - 125);
    }
    if (digits_infer(image, scores) != 0) {
        return 1;
    }
    for (int8_t score : scores) {
        std::printf("%d ", score);
    }
    int8_t *input = static_cast<int8_t *>(gate_input(0));
    for (int i = 0; i < gate_shape[1]; ++i) {
        input[i] = static_cast<int8_t>(10 * i - 40);
    }
    if (gate_run() != 0 || gate_input(1) != nullptr) {
        return 2;
    }
    const int8_t *output = static_cast<const int8_t *>(gate_output(0));
    for (int i = 0; i < GATE_OUTPUT_0_ELEMENTS; ++i) {
        std::printf("%d ", output[i]);
    }
    std::printf("\\n");
    return 0;
}
"""

ROWS_MAIN = """
#include <cstdio>
#include <cstdint>
#include "digits.h"

static_assert(DIGITS_INPUT_0_ROWS * DIGITS_INPUT_0_ROW_BYTES == DIGITS_INPUT_0_BYTES, "an image in rows");
static_assert(DIGITS_INPUT_0_ROWS_PER_CALL == 1, "a row per call");

struct camera {
    int next;
    int spoilt;
};

static int read(void *row, unsigned y, void *context) {
    camera *self = static_cast<camera *>(context);
    if (static_cast<int>(y) != self->next || self->next == self->spoilt) {
        return 7;
    }
    self->next += DIGITS_INPUT_0_ROW_STEP;
    for (unsigned x = 0; x < DIGITS_INPUT_0_ROW_BYTES; ++x) {
        static_cast<int8_t *>(row)[x] = static_cast<int8_t>((y * DIGITS_INPUT_0_ROW_BYTES + x) * 7 % 251 - 125);
    }
    return 0;
}

int main() {
    const int first = DIGITS_INPUT_0_ROW_STEP > 0 ? 0 : DIGITS_INPUT_0_ROWS - 1;
    camera broken = {first, first + 9 * DIGITS_INPUT_0_ROW_STEP};
    if (digits_run_rows(read, nullptr, &broken) != 7 || broken.next != broken.spoilt) {
        return 1;
    }
    camera good = {first, -2};
    if (digits_run_rows(read, nullptr, &good) != 0) {
        return 2;
    }
    const int8_t *scores = static_cast<const int8_t *>(digits_output(0));
    for (int i = 0; i < DIGITS_OUTPUT_0_ELEMENTS; ++i) {
        std::printf("%d ", scores[i]);
    }
    std::printf("\\n");
    return 0;
}
"""

INI = """
[platformio]
default_envs = host
boards_dir = boards
platforms_dir = .pio/platforms

[env:host]
platform = symlink://lib/digits/platform
board = host
test_framework = custom
build_src_filter = +<*>
build_flags = {flags}
"""


def gate() -> bytes:
    b = ModelBuilder()
    x, y = b.tensor((1, 8), scale=0.1, zero_point=-3), b.tensor((1, 8), scale=1 / 256, zero_point=-128)
    b.operator("LOGISTIC", [x], [y])
    return b.build(inputs=[x], outputs=[y])


def generate(model: Path, name: str, output: Path, feed: str = "whole") -> Graph:
    graph = simplify(read(model))
    project.write(plan(graph, boards.load("host"), Options(name=name, feed=feed)), model.read_bytes(), output)
    return graph


def firmware(main: str, folder: Path, flags: str = "") -> Path:
    """The program that PlatformIO builds of a main and the libraries in `folder`."""
    (folder / "src").mkdir()
    (folder / "src" / "main.cpp").write_text(main)
    (folder / "platformio.ini").write_text(INI.format(flags=flags))
    (folder / "boards").mkdir()
    (folder / "boards" / "host.json").write_bytes((folder / "lib/digits/boards/host.json").read_bytes())
    command, environment = tools.platformio()
    built = subprocess.run(
        [*command, "run", "--project-dir", folder], capture_output=True, text=True, env=environment, check=False
    )
    assert built.returncode == 0, built.stdout + built.stderr
    assert not re.search(r"warning:", built.stdout + built.stderr)
    return folder / ".pio" / "build" / "host" / "firmware.elf"


def expected(digits: Graph, gates: Graph) -> list[int]:
    image = np.array([i * 7 % 251 - 125 for i in range(28 * 28)], np.int8).reshape(1, 28, 28, 1)
    inputs = np.array([[10 * i - 40 for i in range(8)]], np.int8)
    outputs: list[Array] = [execute(digits, [image])[0], execute(gates, [inputs])[0]]
    return [int(v) for o in outputs for v in o.reshape(-1)]


@pytest.mark.parametrize("flags", ["", "-DSHARED_ARENA -DDIGITS_ARENA=shared_arena -DGATE_ARENA=shared_arena"])
def test_two_models_live_in_one_cpp_firmware(flags: str, tmp_path: Path) -> None:
    (tmp_path / "gate.tflite").write_bytes(gate())
    graphs = [
        generate(DIGITS, "digits", tmp_path / "lib" / "digits"),
        generate(tmp_path / "gate.tflite", "gate", tmp_path / "lib" / "gate"),
    ]
    program = firmware(MAIN, tmp_path, flags)
    printed = subprocess.run([program], capture_output=True, text=True, check=True).stdout
    assert [int(word) for word in printed.split()] == expected(*graphs)


@pytest.mark.parametrize("feed", ["rows", "rows:up"])
def test_a_cpp_firmware_feeds_rows(feed: str, tmp_path: Path) -> None:
    digits = generate(DIGITS, "digits", tmp_path / "lib" / "digits", feed)
    program = firmware(ROWS_MAIN, tmp_path)
    printed = subprocess.run([program], capture_output=True, text=True, check=True).stdout
    image = np.array([i * 7 % 251 - 125 for i in range(28 * 28)], np.int8).reshape(1, 28, 28, 1)
    assert [int(word) for word in printed.split()] == execute(digits, [image])[0].reshape(-1).tolist()


def test_what_is_never_whole_has_no_address(tmp_path: Path) -> None:
    generate(DIGITS, "digits", tmp_path / "digits", "rows")
    header = (tmp_path / "digits" / "model" / "digits.h").read_text()
    assert "digits_run_rows" in header and "digits_output" in header
    assert "digits_input(" not in header and "digits_run(" not in header and "digits_infer" not in header


def test_the_folder_describes_itself_as_a_library(tmp_path: Path) -> None:
    generate(DIGITS, "digits", tmp_path / "digits")
    described = json.loads((tmp_path / "digits" / "library.json").read_text())
    assert described["name"] == "digits"
    assert described["build"] == {"srcDir": "model", "includeDir": "model"}


def test_models_share_no_symbol(tmp_path: Path) -> None:
    """Everything global carries the model's prefix, so that two models, of any two versions, link into one firmware."""
    generate(DIGITS, "digits", tmp_path / "digits")
    model = tmp_path / "digits" / "model"
    for source in sorted(model.glob("*.c")):
        subprocess.run(["gcc", "-c", "-std=c99", source, "-o", tmp_path / f"{source.stem}.o"], check=True)
        listed = subprocess.run(
            ["nm", "--extern-only", "--defined-only", tmp_path / f"{source.stem}.o"],
            capture_output=True,
            text=True,
            check=True,
        )
        names = [line.split()[-1] for line in listed.stdout.splitlines()]
        assert names and all(name.startswith("digits_") for name in names)


def test_the_same_input_gives_the_same_bytes() -> None:
    graph = simplify(read(DIGITS))
    source = DIGITS.read_bytes()
    once, again = (project.render(plan(graph, boards.load("esp32c3"), Options()), source) for _ in range(2))
    assert once == again


def test_generated_c_is_valid_cpp_to_include(tmp_path: Path) -> None:
    generate(DIGITS, "digits", tmp_path / "digits")
    (tmp_path / "use.cpp").write_text('#include "digits.h"\n#include "digits_steps.h"\nint x = DIGITS_STEP_COUNT;\n')
    flags = ["-std=c++17", "-Wall", "-Wextra", "-Wconversion", "-pedantic", "-Werror", "-fsyntax-only"]
    subprocess.run(["g++", *flags, "-I", tmp_path / "digits" / "model", tmp_path / "use.cpp"], check=True)
