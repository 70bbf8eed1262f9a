"""Measures real models on every emulated core, sets them beside other engines, and writes docs/performance.md.

    python tests/bench/performance.py [--without-bakenn] [--print] [MODELS]

MODELS is a folder of .tflite files, by default SHOAL_TEST_DATA/models. It takes some minutes, and the figures of the
commit that is checked out. docs/profile.png, README.md's table and gate.json are brought up to date, too; --print
writes to the terminal alone."""

from __future__ import annotations

import argparse
import datetime
import json
import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import bakenn
import gate
from models import BOARDS, MODELS, OTHER, Figures, measure

from shoal import boards
from shoal.bench.bench import bench
from shoal.build.cache import project
from shoal.errors import DoesNotFit, ToolError
from shoal.plan.steps import Options
from shoal.render.platformio import MODEL_FLAGS
from shoal.report import profile

_ROOT = Path(__file__).resolve().parents[2]
DOCUMENT = _ROOT / "docs" / "performance.md"
PICTURE = DOCUMENT.with_name("profile.png")
README = _ROOT / "README.md"

PEERS: Mapping[str, Any] = json.loads(Path(__file__).with_name("peers.json").read_text(encoding="utf-8"))
_TFLM, _CYCLES = PEERS["tflm_cmsis_nn"], PEERS["cortex_m4_cycles"]

#: the core that other engines are measured on
_BOARD = "mps2_an386"

PREFERENCES = ("speed", "size")

#: the model whose profile is drawn
_DRAWN = "mlperf_ic_int8"

#: (model, board, preference) → what was measured, None where it does not fit
Measured = dict[tuple[str, str, str], Figures | None]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("models", nargs="?", type=Path, default=Path(os.environ.get("SHOAL_TEST_DATA", "")) / "models")
    parser.add_argument("--without-bakenn", action="store_true", help="leave out what needs BakeNN, and say so")
    parser.add_argument("--print", action="store_true", dest="prints", help="print the document, change no file")
    arguments = parser.parse_args()
    changed = bool(_git("status", "--porcelain", "--untracked-files=no"))
    commit = f"{_git('rev-parse', '--short', 'HEAD')}{' with changes' if changed else ''}"
    figures = measure_all(arguments.models)
    peers, why = ([], "it was left out") if arguments.without_bakenn else measure_bakenn(arguments.models)
    text = document(figures, peers, why, commit)
    if arguments.prints:
        print(text)
        return
    DOCUMENT.write_text(text, encoding="utf-8")
    draw(arguments.models / f"{_DRAWN}.tflite")
    README.write_text(with_table(README.read_text(encoding="utf-8"), readme_rows(figures)), encoding="utf-8")
    gate.write(f for f in figures.values() if f is not None)


def measure_all(folder: Path) -> Measured:
    found: Measured = {}
    for board in BOARDS:
        for model in MODELS:
            for prefer in PREFERENCES:
                print(f"measuring {model} on {board} for {prefer}", file=sys.stderr, flush=True)
                try:
                    found[model, board, prefer] = measure(folder / f"{model}.tflite", board, prefer)
                except DoesNotFit as error:
                    print(f"  does not fit: {error}", file=sys.stderr)
                    found[model, board, prefer] = None
    return found


def measure_bakenn(folder: Path) -> tuple[list[bakenn.Peer], str]:
    """What could be measured of BakeNN, and why not all of it."""
    found = []
    for model in _TFLM:
        for variant in bakenn.VARIANTS:
            print(f"measuring {model} by BakeNN, {variant}", file=sys.stderr, flush=True)
            try:
                found.append(bakenn.measure(folder / f"{model}.tflite", variant))
            except ToolError as error:
                return found, str(error)
    return found, ""


def draw(model: Path) -> None:
    profile.save(bench(project(model, boards.load(_BOARD), Options()), "emulator", 1, True), PICTURE)


def _git(*arguments: str) -> str:
    return subprocess.run(["git", *arguments], cwd=_ROOT, capture_output=True, text=True, check=True).stdout.strip()


