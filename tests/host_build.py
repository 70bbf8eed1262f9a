"""Builds generated models natively, with sanitizers, and runs them on arrays: what operator tests stand on."""

from __future__ import annotations

import subprocess
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from shoal import boards
from shoal.boards.board import Board
from shoal.network import read_tflite, simplify
from shoal.network.graph import Graph
from shoal.plan import pages
from shoal.plan.planner import plan
from shoal.plan.steps import Options, Plan
from shoal.render import project
from shoal.tensors import Array

FLAGS = (
    *("-std=c99", "-O1", "-g"),
    *("-Wall", "-Wextra", "-Wconversion", "-Werror"),
    *("-fsanitize=address,undefined", "-fno-sanitize-recover=all", "-fno-omit-frame-pointer"),
)


@dataclass(frozen=True)
class Case:
    """A model file's bytes and the samples to run: each sample one array per model input. `features` are those of the
    core to choose kernels for; `prefer` as in Options; `planner` makes the plan where it is not the default one."""

    model: bytes
    samples: Sequence[Sequence[Array]]
    prefer: str = "speed"
    features: frozenset[str] = frozenset()
    planner: Callable[[Graph, Board, Options], Plan] = plan


def run_models(
    cases: Sequence[Case],
    flags: Sequence[str] = FLAGS,
    *,
    compiler: str = "gcc",
    files: Mapping[str, str] | None = None,
    launcher: Sequence[str] = (),
) -> list[list[list[Array]]]:
    """Per case, per sample, the model's outputs. All cases are one program; a sanitizer's finding fails the test.

    For another machine: its `compiler`, the `files` that its programs need besides, the `launcher` that runs one."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        plans = [_write(folder, i, case) for i, case in enumerate(cases)]
        (folder / "main.c").write_text(_main(cases, plans))
        for path, text in (files or {}).items():
            (folder / path).write_text(text)
        sources = sorted(str(p) for p in folder.rglob("*.c"))
        built = subprocess.run(
            [compiler, *flags, "-o", "program", *sources], cwd=folder, capture_output=True, text=True, check=False
        )
        assert built.returncode == 0, built.stderr[:6000]
        stream = b"".join(
            np.ascontiguousarray(array).tobytes() for case in cases for sample in case.samples for array in sample
        )
        command = [*launcher, str(folder / "program")]
        ran = subprocess.run(command, input=stream, capture_output=True, check=False, timeout=120)
        assert ran.returncode == 0, ran.stderr.decode(errors="replace")[:6000]
        return _split(ran.stdout, cases, [p.graph for p in plans])


def _write(folder: Path, index: int, case: Case) -> Plan:
    source = folder / f"m{index}.tflite"
    source.write_bytes(case.model)
    graph = simplify.simplify(read_tflite.read(source))
    host = boards.load("host")
    board = replace(host, core=replace(host.core, features=host.core.features | case.features))
    planned = case.planner(graph, board, Options(name=f"m{index}", prefer=case.prefer))
    for path, content in project.library(planned).items():
        target = folder / f"m{index}" / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(content)
    return planned


#: callbacks of a model whose input or output travels in rows, to and from buffers of this program
_ROWS = """
static uint8_t m{i}_in[{input}];
static uint8_t m{i}_out[{output}];

static int m{i}_read_row(void *row, unsigned y, void *context) {{
    memcpy(row, m{i}_in + y * {input_row}u, {input_row}u);
    *(int *)context += 1;
    return 0;
}}

static int m{i}_write_row(const void *row, unsigned y, void *context) {{
    memcpy(m{i}_out + y * {output_row}u, row, {output_row}u);
    *(int *)context += 1;
    return 0;
}}
"""


#: what a model fetches whose constants are not all in flash
_STORE = """
static const uint8_t m{i}_store[] = {{{content}}};

static int m{i}_fetch_page(void *page, uint32_t offset, uint32_t bytes, void *context) {{
    (void)context;
    memcpy(page, m{i}_store + offset, bytes);
    return 0;
}}

