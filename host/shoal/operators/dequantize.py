"""DEQUANTIZE: int8 or uint8 to float32 at a model's output."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from shoal.errors import Unsupported
from shoal.operators.base import Call, Constant, Kernel, Operator, Tensors, monotone
from shoal.operators.checks import check_quantized, check_shape, operand, single_output, where
from shoal.operators.elements import banded
from shoal.operators.lookup import all_bytes
from shoal.tensors import Array, Tensor

NAME = "dequantize"


def read(options: Any, operator: Operator, tensors: Tensors) -> None:
    return None


def check(operator: Operator, tensors: Tensors) -> None:
    input_, output = operand(operator, tensors, 0), single_output(operator, tensors)
    if input_.dtype not in ("int8", "uint8") or output.dtype != "float32":
        raise Unsupported(
            f"{input_.dtype} to {output.dtype}",
            where=where(operator, output),
            advice="shoal dequantizes int8 and uint8 to float32",
        )
    check_quantized(operator, input_)
    check_shape(operator, output, input_.shape)


def macs(operator: Operator, tensors: Tensors) -> int:
    return 0


def _real(input_: Tensor, values: Array) -> Array:
    """float32; one rounding, of the product."""
    return np.float32(input_.scale) * (values.astype(np.int32) - input_.zero_point).astype(np.float32)


def reference(operator: Operator, tensors: Tensors, inputs: Sequence[Array]) -> list[Array]:
    return [_real(operand(operator, tensors, 0), inputs[0])]


bounds = monotone(reference)


def calls(operator: Operator, tensors: Tensors, features: frozenset[str]) -> list[Call]:
    """With a float unit a multiplication; without one a table is quicker, and smaller if nothing else needs floats."""
    input_, output = operand(operator, tensors, 0), single_output(operator, tensors)
    fpu = "fpu" in features
    in_place = (_overlap(input_.elements),)
    multiply = Call(
        kernel=Kernel("dequantize_f32", "dequantize_f32", literal=False),
        inputs=(input_.index,),
        outputs=(output.index,),
        shape=(("count", input_.elements), ("offset", 0 if input_.dtype == "int8" else 128)),
        parameters=(("scale", float(input_.scale)), ("zero_point", input_.zero_point)),
        align=4,
        in_place=in_place,
        instructions=20 + (10 if fpu else 60) * input_.elements,
        code_bytes=76 if fpu else 700,
    )
    table = Call(
        kernel=Kernel("dequantize_f32_table", "dequantize_f32_table", literal=False),
        inputs=(input_.index,),
        outputs=(output.index,),
        shape=(("count", input_.elements),),
        constants=(Constant("table", _real(input_, all_bytes(input_.dtype))),),
        align=4,
        in_place=in_place,
        instructions=20 + round(4.5 * input_.elements),
        code_bytes=146,
    )
    found = [multiply] if fpu else [table, multiply]
    return [banded(call, input_, _overlap(math.prod(input_.shape[2:]))) for call in found]


def _overlap(elements: int) -> int:
    """In-place distance in bytes: a float takes the place of the bytes before its own."""
    return -3 * (elements - 1)
