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
from shoal.operators.fully_connected import halfword_blocks, overlap
from shoal.operators.requantization import Requantization, Sums, bind, blocks, wrap
from shoal.tensors import ITEM_BYTES, Array, Tensor

NAME = "fully_connected_sums"

#: outputs of a block of weights in fully_connected_sums_s8.h and fully_connected_sums_s8_dsp.h
BLOCK, DSP_BLOCK = 8, 4
#: inputs that fully_connected_sums_s8_dsp.h takes at once
DSP_INPUTS = 8

_DSP, _MULDIV = frozenset({"dsp"}), frozenset({"muldiv"})
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
    if features >= _DSP and filters.shape[1] % DSP_INPUTS == 0 and pairs_fit(sums):
        found.insert(0, _pairs(operator.attributes, source, output, sums))
    return found


def pairs_fit(sums: Sums) -> bool:
    """Whether two outputs can share halfwords of weights: see channel_pairs."""
    return channel_pairs.fit(sums, _no_rescale(sums), 1)


def _no_rescale(sums: Sums) -> Requantization:
    return Requantization(np.zeros(len(sums.weights), np.int8), 0, -128, 127, general=False)


def eights(sums: Sums, weights_zero_point: int) -> Array:
    """int8, flat: the weights as they are in the model, [block][inputs][8]."""
    packed = blocks(sums.weights + weights_zero_point, 1, BLOCK).astype(np.int8)
    return packed.reshape(-1, BLOCK, packed.shape[1]).transpose(0, 2, 1).reshape(-1)


def paired(sums: Sums) -> tuple[Array, Array]:
    """int8, flat: the weights in halfwords, [block][inputs / 4][8 halfwords]; int32, flat: the biases A, A + 256 · B,
    C, C + 256 · D of each block."""
    weights, records = halfword_blocks(sums, _no_rescale(sums))
    return weights.reshape(-1).view(np.int8), np.ascontiguousarray(records[:, :DSP_BLOCK]).reshape(-1)


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
    """Costs are fitted to counts on an emulated Cortex-M3 and RV32IMC, which has no multiply and add in one, GCC 12 at
    -O3."""
    outputs, products = sums.weights.shape
    batches = source.elements // part.channels
    product, block = (26, 186) if features >= _MULDIV else (20, 60)
    return Call(
        _PLAIN,
        inputs=(source.index,),
        outputs=(output.index,),
        shape=(*_shape(part, source, sums), ("asymmetric", int(weights_zero_point != 0))),
        parameters=(("weights_zero_point", weights_zero_point),),
        constants=(Constant("weights", eights(sums, weights_zero_point), 1), Constant("bias", sums.bias)),
        in_place=(overlap(batches, part.channels, outputs * _WORD),),
        instructions=batches * (-(-outputs // BLOCK) * (products * product + block) + 40),
        code_bytes=190,
    )


def _pairs(part: Attributes, source: Tensor, output: Tensor, sums: Sums) -> Call:
    """Costs are fitted to counts on an emulated Cortex-M4, GCC 12 at -O3."""
    outputs, products = sums.weights.shape
    batches = source.elements // part.channels
    weights, bias = paired(sums)
    count = -(-outputs // DSP_BLOCK)
    return Call(
        _PAIRS,
        inputs=(source.index,),
        outputs=(output.index,),
        shape=_shape(part, source, sums),
        constants=(Constant("weights", weights), Constant("bias", bias)),
        in_place=(overlap(batches, part.channels, outputs * _WORD),),
        instructions=batches * (count * (34 * (products // DSP_INPUTS) + 27) + 60),
        code_bytes=160,
    )
