"""FULLY_CONNECTED_SUMS: a part of a FULLY_CONNECTED, the int32 sums of products of some of each row's inputs.

Internal: `network.slices` makes it, no model file has it. The input's zero point is taken off, so that a part which is
left out counts as inputs of zero."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from shoal.errors import BadInput
from shoal.operators import channel_pairs, checks, weighted
from shoal.operators.base import Call, Constant, Kernel, Operator, Tensors, unknown
from shoal.operators.pieces import DSP_INPUTS, eights, paired, paired_cost, sums_cost
from shoal.operators.requantization import Requantization, Sums, bind, wrap
from shoal.tensors import ITEM_BYTES, Array, Tensor

NAME = "fully_connected_sums"

_DSP = frozenset({"dsp"})
_PLAIN = Kernel("fully_connected_sums_s8", "fully_connected_sums_s8", common_bytes=450)
_PAIRS = Kernel("fully_connected_sums_s8_dsp", "fully_connected_sums_s8_dsp", _DSP, common_bytes=180)

_WORD = ITEM_BYTES["int32"]


@dataclass(frozen=True)
class Attributes:
    """A row has `channels` inputs; those from `first` on are multiplied, as many as the weights take."""

    first: int
    channels: int


def check(operator: Operator, tensors: Tensors) -> None:
    """Inputs int8, weights [outputs, some of the inputs], output int32 without quantization, no bias."""
    inputs, weights, _, output = weighted.operands(operator, tensors)
    part: Attributes = operator.attributes
    checks.check_int8(operator, inputs)
    checks.check_rank(operator, weights, 2)
    checks.check_constant_weights(operator, weights, 0, weights.shape[0])
    if weights.quantization is not None and weights.quantization.per_channel:
        checks.check_symmetric(operator, weights)
    place = checks.where(operator, output)
    if not 0 <= part.first < part.first + weights.shape[1] <= part.channels or inputs.elements % part.channels:
        raise BadInput(f"{weights.shape[1]} inputs from {part.first} on of {list(inputs.shape)}", where=place)
    if output.dtype != "int32" or output.elements * part.channels != inputs.elements * weights.shape[0]:
        raise BadInput(f"{output.dtype} of shape {list(output.shape)} where int32 sums are due", where=place)


def macs(operator: Operator, tensors: Tensors) -> int:
    _, weights, _, output = weighted.operands(operator, tensors)
    return output.elements * weights.shape[1]


def reference(operator: Operator, tensors: Tensors, inputs: Sequence[Array]) -> list[Array]:
    source, weights, _, output = weighted.operands(operator, tensors)
    part: Attributes = operator.attributes
    filters = weighted.centred(weights).astype(np.int64)
    rows = inputs[0].reshape(-1, part.channels)[:, part.first : part.first + filters.shape[1]]
    return [wrap((rows.astype(np.int64) - source.zero_point) @ filters.T).reshape(output.shape)]


bounds = unknown


def calls(operator: Operator, tensors: Tensors, features: frozenset[str]) -> list[Call]:
    source, weights, _, output = weighted.operands(operator, tensors)
    filters = weighted.centred(weights)
    nothing = np.zeros(len(filters), np.int64)
    sums = bind(filters, None, source, nothing, nothing)
    found = [_plain(operator.attributes, source, output, sums, weights.zero_point, features)]
    if features >= _DSP and filters.shape[1] % DSP_INPUTS == 0 and channel_pairs.fit(sums, _no_rescale(sums), 1):
        found.insert(0, _pairs(operator.attributes, source, output, sums))
    return found


def _no_rescale(sums: Sums) -> Requantization:
    return Requantization(np.zeros(len(sums.weights), np.int8), 0, -128, 127, general=False)


def _shape(part: Attributes, source: Tensor, sums: Sums) -> tuple[tuple[str, int], ...]:
    outputs, products = sums.weights.shape
    return (
        ("batches", source.elements // part.channels),
        ("row", part.channels),
        ("first", part.first),
        ("input_c", products),
        ("output_c", outputs),
    )


def _plain(
    part: Attributes,
    source: Tensor,
    output: Tensor,
    sums: Sums,
    weights_zero_point: int,
    features: frozenset[str],
) -> Call:
    outputs, products = sums.weights.shape
    batches = source.elements // part.channels
    return Call(
        _PLAIN,
        inputs=(source.index,),
        outputs=(output.index,),
        shape=(*_shape(part, source, sums), ("asymmetric", int(weights_zero_point != 0))),
        parameters=(("weights_zero_point", weights_zero_point),),
        constants=(Constant("weights", eights(sums, weights_zero_point), 1), Constant("bias", sums.bias)),
        in_place=(weighted.overlap(batches, part.channels, outputs * _WORD),),
        instructions=batches * sums_cost(products, outputs, features),
        code_bytes=190,
    )


def _pairs(part: Attributes, source: Tensor, output: Tensor, sums: Sums) -> Call:
    outputs, products = sums.weights.shape
    batches = source.elements // part.channels
    weights, bias = paired(sums, _no_rescale(sums))
    return Call(
        _PAIRS,
        inputs=(source.index,),
        outputs=(output.index,),
        shape=_shape(part, source, sums),
        constants=(Constant("weights", weights), Constant("bias", bias)),
        in_place=(weighted.overlap(batches, part.channels, outputs * _WORD),),
        instructions=batches * (paired_cost(products, outputs) + 4 * outputs + 20),
        code_bytes=160,
    )
