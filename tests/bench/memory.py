"""Measures what a network costs in less and less RAM, sets it beside other engines, and writes docs/memory.md.

    python tests/bench/memory.py [--print] [MODELS]

MODELS is a folder of .tflite files, by default SHOAL_TEST_DATA/models. It takes some minutes, and the figures of the
commit that is checked out. Every figure of ours is of firmware that ran on an emulated Cortex-M4; docs/memory.png is
drawn from them. --print writes to the terminal alone."""

from __future__ import annotations

import argparse
import datetime
import json
import os
import subprocess
import sys
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from models import MODELS

from shoal import boards
from shoal.bench.bench import bench
from shoal.build.builder import build
from shoal.build.cache import project
from shoal.network.read_tflite import read
from shoal.network.simplify import simplify
from shoal.plan import planner
from shoal.plan.steps import Options
from shoal.render.manifest import load

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_ROOT = Path(__file__).resolve().parents[2]
DOCUMENT = _ROOT / "docs" / "memory.md"
PICTURE = DOCUMENT.with_name("memory.png")

PEERS: Mapping[str, Any] = json.loads(Path(__file__).with_name("peers.json").read_text(encoding="utf-8"))

BOARD = "mps2_an386"

#: the most points of a curve that are built and run
_POINTS = 6

#: how input and output travel, as tables say it → --feed, --drain
_WAYS = {"whole": ("whole", "whole"), "rows": ("rows", "whole"), "rows, output too": ("rows", "rows")}

#: models whose input may come in rows, for which that needs less; and those whose output must leave so as well
_DRAINED = ("mlperf_ad_int8",)
_FED = ("mlperf_kws_int8", "mlperf_vww_int8", "mlperf_sww_int8", "tflm_person_detect_int8")

#: (model, how it travels, --ram-budget) → the most instructions that one inference may take in it; None where any
#: number may
BUDGETS: Mapping[tuple[str, str, int], int | None] = {
    ("mlperf_kws_int8", "whole", 8_700): 3_800_000,
    ("mlperf_ic_int8", "whole", 18_000): 14_300_000,
    ("mlperf_vww_int8", "whole", 28_500): 5_600_000,
    ("mlperf_vww_int8", "rows", 17_000): 5_600_000,
    ("mlperf_vww_int8", "rows", 12_000): None,
    ("mlperf_vww_int8", "rows", 8_000): None,
    ("tflm_person_detect_int8", "rows", 15_000): 11_100_000,
    ("tflm_person_detect_int8", "rows", 11_000): None,
    ("mlperf_ad_int8", "whole", 800): 400_000,
    ("mlperf_ad_int8", "rows, output too", 560): 400_000,
    ("mlperf_sww_int8", "whole", 3_900): 1_300_000,
    ("tflm_micro_speech_int8", "rows", 600): 1_300_000,
}

#: the most stack that the model's call takes in such a budget, in bytes
STACK = 600

#: a Cortex-M3 with 20 KiB of RAM and 128 KiB of flash, and what it runs: model → --feed
_SMALL = "nucleo_f103rb"
_ON_SMALL = {"mlperf_kws_int8": "whole", "mlperf_ic_int8": "whole", "mlperf_vww_int8": "rows"}


@dataclass(frozen=True)
class Point:
    """One plan, measured: an inference on the default input. `budget` in bytes of arena; `bound_bytes`: what any plan
    has alive at once; `strips`: of the step that has the most of them, 1 where none has any; `stack_bytes`: of the
    model's call; `static_bytes` and `total_bytes`: with the harness."""

    model: str
    feed: str
    budget: int
    arena_bytes: int
    bound_bytes: int
    strips: int
    stack_bytes: int
    static_bytes: int
    total_bytes: int
    instructions: int
    exact: bool | None
    compiler: str

    @property
    def ram_bytes(self) -> int:
        """What the model takes: arena and stack; it has no other data that it writes."""
        return self.arena_bytes + self.stack_bytes


