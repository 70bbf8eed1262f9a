"""Measures what `shoal analyze` predicts from: code and stack of each kernel on each core, and what the harness takes.

    python tests/bench/footprint.py MODEL.tflite [...]        (some minutes)

compiles every model for every core and both preferences, builds the first one for each board that builds offline, runs
it where there is an emulator, and writes host/shoal/plan/footprint.json. Run it when kernels, harness or compiler
change."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
import tempfile
from collections import defaultdict
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from statistics import mean, median
from typing import Any

from elftools.elf.elffile import ELFFile

from shoal import boards
from shoal.bench.bench import bench
from shoal.boards.board import Board
from shoal.build.builder import build
from shoal.errors import DoesNotFit
from shoal.network.graph import Graph
from shoal.network.read_tflite import read
from shoal.network.simplify import simplify
from shoal.operators.base import Call
from shoal.plan import predict
from shoal.plan.planner import lay_out
from shoal.plan.sharing import by_function, by_rows, common
from shoal.plan.steps import Options, Plan, Segment
from shoal.render import model as rendering
from shoal.render import project
from shoal.render.platformio import MODEL_FLAGS
from shoal.render.segment import row_key

OUTPUT = Path(predict.__file__).with_name("footprint.json")
#: compiles for Xtensa where the vendor's compiler is not at hand; no C library comes with it
XTENSA = "xtensa-lx106-elf-"
XTENSA_FLAGS = ["-ffreestanding", "-fno-tree-loop-distribute-patterns", "-mtext-section-literals", "-I."]
STRING_H = """#include <stddef.h>
void *memcpy(void *, const void *, size_t);
void *memmove(void *, const void *, size_t);
void *memset(void *, int, size_t);
"""


#: an assembly body saves up to thirteen registers, which -fstack-usage does not see
ASSEMBLY_FRAME = 52


@dataclass
class Kernel:
    """Bytes of code and of stack by pattern of shape; bytes and frames of the functions that all instances call."""

    code: dict[str, list[int]] = field(default_factory=lambda: defaultdict(list))
    stack: dict[str, list[int]] = field(default_factory=lambda: defaultdict(list))
    helpers: list[dict[str, tuple[int, int]]] = field(default_factory=list)  # of each image that has any

    def figures(self) -> dict[str, Any]:
        frames = [frame or ASSEMBLY_FRAME for image in self.helpers for _, frame in image.values()]
        return {
            "code": {pattern: round(mean(found)) for pattern, found in sorted(self.code.items())},
            "typical_code": typical(self.code),
            "stack": {pattern: max(found) for pattern, found in sorted(self.stack.items())},
            "typical_stack": typical(self.stack),
            "shared": round(median([sum(size for size, _ in image.values()) for image in self.helpers] or [0])),
            "helper_stack": max(frames, default=0),
        }


def typical(figures: dict[str, list[int]]) -> int:
    """0 where a kernel was only met in another form."""
    return round(mean([n for found in figures.values() for n in found] or [0]))


@dataclass(frozen=True)
class Compiled:
    """Of NAME.o: bytes of code and of stack by function, bytes of constants."""

    code: dict[str, int]
    stack: dict[str, int]
    constants: int


def compiled(board: Board, made: Plan) -> Compiled:
    own = board.manifest["shoal"]
    prefix = board.toolchain if shutil.which(f"{board.toolchain}gcc") else XTENSA
    machine = own.get("machine_flags", []) if prefix == board.toolchain else XTENSA_FLAGS
    flags = [*machine, MODEL_FLAGS[made.options.prefer], "-std=c99", "-fstack-usage", "-DSHOAL_TICK=hal_tick"]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for path, content in project.library(made).items():
            (folder / path).parent.mkdir(parents=True, exist_ok=True)
            (folder / path).write_bytes(content)
        if prefix == XTENSA:
            (folder / "string.h").write_text(STRING_H)
        source = next(p for p in folder.glob("*.c") if not p.stem.endswith("_weights"))
        subprocess.run([f"{prefix}gcc", *flags, "-ffunction-sections", "-c", source.name], cwd=folder, check=True)
        with source.with_suffix(".o").open("rb") as file:
            elf = ELFFile(file)
            code = {
                symbol.name: symbol["st_size"]
                for symbol in elf.get_section_by_name(".symtab").iter_symbols()
                if symbol["st_info"]["type"] == "STT_FUNC" and symbol["st_shndx"] != "SHN_UNDEF"
            }
            constants = sum(s["sh_size"] for s in elf.iter_sections() if s.name.startswith(".rodata"))
        usage = [line.split("\t") for line in source.with_suffix(".su").read_text().splitlines()]
    return Compiled(code, {place.rsplit(":", 1)[1]: int(size) for place, size, _ in usage}, constants)


def plans(graph: Graph, board: Board) -> list[Plan]:
    """Whole tensors, and as much row by row as there can be, compiled for speed and for size."""
    found = []
    for prefer in ("speed", "size"):
        found.append(lay_out(graph, board, Options(prefer=prefer)))
        feed = "rows" if len(graph.inputs) == 1 else "whole"
        found.append(lay_out(graph, board, Options(prefer=prefer, ram_budget=1, feed=feed)))
    return found


def row_functions(segments: list[Segment]) -> list[list[Call]]:
    """The calls, as their bands see them, of each function that computes rows, in the order of those."""
    parts: dict[Any, list[Call]] = defaultdict(list)
    for part in (p for segment in segments for p in segment.parts if p.call is not None):
        parts[row_key(part)].append(part.call)
    return [[by_rows(call) for call in calls] for calls in parts.values()]


def measure_core(board: Board, graphs: list[Graph]) -> dict[str, Any]:
    kernels: dict[str, Kernel] = defaultdict(Kernel)
    overhead = []
    for graph in graphs:
        for made in plans(graph, board):
            prefer = made.options.prefer
            names = rendering.context(made, "")
            found = compiled(board, made)
            calls = [c for s in made.steps for c in s.calls]
            declared = {part for c in calls for part, _ in c.parts} | {"read_row", "read_columns", "write_row"}
            declared |= {segment.name for segment in names["segments"]}
            left = {function: size for function, size in found.code.items() if function not in declared}
            segments = [s.segment for s in made.steps if s.segment is not None]
            functions = [
                *zip(names["functions"], by_function(s.call for s in made.steps if s.call), strict=True),
                *zip(names["row_functions"], row_functions(segments), strict=True),
            ]
            for number, (function, used) in enumerate(functions):
                rows = number >= len(names["functions"])
                kernel = kernels[predict.key(function.kernel, used[0].kernel.literal, prefer, rows=rows)]
                pattern = predict.pattern(common([c.shape for c in used]))
                kernel.code[pattern].append(left.pop(function.name))
                kernel.stack[pattern].append(found.stack.get(function.name, 0))
            shared: dict[str, dict[str, tuple[int, int]]] = defaultdict(dict)
            for helper in list(left):
                owners = [c.kernel for c in calls if re.match(rf"{c.kernel.function}(_|\b)", helper)]
                if owners:
                    owner = max(owners, key=lambda k: len(k.function))
                    key = predict.key(owner.function, owner.literal, prefer)
                    shared[key][helper] = left.pop(helper), found.stack.get(helper, 0)
            for key, helpers in shared.items():
                kernels[key].helpers.append(helpers)
            tables = sum(predict.table_bytes(used) for _, used in functions)
            if not segments:
                overhead.append(sum(left.values()) + found.constants - tables)
    figures = {k: v.figures() for k, v in sorted(kernels.items())}
    return {
        "isa": board.core.isa,
        "overhead": round(median(overhead)),
        "stack": max(f["typical_stack"] for f in figures.values()),
        "kernels": figures,
    }


def measure_harness(
    board: Board, graphs: Sequence[Graph], paths: Sequence[Path], cores: dict[str, Any]
) -> dict[str, Any]:
    """By the first model that fits."""
    for graph, path in zip(graphs, paths, strict=True):
        with suppress(DoesNotFit):
            return measure_harness_by(board, graph, path.read_bytes(), cores)
    raise SystemExit(f"{board.id}: no model fits")


def measure_harness_by(board: Board, graph: Graph, source: bytes, cores: dict[str, Any]) -> dict[str, Any]:
    made = lay_out(graph, board, Options())
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name) / "built"
        project.write(made, source, folder)
        built = build(folder)
        frames = compiled(board, made).stack
        helpers = max((cores[board.core.name]["kernels"][k]["helper_stack"] for k in used(made)), default=0)
        deepest = max(frames.values()) + helpers
        ran = bench(folder, "host" if board.hal == "host" else "emulator", 1, False) if runs(board) else None
        return {
            "hal": board.hal,
            "flash": built.flash_bytes - (built.code_bytes or 0) - built.weights_bytes,
            "static": built.static_bytes,
            "stack": ran["ram"]["stack_total_bytes"] - deepest if ran else None,
        }


def used(made: Plan) -> set[str]:
    return {predict.key(c.kernel.function, c.kernel.literal, made.options.prefer) for s in made.steps for c in s.calls}


def runs(board: Board) -> bool:
    return board.emulator is not None or board.hal == "host"


def main(paths: list[Path]) -> None:
    graphs = [simplify(read(path)) for path in paths]
    every = [boards.load(name) for name in boards.names()]
    by_core: dict[str, Board] = {}
    for board in every:
        by_core.setdefault(board.core.name, board)
    offline = [board for board in every if board.platform == "shoal"]
    with ProcessPoolExecutor() as pool:
        print(f"compiling for {', '.join(by_core)}", file=sys.stderr)
        cores = dict(zip(by_core, pool.map(partial(measure_core, graphs=graphs), by_core.values()), strict=True))
        print(f"building for {', '.join(b.id for b in offline)}", file=sys.stderr)
        measure = partial(measure_harness, graphs=graphs, paths=paths, cores=cores)
        harness = dict(zip((b.id for b in offline), pool.map(measure, offline), strict=True))
    known = [h["stack"] for h in harness.values() if h["stack"] is not None]
    for figures in harness.values():
        if figures["stack"] is None:
            figures["stack"] = round(median(known))
    OUTPUT.write_text(json.dumps({"cores": cores, "harness": harness}, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main([Path(a) for a in sys.argv[1:]])
