"""SOFTMAX: exp(beta · x) over its sum along the last axis, by a table of exponentials."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from shoal.errors import BadInput, Unsupported
from shoal.operators import floats, gemmlowp
from shoal.operators.base import Band, Call, Constant, Kernel, Operator, RowWindow, Tensors, unknown
from shoal.operators.checks import check_int8, check_shape, operand, single_output, where
from shoal.tensors import (
    Array,
    Tensor,
    quantize_multiplier,
    rounding_divide_by_pot,
    saturating_rounding_doubling_high_mul,
)

NAME = "softmax"

_INPUT_INTEGER_BITS = 5
_SUM_INTEGER_BITS = 12
#: classes up to which the sum of exponentials stays inside of int32
_MAX_DEPTH = (1 << _SUM_INTEGER_BITS) - 1


@dataclass(frozen=True)
class Softmax:
    beta: float


def read(options: Any, operator: Operator, tensors: Tensors) -> Softmax:
    if options is None:
        raise BadInput("options are missing", where=where(operator), advice="convert the model again")
    return Softmax(float(options.Beta()))


def check(operator: Operator, tensors: Tensors) -> None:
    input_, output = operand(operator, tensors, 0), single_output(operator, tensors)
    check_shape(operator, output, input_.shape)
    if not input_.shape:
        raise BadInput("a scalar has no last axis", where=where(operator, input_))
    if floats.computes(input_):
        floats.check(operator, output)
        return
    check_int8(operator, input_)
    check_int8(operator, output)
    if (output.scale, output.zero_point) != (1 / 256, -128):
        raise Unsupported(
            f"output scale {output.scale:.6g} and zero point {output.zero_point} where 1/256 and −128 are due",
            where=where(operator, output),
            advice="convert the model again; TensorFlow Lite Micro does not run this either",
        )
    if input_.shape[-1] > _MAX_DEPTH:
        raise Unsupported(
            f"{input_.shape[-1]} classes overflow the sum of exponentials",
            where=where(operator, input_),
            advice=f"at most {_MAX_DEPTH} classes; end the model at the logits",
        )
    beta = operator.attributes.beta
    if not _real_multiplier(beta, input_) > 1.0:
        raise Unsupported(
            f"beta {beta:.3g} times input scale {input_.scale:.3g} is below what fixed point can hold",
            where=where(operator, input_),
            advice="quantize again with a representative data set; TensorFlow Lite Micro does not run this either",
        )


def macs(operator: Operator, tensors: Tensors) -> int:
    return 0


def _real_multiplier(beta: float, input_: Tensor) -> float:
    """From differences of quantized inputs to Q5.26."""
    return min(beta * input_.scale * (1 << (31 - _INPUT_INTEGER_BITS)), (1 << 31) - 1.0)


def _exponentials(beta: float, input_: Tensor) -> Array:
    """exp(−beta · scale · d) in Q0.31 for d from 0 to 255; zero where TFLM leaves the difference out. int64."""
    multiplier, left_shift = quantize_multiplier(_real_multiplier(beta, input_))
    radius = gemmlowp.input_radius(_INPUT_INTEGER_BITS, left_shift)
    difference = np.arange(256, dtype=np.int64)
    kept = difference <= radius
    scaled = saturating_rounding_doubling_high_mul(-np.where(kept, difference, 0) << left_shift, multiplier)
    return np.asarray(np.where(kept, gemmlowp.exp_on_negative_values(scaled, _INPUT_INTEGER_BITS), 0), np.int64)


def reference(operator: Operator, tensors: Tensors, inputs: Sequence[Array]) -> list[Array]:
    if floats.computes(operand(operator, tensors, 0)):
        return [_float_softmax(operator.attributes.beta, inputs[0])]
    table = _exponentials(operator.attributes.beta, operand(operator, tensors, 0))
    x = inputs[0].astype(np.int64)
    terms = table[x.max(axis=-1, keepdims=True) - x]
    total = rounding_divide_by_pot(terms, _SUM_INTEGER_BITS).sum(axis=-1, keepdims=True)
    # A sum of 2^(k − 1) to 2^k − 1 has 32 − k leading zeros.
    headroom = 32 - np.frexp(total.astype(np.float64))[1].astype(np.int64)
    reciprocal = gemmlowp.one_over_one_plus((total << headroom) - (1 << 31))
    scaled = rounding_divide_by_pot(
        saturating_rounding_doubling_high_mul(reciprocal, terms), _SUM_INTEGER_BITS - headroom + 31 - 8
    )
    return [np.asarray(np.clip(scaled - 128, -128, 127), np.int8)]


def _float_softmax(beta: float, x: Array) -> Array:
    """As softmax_f32.h; TFLM's differs by its C library's exponential, a few units of the last place."""
    powers = floats.exp((x - x.max(axis=-1, keepdims=True)) * np.float32(beta))
    total = floats.total((powers[..., i] for i in range(x.shape[-1])), x.shape[:-1])
    return np.asarray(powers / total[..., None], np.float32)


bounds = unknown


def calls(operator: Operator, tensors: Tensors, features: frozenset[str]) -> list[Call]:
    input_ = operand(operator, tensors, 0)
    is_float = floats.computes(input_)
    found = [_float(operator, tensors, features) if is_float else _general(operator, tensors)]
    if input_.shape[-1] == 2 and not is_float:
        found.insert(0, _pair(operator, tensors))
    if len(input_.shape) != 4 or input_.shape[0] != 1:
        return found
    _, height, width, _ = input_.shape
    return [replace(call, band=_band(call, height, width)) for call in found]


def _band(call: Call, height: int, width: int) -> Band:
    return Band(
        shape=(("pixels", width), *call.shape[1:]),
        height=height,
        width=width,
        windows=(RowWindow(),),
        in_place=(0,),
        instructions=call.instructions + 20 * height,
    )


def _general(operator: Operator, tensors: Tensors) -> Call:
    """Any number of classes: see softmax_s8.h."""
    input_, output = operand(operator, tensors, 0), single_output(operator, tensors)
    table = _exponentials(operator.attributes.beta, input_)
    # Below half a unit of the sum's last bit an exponential changes neither the sum nor the output.
    length = int(np.flatnonzero(table >= 1 << (_SUM_INTEGER_BITS - 1))[-1]) + 1
    depth = input_.shape[-1]
    pixels = input_.elements // depth
    return Call(
        kernel=Kernel("softmax_s8", "softmax_s8", literal=False),
        inputs=(input_.index,),
        outputs=(output.index,),
        shape=(("pixels", pixels), ("depth", depth), ("table_length", length)),
        constants=(Constant("table", table[:length].astype(np.int32)),),
        in_place=(0,),
        instructions=20 + pixels * (150 + 27 * depth),
        code_bytes=540,
    )


def _float(operator: Operator, tensors: Tensors, features: frozenset[str]) -> Call:
    """In float32: see softmax_f32.h."""
    input_, output = operand(operator, tensors, 0), single_output(operator, tensors)
    depth = input_.shape[-1]
    pixels = input_.elements // depth
    return Call(
        kernel=Kernel("softmax_f32", "softmax_f32", literal=False),
        inputs=(input_.index,),
        outputs=(output.index,),
        shape=(("pixels", pixels), ("depth", depth)),
        parameters=(("beta", float(np.float32(operator.attributes.beta))),),
        align=floats.BYTES,
        in_place=(0,),
        instructions=20 + pixels * (30 + (70 if "fpu" in features else 1500) * depth),
        code_bytes=450,
    )


def _pair(operator: Operator, tensors: Tensors) -> Call:
    """Two classes: see softmax_s8_pair.h."""
    input_, output = operand(operator, tensors, 0), single_output(operator, tensors)
    inputs = np.stack([np.full(256, 127), 127 - np.arange(256)], axis=1).astype(np.int8)
    both = reference(operator, tensors, [inputs])[0].view("<u2").reshape(-1)
    length = 1 + int(np.append(0, np.flatnonzero(both != both[-1]) + 1)[-1])
    pixels = input_.elements // 2
    return Call(
        kernel=Kernel("softmax_s8_pair", "softmax_s8_pair", literal=False),
        inputs=(input_.index,),
        outputs=(output.index,),
        shape=(("pixels", pixels), ("table_length", length)),
        constants=(Constant("table", both[:length].astype(np.uint16), 2),),
        in_place=(0,),
        instructions=12 + 18 * pixels,
        code_bytes=60,
    )