Curves = Mapping[tuple[str, str], Sequence[Point]]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("models", nargs="?", type=Path, default=Path(os.environ.get("SHOAL_TEST_DATA", "")) / "models")
    parser.add_argument("--print", action="store_true", dest="prints", help="print the document, change no file")
    arguments = parser.parse_args()
    changed = bool(_git("status", "--porcelain", "--untracked-files=no"))
    commit = f"{_git('rev-parse', '--short', 'HEAD')}{' with changes' if changed else ''}"
    curves = {
        (model, feed): curve(arguments.models / f"{model}.tflite", feed)
        for model in MODELS
        for feed in _WAYS
        if feed == "whole" or model in {"rows": _FED, "rows, output too": _DRAINED}[feed]
    }
    budgets = {key: measure(arguments.models / f"{key[0]}.tflite", *key[1:]) for key in BUDGETS}
    small = {model: built(arguments.models / f"{model}.tflite", feed) for model, feed in _ON_SMALL.items()}
    text = document(curves, budgets, small, commit)
    if arguments.prints:
        print(text)
        return
    DOCUMENT.write_text(text, encoding="utf-8")
    draw(curves, PICTURE)


def curve(model: Path, feed: str) -> list[Point]:
    """Measured plans from the smallest to the fastest, spread over the arenas between; none beaten by another."""
    print(f"planning {model.stem}, input {feed}", file=sys.stderr, flush=True)
    plans = planner.curve(simplify(read(model)), boards.load(BOARD), _options(feed))
    points = [measure(model, feed, size, plans[0].bound) for size in _spread([p.arena_bytes for p in plans])]
    return [p for n, p in enumerate(points) if all(p.instructions < q.instructions for q in points[:n])]


def _options(way: str, budget: int | None = None) -> Options:
    feed, drain = _WAYS[way]
    return Options(ram_budget=budget, feed=feed, drain=drain)


def _spread(sizes: Sequence[int]) -> list[int]:
    """At most `_POINTS` of these sizes, the first and the last among them, by ratios as even as they come."""
    steps = [sizes[0] * (sizes[-1] / sizes[0]) ** (n / (_POINTS - 1)) for n in range(_POINTS)]
    return sorted({min(sizes, key=lambda size: abs(size - step)) for step in steps})


def measure(model: Path, feed: str, budget: int, bound: int = 0) -> Point:
    """Plans, builds and runs the model within a budget. Raises what these do."""
    print(f"measuring {model.stem}, input {feed}, in {budget:,} bytes", file=sys.stderr, flush=True)
    directory = project(model, boards.load(BOARD), _options(feed, budget))
    found = bench(directory, "emulator", 1)
    ram = found["ram"]
    steps = (s for s in load(directory)["steps"] if s["segment"] is not None and s["segment"]["columns"] is not None)
    stripped = Counter(tuple(s["operators"]) for s in steps)
    return Point(
        model=model.stem,
        feed=feed,
        budget=budget,
        arena_bytes=ram["arena_bytes"],
        bound_bytes=bound,
        strips=max(stripped.values(), default=1),
        stack_bytes=ram["stack_bytes"],
        static_bytes=ram["static_bytes"],
        total_bytes=ram["total_bytes"],
        instructions=found["latency"]["instructions"],
        exact=found["exact"],
        compiler=found["compiler"],
    )


def built(model: Path, feed: str) -> Mapping[str, int]:
    """What the linker and the bound of stacks say on the small board, without a budget."""
    print(f"building {model.stem} for {_SMALL}", file=sys.stderr, flush=True)
    found = build(project(model, boards.load(_SMALL), Options(feed=feed)))
    stack = found.stack_bound_bytes
    assert stack is not None
    return {
        "arena": found.arena_bytes,
        "static": found.static_bytes,
        "stack": stack,
        "ram": found.arena_bytes + found.static_bytes + stack,
        "flash": found.flash_bytes,
    }


def _git(*arguments: str) -> str:
    return subprocess.run(["git", *arguments], cwd=_ROOT, capture_output=True, text=True, check=True).stdout.strip()


