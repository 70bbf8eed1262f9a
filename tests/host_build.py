"""Builds generated models natively, with sanitizers, and runs them on arrays: what operator tests stand on."""

from __future__ import annotations

import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from shoal import boards
from shoal.network import read_tflite, simplify
from shoal.network.graph import Graph
from shoal.plan.planner import plan
from shoal.plan.steps import Options
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
    core to choose kernels for; `prefer` as in Options."""

    model: bytes
    samples: Sequence[Sequence[Array]]
    prefer: str = "speed"
    features: frozenset[str] = frozenset()


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
        graphs = [_write(folder, i, case) for i, case in enumerate(cases)]
        (folder / "main.c").write_text(_main(cases, graphs))
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
        return _split(ran.stdout, cases, graphs)


def _write(folder: Path, index: int, case: Case) -> Graph:
    source = folder / f"m{index}.tflite"
    source.write_bytes(case.model)
    graph = simplify.simplify(read_tflite.read(source))
    host = boards.load("host")
    board = replace(host, core=replace(host.core, features=host.core.features | case.features))
    planned = plan(graph, board, Options(name=f"m{index}", prefer=case.prefer))
    for path, content in project.library(planned).items():
        target = folder / f"m{index}" / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(content)
    return graph


def _main(cases: Sequence[Case], graphs: Sequence[Graph]) -> str:
    lines = ["#include <stdio.h>"]
    lines += [f'#include "m{i}/m{i}.h"' for i in range(len(cases))]
    lines += ["int main(void) {"]
    for i, (case, graph) in enumerate(zip(cases, graphs, strict=True)):
        lines.append(f"    for (int n = 0; n < {len(case.samples)}; ++n) {{")
        for k, tensor in enumerate(graph.inputs):
            lines.append(f"        if (fread(m{i}_input({k}), 1, {graph.tensors[tensor].bytes}, stdin) == 0) return 1;")
        lines.append(f"        if (m{i}_run() != 0) return 2;")
        for k, tensor in enumerate(graph.outputs):
            lines.append(f"        fwrite(m{i}_output({k}), 1, {graph.tensors[tensor].bytes}, stdout);")
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
