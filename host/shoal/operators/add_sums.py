"""ADD_SUMS: two tensors of int32 sums of the same shape, added element by element; sums wrap.

Internal: `network.slices` makes it, no model file has it."""

from __future__ import annotations

from collections.abc import Sequence

from shoal.errors import BadInput
from shoal.operators.base import Call, Kernel, Operator, Tensors, unknown
from shoal.operators.checks import operand, single_output, where
from shoal.operators.requantization import wrap
from shoal.tensors import Array

NAME = "add_sums"


def check(operator: Operator, tensors: Tensors) -> None:
    output = single_output(operator, tensors)
    for tensor in (operand(operator, tensors, 0), operand(operator, tensors, 1), output):
        if tensor.dtype != "int32" or tensor.shape != output.shape:
            raise BadInput(
                f"{tensor.dtype} of shape {list(tensor.shape)} where int32 of shape {list(output.shape)} is due",
                where=where(operator, tensor),
            )


def macs(operator: Operator, tensors: Tensors) -> int:
    return 0


def reference(operator: Operator, tensors: Tensors, inputs: Sequence[Array]) -> list[Array]:
    return [wrap(inputs[0].astype("int64") + inputs[1])]


bounds = unknown


def calls(operator: Operator, tensors: Tensors, features: frozenset[str]) -> list[Call]:
    """Its cost is that of counts on an emulated Cortex-M4, GCC 12 at -O3."""
    first, second = operand(operator, tensors, 0), operand(operator, tensors, 1)
    output = single_output(operator, tensors)
    return [
        Call(
            kernel=Kernel("add_sums_s32", "add_sums_s32", literal=False),
            inputs=(first.index, second.index),
            outputs=(output.index,),
            shape=(("count", output.elements),),
            in_place=(0, 0),
            instructions=30 + 6 * output.elements,
            code_bytes=60,
        )
    ]