def document(figures: Measured, peers: Sequence[bakenn.Peer], why: str, commit: str) -> str:
    known = [f for f in figures.values() if f is not None]
    compilers = ", ".join(sorted({f.compiler for f in known}))
    today = datetime.datetime.now(datetime.UTC).date()
    flags = next(f.flags for f in known if (f.board, f.prefer) == (_BOARD, "speed"))
    deciding = " ".join(flag for flag in flags if not flag.startswith(("-W", "-g")))
    optimization = ", ".join(f"`{MODEL_FLAGS[p]}` for {p}" for p in PREFERENCES)
    return f"""# Performance

Written by `python tests/bench/performance.py` on {today}, commit {commit}.
One inference on the default input, counted in emulation; [benchmarks.md](benchmarks.md) says what each figure means.
{_exactness(known)}

- Compilers: {compilers}; {optimization}.
- Flags on a Cortex-M4: `{deciding}`.

## Beside other engines, on a Cortex-M4

Instructions (`{_BOARD}`, the same compiler, machine and input for all):

{_beside_instructions(figures, peers)}

What the model takes of memory in bytes, with `--prefer speed` and `size`:

{_beside_memory(figures, peers)}

- **TensorFlow Lite Micro** with CMSIS-NN was counted by the same method, but not by this script. Its arena is what it
  really used; its flash is the whole image.
- **BakeNN** {_bakenn(peers, why)}
- Arenas hold input and output. Flash of shoal and BakeNN is what calling the model adds to a program, with weights.

Cycles in millions: ours are estimated by the Cortex-M4's manual, no silicon was asked; theirs are what the engines'
makers published in MLPerf Tiny's closed division, measured on silicon (STM32L4R5 at 120 MHz, flash with wait states).

{_beside_cycles(figures)}

## On every core

Instructions with `--prefer speed`, and per multiply-accumulate of the steps that run: half of `mlperf_vww_int8` are
channels that are provably constant, and gone.

{_by_core(figures)}

Instructions per multiply-accumulate by kind of operator. Steps without multiplications are in the last column, as their
share of all instructions. A first convolution reads at most three channels.

{_by_operator(figures)}

Step by step, as `shoal bench --plot` draws it:

![Instructions, MACs and instructions per MAC of each step of {_DRAWN}]({PICTURE.name})

## All figures

`stack B` is what the model's call takes at most; RAM is static data, arena and the whole stack in use, flash the whole
image. Estimated cycles as above.

{_all(known)}
"""


def _exactness(known: Sequence[Figures]) -> str:
    wrong = sorted({f.model for f in known if f.exact is not True})
    return f"Not shown to be exact: {', '.join(wrong)}." if wrong else "All outputs are TensorFlow Lite Micro's bytes."


def _bakenn(peers: Sequence[bakenn.Peer], why: str) -> str:
    if why:
        return f"{bakenn.VERSION} was not measured where its figures are missing: {why}."
    wrong = sorted({f"{p.model} ({p.variant})" for p in peers if not p.exact})
    verdict = f"differ for {', '.join(wrong)}" if wrong else "are TensorFlow Lite Micro's too"
    return (
        f"{bakenn.VERSION} was measured by this script, from PyPI in an environment of its own. It refuses the\n"
        "  models as they are: it got copies whose shape signatures are cleared, whose RESHAPE carries options, and\n"
        f"  which end in front of the softmax. Its bytes there {verdict}."
    )


