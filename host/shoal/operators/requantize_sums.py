"""REQUANTIZE_SUMS: int32 sums of a FULLY_CONNECTED, made in parts, and its bias to int8, as the whole of it gives them.

Internal: `network.slices` makes it, no model file has it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from shoal.errors import BadInput
from shoal.operators.activation import activation_range
from shoal.operators.base import Call, Constant, Kernel, Operator, Tensors, unknown
from shoal.operators.checks import check_bias, check_int8, operand, optional_operand, single_output, where
from shoal.operators.requantization import rescale
from shoal.tensors import Array, Tensor, quantize_multiplier

NAME = "requantize_sums"


@dataclass(frozen=True)
class Attributes:
    """`scales`: real value of a unit of the sums, input scale · weight scale in double: one, or one per channel."""

    scales: tuple[float, ...]
    activation: str


def check(operator: Operator, tensors: Tensors) -> None:
    """Sums and output have the same number of elements, channels last; the bias is optional."""
    sums, output = operand(operator, tensors, 0), single_output(operator, tensors)
    check_int8(operator, output)
    channels = output.shape[-1]
    check_bias(operator, optional_operand(operator, tensors, 1), channels)
    if sums.dtype != "int32" or sums.elements != output.elements:
        raise BadInput(
            f"{sums.dtype} of shape {list(sums.shape)} where int32 sums of {list(output.shape)} are due",
            where=where(operator, sums),
        )
    if len(operator.attributes.scales) not in (1, channels):
        raise BadInput(f"{len(operator.attributes.scales)} scales of {channels} channels", where=where(operator))


def macs(operator: Operator, tensors: Tensors) -> int:
    return 0


def _multipliers(attributes: Attributes, output: Tensor) -> tuple[Array, Array]:
    """(multipliers, shifts), int64 per channel."""
    pairs = [quantize_multiplier(scale / output.scale) for scale in attributes.scales]
    table = np.array(pairs * (output.shape[-1] // len(pairs)), np.int64)
    return table[:, 0], table[:, 1]


def reference(operator: Operator, tensors: Tensors, inputs: Sequence[Array]) -> list[Array]:
    output = single_output(operator, tensors)
    total = inputs[0].reshape(-1, output.shape[-1]).astype(np.int64)
    if len(inputs) > 1:
        total = total + inputs[1].reshape(-1)
    scale = _multipliers(operator.attributes, output)
    return [rescale(total, *scale, operator.attributes.activation, output).reshape(output.shape)]


bounds = unknown


def calls(operator: Operator, tensors: Tensors, features: frozenset[str]) -> list[Call]:
    """Its cost is that of counts on an emulated Cortex-M4, GCC 12 at -O3."""
    sums, output = operand(operator, tensors, 0), single_output(operator, tensors)
    bias = optional_operand(operator, tensors, 1)
    channels = output.shape[-1]
    multipliers, shifts = _multipliers(operator.attributes, output)
    low, high = activation_range(operator.attributes.activation, output)
    added = np.zeros(channels, np.int32) if bias is None or bias.data is None else bias.data.reshape(-1)
    return [
        Call(
            kernel=Kernel("requantize_sums_s8", "requantize_sums_s8", literal=False),
            inputs=(sums.index,),
            outputs=(output.index,),
            shape=(("batches", output.elements // channels), ("channels", channels)),
            parameters=(("zero_point", output.zero_point), ("low", low), ("high", high)),
            constants=(
                Constant("bias", added),
                Constant("multipliers", multipliers.astype(np.int32)),
                Constant("shifts", shifts.astype(np.int8), 1),
            ),
            in_place=(0,),
            instructions=50 + 42 * output.elements,
            code_bytes=220,
        )
    ]
