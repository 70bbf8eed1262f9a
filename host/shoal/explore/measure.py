"""What one variant takes on boards, and how often its generated C is right."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from shoal import boards
from shoal.boards.board import Board
from shoal.build.cache import project
from shoal.errors import BadInput, DoesNotFit, NodeError, ToolError
from shoal.link.connect import open_node
from shoal.operators import kind
from shoal.operators.base import Operator
from shoal.plan.steps import Options
from shoal.render.manifest import array_of, load
from shoal.tensors import Array, Quantization, Tensor


@dataclass(frozen=True)
class Measured:
    """One variant on one board, or, where it does not fit, on the big emulated board of the same core. Bytes as `shoal
    bench` counts them; energy by the model: estimated time at the board file's typical current, None where either is
    not known."""

    board: str
    measured_on: str
    fits: bool
    flash_bytes: int
    ram_bytes: int
    instructions: int | None
    milliseconds_estimated: float | None
    energy_microjoules: float | None
    source: str
    exact: bool | None
    directory: Path


def on_board(model: Path, board: Board, options: Options) -> Measured:
    """Generates, builds and runs it. DoesNotFit where no board of the core can hold it."""
    fits, used = True, board
    try:
        directory, document = _bench(model, board, options)
    except DoesNotFit:
        fits, used = False, largest(board)
        if used.id == board.id:
            raise
        directory, document = _bench(model, used, options)
    latency, flash = document["latency"], document["flash"]
    milliseconds = latency["milliseconds_estimated"] if used.id == board.id else None
    return Measured(
        board=board.id,
        measured_on=used.id,
        fits=fits,
        flash_bytes=flash["code_bytes"] + flash["weights_bytes"],
        ram_bytes=document["ram"]["arena_bytes"],
        instructions=latency["instructions"],
        milliseconds_estimated=milliseconds,
        energy_microjoules=_energy(board, milliseconds),
        source=document["source"],
        exact=document["exact"],
        directory=directory,
    )


def _bench(model: Path, board: Board, options: Options) -> tuple[Path, dict[str, Any]]:
    """By `shoal bench` in a process of its own: OR-Tools, which plans, and TensorFlow do not bear each other in one."""
    command = [sys.executable, "-m", "shoal", "bench", str(model), "--board", str(board.path), "--json"]
    for name, value in asdict(options).items():
        if value is not None:
            command += [f"--{name.replace('_', '-')}", str(value)]
    if board.emulator is None:
        command += ["--node", "host"]
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, check=False)
    document = json.loads(done.stdout)
    error = document.get("error")
    if error is not None and "latency" not in document:
        kind = next(
            (k for k in (DoesNotFit, BadInput, NodeError, ToolError) if k.exit_code == done.returncode), ToolError
        )
        raise kind(error["what"], where=error["where"], advice=error["advice"])
    return project(model, board, options), document


def _energy(board: Board, milliseconds: float | None) -> float | None:
    currents, supply = board.currents, board.supply_millivolts
    if milliseconds is None or not currents or supply is None:
        return None
    return round(float(currents["run_milliamperes"]) * supply / 1000 * milliseconds, 3)


def largest(board: Board) -> Board:
    """The emulated board of the same core with most RAM, itself where there is no larger one."""
    same = [b for b in map(boards.load, boards.names()) if b.core.name == board.core.name and b.emulator is not None]
    return max([board, *same], key=lambda b: sum(r.bytes for r in b.regions if r.kind == "ram"))


def answers(directory: Path, x: Array, told: Callable[[], None] = lambda: None) -> Array:
    """The generated C's outputs on the host for float32 samples (N, *input shape), dequantized, (N, outputs)."""
    manifest = load(directory)
    (source,), (result,) = manifest["inputs"], manifest["outputs"]
    quantized = _converted("quantize", x, source)
    found = []
    with open_node(directory, "host") as node:
        for sample in quantized:
            found.append(array_of(node.run([sample.tobytes()]).outputs[0], result).reshape(-1))
            told()
    return _converted("dequantize", np.stack(found), result)


def accuracy(directory: Path, x: Array, y: Array, told: Callable[[], None] = lambda: None) -> float:
    """The share of samples that the generated C gets right."""
    if not len(x):
        raise BadInput("no samples", where="accuracy")
    return float(np.mean(answers(directory, x, told).argmax(axis=1) == y))


def _converted(name: str, values: Array, described: Mapping[str, Any]) -> Array:
    """Values to or from a tensor's own numbers, by the exact reference of the operator; float32 stays as it is."""
    if described["dtype"] == "float32":
        return np.ascontiguousarray(values, np.float32)
    own = Quantization((described["scale"],), (described["zero_point"],))
    quantized = Tensor(0, "quantized", values.shape, described["dtype"], own)
    real = Tensor(1, "real", values.shape, "float32")
    source, result = (real, quantized) if name == "quantize" else (quantized, real)
    operator = Operator(0, name, (source.index,), (result.index,), None)
    return kind(name).reference(operator, {0: quantized, 1: real}, [values])[0]
