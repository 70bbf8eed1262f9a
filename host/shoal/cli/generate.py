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
        ("two networks of the same weights in one image, which a packet chooses from",
         "shoal generate calm.tflite --variant loud.tflite --board netduinoplus2 --output build/both"),
        ("then build it, and try it on the board's emulator", "shoal build build/kws && shoal test build/kws"),
    ]
)  # fmt: skip
@model_argument
@click.option("--board", metavar="BOARD", required=True, help="A board's id or file.")
@output_option("The folder to write; an earlier generated one is replaced.", required=True)
@click.option(
    "--variant",
    "variants_",
    metavar="OTHER",
    multiple=True,
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Another .tflite for the same image, repeatable: a packet names the one that runs, by its number. What has the"
    " same weights takes its tables alone.",
)
@plan_options
def generate(
    model: Path, board: str, output: Path, variants_: tuple[Path, ...], plan_options: dict[str, Any]
) -> Result:
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
    from shoal.plan.variants import together
    from shoal.render import manifest, project

    chosen = boards.load(board)
    graphs, options = [simplify(read(path)) for path in (model, *variants_)], options_of(plan_options)
    with planning() as progress:
        planned = together(graphs, chosen, options) if variants_ else plan(graphs[0], chosen, options, progress)
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
        "variants": [
            {k: r[k] for k in ("variant", "model_sha256", "arena_bytes", "added_weights_bytes")}
            for r in made["residents"]
        ],
    }

    def show() -> None:
        click.echo(
            f"{output}: {made['name']} for {made['board']}, {document['steps']} steps,"
            f" arena {made['arena_bytes']:,} B, weights {made['weights_bytes']:,} B\n"
            f"next: shoal build {output}"
        )
        for one in document["variants"]:
            click.echo(f"variant {one['variant']}: {one['added_weights_bytes']:,} B of constants more")

    return Result(document, show)