def table(head: Sequence[str], rows: Sequence[Sequence[str]], words: int = 1) -> str:
    """In Markdown; the first `words` columns are words, the others figures."""
    lines = [head, ["---"] * words + ["--:"] * (len(head) - words), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _thousands(value: int | None) -> str:
    return "–" if value is None else f"{value:,}"


def _beside_instructions(figures: Measured, peers: Sequence[bakenn.Peer]) -> str:
    rows = []
    for model, tflm in _TFLM.items():
        ours = figures[model, _BOARD, "speed"]
        assert ours is not None
        others = {p.variant: p.instructions for p in peers if p.model == model}
        rows.append(
            [
                model,
                _thousands(ours.instructions),
                _thousands(_of(figures[model, _BOARD, "size"], lambda f: f.instructions)),
                _thousands(tflm["instructions"]),
                *(_thousands(others.get(variant)) for variant in bakenn.VARIANTS),
                f"{min([tflm['instructions'], *others.values()]) / ours.instructions:.1f}",
            ]
        )
    variants = [f"BakeNN, {variant}" for variant in bakenn.VARIANTS]
    return table(["model", "shoal, speed", "shoal, size", "TFLM + CMSIS-NN", *variants, "best other / speed"], rows)


def _beside_memory(figures: Measured, peers: Sequence[bakenn.Peer]) -> str:
    rows = []
    for model, tflm in _TFLM.items():
        for prefer in PREFERENCES:
            ours = figures[model, _BOARD, prefer]
            if ours is not None:
                rows.append([model, f"shoal, {prefer}", *_memory(ours.arena_bytes, ours.stack_bytes, ours.model_bytes)])
        rows.append([model, "TFLM + CMSIS-NN", *_memory(tflm["ram_bytes"], tflm["stack_bytes"], tflm["flash_bytes"])])
        rows += [
            [model, f"BakeNN, {p.variant}", *_memory(p.arena_bytes, p.stack_bytes, p.model_bytes)]
            for p in peers
            if p.model == model
        ]
    return table(["model", "engine", "arena B", "stack B", "flash B"], rows, words=2)


def _memory(arena: int, stack: int, flash: int) -> list[str]:
    return [_thousands(arena), _thousands(stack), _thousands(flash)]


def _beside_cycles(figures: Measured) -> str:
    rows = []
    for model in next(iter(_CYCLES.values())):
        ours = figures[model, _BOARD, "speed"]
        assert ours is not None and ours.cycles_estimated is not None
        best = min(cycles[model] for cycles in _CYCLES.values())
        millions = [ours.cycles_estimated, *(cycles[model] for cycles in _CYCLES.values())]
        rows.append([model, *(f"{n / 1e6:.3g}" for n in millions), f"{1 - ours.cycles_estimated / best:.0%}"])
    return table(["model", "shoal, estimated", *_CYCLES, "below the best of them by"], rows)


def _of(figures: Figures | None, get: Callable[[Figures], int]) -> int | None:
    return None if figures is None else get(figures)


def _by_core(figures: Measured) -> str:
    rows = []
    for model in MODELS:
        row = [model]
        for board in BOARDS:
            found = figures[model, board, "speed"]
            row.append("does not fit" if found is None else f"{found.instructions:,} ({found.per_mac:.2f})")
        rows.append(row)
    return table(["model", *(f"{b}: {_core(b)}" for b in BOARDS)], rows)


def _core(board: str) -> str:
    names = {"cortex-m3": "M3", "cortex-m4": "M4", "cortex-m7": "M7", "cortex-m33": "M33"}
    core = boards.load(board).core
    return names.get(core.name, core.isa.upper())


def _by_operator(figures: Measured) -> str:
    known = [f for (_, board, prefer), f in figures.items() if f is not None and _shown(board, prefer)]
    names = sorted({n for f in known for n, (_, macs) in f.by_operator().items() if macs and n != OTHER}, key=_order)
    rows = []
    for f in known:
        sums = f.by_operator()
        cells = [f"{sums[n][0] / sums[n][1]:.2f}" if n in sums else "" for n in names]
        total = sum(instructions for instructions, _ in sums.values())
        rows.append([f.model, _core(f.board), f.prefer, *cells, f"{sums.get(OTHER, (0, 0))[0] / total:.1%}"])
    return table(["model", "core", "prefer", *names, OTHER], rows, words=3)


def _shown(board: str, prefer: str) -> bool:
    """One board of each instruction set, and both preferences where other engines are."""
    return board == _BOARD or (board in ("mps2_an385", "esp32c3") and prefer == "speed")


def _order(name: str) -> tuple[int, str]:
    known = ("first convolution", "pointwise", "convolution", "depthwise", "fully connected")
    return next((i for i, start in enumerate(known) if name.startswith(start) and "+" not in name), len(known)), name


def _all(known: Sequence[Figures]) -> str:
    head = ("model", "board", "prefer", "instructions", "per MAC", "estimated cycles", "arena B", "stack B", "RAM B")
    rows = [
        [
            *(f.model, f.board, f.prefer, _thousands(f.instructions), f"{f.per_mac:.2f}"),
            *(_thousands(f.cycles_estimated), _thousands(f.arena_bytes), _thousands(f.stack_bytes)),
            *(_thousands(f.ram_bytes), _thousands(f.code_bytes), _thousands(f.weights_bytes)),
            *(_thousands(f.flash_bytes), {True: "yes", False: "NO", None: "unknown"}[f.exact]),
        ]
        for f in known
    ]
    return table([*head, "code B", "weights B", "flash B", "exact"], rows, words=3)


def readme_rows(figures: Measured) -> Iterator[str]:
    for model, tflm in _TFLM.items():
        ours = figures[model, _BOARD, "speed"]
        assert ours is not None
        theirs = tflm["instructions"]
        times = f"{theirs / ours.instructions:.1f} times fewer"
        yield f"| {MODELS[model]} | {ours.instructions:,} | {theirs:,} | {times} |\n"


def with_table(text: str, rows: Iterator[str]) -> str:
    """README.md with these rows in its table of instructions."""
    head = r"(\| network \| shoal \| TFLM \+ CMSIS-NN \|[^\n]*\n\|[-:|]+\n)(?:\|[^\n]*\n)+"
    found, count = re.subn(head, lambda m: m[1] + "".join(rows), text)
    assert count == 1, "README.md has no table of instructions"
    return found


if __name__ == "__main__":
    main()
