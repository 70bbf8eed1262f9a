"""Float32 activations by int8 weights, as TensorFlow Lite's hybrid operators compute: an image (a row, of a fully
connected layer) is quantized by its own range while the model runs, products are summed in int32 and scaled back.

TensorFlow Lite Micro has none of these: the reference is our own, and the generated C's bit for bit. LiteRT's
own kernels differ in the last bits of scales, and by a quantum where one rounds a half the other way; its XNNPACK
delegate, which quantizes with a zero point always, computes something else."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from shoal.operators import checks, floats
from shoal.operators.base import Constant, Operator, Tensors
from shoal.tensors import Array, Quantization, Tensor

Accumulate = Callable[[Operator, Tensors, Array, Array], Array]

_KINDS = ("conv_2d", "depthwise_conv_2d", "fully_connected")

_ONE, _HALF = np.float32(1.0), np.float32(0.5)


def computes(inputs: Tensor, weights: Tensor) -> bool:
    return inputs.dtype == "float32" and weights.dtype == "int8"


def among(operator: Operator, tensors: Tensors) -> bool:
    """Whether it is one of these operators."""
    operands = [tensors[t] for t in operator.inputs[:2] if t is not None]
    return operator.kind in _KINDS and len(operands) == 2 and computes(*operands)


def check(operator: Operator, tensors: Tensors, axis: int, channels: int) -> None:
    inputs, weights = checks.operand(operator, tensors, 0), checks.operand(operator, tensors, 1)
    floats.check(operator, inputs, checks.single_output(operator, tensors))
    checks.check_constant_weights(operator, weights, axis, channels)
    checks.check_scales(operator, weights)
    checks.check_symmetric(operator, weights)
    floats.check_constant(operator, checks.optional_operand(operator, tensors, 2), channels)


def is_asymmetric(operator: Operator, weights: Tensor) -> bool:
    """Whether activations are quantized with a zero point: as the options of a fully connected layer say; those of a
    convolution where its weights are quantized per channel."""
    said = getattr(operator.attributes, "asymmetric", None)
    assert weights.quantization is not None
    return weights.quantization.per_channel if said is None else bool(said)


def quantize(values: Array, asymmetric: bool) -> tuple[Array, np.float32, int]:
    """(int8 values, scale, zero point) as hybrid_f32_quantize of firmware/kernels/hybrid_f32.h."""
    least, most = np.float32(min(values.min(), 0.0)), np.float32(max(values.max(), 0.0))
    if not least < most:
        return np.zeros(values.shape, np.int8), _ONE, 0
    if not asymmetric:
        largest = most if -least < most else -least
        turn = np.float32(127.0) / largest
        return np.clip(_round(values * turn), -127, 127).astype(np.int8), largest / np.float32(127.0), 0
    scale = (most - least) / np.float32(255.0)
    below, above = np.float32(-128.0) - least / scale, np.float32(127.0) - most / scale
    near = np.float32(128.0) + abs(least) / scale < np.float32(127.0) + most / scale
    zero_point = int(_round(np.asarray(below if near else above)))
    return np.clip(zero_point + _round(values / scale), -128, 127).astype(np.int8), scale, zero_point


def _round(x: Array) -> Array:
    """Halves away from zero, as the firmware does: the half is added in float32."""
    return np.trunc(np.where(x < 0, x - _HALF, x + _HALF)).astype(np.int64)


def sums(operator: Operator, tensors: Tensors, values: Array, accumulate: Accumulate, rows: int) -> Array:
    """Float32 results without bias: the first axis of `values` and of the output in `rows` parts, each with a range of
    its own."""
    source, weights = checks.operand(operator, tensors, 0), checks.operand(operator, tensors, 1)
    output = checks.single_output(operator, tensors)
    assert weights.data is not None and weights.quantization is not None
    asymmetric = is_asymmetric(operator, weights)
    parts = values.reshape(rows, -1)
    results = []
    for part in parts:
        quantized, scale, zero_point = quantize(part, asymmetric)
        own = replace(
            source,
            shape=_part(source.shape, rows, part.size),
            dtype="int8",
            quantization=Quantization((float(scale),), (zero_point,)),
        )
        result = replace(output, shape=_part(output.shape, rows, output.elements // rows))
        known = {**tensors, source.index: own, output.index: result}
        total = accumulate(operator, known, quantized.reshape(own.shape), weights.data.astype(np.int16))
        results.append(total.astype(np.float32) * (scales(weights, total.shape[-1]) * scale))
    return np.stack(results).reshape(output.shape)


def _part(shape: tuple[int, ...], rows: int, size: int) -> tuple[int, ...]:
    """Of one part of a tensor: an image of a batch, or a row."""
    return (1, *shape[1:]) if len(shape) == 4 and shape[0] == rows else (1, size)


def scales(weights: Tensor, channels: int) -> Array:
    """Float32 scales of the weights, one for each output channel."""
    assert weights.quantization is not None
    return np.broadcast_to(np.asarray(weights.quantization.scale, np.float32), channels)


def constants(weights: Array, scale: Array, bias: Tensor | None, groups: int, block: int) -> tuple[Constant, ...]:
    """Of kernels with blocks of so many channels of a group: int8 weights [channels, products], their scales, the
    bias."""
    packed = floats.blocks(weights, groups, block)
    given = np.zeros(len(weights), np.float32) if bias is None or bias.data is None else bias.data.reshape(-1)
    return (
        Constant("weights", packed.reshape(-1, block, packed.shape[1]).transpose(0, 2, 1).reshape(-1), 1),
        Constant("scales", floats.blocks(scale, groups, block).reshape(-1)),
        Constant("bias", floats.blocks(given, groups, block).reshape(-1)),
    )
