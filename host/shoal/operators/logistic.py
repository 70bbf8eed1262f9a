"""LOGISTIC: 1 / (1 + exp(−x)), a function of one byte."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from shoal.errors import Unsupported
from shoal.operators import gemmlowp
from shoal.operators.base import Call, Operator, Tensors, monotone
from shoal.operators.checks import check_int8, check_shape, operand, single_output, where
from shoal.operators.lookup import lookup_calls
from shoal.tensors import (
    Array,
    Tensor,
    multiply_by_quantized_multiplier,
    rounding_divide_by_pot,
)

NAME = "logistic"

_INTEGER_BITS = 4


def read(options: Any, operator: Operator, tensors: Tensors) -> None:
    return None


def check(operator: Operator, tensors: Tensors) -> None:
    input_, output = operand(operator, tensors, 0), single_output(operator, tensors)
    check_int8(operator, input_)
    check_int8(operator, output)
    check_shape(operator, output, input_.shape)
    if (output.scale, output.zero_point) != (1 / 256, -128):
        raise Unsupported(
            f"output scale {output.scale:.6g} and zero point {output.zero_point} where 1/256 and −128 are due",
            where=where(operator, output),
            advice="convert the model again; TensorFlow Lite Micro computes with 1/256 whatever the file says",
        )
    if _multiplier(input_)[1] < 0:
        raise Unsupported(
            f"input scale {input_.scale:.3g} is below what fixed point can hold",
            where=where(operator, input_),
            advice="quantize again with a representative data set",
        )


def macs(operator: Operator, tensors: Tensors) -> int:
    return 0


def _multiplier(input_: Tensor) -> tuple[int, int]:
    """From quantized input to Q4.27. A float32 scale is exact in 31 bits."""
    mantissa, shift = math.frexp(math.ldexp(input_.scale, 31 - _INTEGER_BITS))
    return int(math.ldexp(mantissa, 31)), shift


def _logistic(input_: Tensor, values: Array) -> Array:
    """The output's int8 for quantized input values."""
    multiplier, left_shift = _multiplier(input_)
    centred = values.astype(np.int64) - input_.zero_point
    radius = gemmlowp.input_radius(_INTEGER_BITS, left_shift)
    inside = np.clip(centred, 1 - radius, radius - 1) if radius > 0 else np.zeros_like(centred)
    scaled = multiply_by_quantized_multiplier(inside, multiplier, left_shift)
    result = rounding_divide_by_pot(gemmlowp.logistic(scaled, _INTEGER_BITS), 31 - 8) - 128
    result = np.where(centred <= -radius, -128, np.where(centred >= radius, 127, result))
    return np.asarray(np.clip(result, -128, 127), np.int8)


def reference(operator: Operator, tensors: Tensors, inputs: Sequence[Array]) -> list[Array]:
    return [_logistic(operand(operator, tensors, 0), inputs[0])]


bounds = monotone(reference)


def calls(operator: Operator, tensors: Tensors, features: frozenset[str]) -> list[Call]:
    input_ = operand(operator, tensors, 0)
    return lookup_calls(input_, single_output(operator, tensors), lambda x: _logistic(input_, x))
