"""What the operators that multiply by constant weights share: operands, exact result, bounds, constants of the sums.

Each brings one function, `accumulate(operator, tensors, inputs, filters)`: the int64 sums of products, without bias, of
int8 inputs (their zero point taken off) and int16 filters, channels last."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from shoal.operators import checks
from shoal.operators.base import Bounds, Operator, Reference, Tensors
from shoal.operators.requantization import Requantization, Sums, bind, multipliers, rescale, settle, sum_bounds
from shoal.tensors import Array, Tensor

Accumulate = Callable[[Operator, Tensors, Array, Array], Array]


def operands(operator: Operator, tensors: Tensors) -> tuple[Tensor, Tensor, Tensor | None, Tensor]:
    """(inputs, weights, bias, output)."""
    return (
        checks.operand(operator, tensors, 0),
        checks.operand(operator, tensors, 1),
        checks.optional_operand(operator, tensors, 2),
        checks.single_output(operator, tensors),
    )


def centred(weights: Tensor) -> Array:
    """The weights less their zero point, int16."""
    assert weights.data is not None
    values: Array = weights.data.astype(np.int16) - np.int16(weights.zero_point)
    return values


def reference(accumulate: Accumulate) -> Reference:
    """The exact result of the operator that accumulates so."""

    def exact(operator: Operator, tensors: Tensors, inputs: Sequence[Array]) -> list[Array]:
        source, weights, bias, output = operands(operator, tensors)
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
