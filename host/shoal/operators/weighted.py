"""What the operators that multiply by constant weights share: operands, exact result, bounds, constants of the sums.

Each brings two functions. `accumulate(operator, tensors, inputs, filters)`: the int64 sums of products, without bias,
of int8 inputs (their zero point taken off) and int16 filters, channels last. `terms(operator, tensors, inputs)`: the
float32 products of one output after the other, in TensorFlow Lite Micro's order."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from shoal.operators import checks, floats, hybrid
from shoal.operators.base import Bounds, Constant, Operator, Reference, Tensors
from shoal.operators.requantization import Requantization, Sums, bind, multipliers, rescale, settle, sum_bounds
from shoal.tensors import Array, Tensor

Accumulate = Callable[[Operator, Tensors, Array, Array], Array]
Terms = Callable[[Operator, Tensors, Array], floats.Terms]


def operands(operator: Operator, tensors: Tensors) -> tuple[Tensor, Tensor, Tensor | None, Tensor]:
    """(inputs, weights, bias, output)."""
    return (
        checks.operand(operator, tensors, 0),
        checks.operand(operator, tensors, 1),
        checks.optional_operand(operator, tensors, 2),
        checks.single_output(operator, tensors),
    )


def check_types(operator: Operator, tensors: Tensors, axis: int, channels: int, symmetric: bool = True) -> None:
    """Int8 by constant int8 weights, quantized along `axis` or as a whole, with an int32 bias; or all float32, but for
    weights in float16 or int8."""
    inputs, weights, bias, output = operands(operator, tensors)
    if hybrid.computes(inputs, weights):
        hybrid.check(operator, tensors, axis, channels)
        return
    if floats.computes(inputs) and weights.dtype in ("float32", "float16"):
        floats.check(operator, output)
        floats.check_weights(operator, weights)
        floats.check_constant(operator, bias, channels)
        return
    checks.check_int8(operator, inputs)
    checks.check_int8(operator, output)
    checks.check_constant_weights(operator, weights, axis, channels)
    if symmetric:
        checks.check_symmetric(operator, weights)
    checks.check_bias(operator, bias, channels)


def centred(weights: Tensor) -> Array:
    """The weights less their zero point, int16."""
    assert weights.data is not None
    values: Array = weights.data.astype(np.int16) - np.int16(weights.zero_point)
    return values


def reference(accumulate: Accumulate, terms: Terms) -> Reference:
    """The exact result of the operator that accumulates so."""

    def exact(operator: Operator, tensors: Tensors, inputs: Sequence[Array]) -> list[Array]:
        source, weights, bias, output = operands(operator, tensors)
        if floats.computes(source):
            if hybrid.computes(source, weights):
                rows = source.elements // weights.shape[1] if len(weights.shape) == 2 else source.shape[0]
                sums = hybrid.sums(operator, tensors, inputs[0], accumulate, rows)
            else:
                sums = floats.total(terms(operator, tensors, inputs[0]), output.shape)
            if bias is not None and bias.data is not None:
                sums = sums + bias.data.reshape(-1)
            return [floats.clamp(sums, operator.attributes.activation)]
        total = accumulate(operator, tensors, inputs[0], centred(weights))
        if bias is not None and bias.data is not None:
            total = total + bias.data.reshape(-1)
        scale = multipliers(source, weights, output, total.shape[-1])
        return [rescale(total, *scale, operator.attributes.activation, output).reshape(output.shape)]

    return exact


def bounds(accumulate: Accumulate) -> Bounds:
    """Each input at the end where its weight adds most, or least; rescaling is monotone."""

    def limits(
        operator: Operator, tensors: Tensors, low: Sequence[Array], high: Sequence[Array]
    ) -> tuple[list[Array], list[Array]] | None:
        source, weights, bias, output = operands(operator, tensors)
        if floats.computes(source):
            return None
        scale, shift = multipliers(source, weights, output, output.shape[-1])
        known = sum_bounds(
            lambda values, filters: accumulate(operator, tensors, values, filters),
            centred(weights),
            None if bias is None else bias.data,
            low[0],
            high[0],
            shift,
        )
        if known is None:
            return None
        least, most = (
            rescale(sums, scale, shift, operator.attributes.activation, output).reshape(output.shape) for sums in known
        )
        return [least], [most]

    return limits


def settled(operator: Operator, tensors: Tensors, filters: Array) -> tuple[Sums, Requantization]:
    """The constants of the sums, and how kernels rescale them. `filters`: the centred weights as [channels,
    products]."""
    source, weights, bias, output = operands(operator, tensors)
    scale = multipliers(source, weights, output, len(filters))
    sums = bind(filters, None if bias is None else bias.data, source, *scale)
    return settle(sums, operator.attributes.activation, output)


def float_constants(weights: Array, bias: Tensor | None, groups: int, block: int) -> tuple[Constant, Constant]:
    """Of kernels in float32: weights [channels, products] and their bias in blocks of so many channels of a group, the
    channels of a block next to each other."""
    packed = floats.blocks(weights, groups, block)
    ordered = packed.reshape(-1, block, packed.shape[1]).transpose(0, 2, 1).reshape(-1)
    given = np.zeros(len(weights), np.float32) if bias is None or bias.data is None else bias.data.reshape(-1)
    return (
        floats.weights_constant(ordered),
        Constant("bias", floats.blocks(given, groups, block).reshape(-1)),
    )


def overlap(batches: int, products: int, outputs: int) -> int:
    """In-place distance in bytes: a row is read until its last output is stored."""
    return -outputs + min(0, (batches - 1) * (products - outputs))
