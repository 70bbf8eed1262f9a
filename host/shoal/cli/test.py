"""`shoal test`: the hardware-in-the-loop suite on any node."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from shoal.cli.command import Result, command
from shoal.cli.options import new_file, node_option, plan_options, target_argument


@command(
    examples=[
        ("is the emulated board right?", "shoal test kws.tflite --board netduinoplus2"),
        ("the same on a real one, with real inputs, for CI",
         "shoal test build/kws --node serial:/dev/ttyACM0 --input x.npy --junit kws.xml"),
        ("where does it go wrong?", "shoal test build/kws --steps"),
    ]
)  # fmt: skip
@target_argument
@click.option("--steps", is_flag=True, help="Compare every step with the reference; name the first value that differs.")
@click.option(
    "--input",
    "input_",
    metavar="X",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Also test with these rows (as for `shoal run`).",
)
@click.option("--count", type=click.IntRange(1, 10_000), default=8, show_default=True, help="How many made-up inputs.")
@click.option(
    "--junit",
    metavar="FILE",
    type=click.Path(dir_okay=False, path_type=Path),
    callback=new_file,
    help="Also write JUnit XML.",
)
@node_option
@plan_options
def test(
    target: Path,
    board: str | None,
    steps: bool,
    input_: Path | None,
    count: int,
    junit: Path | None,
    node: str | None,
    plan_options: dict[str, Any],
) -> Result:
    """Check a board, or its emulator, against the reference.

    Identity, memory sizes, exactness of every output byte on made-up and given inputs, step-by-step runs, a garbled
    link, reset, stack high-water, and the faults that the node can raise.
    """
    from shoal.cli.arrays import load_rows, tensor_of
    from shoal.cli.console import console, progress
    from shoal.cli.target import node_spec, open_target
    from shoal.errors import DoesNotFit
    from shoal.hil import suite
    from shoal.hil.inputs import made_up
    from shoal.hil.steps import first_difference
    from shoal.hil.subject import open_subject

    made = open_target(target, board, plan_options)
    rows = made_up(made.manifest["inputs"], count)
    if input_ is not None:
        inputs = [tensor_of(t) for t in made.manifest["inputs"]]
        rows += list(zip(*load_rows(input_, inputs), strict=True))

    spec = node_spec(node, made.board)
    difference = None
    with (
        open_subject(made.directory, made.manifest, made.board, spec, rows) as subject,
        progress("testing", len(suite.CHECKS) + (len(rows) if steps else 0)) as bar,
    ):
        outcomes = list(bar.track(suite.run(subject)))
        if steps and subject.oracle is not None:
            for row in bar.track(rows):
                difference = first_difference(subject.session, subject.oracle, row)
                if difference is not None:
                    break

    failed = [o for o in outcomes if o.verdict == "failed"]
    document = {
        **subject.session.origin,
        "inputs": len(rows),
        "exact": None
        if subject.oracle is None
        else not any(o.name in suite.EXACTNESS for o in failed) and not difference,
        "exact_reason": subject.why_no_oracle,
        "checks": [
            {"name": o.name, "verdict": o.verdict, "detail": o.detail, "seconds": round(o.seconds, 3)} for o in outcomes
        ],
        "passed": sum(o.verdict == "passed" for o in outcomes),
        "failed": len(failed),
        "skipped": sum(o.verdict == "skipped" for o in outcomes),
        "steps": {
            "compared": len(made.manifest["steps"]) if subject.oracle is not None else 0,
            "inputs": len(rows),
            "first_difference": None if difference is None else difference.as_json(),
        }
        if steps
        else None,
    }
    if junit is not None:
        from shoal.hil.junit import junit as as_xml

        junit.write_bytes(as_xml(subject.session.origin, document["checks"]))

    error = None
    if difference is not None:
        error = DoesNotFit(str(difference), where=made.manifest["name"], advice=f"look at {difference.function}")
    elif failed:
        said = "; ".join(f"{o.name}: {o.detail}" for o in failed)
        inexact = any(o.name in suite.EXACTNESS for o in failed)
        error = DoesNotFit(
            f"{len(failed)} of {len(outcomes)} checks failed: {said}",
            where=f"{made.manifest['name']} on {spec}",
            advice="--steps finds the first step that differs" if inexact and not steps else "",
        )

    def show() -> None:
        from shoal.report.checks import checks_line, checks_table

        console().print(checks_table(document))
        click.echo(checks_line(document))

    return Result(document, show, error)