static void m{i}_page_ahead(void *page, uint32_t offset, uint32_t bytes, void *context) {{
    (void)context;
    if (page != 0) {{
        memcpy(page, m{i}_store + offset, bytes);
    }}
}}
"""


def _rows(index: int, planned: Plan) -> str:
    tensors = planned.graph.tensors
    [source], [result] = planned.graph.inputs, planned.graph.outputs
    sizes = {"input": tensors[source].bytes, "output": tensors[result].bytes}
    for name, tensor in (("input", source), ("output", result)):
        stream = planned.streams.get(tensor)
        sizes[f"{name}_row"] = stream.bytes if stream else sizes[name]
    return _ROWS.format(i=index, **sizes)


def _main(cases: Sequence[Case], plans: Sequence[Plan]) -> str:
    """Reads samples from standard input, and writes outputs to standard output. The arena holds rubbish before each."""
    lines = ["#include <stdio.h>", "#include <string.h>"]
    lines += [f'#include "m{i}/m{i}.h"\n#include "m{i}/m{i}_steps.h"' for i in range(len(cases))]
    lines += [_rows(i, planned) for i, planned in enumerate(plans) if planned.streams]
    lines += [
        _STORE.format(i=i, content=", ".join(map(str, pages.store(planned))))
        for i, planned in enumerate(plans)
        if planned.store_bytes and not planned.mapped
    ]
    lines += ["int main(void) {"]
    for i, (case, planned) in enumerate(zip(cases, plans, strict=True)):
        tensors, streams = planned.graph.tensors, planned.streams
        lines.append(f"    for (int n = 0; n < {len(case.samples)}; ++n) {{")
        lines.append(f"        for (uint32_t k = 0; k < M{i}_ARENA_BYTES; ++k) *m{i}_arena(k) = (uint8_t)(0x5A + n);")
        for k, tensor in enumerate(planned.graph.inputs):
            place = f"m{i}_in" if tensor in streams else f"m{i}_input({k})"
            lines.append(f"        if (fread({place}, 1, {tensors[tensor].bytes}, stdin) == 0) return 1;")
        if planned.store_bytes and not planned.mapped:
            rows = (f"m{i}_read_row", f"m{i}_write_row") if streams else ("0", "0")
            lines.append("        int calls = 0;")
            given = ", ".join((*rows, f"m{i}_fetch_page", f"m{i}_page_ahead", "&calls"))
            lines.append(f"        if (m{i}_run_with({given}) != 0) return 2;")
        elif streams:
            calls = sum(s.count * s.passes for s in streams.values())
            lines.append("        int calls = 0;")
            lines.append(f"        if (m{i}_run_rows(m{i}_read_row, m{i}_write_row, &calls) != 0) return 2;")
            lines.append(f"        if (calls != {calls}) return 3;")
        else:
            lines.append(f"        if (m{i}_run() != 0) return 2;")
        for k, tensor in enumerate(planned.graph.outputs):
            place = f"m{i}_out" if tensor in streams else f"m{i}_output({k})"
            lines.append(f"        fwrite({place}, 1, {tensors[tensor].bytes}, stdout);")
        lines.append("    }")
    return "\n".join([*lines, "    return 0;", "}", ""])


def _split(stream: bytes, cases: Sequence[Case], graphs: Sequence[Graph]) -> list[list[list[Array]]]:
    results: list[list[list[Array]]] = []
    at = 0
    for case, graph in zip(cases, graphs, strict=True):
        samples: list[list[Array]] = []
        for _ in case.samples:
            outputs: list[Array] = []
            for index in graph.outputs:
                tensor = graph.tensors[index]
                outputs.append(np.frombuffer(stream, tensor.dtype, tensor.elements, at).reshape(tensor.shape))
                at += tensor.bytes
            samples.append(outputs)
        results.append(samples)
    assert at == len(stream)
    return results
