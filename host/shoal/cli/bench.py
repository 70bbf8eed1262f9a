"""`shoal bench`: what one inference takes, on any node."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from shoal.cli.command import Result, command
from shoal.cli.options import node_option, plan_options, target_argument

#: runs where nothing is said: a board's cycles vary a little, an emulator's counts do not
_RUNS = {"serial": 10}


@command(
    examples=[
        ("how many instructions, how much RAM and flash?", "shoal bench kws.tflite --board netduinoplus2"),
        ("which step costs most?", "shoal bench kws.tflite --board netduinoplus2 --steps"),
        ("the same as a file, for `shoal compare`", "shoal bench build/kws --steps --json > kws.json"),
        ("milliseconds, on a real board", "shoal bench build/kws --node serial:/dev/ttyACM0 --runs 50"),
    ]
)  # fmt: skip
@target_argument
@click.option(
    "--runs",
    type=click.IntRange(1, 100_000),
    help="How often; figures are medians. Default 10 on a board, 1 elsewhere, where nothing varies.",
)
@click.option("--steps", is_flag=True, help="Measure every step, too.")
@node_option
@plan_options
def bench(
    target: Path, board: str | None, runs: int | None, steps: bool, node: str | None, plan_options: dict[str, Any]
) -> Result:
    """Measure a model: latency, RAM, flash, and whether its bytes are the reference's.

    An emulator counts instructions exactly; cycles and time come from a real board, and everything else of that kind
    is called an estimate. The input is always the same, made up.
    """
    from shoal.bench.bench import bench as measure
    from shoal.bench.bench import total
    from shoal.cli.console import console, progress
    from shoal.cli.target import node_spec, open_target
    from shoal.errors import DoesNotFit

    made = open_target(target, board, plan_options)
    spec = node_spec(node, made.board)
    count = runs or _RUNS.get(spec.partition(":")[0], 1)
    with progress("measuring", total(made.directory, count, steps)) as bar:
        document = measure(made.directory, spec, count, steps, bar.advance)

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

    return Result(document, show, error)