def document(
    curves: Curves,
    budgets: Mapping[tuple[str, str, int], Point],
    small: Mapping[str, Mapping[str, int]],
    commit: str,
) -> str:
    points = [*(p for found in curves.values() for p in found), *budgets.values()]
    wrong = sorted({p.model for p in points if p.exact is not True})
    verdict = (
        f"Not shown to be exact: {', '.join(wrong)}." if wrong else "All outputs are TensorFlow Lite Micro's bytes."
    )
    today = datetime.datetime.now(datetime.UTC).date()
    static = max(p.static_bytes for p in points)
    return f"""# Memory

RAM is what keeps a network off a small microcontroller. shoal takes a budget in bytes and finds the fastest plan that
fits it: tensors lie over each other as far as their last reads allow, layers are fused row by row so that what is
between them is never whole, an input may come in rows and an output leave in rows. The bytes of the output stay the
same.

![Instructions of one inference against RAM, for six networks and four engines]({PICTURE.name})

Written by `python tests/bench/memory.py` on {today}, commit {commit}: emulated `{BOARD}` (Cortex-M4),
{", ".join(sorted({p.compiler for p in points}))}, one inference on the default input for each point.
{verdict}

## Less and less RAM

```
shoal analyze MODEL --board {BOARD} --ram-curve --html curve.html       all plans, predicted
shoal analyze MODEL --board {BOARD} --ram-curve --feed rows             with an input that comes in rows
shoal bench MODEL --board {BOARD} --ram-budget 12500 [--feed rows]      one of them, built and measured
```

`arena` is all that the model writes, input and output inside if they are whole; `stack` is what its call takes; `RAM`
is both together. `bound` is the least that any plan has alive at once, wherever it puts it. `strips`: where more than
one, the first layers run so many times, each time for some columns ([below](#column-strips)). The harness that talks
over the link adds {static:,} bytes of static data.

{_curves(curves)}

## Beside other engines

RAM of the smallest measured plan, arena and stack, in bytes. TFLM's arena has a head, which is for activations, and a
persistent part; what it really uses of both is counted. Interpreter objects and other static data of the engines are
left out.

{_beside(curves)}

- **TensorFlow Lite Micro** with CMSIS-NN, **TinyEngine** and **BakeNN** (1.0.0, with CMSIS-NN) were counted by the same
  method on the same emulated board, not by this script. TinyEngine's arena is the peak that it plans, and its output
  for the one model that it was built for is wrong. BakeNN's is its arena with input and output.
- No instructions of TFLM were counted for person detection.

## In a budget

The fastest plan that fits `--ram-budget`:

{_budgets(budgets)}

## In pieces

What has no rows travels in pieces of some 16 bytes. A fully connected layer adds each piece of its input to an int32
sum for each output, as soon as it is there, and the last one's sums become the output where they lie; or it makes its
outputs block by block, and each leaves at once. So an autoencoder between 640 values and 640 takes four bytes for each
of the 128 outputs of its first layer, a word and a piece: 532 bytes, where its first layer alone has 768 of input and
output. Behind an image the pieces are the image's rows: `tflm_micro_speech_int8` runs in 580 bytes with `--feed rows`,
its flat input in the rows of the spectrogram that it is, and in 2,140 with a whole input.

## Column strips

What is left in a step that runs row by row are rings: a 3×3 window needs three rows of its input. Two of them have
slots of their own; the third comes to a place that all rings and everything else that lives for a moment share, and
moves to the slot that became free as soon as it has been read for the first time, which costs the copy of a row.

Where that is not enough, a step runs several times, each time for some columns of its output, and rings hold only those
columns that are needed for them. At the edges of a strip columns are computed twice; kernels know nothing of it, for a
strip of an image is an image, with padding only where the whole one has some. The plan does so by itself where no other
fits the budget, and says so: a strip is a step, with its `columns` in the manifest, and `MACS` counts what is computed
twice.

An input in rows is read once for each strip: `NAME_run_rows` asks for all rows, from the first on, `PASSES` times
(`NAME_INPUT_0_PASSES` in the header, `rows.passes` in the manifest). They must be the same rows each time: a frame that
lies in slow memory or at the other end of the link, not one that a camera is just taking. A row comes as a whole, to a
place in the arena that is counted, of which the strip's columns are kept.

```
shoal bench mlperf_vww_int8.tflite --board {BOARD} --feed rows --ram-budget 12000     rows that land, no strips
shoal bench mlperf_vww_int8.tflite --board {BOARD} --feed rows --ram-budget 8000      in strips
shoal bench mlperf_vww_int8.tflite --board {BOARD} --feed rows --prefer ram           the least there is
```

## In several memories

Where a board file names RAM beside the main one (`"tensors": true`: a CCM, a DTCM), the arena lies in both, what is
read most per byte in the region with the fewest wait states. What is then left there takes copies of constants that
steps read many times in a run, if flash is slower to read by more than copying takes, by the board file's wait states,
line and cache. They are copied before their step in each run, not once: so they share bytes with what lives in other
steps, and an arena may be lent between runs. `--ram-budget` bounds them with the rest, `shoal analyze` shows them step
by step, `--prefer ram` and `--prefer size` do without.

On `mps2_an386` as a board of 64 KiB of fast RAM, its flash said to wait 5 cycles for each line of 16 bytes: KWS copies
41,984 bytes a run for 18,519 instructions (0.8 %) and 4,800 bytes more of arena, IC 54,784 bytes for 11,245
instructions (0.2 %) and 18,688; both exact. What that saves, no emulator here can show: none has wait states.
`feather_f405` and `nucleo_h743zi` were built so, not run.

## On 20 KiB of RAM and 128 KiB of flash

No budget is needed where a board's memory sets it. For an STM32F103RB (Cortex-M3):

```
shoal generate mlperf_vww_int8.tflite --board {_SMALL} --feed rows --output vww && shoal build vww
```

What the linker finds, and the most that the stack can come to by its frames and calls; the build fails where it is more
than is set aside. The same is run on an emulated Cortex-M3 of that size by `tests/cli/test_small_boards.py`.

{_small(small)}
"""


