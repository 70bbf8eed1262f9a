"""Real models measured on emulated boards: what documents and the gate are made of."""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from shoal import boards
from shoal.bench.bench import bench
from shoal.build.cache import project
from shoal.network.graph import Graph
from shoal.network.read_tflite import read
from shoal.network.simplify import simplify
from shoal.operators.base import Operator
from shoal.plan.planner import plan
from shoal.plan.steps import Options, Plan
from shoal.render.manifest import load

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

#: stem of a model's file → what people call it
MODELS = {
    "mlperf_kws_int8": "keyword spotting",
    "mlperf_ic_int8": "image classification (ResNet-8)",
    "mlperf_vww_int8": "visual wake words",
    "mlperf_ad_int8": "anomaly detection",
    "mlperf_sww_int8": "streaming wake word",
    "tflm_person_detect_int8": "person detection",
}

#: one for every core that an emulator runs
BOARDS = ("mps2_an386", "mps2_an385", "mps2_an500", "mps2_an505", "esp32c3")

#: operators that multiply little or nothing
OTHER = "other"

#: input channels up to which a convolution is called a first one: spectra and pictures
_PICTURE = 3


@dataclass(frozen=True)
class Figures:
    """Of one inference on the default input. `steps`: (operator, instructions, MACs), each step called alone, if that
    was asked for; `macs`: of the steps that run, dead channels are gone; the rest as `shoal bench` calls it."""

    model: str
    board: str
    prefer: str
    instructions: int
    cycles_estimated: int | None
    macs: int
    steps: tuple[tuple[str, int, int], ...]
    arena_bytes: int
    ram_bytes: int
    stack_bytes: int
    code_bytes: int
    weights_bytes: int
    flash_bytes: int
    exact: bool | None
    compiler: str
    flags: tuple[str, ...]

    @property
    def per_mac(self) -> float:
        """Instructions per multiply-accumulate."""
        return self.instructions / self.macs

    @property
    def model_bytes(self) -> int:
        """What the model alone takes of the flash."""
        return self.code_bytes + self.weights_bytes

    def by_operator(self) -> Mapping[str, tuple[int, int]]:
        """Operator → (instructions, MACs)."""
        sums: dict[str, list[int]] = defaultdict(lambda: [0, 0])
        for name, instructions, macs in self.steps:
            sums[name][0] += instructions
            sums[name][1] += macs
        return {name: (instructions, macs) for name, (instructions, macs) in sums.items()}


def measure(model: Path, board: str, prefer: str = "speed", *, steps: bool = True) -> Figures:
    """Builds the model in the user's cache and runs it on the board's emulator. What building and planning raise goes
    through: DoesNotFit where the board is too small."""
    asked, options = boards.load(board), Options(prefer=prefer)
    directory = project(model, asked, options)
    document = bench(directory, "emulator", 1, steps)
    latency, ram, flash = document["latency"], document["ram"], document["flash"]
    return Figures(
        model=model.stem,
        board=board,
        prefer=prefer,
        instructions=latency["instructions"],
        cycles_estimated=latency["cycles_estimated"],
        macs=sum(s["macs"] for s in load(directory)["steps"]),
        steps=_steps(latency["steps"], plan(simplify(read(model)), asked, options)) if steps else (),
        arena_bytes=ram["arena_bytes"],
        ram_bytes=ram["total_bytes"],
        stack_bytes=ram["stack_bytes"],
        code_bytes=flash["code_bytes"],
        weights_bytes=flash["weights_bytes"],
        flash_bytes=flash["total_bytes"],
        exact=document["exact"],
        compiler=document["compiler"],
        flags=tuple(document["flags"]),
    )


def _steps(measured: Sequence[Mapping[str, Any]], made: Plan) -> tuple[tuple[str, int, int], ...]:
    """A step of several operators is called after those of them that multiply."""
    found = []
    for step, planned in zip(measured, made.steps, strict=True):
        names = dict.fromkeys(label(made.graph.operators[o], made.graph) for o in planned.operators)
        working = [n for n in names if n != OTHER] or [OTHER]
        found.append((" + ".join(working), step["instructions"], step["macs"]))
    return tuple(found)


def label(operator: Operator, graph: Graph) -> str:
    """What kind of work an operator is."""
    if operator.kind == "depthwise_conv_2d":
        return "depthwise"
    if operator.kind == "fully_connected":
        return "fully connected"
    if operator.kind != "conv_2d":
        return OTHER
    weights = operator.inputs[1]
    assert weights is not None
    _, height, width, channels = graph.tensors[weights].shape
    if channels <= _PICTURE:
        return "first convolution"
    return "pointwise" if height == width == 1 else f"convolution {height}×{width}"
