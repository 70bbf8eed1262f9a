"""RESHAPE: the same bytes under another shape. The simplifier removes it; a copy is left where it cannot."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from shoal.errors import BadInput
from shoal.operators.base import Band, Call, Kernel, Operator, RowWindow, Tensors, monotone
from shoal.operators.checks import operand, single_output, where
from shoal.operators.pieces import is_tall
from shoal.tensors import Array, Tensor

NAME = "reshape"


def read(options: Any, operator: Operator, tensors: Tensors) -> None:
    """Nothing: the output tensor's shape is the new one, whatever options or a second input say."""
    return


def check(operator: Operator, tensors: Tensors) -> None:
    input_, output = operand(operator, tensors, 0), single_output(operator, tensors)
    if input_.dtype != output.dtype:
        raise BadInput(f"{input_.dtype} reshaped to {output.dtype}", where=where(operator, output))
    if input_.elements != output.elements:
        raise BadInput(
            f"shape {list(input_.shape)} has {input_.elements} elements, {list(output.shape)} has {output.elements}",
            where=where(operator, output),
            advice="convert the model again; its shapes contradict each other",
        )


def macs(operator: Operator, tensors: Tensors) -> int:
    return 0


def reference(operator: Operator, tensors: Tensors, inputs: Sequence[Array]) -> list[Array]:
    return [inputs[0].reshape(single_output(operator, tensors).shape)]


bounds = monotone(reference)


def calls(operator: Operator, tensors: Tensors, features: frozenset[str]) -> list[Call]:
    input_, output = operand(operator, tensors, 0), single_output(operator, tensors)
    return [
        Call(
            kernel=Kernel("copy", "copy", literal=False),
            inputs=(input_.index,),
            outputs=(output.index,),
            shape=(("bytes", input_.bytes),),
            in_place=(0,),
            instructions=15,  # in place, where the planner puts it if it can
            code_bytes=30,
            band=_band(input_, output),
        )
    ]


def _band(input_: Tensor, output: Tensor) -> Band | None:
    """The rows of an image on one side, which are pieces of what has no rows on the other."""
    rows = {t.shape[1] for t in (input_, output) if is_tall(t)}
    if len(rows) != 1:
        return None
    [height] = rows
    width = input_.bytes // height
    return Band((("bytes", width),), height, width, (RowWindow(),), (0,), instructions=25 * height)