def _table(head: Sequence[str], rows: Sequence[Sequence[str]], words: int = 1) -> str:
    """In Markdown; the first `words` columns are words, the others figures."""
    lines = [head, ["---"] * words + ["--:"] * (len(head) - words), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _figure(value: int | None) -> str:
    return "–" if value is None else f"{value:,}"


def _verdict(point: Point) -> str:
    return {True: "yes", False: "NO", None: "unknown"}[point.exact]


def _curves(curves: Curves) -> str:
    rows = [
        [
            *(model, feed, *map(_figure, (p.arena_bytes, p.bound_bytes, p.strips))),
            *map(_figure, (p.stack_bytes, p.ram_bytes, p.instructions)),
            *(f"{p.instructions / min(q.instructions for q in found):.2f}", _verdict(p)),
        ]
        for (model, feed), found in curves.items()
        for p in found
    ]
    head = ["model", "input", "arena B", "bound B", "strips", "stack B", "RAM B", "instructions"]
    return _table([*head, "of the fastest", "exact"], rows, words=2)


def _beside(curves: Curves) -> str:
    rows = []
    for model in MODELS:
        whole = curves[model, "whole"][0].ram_bytes
        rows_ = curves.get((model, "rows")) or curves.get((model, "rows, output too"))
        fed = rows_[0].ram_bytes if rows_ else None
        tflm = _taken("tflm_cmsis_nn", model)
        head = PEERS["tflm_arena"][model]["head_bytes"]
        others = [x for x in (tflm, _taken("bakenn_cmsis_nn", model), _taken("tinyengine", model)) if x] or [head]
        rows.append(
            [
                *(model, *map(_figure, (whole, fed, tflm, head))),
                *(_figure(_taken("tinyengine", model)), _figure(_taken("bakenn_cmsis_nn", model))),
                f"{min(others) / min(whole, fed or whole):.1f}",
            ]
        )
    engines = ["TFLM + CMSIS-NN", "its head alone", "TinyEngine", "BakeNN"]
    return _table(["model", "shoal, whole input", "shoal, in rows", *engines, "best other / shoal"], rows)


def _taken(engine: str, model: str) -> int | None:
    """Arena and stack of another engine, if that was measured."""
    found = PEERS[engine].get(model)
    return None if found is None else int(found["ram_bytes"] + found["stack_bytes"])


def _budgets(budgets: Mapping[tuple[str, str, int], Point]) -> str:
    rows = [
        [
            *(model, feed, *map(_figure, (budget, p.arena_bytes, p.strips))),
            *map(_figure, (p.stack_bytes, p.total_bytes, p.instructions)),
            *(_figure(BUDGETS[model, feed, budget]), _verdict(p)),
        ]
        for (model, feed, budget), p in budgets.items()
    ]
    head = ["budget B", "arena B", "strips", "stack B", "with harness B", "instructions", "at most", "exact"]
    return _table(["model", "input", *head], rows, words=2)


def _small(small: Mapping[str, Mapping[str, int]]) -> str:
    rows = [[model, _ON_SMALL[model], *map(_figure, found.values())] for model, found in small.items()]
    return _table(["model", "input", "arena B", "static B", "stack bound B", "RAM B", "flash B"], rows, words=2)


_INK, _MUTED, _GRID = "#1f2328", "#6b7280", "#e5e7eb"

#: of ours, by how input and output travel; told apart by people who see no red or green, too
_OURS = {
    "whole": ("#2f6fb0", "o", "shoal, whole input"),
    "rows": ("#e08214", "s", "shoal, fed in rows"),
    "rows, output too": ("#7b5ea7", "P", "shoal, fed and drained"),
}

#: engine → its name and marker
_OTHERS = {
    "tflm_cmsis_nn": ("TFLM + CMSIS-NN", "D"),
    "bakenn_cmsis_nn": ("BakeNN + CMSIS-NN", "^"),
    "tinyengine": ("TinyEngine (wrong output)", "v"),
}

_STYLE = {
    "font.family": "sans-serif",
    "font.size": 9.5,
    "text.color": _INK,
    "axes.titlesize": 11,
    "axes.titlelocation": "left",
    "axes.titleweight": "bold",
    "axes.labelcolor": _MUTED,
    "axes.edgecolor": "#c9ced6",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.axisbelow": True,
    "grid.color": _GRID,
    "xtick.color": _MUTED,
    "ytick.color": _MUTED,
}


def draw(curves: Curves, path: Path) -> None:
    """A panel for each model: RAM of arena and stack to the right, instructions upwards."""
    import matplotlib as mpl
    from matplotlib.figure import Figure

    with mpl.rc_context(_STYLE):  # type: ignore[arg-type]  # stubs want literal names
        figure = Figure(figsize=(12, 8.6))
        figure.subplots_adjust(left=0.065, right=0.98, top=0.815, bottom=0.07, wspace=0.24, hspace=0.42)
        panels = list(figure.subplots(2, 3).flat)
        for ax, model in zip(panels, MODELS, strict=True):
            _panel(ax, model, {feed: found for (m, feed), found in curves.items() if m == model})
        figure.text(0.02, 0.965, "What less RAM costs", fontsize=16, weight="bold", va="center")
        explained = "one inference on an emulated Cortex-M4 · every point of shoal was built and ran, byte for byte"
        figure.text(
            0.02, 0.932, f"{explained} TensorFlow Lite Micro's · lower left is better", color=_MUTED, va="center"
        )
        known = {label: handle for ax in panels for handle, label in zip(*ax.get_legend_handles_labels(), strict=True)}
        place: dict[str, Any] = {
            "loc": "center left",
            "bbox_to_anchor": (0.012, 0.9),
            "bbox_transform": figure.transFigure,
        }
        figure.legend(
            known.values(), known.keys(), ncols=len(known), frameon=False, fontsize=7.5, columnspacing=1.2, **place
        )
        figure.savefig(path, dpi=130, facecolor="white")


def _panel(ax: Axes, model: str, found: Mapping[str, Sequence[Point]]) -> None:
    from matplotlib.ticker import EngFormatter, LogLocator, NullFormatter

    costs: list[float] = []
    sizes: list[float] = []
    for feed, points in found.items():
        colour, marker, label = _OURS[feed]
        x, y = [p.ram_bytes / 1000 for p in points], [float(p.instructions) for p in points]
        ax.plot(x, y, color=colour, linewidth=1.6, drawstyle="steps-post", alpha=0.55)
        ax.plot(x, y, marker, color=colour, markersize=6, markeredgecolor="white", label=label, zorder=3)
        costs, sizes = costs + y, sizes + x
    for engine, (name, marker) in _OTHERS.items():
        taken = _taken(engine, model)
        if taken is not None:
            size, cost = taken / 1000, PEERS[engine][model]["instructions"]
            ax.plot(
                [size], [cost], marker, color="#8b929c", markersize=7, markeredgecolor="white", label=name, zorder=3
            )
            costs, sizes = [*costs, cost], [*sizes, size]
    head = PEERS["tflm_arena"][model]["head_bytes"] / 1000
    ax.axvline(head, color="#8b929c", linewidth=1, linestyle=(0, (4, 3)), label="TFLM's activations alone")
    least = min(p.ram_bytes for points in found.values() for p in points) / 1000
    ax.set_title(MODELS[model], pad=18)
    tflm = _taken("tflm_cmsis_nn", model)
    beside = f"; TFLM {tflm / 1000:.1f} KB" if tflm is not None else ""
    ax.text(0, 1.03, f"from {least:.1f} KB{beside}", transform=ax.transAxes, color=_MUTED)
    ax.set_xlim(0, 1.06 * max(*sizes, head))
    ax.set_yscale("log")
    ax.set_ylim(0.6 * min(costs), 1.8 * max(costs))
    ax.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    ax.yaxis.set_minor_formatter(NullFormatter())
    ax.yaxis.set_major_formatter(EngFormatter(sep=""))
    ax.minorticks_off()
    ax.set_xlabel("RAM, KB")
    ax.set_ylabel("instructions")
    ax.grid()


if __name__ == "__main__":
    main()
