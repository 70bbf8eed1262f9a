"""Constants that come in pages, in generated C: the reference's bytes, and a store that is not what it should be."""

from __future__ import annotations

import subprocess
from dataclasses import replace
from pathlib import Path

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from host_build import Case, run_models
from random_networks import RandomNetwork
from shoal import boards
from shoal.boards.board import Board, Store
from shoal.network.execute import execute
from shoal.network.graph import Graph
from shoal.network.read_tflite import parse
from shoal.network.simplify import simplify
from shoal.plan import pages
from shoal.plan.planner import lay_out
from shoal.plan.predict import predict
from shoal.plan.steps import Options, Plan
from shoal.render import project
from wide_network import wide_network

MAPPED = Store("memory", 1 << 24, 1, "a test", address=0x90000000)


def samples(graph: Graph, seed: int) -> list[list[np.ndarray]]:
    rng = np.random.default_rng(seed)
    shapes = [graph.tensors[t] for t in graph.inputs]
    return [[rng.integers(-128, 128, t.shape).astype(t.dtype) for t in shapes] for _ in range(2)]


@settings(deadline=None, max_examples=6)
@given(
    seed=st.integers(0, 10**6),
    length=st.integers(2, 8),
    share=st.floats(0.3, 1),
    tight=st.integers(0, 1500),
    feed=st.sampled_from(["whole", "rows"]),
    mapped=st.booleans(),
)
def test_random_networks_from_a_store(
    seed: int, length: int, share: float, tight: int, feed: str, mapped: bool
) -> None:
    def plan(graph: Graph, board: Board, options: Options) -> Plan:
        board = replace(board, store=MAPPED if mapped else None)
        whole = lay_out(graph, board, Options(prefer="size", feed=feed))
        needs = predict(whole)
        budget = needs.code_bytes + needs.weights_bytes - int(share * whole.weights_bytes)
        ram = whole.arena_bytes + tight
        return lay_out(graph, board, Options(name=options.name, flash_budget=budget, ram_budget=ram, feed=feed))

    model = RandomNetwork(seed, length).model
    graph = simplify(parse(model, "model", "model"))
    given_ = samples(graph, seed)
    [answers] = run_models([Case(model, given_, planner=plan)])
    for sample, answer in zip(given_, answers, strict=True):
        for expected, found in zip(execute(graph, sample), answer, strict=True):
            np.testing.assert_array_equal(expected, found)


_PROGRAM = """#include <stdio.h>
#include <string.h>
#include "wide.h"

static uint8_t store[WIDE_STORE_BYTES];
static int fetches;

static int fetch(void *page, uint32_t offset, uint32_t bytes, void *context) {
    fetches++;
    memcpy(page, store + offset, bytes);
    return context != 0 && fetches == 3 ? 77 : 0;
}

int main(void) {
    FILE *file = fopen("wide_store.bin", "rb");
    if (file == 0 || fread(store, 1, sizeof store, file) != sizeof store) return 9;
    int good = wide_run_with(0, 0, fetch, 0, 0);
    fetches = 0;
    int ended = wide_run_with(0, 0, fetch, 0, &fetches);
    int calls = fetches;
    store[sizeof store / 2] ^= 1;
    printf("%d %d %d %d\\n", good, ended, calls, wide_run_with(0, 0, fetch, 0, 0) == WIDE_STORE_DAMAGED);
    return 0;
}
"""


def test_a_damaged_store_and_one_that_ends_a_run(tmp_path: Path) -> None:
    graph = simplify(parse(wide_network(), "wide", "wide"))
    made = lay_out(graph, boards.load("netduino2"), Options(name="wide", flash_budget=120_000, ram_budget=16_000))
    _write(tmp_path, made)
    assert _ran(tmp_path, _PROGRAM) == "0 77 3 1\n"


_MAPPED = """#include <stdio.h>
#include "wide.h"

int main(void) {
    static int8_t in[WIDE_INPUT_0_BYTES], out[WIDE_OUTPUT_0_BYTES];
    printf("%d %d\\n", wide_run(), wide_infer(in, out) == WIDE_STORE_DAMAGED);
    return 0;
}
"""


def test_a_mapped_store_that_was_not_written(tmp_path: Path) -> None:
    graph = simplify(parse(wide_network(), "wide", "wide"))
    board = replace(boards.load("netduino2"), store=MAPPED)
    made = lay_out(graph, board, Options(name="wide", flash_budget=120_000, ram_budget=16_000))
    _write(tmp_path, made)
    assert _ran(tmp_path, _MAPPED) == "0 0\n"
    store = tmp_path / "wide_store.c"
    content = pages.store(made)
    store.write_text(
        '#include "wide_weights.h"\n'
        f"const uint8_t wide_store[{made.store_bytes}] = {{{', '.join(map(str, content[:-1]))}, {content[-1] ^ 1}}};\n"
    )
    assert _ran(tmp_path, _MAPPED) == "-2 1\n"


def _write(folder: Path, made: Plan) -> None:
    for path, content in project.library(made).items():
        target = folder / path
        target.parent.mkdir(exist_ok=True)
        target.write_bytes(content)


def _ran(folder: Path, program: str) -> str:
    """What a program prints that is compiled with the model in a folder."""
    (folder / "main.c").write_text(program)
    flags = ["-std=c99", "-O1", "-Wall", "-Wextra", "-Wconversion", "-Werror", "-fsanitize=address,undefined"]
    built = ["gcc", *flags, "-o", "program", *sorted(p.name for p in folder.glob("*.c"))]
    subprocess.run(built, cwd=folder, check=True)
    return subprocess.run(["./program"], cwd=folder, capture_output=True, text=True, check=True).stdout
