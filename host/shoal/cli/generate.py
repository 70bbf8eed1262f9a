"""`shoal generate`: a model's C and a firmware project around it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from shoal.cli.command import Result, command
from shoal.cli.options import model_argument, options_of, output_option, plan_options


@command(
    examples=[
        ("a folder that builds with PlatformIO", "shoal generate kws.tflite --board netduinoplus2 --output build/kws"),
        ("the least flash, at most 20 KB of arena",
         "shoal generate kws.tflite --board nucleo_f103rb --prefer size --ram-budget 20KB --output build/kws"),
        ("then build it, and try it on the board's emulator", "shoal build build/kws && shoal test build/kws"),
    ]
)  # fmt: skip
@model_argument
@click.option("--board", metavar="BOARD", required=True, help="A board's id or file.")
@output_option("The folder to write; an earlier generated one is replaced.", required=True)
@plan_options
def generate(model: Path, board: str, output: Path, plan_options: dict[str, Any]) -> Result:
    """Write a model's C and firmware project for a board.

    DIR stands alone: the model as plain C (model/NAME.h is its interface; DIR is a PlatformIO library, too), the
    firmware that `shoal build`, `run`, `bench` and `test` use, platformio.ini, the linker script and manifest.json. The
    same input gives the same bytes.
    """
    from shoal import boards
    from shoal.cli.console import planning
    from shoal.network.read_tflite import read
    from shoal.network.simplify import simplify
    from shoal.plan.planner import plan
    from shoal.render import manifest, project

    chosen = boards.load(board)
    with planning() as progress:
        planned = plan(simplify(read(model)), chosen, options_of(plan_options), progress)
    project.write(planned, model.read_bytes(), output)
    made = manifest.load(output)
    document = {
        "model": made["name"],
        "model_sha256": made["model"]["sha256"],
        "board": made["board"],
        "options": made["options"],
        "output": str(output),
        "arena_bytes": made["arena_bytes"],
        "bound_bytes": made["bound_bytes"],
        "weights_bytes": made["weights_bytes"],
        "macs": made["macs"],
        "steps": len(made["steps"]),
        "files": len(made["files"]) + 1,
    }

    def show() -> None:
        click.echo(
            f"{output}: {made['name']} for {made['board']}, {document['steps']} steps,"
            f" arena {made['arena_bytes']:,} B, weights {made['weights_bytes']:,} B\n"
            f"next: shoal build {output}"
        )

    return Result(document, show)
