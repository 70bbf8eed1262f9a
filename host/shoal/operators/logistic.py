"""LOGISTIC: 1 / (1 + exp(−x)), a function of one byte."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from shoal.errors import Unsupported
from shoal.operators import floats, gemmlowp
from shoal.operators.base import Call, Kernel, Operator, Tensors, monotone
from shoal.operators.checks import check_int8, check_shape, operand, single_output, where
from shoal.operators.elements import banded
from shoal.operators.lookup import lookup_calls
from shoal.tensors import (
    Array,
    Tensor,
    multiply_by_quantized_multiplier,
    rounding_divide_by_pot,
)

NAME = "logistic"

_INTEGER_BITS = 4
#: TFLite's cutoffs in float32: above it is 1, below exp(x)
_UPPER, _LOWER = np.float32(16.619047164916992188), np.float32(-9.0)


def read(options: Any, operator: Operator, tensors: Tensors) -> None:
    return None


def check(operator: Operator, tensors: Tensors) -> None:
    input_, output = operand(operator, tensors, 0), single_output(operator, tensors)
    check_shape(operator, output, input_.shape)
    if floats.computes(input_):
        floats.check(operator, output)
        return
    check_int8(operator, input_)
    check_int8(operator, output)
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
    if floats.computes(operand(operator, tensors, 0)):
        return [_float_logistic(inputs[0])]
    return [_logistic(operand(operator, tensors, 0), inputs[0])]


def _float_logistic(x: Array) -> Array:
    """As logistic_f32.h; TFLM's differs by its C library's exponential, a few units of the last place."""
    below = x < _LOWER
    powers = floats.exp(np.where(below, x, -x))
    inside = np.where(below, powers, np.float32(1.0) / (np.float32(1.0) + powers))
    return np.asarray(np.where(x > _UPPER, np.float32(1.0), inside), np.float32)


bounds = floats.unless_float(monotone(reference))


def calls(operator: Operator, tensors: Tensors, features: frozenset[str]) -> list[Call]:
    input_ = operand(operator, tensors, 0)
    if floats.computes(input_):
        return [_float(input_, single_output(operator, tensors), features)]
    return lookup_calls(input_, single_output(operator, tensors), lambda x: _logistic(input_, x))


def _float(input_: Tensor, output: Tensor, features: frozenset[str]) -> Call:
    """In float32: see logistic_f32.h."""
    call = Call(
        kernel=Kernel("logistic_f32", "logistic_f32", literal=False),
        inputs=(input_.index,),
        outputs=(output.index,),
        shape=(("count", input_.elements),),
        align=floats.BYTES,
        in_place=(0,),
        instructions=20 + (60 if "fpu" in features else 1400) * input_.elements,
        code_bytes=350,
    )
    return banded(call, input_)
