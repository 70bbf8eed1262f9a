"""`shoal analyze`: what a model needs, and where it fits."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any

import click

import shoal
from shoal.cli.command import Result, command
from shoal.cli.options import model_argument, new_file, options_of, plan_options
from shoal.errors import BadInput, DoesNotFit


@command(
    examples=[
        ("what does it need, and which boards would do?", "shoal analyze kws.tflite"),
        ("does it fit both? (exit 1 if not)", "shoal analyze kws.tflite --board netduinoplus2 --board nucleo_f103rb"),
        ("how little RAM would do, and what it costs", "shoal analyze kws.tflite --board nucleo_f103rb --ram-curve"),
        ("between which kernels was chosen, at what price?",
         "shoal analyze kws.tflite --board netduinoplus2 --candidates"),
        ("for a program", "shoal analyze kws.tflite --board esp32c3 --json"),
    ]
)  # fmt: skip
@model_argument
@click.option("--board", "boards", metavar="BOARD", multiple=True, help="A board's id or file; repeatable.")
@click.option("--candidates", is_flag=True, help="Show for each step the kernels that could run it, and their price.")
@click.option("--ram-curve", is_flag=True, help="Also plan for less and less RAM: what it costs in instructions.")
@click.option(
    "--html",
    metavar="FILE",
    type=click.Path(dir_okay=False, path_type=Path),
    callback=new_file,
    help="Also write the curve as a page.",
)
@plan_options
def analyze(
    model: Path,
    boards: tuple[str, ...],
    candidates: bool,
    ram_curve: bool,
    html: Path | None,
    plan_options: dict[str, Any],
) -> Result:
    """Say what a model needs and which boards it fits, step by step.

    Nothing is built: arena and weights are exact, the rest is predicted. Without --board, every board that shoal knows
    is looked at; with it, a board that is too small is an error (exit 1) after the whole table.

    --ram-curve searches all plans, fused row by row in either direction, for those that no other one beats in both RAM
    and instructions; budgets do not count, --feed and --drain do. It takes one --board.
    """
    if ram_curve and len(boards) != 1:
        raise BadInput("a curve is of one board", where="--ram-curve", advice="add --board BOARD once")
    if html is not None and not ram_curve:
        raise BadInput("the page is of a curve", where="--html", advice="add --ram-curve")
    from shoal import boards as known
    from shoal.cli.console import planning
    from shoal.cli.predicted import curve, predicted, read_model

    chosen = [known.load(b) for b in boards or known.names()]
    options = options_of(plan_options)
    graph = read_model(model)
    with planning() as progress:
        entries = [
            predicted(graph, b, options, named=bool(boards), candidates=candidates, progress=progress) for b in chosen
        ]
        found = curve(graph, chosen[0], options, progress) if ram_curve else None
    document = {
        "model": graph.name,
        "model_sha256": graph.sha256,
        "options": asdict(options),
        "inputs": [_tensor(graph.tensors[i]) for i in graph.inputs],
        "outputs": [_tensor(graph.tensors[i]) for i in graph.outputs],
        "macs": sum(s["macs"] for s in entries[0]["steps"]),
        "boards": entries,
        "curve": found,
    }
    if html is not None:
        from shoal.report.page import curve_page

        html.write_text(curve_page(document, shoal.__version__), encoding="utf-8")

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
