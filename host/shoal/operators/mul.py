"""MUL: the product of two tensors, rescaled once."""

from __future__ import annotations

from collections.abc import Sequence
from functools import reduce
from typing import Any

import numpy as np

from shoal.errors import Unsupported
from shoal.operators import floats
from shoal.operators.activation import activation_range
from shoal.operators.base import Call, Kernel, Operator, Tensors
from shoal.operators.binary import (
    Fused,
    banded,
    bind,
    check_operands,
    float_calls,
    function_of_one,
    operands,
    read_fused,
)
from shoal.operators.checks import where
from shoal.operators.lookup import lookup_calls
from shoal.tensors import Array, Tensor, multiply_by_quantized_multiplier, quantize_multiplier

NAME = "mul"

#: products of two operands stay below 2^16, so a left shift of more than this wraps
_MAX_LEFT_SHIFT = 15
#: shifts beyond these change no result: it saturates, or is zero
_USEFUL_LEFT_SHIFT, _USEFUL_RIGHT_SHIFT = 12, 22


def read(options: Any, operator: Operator, tensors: Tensors) -> Fused:
    return read_fused(options, operator)


def check(operator: Operator, tensors: Tensors) -> None:
    check_operands(operator, tensors)
    a, b, output = operands(operator, tensors)
    if floats.computes(a):
        return
    if _multiplier(a, b, output)[1] > _MAX_LEFT_SHIFT:
        raise Unsupported(
            f"output scale {output.scale:.3g} is far below the product of the input scales "
            f"{a.scale:.3g} and {b.scale:.3g}",
            where=where(operator, output),
            advice="quantize again with a representative data set; TensorFlow Lite Micro overflows here",
        )


def macs(operator: Operator, tensors: Tensors) -> int:
    return 0


def _multiplier(a: Tensor, b: Tensor, output: Tensor) -> tuple[int, int]:
    return quantize_multiplier(a.scale * b.scale / output.scale)


def _product(operator: Operator, a: Tensor, b: Tensor, output: Tensor, x: Array, y: Array) -> Array:
    """The output's int8 values for values x of a and y of b, broadcast."""
    product = (x.astype(np.int64) - a.zero_point) * (y.astype(np.int64) - b.zero_point)
    scaled = multiply_by_quantized_multiplier(product, *_multiplier(a, b, output)) + output.zero_point
    return np.asarray(np.clip(scaled, *activation_range(operator.attributes.activation, output)), np.int8)


def reference(operator: Operator, tensors: Tensors, inputs: Sequence[Array]) -> list[Array]:
    a, b, output = operands(operator, tensors)
    if floats.computes(a):
        return [floats.clamp(inputs[0] * inputs[1], operator.attributes.activation)]
    return [_product(operator, a, b, output, inputs[0], inputs[1]).reshape(output.shape)]


def _bounds(
    operator: Operator, tensors: Tensors, low: Sequence[Array], high: Sequence[Array]
) -> tuple[list[Array], list[Array]]:
    """A product is least and greatest at ends of its factors' ranges, and so is what it is rescaled to."""
    ends = [reference(operator, tensors, [x, y])[0] for x in (low[0], high[0]) for y in (low[1], high[1])]
    return [reduce(np.minimum, ends)], [reduce(np.maximum, ends)]


bounds = floats.unless_float(_bounds)


def calls(operator: Operator, tensors: Tensors, features: frozenset[str]) -> list[Call]:
    """mul_s8.h works on 4 times the product: see add.py for the roundings."""
    a, b, output = operands(operator, tensors)
    if floats.computes(a):
        return float_calls(operator, tensors, True, features)
    single = function_of_one(a, b, lambda x, y: _product(operator, a, b, output, x, y))
    if single is not None:
        return lookup_calls(single[0], output, single[1])
    binding = bind(b, a) if a.data is not None else bind(a, b)
    low, high = activation_range(operator.attributes.activation, output)
    multiplier, shift = _multiplier(a, b, output)
    left, right = min(max(shift, 0), _USEFUL_LEFT_SHIFT), min(max(-shift, 0), _USEFUL_RIGHT_SHIFT)
    half = (1 << (right - 1)) if right else 0
    signed = right > 0 and low < output.zero_point
    clamped = (low, high) != (-128, 127)
    saturation = 5.75 if clamped or "dsp" not in features else 0.25  # two comparisons, or one instruction
    per_element = 11.5 + 2 * signed + saturation
    call = Call(
        kernel=Kernel("mul_s8", "mul_s8" if binding.constant is None else "mul_s8_constant"),
        inputs=binding.inputs,
        outputs=(output.index,),
        shape=(
            *binding.shape(),
            ("left_shift", 2 + left),
            ("shift", 1 + right),
            ("is_signed", int(signed)),
            ("is_clamped", int(clamped)),
        ),
        parameters=(
            ("count", binding.count),
            ("zero_point_a", binding.a.zero_point),
            ("zero_point_b", binding.b.zero_point),
            ("multiplier", multiplier),
            ("rounding", 2 * (half + (output.zero_point << right)) + 1),
            ("low", low),
            ("high", high),
        ),
        constants=binding.constants(),
        in_place=binding.in_place,
        instructions=30 + round(binding.runs * (16 + binding.count * per_element)),
        code_bytes=300 + 50 * signed + 30 * clamped + 90 * (binding.runs > 1),
    )
    return [banded(call, binding, output)]
