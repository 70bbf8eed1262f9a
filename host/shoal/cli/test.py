"""`shoal test`: the hardware-in-the-loop suite on any node."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from shoal.cli.command import Result, command
from shoal.cli.options import new_file, node_option, plan_options, target_argument
from shoal.errors import BadInput, DoesNotFit

if TYPE_CHECKING:
    from shoal.hil.steps import Difference
    from shoal.hil.subject import Subject
    from shoal.hil.suite import Outcome


@command(
    examples=[
        ("is the emulated board right?", "shoal test kws.tflite --board netduinoplus2"),
        ("the same on a real one, with real inputs, for CI",
         "shoal test build/kws --node serial:/dev/ttyACM0 --input x.npy --junit kws.xml"),
        ("a shoal: the whole, then every node", "shoal test trio"),
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
    node: tuple[str, ...],
    plan_options: dict[str, Any],
) -> Result:
    """Check a board, or its emulator, against the reference.

    Identity, memory sizes, exactness of every output byte on made-up and given inputs, step-by-step runs, a garbled
    link, reset, stack high-water, and the faults that the node can raise.
    """
    from shoal.cli import shoals
    from shoal.cli.arrays import load_rows, tensor_of
    from shoal.cli.console import console, progress
    from shoal.cli.target import node_spec, open_target
    from shoal.hil import suite
    from shoal.hil.inputs import made_up
    from shoal.hil.steps import first_difference
    from shoal.hil.subject import open_subject

    if shoals.is_shoal(target):
        if steps:
            raise BadInput("step by step over a shoal: not yet", where="--steps", advice="leave it out")
        return shoals.test(shoals.open_shoal(target, board, plan_options), node, input_, count, junit)
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

    compared = None if not steps else 0 if subject.oracle is None else len(made.manifest["steps"])
    document = _document(subject, outcomes, compared, difference)
    if junit is not None:
        from shoal.hil.junit import junit as as_xml

        junit.write_bytes(as_xml(subject.session.origin, document["checks"]))

    def show() -> None:
        from shoal.report.checks import checks_line, checks_table

        console().print(checks_table(document))
        click.echo(checks_line(document))

    return Result(document, show, _finding(document, difference))


def _document(
    subject: Subject, outcomes: list[Outcome], compared: int | None, difference: Difference | None
) -> dict[str, Any]:
    """`compared`: how many steps were compared with the reference; None where nobody asked for it."""
    from shoal.hil.suite import EXACTNESS

    verdicts = [o.verdict for o in outcomes]
    inexact = difference is not None or any(o.verdict == "failed" for o in outcomes if o.name in EXACTNESS)
    steps = None
    if compared is not None:
        found = None if difference is None else difference.as_json()
        steps = {"compared": compared, "inputs": len(subject.inputs), "first_difference": found}
    return {
        **subject.session.origin,
        "inputs": len(subject.inputs),
        "exact": None if subject.oracle is None else not inexact,
        "exact_reason": subject.why_no_oracle,
        "checks": [
            {"name": o.name, "verdict": o.verdict, "detail": o.detail, "seconds": round(o.seconds, 3)} for o in outcomes
        ],
        "passed": verdicts.count("passed"),
        "failed": verdicts.count("failed"),
        "skipped": verdicts.count("skipped"),
        "steps": steps,
    }


def _finding(document: dict[str, Any], difference: Difference | None) -> DoesNotFit | None:
    where = f"{document['model']} on {document['node']}"
    if difference is not None:
        return DoesNotFit(str(difference), where=where, advice=f"the kernel is {difference.function}")
    failed = [c for c in document["checks"] if c["verdict"] == "failed"]
    if not failed:
        return None
    said = "; ".join(f"{c['name']}: {c['detail']}" for c in failed)
    advice = "--steps finds the first step that differs" if document["exact"] is False else ""
    return DoesNotFit(f"{len(failed)} of {len(document['checks'])} checks failed: {said}", where=where, advice=advice)
