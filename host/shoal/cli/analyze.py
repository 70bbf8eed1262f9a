"""`shoal analyze`: what a model needs, and where it fits."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any

import click

from shoal.cli.command import Result, command
from shoal.cli.options import model_argument, options_of, plan_options
from shoal.errors import DoesNotFit


@command(
    examples=[
        ("what does it need, and which boards would do?", "shoal analyze kws.tflite"),
        ("does it fit both? (exit 1 if not)", "shoal analyze kws.tflite --board netduinoplus2 --board nucleo_f103rb"),
        ("for a program", "shoal analyze kws.tflite --board esp32c3 --json"),
    ]
)  # fmt: skip
@model_argument
@click.option("--board", "boards", metavar="BOARD", multiple=True, help="A board's id or file; repeatable.")
@plan_options
def analyze(model: Path, boards: tuple[str, ...], plan_options: dict[str, Any]) -> Result:
    """Say what a model needs and which boards it fits, step by step.

    Nothing is built: arena and weights are exact, the rest is predicted. Without --board, every board that shoal knows
    is looked at; with it, a board that is too small is an error (exit 1) after the whole table.
    """
    from shoal import boards as known
    from shoal.cli.console import planning
    from shoal.cli.predicted import predicted, read_model

    chosen = [known.load(b) for b in boards or known.names()]
    options = options_of(plan_options)
    graph = read_model(model)
    with planning() as progress:
        entries = [predicted(graph, b, options, named=bool(boards), progress=progress) for b in chosen]
    document = {
        "model": graph.name,
        "model_sha256": graph.sha256,
        "options": asdict(options),
        "inputs": [_tensor(graph.tensors[i]) for i in graph.inputs],
        "outputs": [_tensor(graph.tensors[i]) for i in graph.outputs],
        "macs": sum(s["macs"] for s in entries[0]["steps"]),
        "boards": entries,
    }

    def show() -> None:
        from shoal.cli.console import console
        from shoal.report.analysis import analysis

        console().print(*analysis(document), sep="\n")

    return Result(document, show, _misfit(entries) if boards else None)


def _tensor(tensor: Any) -> dict[str, Any]:
    quantized = tensor.quantization is not None
    return {
        "name": tensor.name,
        "dtype": tensor.dtype,
        "shape": list(tensor.shape),
        "scale": tensor.scale if quantized else None,
        "zero_point": tensor.zero_point if quantized else None,
    }


def _misfit(entries: list[dict[str, Any]]) -> DoesNotFit | None:
    short = [e for e in entries if not e["fits"]]
    if not short:
        return None
    first = short[0]
    others = f" (nor {', '.join(e['board'] for e in short[1:])})" if len(short) > 1 else ""
    fitting = [e["board"] for e in entries if e["fits"]]
    return DoesNotFit(
        f"does not fit{others}: {first['shortfall']}",
        where=f"board {first['board']}",
        advice=f"it fits {', '.join(fitting)}" if fitting else "",
    )
