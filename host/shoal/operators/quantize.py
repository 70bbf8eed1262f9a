"""QUANTIZE: float32 to int8 at a model's input, and int8 or uint8 to another scale, zero point or signedness."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from shoal.errors import Unsupported
from shoal.operators.base import Call, Constant, Kernel, Operator, Tensors, monotone
from shoal.operators.checks import check_quantized, check_shape, operand, single_output, where
from shoal.operators.elements import banded
from shoal.operators.lookup import lookup_calls
from shoal.tensors import Array, Tensor, multiply_by_quantized_multiplier, quantize_multiplier

NAME = "quantize"

_PAIRS = {("float32", "int8"), ("int8", "int8"), ("int8", "uint8"), ("uint8", "int8")}
#: instructions that a soft float division, conversion and comparisons cost, about
_SOFT_FLOAT = 317


def read(options: Any, operator: Operator, tensors: Tensors) -> None:
    return None


def check(operator: Operator, tensors: Tensors) -> None:
    input_, output = operand(operator, tensors, 0), single_output(operator, tensors)
    if (input_.dtype, output.dtype) not in _PAIRS:
        raise Unsupported(
            f"{input_.dtype} to {output.dtype}",
            where=where(operator, output),
            advice="shoal quantizes float32 to int8, and int8 and uint8 to each other",
        )
    if input_.dtype != "float32":
        check_quantized(operator, input_)
    check_quantized(operator, output)
    check_shape(operator, output, input_.shape)


def macs(operator: Operator, tensors: Tensors) -> int:
    return 0


def _from_float(output: Tensor, values: Array) -> Array:
    """The quotient in float32, rounded half away from zero. Beyond int32, where TFLM's C++ is undefined, it saturates;
    what is not a number becomes zero."""
    with np.errstate(over="ignore", divide="ignore", invalid="ignore"):
        ratio = values.astype(np.float32) / np.float32(output.scale)
    ratio = np.clip(np.nan_to_num(ratio, nan=0.0), -1024, 1024).astype(np.float64)
    rounded = np.copysign(np.floor(np.abs(ratio) + 0.5), ratio).astype(np.int64)
    return np.asarray(np.clip(rounded + output.zero_point, -128, 127), np.int8)


def _thresholds(output: Tensor) -> Array:
    """The mirrored bits (see the kernel) of the least float32 that becomes −127, −126, … 127; int32. Found by halving
    all floats from −∞ to +∞ in their order."""
    wanted = np.arange(-127, 128)
    low = np.full(255, -0x7F800001, np.int64)  # −∞: becomes −128 or more
    high = np.full(255, 0x7F800001, np.int64)  # past +∞
    while np.any(high - low > 1):
        middle = (low + high) // 2
        bits = np.where(middle < 0, middle ^ 0x7FFFFFFF, middle).astype(np.int32)
        reached = _from_float(output, bits.view(np.float32)) >= wanted
        low, high = np.where(reached, low, middle), np.where(reached, middle, high)
    return high.astype(np.int32)


def _effective_multiplier(input_: Tensor, output: Tensor) -> tuple[int, int]:
    return quantize_multiplier(input_.scale / output.scale)


def _requantized(input_: Tensor, output: Tensor, values: Array) -> Array:
    centred = values.astype(np.int64) - input_.zero_point
    scaled = multiply_by_quantized_multiplier(centred, *_effective_multiplier(input_, output)) + output.zero_point
    limits = np.iinfo(output.dtype)
    return np.asarray(np.clip(scaled, limits.min, limits.max), output.dtype)


def reference(operator: Operator, tensors: Tensors, inputs: Sequence[Array]) -> list[Array]:
    input_, output = operand(operator, tensors, 0), single_output(operator, tensors)
    if input_.dtype == "float32":
        return [_from_float(output, inputs[0])]
    return [_requantized(input_, output, inputs[0])]


bounds = monotone(reference)


def calls(operator: Operator, tensors: Tensors, features: frozenset[str]) -> list[Call]:
    input_, output = operand(operator, tensors, 0), single_output(operator, tensors)
    if input_.dtype == "float32":
        return _float_calls(input_, output, features)
    table = lookup_calls(input_, output, lambda x: _requantized(input_, output, x))
    if _flips(input_, output):
        return [_flip_call(input_, output)]
    return [*table, _requantize_call(input_, output)]


def _flips(input_: Tensor, output: Tensor) -> bool:
    """Signedness changes and nothing else: one bit of each byte."""
    signed = {"int8": 0, "uint8": 128}
    return (
        input_.scale == output.scale
        and (input_.zero_point - signed[input_.dtype] == output.zero_point - signed[output.dtype])
        and input_.dtype != output.dtype
    )


def _flip_call(input_: Tensor, output: Tensor) -> Call:
    call = Call(
        kernel=Kernel("flip_8", "flip_8", literal=False),
        inputs=(input_.index,),
        outputs=(output.index,),
        shape=(("count", input_.elements),),
        align=4,
        in_place=(0,),
        instructions=20 + round(1.25 * input_.elements),
        code_bytes=104,
    )
    return banded(call, input_, multiple=4)


def _requantize_call(input_: Tensor, output: Tensor) -> Call:
    multiplier, shift = _effective_multiplier(input_, output)
    call = Call(
        kernel=Kernel("requantize_8", "requantize_8", literal=False),
        inputs=(input_.index,),
        outputs=(output.index,),
        shape=(
            ("count", input_.elements),
            ("input_offset", 0 if input_.dtype == "int8" else 128),
            ("output_offset", 0 if output.dtype == "int8" else 128),
        ),
        parameters=(
            ("input_zero_point", input_.zero_point),
            ("output_zero_point", output.zero_point),
            ("multiplier", multiplier),
            ("shift", shift),
        ),
        in_place=(0,),
        instructions=20 + 27 * input_.elements,
        code_bytes=166,
    )
    return banded(call, input_)


def _float_calls(input_: Tensor, output: Tensor, features: frozenset[str]) -> list[Call]:
    """A float unit divides; without one, 255 comparisons by halves are quicker than the division that they replace."""
    divide = Call(
        kernel=Kernel("quantize_f32_s8", "quantize_f32_s8", literal=False),
        inputs=(input_.index,),
        outputs=(output.index,),
        shape=(("count", input_.elements),),
        parameters=(("scale", float(output.scale)), ("zero_point", output.zero_point)),
        align=4,
        in_place=(0,),
        instructions=20 + (23 if "fpu" in features else _SOFT_FLOAT) * input_.elements,
        code_bytes=156 if "fpu" in features else 1100,
    )
    search = Call(
        kernel=Kernel("quantize_f32_s8_search", "quantize_f32_s8_search", literal=False),
        inputs=(input_.index,),
        outputs=(output.index,),
        shape=(("count", input_.elements),),
        parameters=(("zero_point", output.zero_point),),
        constants=(Constant("thresholds", _thresholds(output)),),
        align=4,
        in_place=(0,),
        instructions=20 + 48 * input_.elements,
        code_bytes=160,
    )
    found = [divide] if "fpu" in features else [search, divide]
    return [banded(call, input_) for call in found]
