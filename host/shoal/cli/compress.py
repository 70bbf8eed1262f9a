"""`shoal compress`: from a trained network and data to smaller firmware, every stage measured."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from shoal.cli.command import Result, command
from shoal.cli.options import output_option, plan_options


@command(
    examples=[
        ("the smallest firmware that loses at most a point", "shoal compress digits.keras --data digits.npz"
         " --board netduinoplus2 --goal size --output small"),
        ("the fastest, measured on two boards", "shoal compress digits.keras --data digits.npz --board netduinoplus2"
         " --board esp32c3 --goal latency --output fast"),
        ("stages of your own", "shoal compress digits.keras --data digits.npz --board netduinoplus2"
         " --recipe recipe.json --output mine"),
        ("the chosen variant as firmware", "shoal generate small/chosen.tflite --board netduinoplus2 --output digits"),
    ]
)  # fmt: skip
@click.argument("model", metavar="MODEL", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option(
    "--data",
    metavar="D",
    required=True,
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="An .npz with x_train, y_train, x_test and y_test, samples as the network takes them.",
)
@click.option(
    "--board",
    "boards",
    metavar="BOARD",
    multiple=True,
    required=True,
    help="To measure on; repeatable, the first decides.",
)
@click.option(
    "--goal",
    type=click.Choice(["size", "latency", "ram", "energy", "accuracy"]),
    default="size",
    show_default=True,
    help="What the chosen variant is best at.",
)
@click.option(
    "--max-accuracy-loss",
    "points",
    metavar="POINTS",
    type=click.FloatRange(0, 100),
    default=1.0,
    show_default=True,
    help="Percentage points that it may lose against the unchanged network.",
)
@click.option(
    "--recipe",
    "recipe_file",
    metavar="R",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Stages and settings of your own (JSON); default less and less of what the goal counts.",
)
@output_option("Folder for the variants, what was measured, and the chosen one.", required=True)
@plan_options
def compress(
    model: Path,
    data: Path,
    boards: tuple[str, ...],
    goal: str,
    points: float,
    recipe_file: Path | None,
    output: Path,
    plan_options: dict[str, Any],
) -> Result:
    """Compress a trained Keras network for boards: smaller, faster, or within less RAM.

    Stages follow each other; each is written as a .tflite, built, and measured on every board. Accuracy is that of the
    generated C. Variants are chosen by a part of the training samples; the test samples choose nothing. A stage that
    is done is not done again: call it again after an interruption.
    """
    import json
    import shutil

    from shoal import boards as board_files
    from shoal.cli.console import console, working
    from shoal.cli.options import options_of
    from shoal.errors import BadInput, DoesNotFit
    from shoal.explore import data as samples
    from shoal.explore import recipe, sequence
    from shoal.variants import model as networks

    chosen = [board_files.load(b) for b in boards]
    asked = recipe.default(goal) if recipe_file is None else recipe.load(recipe_file)
    if output.exists() and not (output / "recipe.json").is_file() and (output.is_file() or any(output.iterdir())):
        raise BadInput(
            "is there already, and no folder of shoal compress", where=str(output), advice="name another one"
        )
    with working("compressing") as told:
        told("loading the network")
        network = networks.load(model)
        given = samples.load(data, tuple(network.inputs[0].shape[1:]), int(network.outputs[0].shape[-1]), asked.seed)
        run = sequence.Run(
            model,
            given,
            asked,
            sequence.Asked(goal, points / 100, chosen, options_of(plan_options)),
            output,
            lambda stage, what: told(f"{stage}: {what}"),
        )
        stages = run.run()
    best = stages[-1]
    shutil.copyfile(best["model"], output / "chosen.tflite")
    document = {
        "model": str(model),
        "output": str(output),
        "goal": goal,
        "max_accuracy_loss_points": points,
        "boards": [b.id for b in chosen],
        "samples": {
            "train": len(given.x_train),
            "validation": len(given.x_validation),
            "test": len(given.x_test),
        },
        "stages": stages,
    }
    (output / "result.json").write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")
    error = None
    if not best["within_limit"]:
        error = DoesNotFit(
            f"no variant loses at most {points:g} points: {best['name']} loses "
            f"{100 * (stages[0]['validation_accuracy'] - best['validation_accuracy']):.1f}",
            where=str(output),
            advice="allow more by --max-accuracy-loss, or give more samples or epochs",
        )
    elif not best["fits"]:
        error = DoesNotFit(
            f"the smallest variant takes more than {chosen[0].id} has",
            where=str(output),
            advice="--ram-budget, --prefer size, a larger board, or a higher --max-accuracy-loss",
        )

    def show() -> None:
        from shoal.report.compressed import table

        console().print(table(document))
        click.echo(f"chosen: {best['name']}, {output / 'chosen.tflite'}")

    return Result(document, show, error)
