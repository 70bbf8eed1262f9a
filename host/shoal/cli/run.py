"""`shoal run`: inputs in, outputs out, on any node."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from shoal.cli.command import Result, command
from shoal.cli.options import node_option, output_option, plan_options, shoal_options, target_argument

if TYPE_CHECKING:
    from shoal.tensors import Tensor


@command(
    examples=[
        ("classify the rows of x.npy on an emulated board", "shoal run kws.tflite --board netduinoplus2 --input x.npy"),
        ("save what the model answers", "shoal run build/kws --input x.npy --output y.npy"),
        ("the same on a real board, as real numbers", "shoal run build/kws --input x.npy --output y.npy --dequantize"
         " --node serial:/dev/ttyACM0"),
        ("over the boards of a shoal, one of them real", "shoal run trio --input x.npy"
         " --node esp32c3=serial:/dev/ttyUSB0"),
        ("every place to cut it, one after another, without flashing", "shoal run trio --input x.npy --cuts each"),
        ("a model with several inputs takes one array for each", "shoal run add.tflite --board host --input x.npz"),
    ]
)  # fmt: skip
@target_argument
@click.option(
    "--input",
    "input_",
    metavar="X",
    required=True,
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Rows as .npy; .npz by tensor name for a model with several inputs.",
)
@output_option("Where the outputs go, .npy (.npz for several); without it a summary is printed.")
@click.option(
    "--dequantize", is_flag=True, help="Give outputs as real numbers (float32), not as the model's own dtype."
)
@node_option
@shoal_options
@plan_options
def run(
    target: Path,
    board: str | None,
    input_: Path,
    output: Path | None,
    dequantize: bool,
    node: tuple[str, ...],
    how: dict[str, Any],
    plan_options: dict[str, Any],
) -> Result:
    """Run a model on inputs: on the board's emulator, on the host, or on a real board.

    X is N rows of any shape whose size is the input's: (N,490), (N,49,10,1) and (N,1,49,10,1) are the same, and one
    row may lack its first axis. Integers must fit the input's dtype; floats are quantized as TensorFlow Lite Micro
    quantizes them. Y is (N, *output shape).
    """
    from shoal.cli import arrays, shoals
    from shoal.cli.console import progress
    from shoal.cli.target import node_spec, open_target
    from shoal.hil.session import open_session
    from shoal.render.manifest import kinds

    if shoals.is_shoal(target):
        return shoals.run(
            shoals.open_shoal(target, board, plan_options), node, input_, output, dequantize, shoals.How(**how)
        )
    shoals.only_of_a_shoal(how)
    made = open_target(target, board, plan_options)
    inputs = [arrays.tensor_of(t) for t in made.manifest["inputs"]]
    outputs = [arrays.tensor_of(t) for t in made.manifest["outputs"]]
    if output is not None:
        arrays.check_output(output, len(outputs))
    rows = arrays.load_rows(input_, inputs)
    count = len(rows[0])

    answers: list[list[Any]] = [[] for _ in outputs]
    retries = 0
    spec = node_spec(node, made.board)
    with open_session(made.directory, made.manifest, spec) as session, progress("running", count) as bar:
        for i in bar.track(range(count)):
            reply = session.run([r[i] for r in rows])
            retries += reply.answer.retries
            for values, array in zip(answers, reply.outputs, strict=True):
                values.append(array)

    origin = {**session.origin, "rows": count, "input": str(input_)}
    made_by = [k for s in made.manifest["steps"] for k in kinds(s)]
    return answered(origin, retries, answers, outputs, made.manifest["labels"], made_by, output, dequantize)


def answered(
    origin: dict[str, Any],
    retries: int,
    answers: Sequence[Sequence[Any]],
    outputs: Sequence[Tensor],
    labels: Sequence[str],
    made_by: Sequence[str],
    output: Path | None,
    dequantize: bool,
) -> Result:
    """The result of a run, saved where `output` says: `answers` has each output's arrays, row by row; `made_by`: the
    kinds of the operators that made them, in order."""
    import numpy as np

    from shoal.cli import arrays
    from shoal.cli.console import console

    results = [np.stack(a) for a in answers]
    real = [arrays.dequantize(r, t) for r, t in zip(results, outputs, strict=True)]
    if output is not None:
        arrays.save_rows(output, real if dequantize else results, outputs)
    document = {
        **origin,
        "output": None if output is None else str(output),
        "retries": retries,
        "outputs": [
            {"name": t.name, "dtype": str((real if dequantize else results)[i].dtype), "shape": list(t.shape)}
            for i, t in enumerate(outputs)
        ],
        "answers": [_answer([r[row] for r in real], labels, made_by) for row in range(len(results[0]))],
    }

    def show() -> None:
        from shoal.report.answers import answers_line, answers_summary, answers_table

        click.echo(answers_line(document) + ("" if output is None else f"; saved to {output}"))
        if output is None:
            console().print(answers_table(document))
            summary = answers_summary(document)
            if summary is not None:
                click.echo(summary)

    return Result(document, show)


def _answer(real: list[Any], labels: Sequence[str], made_by: Sequence[str]) -> dict[str, Any]:
    """What one row came to: the range of its (first) output and, for a classifier, the class, its label and score."""
    values = real[0].reshape(-1)
    best = int(values.argmax()) if _classifies(real, labels, made_by) else None
    return {
        "class": best,
        "label": labels[best] if best is not None and best < len(labels) else None,
        "score": None if best is None else float(values[best]),
        "low": float(values.min()),
        "high": float(values.max()),
    }


def _classifies(real: list[Any], labels: Sequence[str], made_by: Sequence[str]) -> bool:
    """Whether the largest value names a class: they come from one softmax, or there is a label for each."""
    if len(real) > 1 or not 1 < real[0].size == real[0].shape[-1]:
        return False
    made = [k for k in made_by if k not in ("dequantize", "quantize", "reshape")]
    return made[-1:] == ["softmax"] or len(labels) == real[0].size
