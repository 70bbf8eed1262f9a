"""`shoal bench`: what one inference takes, on any node."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from shoal.cli.command import Result, command
from shoal.cli.options import (
    meter_option,
    new_file,
    node_option,
    plan_options,
    plot_option,
    shoal_options,
    target_argument,
)

#: runs where nothing is said: a board's cycles vary a little, an emulator's counts do not
_RUNS = {"serial": 10}


@command(
    examples=[
        ("how many instructions, how much RAM and flash?", "shoal bench kws.tflite --board netduinoplus2"),
        ("which step costs most?", "shoal bench kws.tflite --board netduinoplus2 --steps"),
        ("the same as a picture", "shoal bench kws.tflite --board netduinoplus2 --plot kws.png"),
        ("the same as a file, for `shoal compare`", "shoal bench build/kws --steps --json > kws.json"),
        ("the boards of a shoal, each and as one", "shoal bench trio"),
        ("and who does what when, as a page and as a picture", "shoal bench trio --html trio.html --plot trio.png"),
        ("milliseconds, on a real board", "shoal bench build/kws --node serial:/dev/ttyACM0 --runs 50"),
        ("and what it draws", "shoal bench build/kws --node serial:/dev/ttyACM0 --meter ppk2:/dev/ttyACM1"),
    ]
)  # fmt: skip
@target_argument
@click.option(
    "--runs",
    type=click.IntRange(1, 100_000),
    help="How often; figures are medians. Default 10 on a board, 1 elsewhere, where nothing varies; as many as tell a"
    " pipeline's rate on a shoal.",
)
@click.option("--steps", is_flag=True, help="Measure every step, too.")
@plot_option("Also draw the steps, as .png, .svg or .pdf; implies --steps. Of a shoal: who does what when.")
@click.option(
    "--html",
    metavar="FILE",
    type=click.Path(dir_okay=False, path_type=Path),
    callback=new_file,
    help="Of a shoal: also write a page with its nodes, who does what when, and stages.",
)
@meter_option
@node_option
@shoal_options
@plan_options
def bench(
    target: Path,
    board: str | None,
    runs: int | None,
    steps: bool,
    plot: Path | None,
    html: Path | None,
    meter: str | None,
    node: tuple[str, ...],
    how: dict[str, Any],
    plan_options: dict[str, Any],
) -> Result:
    """Measure a model: latency, RAM, flash, and whether its bytes are the reference's.

    An emulator counts instructions exactly; cycles and time come from a real board, and everything else of that kind
    is called an estimate. The input is always the same, made up.
    """
    from shoal.bench.bench import bench as measure
    from shoal.bench.bench import total
    from shoal.cli import shoals
    from shoal.cli.console import console, progress
    from shoal.cli.target import node_spec, open_target
    from shoal.errors import BadInput, DoesNotFit, NodeError

    if shoals.is_shoal(target):
        if steps:
            raise BadInput("steps are one board's", where="--steps", advice="measure a node's folder in DIR")
        if meter is not None:
            raise BadInput(
                "a meter measures one board",
                where="--meter",
                advice="measure a node's folder in DIR, one after another",
            )
        return shoals.bench(
            shoals.open_shoal(target, board, plan_options),
            node,
            runs,
            shoals.How(**how),
            plot,
            html,
        )
    shoals.only_of_a_shoal(how)
    if html is not None:
        raise BadInput("a page of one board", where="--html", advice="`shoal compare … --html FILE` writes it")
    made = open_target(target, board, plan_options)
    spec = node_spec(node, made.board)
    if plot is not None and spec == "host":
        raise BadInput("nothing counts steps on the host", where="--plot", advice="draw a board's, or its emulator's")
    steps = steps or plot is not None
    count = runs or _RUNS.get(spec.partition(":")[0], 1)
    with progress("measuring", total(made.directory, count, steps)) as bar:
        document = measure(made.directory, spec, count, steps, bar.advance, meter)
    if plot is not None:
        from shoal.report import profile

        if profile.unit(document) is None:
            raise NodeError("the node counts no cycles", where=spec, advice="leave --plot out")
        profile.save(document, plot)
        document["plot"] = str(plot)

    error = None
    if document["exact"] is False:
        error = DoesNotFit(
            f"the answer is not the reference's: {document['exact_reason']}",
            where=f"{document['model']} on {spec}",
            advice="`shoal test … --steps` names the first step that differs",
        )

    def show() -> None:
        from shoal.report.measured import measured

        for part in measured(document):
            console().print(part)
        if plot is not None:
            click.echo(f"plot: {plot}")

    return Result(document, show, error)
