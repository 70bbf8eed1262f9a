"""`shoal profile`: what a model's operators and crossing tensors take on boards, as a file for `shoal split`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click

from shoal.cli.command import Result, command
from shoal.cli.options import meter_option, model_argument, new_file, node_option, plot_option
from shoal.errors import BadInput, DoesNotFit


@command(
    examples=[
        ("operator by operator, on two emulated boards",
         "shoal profile ic.tflite --board netduinoplus2 --board esp32c3 --output ic.json"),
        ("then cut by what was measured",
         "shoal split ic.tflite --board netduinoplus2 --board esp32c3 --profile ic.json --output duo"),
        ("on a real board, its line as well",
         "shoal profile ic.tflite --board nucleo_f446re --node serial:/dev/ttyACM0 --output f446.json"),
        ("as a picture", "shoal profile ic.tflite --board netduinoplus2 --output ic.json --plot ic.png"),
    ]
)  # fmt: skip
@model_argument
@click.option(
    "--board", "boards_", metavar="BOARD", multiple=True, required=True, help="A board's id or file; repeatable."
)
@click.option(
    "--output",
    metavar="FILE",
    type=click.Path(dir_okay=False, path_type=Path),
    required=True,
    callback=new_file,
    help="The profile to write, JSON; an earlier one is replaced.",
)
@click.option(
    "--prefer",
    type=click.Choice(["speed", "size", "ram"]),
    default="speed",
    show_default=True,
    help="Measure the kernels that are chosen for speed, little flash, or a small arena.",
)
@click.option(
    "--runs", type=click.IntRange(1, 100_000), help="How often; figures are medians. Default 10 on a board, else 1."
)
@plot_option("Also draw the operators, as .png, .svg or .pdf; of several boards one file each, by their ids.")
@meter_option
@node_option
def profile(
    model: Path,
    boards_: tuple[str, ...],
    output: Path,
    prefer: str,
    runs: int | None,
    plot: Path | None,
    meter: str | None,
    node: tuple[str, ...],
) -> Result:
    """Measure every operator of a model once, and what crossing tensors take at each cut, for `shoal split --profile`.

    An emulator counts instructions exactly; times from these are estimates and say what they assume. A real board
    counts cycles, and its line is measured, too. Where a board cannot hold the whole network, it is measured in parts;
    a real board is then flashed with each. --node NODE is for all boards, BOARD=NODE for one.
    """
    from shoal import boards
    from shoal.bench import profile as bench
    from shoal.bench.meters import check
    from shoal.cli.console import console, planning, progress
    from shoal.cli.target import node_specs
    from shoal.link.node import named
    from shoal.network.read_tflite import read
    from shoal.network.simplify import simplify
    from shoal.plan.chunks import Chunks
    from shoal.plan.steps import Options

    chosen = {b.id: b for b in map(boards.load, boards_)}
    if len(chosen) < len(boards_):
        raise BadInput("a board is named twice", where="--board", advice="name each once: all of a kind are alike")
    specs = node_specs(node, chosen)
    for name, spec in specs.items():
        if spec == "host":
            raise BadInput(
                "nothing counts on the host", where=f"board {name}", advice="--node emulator or serial:PORT does"
            )
    if meter is not None:
        if len(chosen) > 1:
            raise BadInput("a meter measures one board", where="--meter", advice="profile each board by itself")
        for name, board in chosen.items():
            check(meter, board, specs[name])
    chunks = Chunks(simplify(read(model)))
    with planning() as told:
        told("images", 0.0)
        found = {name: bench.images(chunks, board, Options(prefer=prefer)) for name, board in chosen.items()}
    times = {name: runs or (10 if spec.startswith("serial:") else 1) for name, spec in specs.items()}
    parts = []
    with progress("measuring", sum(bench.total(found[name], times[name]) for name in chosen)) as bar:
        for name, board in chosen.items():
            with named(name):
                parts.append(
                    bench.profile(model, chunks, board, specs[name], found[name], times[name], bar.advance, meter=meter)
                )
    document = bench.document(chunks.graph, prefer, parts)
    output.write_text(json.dumps(document, indent=1, ensure_ascii=False, allow_nan=False) + "\n", encoding="utf-8")
    plots = _draw(document, plot) if plot is not None else []

    def show() -> None:
        from shoal.report.profiled import profiled_lines, profiled_table

        console().print(profiled_table(document))
        for line in profiled_lines(document):
            click.echo(line)
        for path in plots:
            click.echo(f"plot: {path}")
        click.echo(f"next: shoal split {model}{''.join(f' --board {b}' for b in boards_)} --profile {output}")

    return Result(document, show, _wrong(document))


def _wrong(document: dict[str, Any]) -> DoesNotFit | None:
    """What is measured of wrong answers is worth nothing."""
    for part in document["boards"]:
        for image in part["images"]:
            if image["exact"] is False:
                return DoesNotFit(
                    f"the answer is not the reference's: {image['exact_reason']}",
                    where=f"{document['model']} on {part['board']}",
                    advice="`shoal test … --steps` names the first step that differs",
                )
    return None


def _draw(document: dict[str, Any], plot: Path) -> list[Path]:
    from shoal.report import profile as picture

    paths = []
    for part in document["boards"]:
        path = plot if len(document["boards"]) == 1 else plot.with_stem(f"{plot.stem}-{part['board']}")
        picture.save(picture.of_profile(document, part), path)
        paths.append(path)
    return paths
