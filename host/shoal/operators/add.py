"""ADD: the sum of two tensors, each rescaled to twice the larger input scale in 20 more bits."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from shoal.errors import Unsupported
from shoal.operators import floats
from shoal.operators.activation import activation_range
from shoal.operators.base import Call, Constant, Kernel, Operator, Tensors, monotone
from shoal.operators.binary import (
    Binding,
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

NAME = "add"

_LEFT_SHIFT = 20
#: right shifts of the sum for which the fast kernel's rounding constant stays inside of int32
_MAX_SHIFT = 22


def read(options: Any, operator: Operator, tensors: Tensors) -> Fused:
    return read_fused(options, operator)


def check(operator: Operator, tensors: Tensors) -> None:
    check_operands(operator, tensors)
    a, b, output = operands(operator, tensors)
    if floats.computes(a):
        return
    _, shift = _output_multiplier(a, b, output)
    if shift > 0:
        raise Unsupported(
            f"output scale {output.scale:.3g} is less than 2⁻²⁰ of the input scales {a.scale:.3g} and {b.scale:.3g}",
            where=where(operator, output),
            advice="quantize again with a representative data set; TensorFlow Lite Micro does not run this either",
        )


def macs(operator: Operator, tensors: Tensors) -> int:
    return 0


def _input_multiplier(tensor: Tensor, other: Tensor) -> tuple[int, int]:
    return quantize_multiplier(tensor.scale / (2 * max(tensor.scale, other.scale)))


def _output_multiplier(a: Tensor, b: Tensor, output: Tensor) -> tuple[int, int]:
    return quantize_multiplier(2 * max(a.scale, b.scale) / ((1 << _LEFT_SHIFT) * output.scale))


def _rescaled(values: Array, tensor: Tensor, other: Tensor) -> Array:
    """Quantized values as the summands that TFLM adds, int64."""
    shifted = (values.astype(np.int64) - tensor.zero_point) << _LEFT_SHIFT
    return multiply_by_quantized_multiplier(shifted, *_input_multiplier(tensor, other))


def _sum(operator: Operator, a: Tensor, b: Tensor, output: Tensor, x: Array, y: Array) -> Array:
    """The output's int8 values for values x of a and y of b, broadcast."""
    total = _rescaled(x, a, b) + _rescaled(y, b, a)
    scaled = multiply_by_quantized_multiplier(total, *_output_multiplier(a, b, output)) + output.zero_point
    return np.asarray(np.clip(scaled, *activation_range(operator.attributes.activation, output)), np.int8)


def reference(operator: Operator, tensors: Tensors, inputs: Sequence[Array]) -> list[Array]:
    a, b, output = operands(operator, tensors)
    if floats.computes(a):
        return [floats.clamp(inputs[0] + inputs[1], operator.attributes.activation)]
    return [_sum(operator, a, b, output, inputs[0], inputs[1]).reshape(output.shape)]


bounds = floats.unless_float(monotone(reference))


def calls(operator: Operator, tensors: Tensors, features: frozenset[str]) -> list[Call]:
    a, b, output = operands(operator, tensors)
    if floats.computes(a):
        return float_calls(operator, tensors, False, features)
    single = function_of_one(a, b, lambda x, y: _sum(operator, a, b, output, x, y))
    if single is not None:
        return lookup_calls(single[0], output, single[1])
    low, high = activation_range(operator.attributes.activation, output)
    # The operand of the larger scale is halved exactly, by a shift; the other one takes a table.
    larger, smaller = (a, b) if a.scale >= b.scale else (b, a)
    binding = bind(larger, smaller)
    found = [*_table_call(binding, output, low, high, features), _plain_call(binding, output, low, high)]
    return [banded(call, binding, output) for call in found]


def _table_call(binding: Binding, output: Tensor, low: int, high: int, features: frozenset[str]) -> list[Call]:
    """add_s8.h's fast form. Everything is 4 times the sum, so that the high word of the product with the output
    multiplier keeps one bit below the first rounding: both roundings and the zero point are then one constant."""
    a, b = binding.a, binding.b
    multiplier, shift = _output_multiplier(a, b, output)
    if -shift > _MAX_SHIFT:
        return []
    table = 4 * (_rescaled(np.arange(256, dtype=np.uint8).view(np.int8), b, a) - (a.zero_point << (_LEFT_SHIFT - 1)))
    half = (1 << (-shift - 1)) if shift < 0 else 0
    rounding = 2 * (half + (output.zero_point << -shift)) + 1
    # The second rounding is down by one where the sum is negative, which shows only if such values are not clamped.
    signed = shift < 0 and low < output.zero_point
    clamped = (low, high) != (-128, 127)
    saturation = 5.75 if clamped or "dsp" not in features else 0.25  # two comparisons, or one instruction
    per_element = 9 + 2 * signed + saturation
    constant = binding.constant
    return [
        Call(
            kernel=Kernel("add_s8", "add_s8" if constant is None else "add_s8_constant"),
            inputs=binding.inputs,
            outputs=(output.index,),
            shape=(
                *binding.shape(),
                ("constant_first", int(constant is a)),
                ("shift", 1 - shift),
                ("is_signed", int(signed)),
                ("is_clamped", int(clamped)),
            ),
            parameters=(
                ("count", binding.count),
                ("multiplier", multiplier),
                ("rounding", rounding),
                ("low", low),
                ("high", high),
            ),
            constants=(*binding.constants(), Constant("table", table.astype(np.int32))),
            in_place=binding.in_place,
            instructions=30 + round(binding.runs * (16 + binding.count * per_element)),
            code_bytes=300 + 50 * signed + 30 * clamped + 40 * (binding.runs > 1),
        )
    ]


def _rescale(name: str, multiplier: int, shift: int) -> tuple[tuple[str, int], ...]:
    """Parameters of one of add_s8_plain.h's rescales. Values stay below 2^28: a right shift beyond 29 changes none of
    the zeros that 29 makes."""
    right = min(-shift, 29)
    return (
        (f"multiplier{name}", multiplier),
        (f"rounding{name}", (1 << right) + 1 if right else 1),
        (f"down{name}", -2 if right else 0),
        (f"shift{name}", right + 1),
    )


def _plain_call(binding: Binding, output: Tensor, low: int, high: int) -> Call:
    """add_s8_plain.h: no table."""
    a, b = binding.a, binding.b
    constant = binding.constant
    return Call(
        kernel=Kernel("add_s8_plain", "add_s8_plain" if constant is None else "add_s8_plain_constant"),
        inputs=binding.inputs,
        outputs=(output.index,),
        shape=(*binding.shape(), ("constant_first", int(constant is a))),
        parameters=(
            ("count", binding.count),
            ("zero_point_a", a.zero_point),
            ("zero_point_b", b.zero_point),
            *_rescale("_b", *_input_multiplier(b, a)),
            *_rescale("", *_output_multiplier(a, b, output)),
            ("zero_point", output.zero_point),
            ("low", low),
            ("high", high),
        ),
        constants=binding.constants(),
        in_place=binding.in_place,
        instructions=30 + round(binding.runs * (16 + binding.count * 35.0)),
        code_bytes=170 + 50 * (binding.runs > 1),
    )
