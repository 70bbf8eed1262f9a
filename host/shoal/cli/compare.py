"""`shoal compare`: boards or results side by side."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

import shoal
from shoal.cli.command import Result, command
from shoal.cli.options import new_file, plan_options
from shoal.errors import BadInput


def _number(_ctx: click.Context, _param: click.Parameter, value: float | None) -> float | None:
    """`nan` is a float, but nothing is above it."""
    if value is not None and value != value:
        raise click.BadParameter("is not a number")
    return value


@command(
    examples=[
        ("which board?", "shoal compare kws.tflite --board netduinoplus2 --board esp32c3 --board nucleo_f103rb"),
        ("the same as a page", "shoal compare kws.tflite --board netduinoplus2 --board esp32c3 --html kws.html"),
        ("did anything get worse? (the first result is the baseline)",
         "shoal compare before.json after.json --fail-above 2"),
        ("where such results come from", "shoal bench kws.tflite --board netduinoplus2 --steps --json > before.json"),
    ]
)  # fmt: skip
@click.argument(
    "targets",
    metavar="MODEL | RESULT.json ...",
    nargs=-1,
    required=True,
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
)
@click.option(
    "--board", "boards", metavar="BOARD", multiple=True, help="With a MODEL: a board's id or file; repeatable."
)
@click.option(
    "--fail-above",
    metavar="PERCENT",
    type=click.FloatRange(min=0, max=1e6),
    callback=_number,
    help="Exit 1 if a figure is worse than the first result's by more than this.",
)
@click.option(
    "--html",
    metavar="FILE",
    type=click.Path(dir_okay=False, path_type=Path),
    callback=new_file,
    help="Also write a page.",
)
@plan_options
def compare(
    targets: tuple[Path, ...],
    boards: tuple[str, ...],
    fail_above: float | None,
    html: Path | None,
    plan_options: dict[str, Any],
) -> Result:
    """Set boards or results side by side: fit, RAM, flash, instructions, time.

    Of a MODEL, each board is built and run on its emulator; a board that has none, or is too small, is predicted.
    RESULT files are what `shoal bench --json` printed, all of one model. What was compiled or planned differently is
    marked.
    """
    from shoal.cli.console import console
    from shoal.report import comparison

    if all(t.suffix == ".json" for t in targets):
        if boards or plan_options:
            raise BadInput("results need no board and no plan options", advice="leave them out, or give a MODEL")
        results = [_read(t) for t in targets]
    elif len(targets) == 1:
        if not boards:
            raise BadInput("a MODEL needs boards", where=str(targets[0]), advice="add --board BOARD once or more")
        results = _measure(targets[0], boards, plan_options)
    else:
        raise BadInput(
            "compares one MODEL on boards, or RESULT.json files", advice="give one model, or .json files only"
        )

    labels = [r["label"] for r in results]
    for i, result in enumerate(results):
        if labels.count(result["label"]) > 1:
            result["label"] += f" ({i + 1})"
    document = comparison.compare(results, fail_above)
    error = comparison.finding(document)
    if html is not None:
        from shoal.report.page import page

        shown = document if error is None else {**document, "error": error.as_json()}
        html.write_text(page(shown, shoal.__version__), encoding="utf-8")

    def show() -> None:
        console().print(comparison.comparison_table(document))
        for note in comparison.notes(document):
            click.echo(note)
        if html is not None:
            click.echo(f"page: {html}")

    return Result({**document, "html": None if html is None else str(html)}, show, error)


def _read(path: Path) -> dict[str, Any]:
    """A result file, checked against the schema of `shoal bench`."""
    from jsonschema import Draft202012Validator

    advice = "make one with `shoal bench … --json > RESULT.json`"
    try:
        result = json.loads(path.read_text(encoding="utf-8"))
    except (UnicodeDecodeError, json.JSONDecodeError, RecursionError) as error:
        raise BadInput(f"is no JSON: {error}", where=str(path), advice=advice) from None
    if isinstance(result, dict) and "error" in result and "model_sha256" not in result:
        raise BadInput("holds an error, not a result", where=str(path), advice=advice)
    schema = json.loads((Path(__file__).parent / "schemas" / "bench.schema.json").read_text(encoding="utf-8"))
    problem = next(iter(Draft202012Validator(schema).iter_errors(result)), None)
    if problem is not None:
        raise BadInput(f"is no result: {problem.json_path}: {problem.message[:200]}", where=str(path), advice=advice)
    for of_that_run in ("error", "plot"):
        result.pop(of_that_run, None)
    return _labelled(result, path.stem, board=_known(result["board"]))


def _known(board: str) -> Any:
    """The board of that id, if this shoal has it."""
    from shoal import boards

    return boards.load(board) if board in boards.names() else None


def _measure(model: Path, names: Sequence[str], given: dict[str, Any]) -> list[dict[str, Any]]:
    from shoal import boards
    from shoal.bench.bench import bench
    from shoal.cli.console import progress
    from shoal.cli.options import options_of
    from shoal.cli.predicted import as_result, predicted, read_model
    from shoal.cli.target import open_target

    chosen = [boards.load(name) for name in names]
    graph = read_model(model)
    results = []
    with progress("measuring", len(chosen)) as bar:
        for board in bar.track(chosen):
            entry = predicted(graph, board, options_of(given))
            why = None
            if not entry["fits"]:
                why = "it does not fit"
            elif board.emulator is None and board.hal != "host":
                why = "the board has no emulator"
            if why is None:
                target = open_target(model, str(board.path), given)
                result = bench(target.directory, "host" if board.emulator is None else "emulator", 1, True)
            else:
                result = as_result(graph, entry, options_of(given))
            results.append(_labelled(result, board.id, board, why=why, shortfall=entry["shortfall"]))
    return results


def _labelled(
    result: dict[str, Any], label: str, board: Any, *, why: str | None = None, shortfall: str | None = None
) -> dict[str, Any]:
    """A bench document with what a comparison adds to it."""
    return {
        **result,
        "label": label,
        "fits": shortfall is None,
        "why_not_measured": why,
        "limits": {
            "ram_bytes": None if board is None else board.region("ram").bytes,
            "flash_bytes": None if board is None else board.region("flash").bytes,
            "shortfall": shortfall,
        },
    }
