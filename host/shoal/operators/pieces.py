"""FULLY_CONNECTED in pieces: an input that comes row by row into int32 sums of all outputs, outputs that leave block by
block; and how the weights of sums lie, whoever sums them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from shoal.operators import channel_pairs
from shoal.operators.base import Band, Call, Constant, Kernel, RowWindow
from shoal.operators.requantization import Requantization, Sums, blocks
from shoal.operators.sums import state_bytes
from shoal.tensors import Array, Tensor

#: outputs of a block of weights in fully_connected_sums_s8.h and fully_connected_sums_s8_dsp.h
BLOCK, DSP_BLOCK = 8, 4
#: inputs that fully_connected_sums_s8_dsp.h takes at once
DSP_INPUTS = 8

#: values of a piece: the first of these that divides its tensor, which suits every kernel, or the largest number from
#: the least to the most that does
_PREFERRED, _LEAST, _MOST = (16, 8), 4, 16

_DSP, _MULDIV = frozenset({"dsp"}), frozenset({"muldiv"})
_PLAIN = Kernel("fully_connected_s8_accumulate", "fully_connected_s8_accumulate", common_bytes=450)
_PAIRS = Kernel("fully_connected_s8_dsp_accumulate", "fully_connected_s8_dsp_accumulate", _DSP, common_bytes=100)

#: how far above its state an output may start that is written over its own sums, which lie behind a word
_OVER_STATE = 4


def count(values: int) -> int:
    """How many pieces there are of a tensor of so many values that has no rows; 1 where nothing divides it."""
    sizes = (*_PREFERRED, *range(_MOST, _LEAST - 1, -1))
    return next((values // size for size in sizes if values % size == 0), 1)


def is_tall(tensor: Tensor) -> bool:
    """Whether it is one image of several rows."""
    return len(tensor.shape) == 4 and tensor.shape[0] == 1 and tensor.shape[1] > 1


def in_blocks(call: Call, source: Tensor, output: Tensor, block: int) -> Call:
    """The call of a kernel that makes `block` outputs at once, with a band that makes a piece of the output of the one
    row of inputs; as it is where pieces are no whole blocks, or there are more rows."""
    made = count(output.elements)
    width = output.elements // made
    if is_tall(source) or dict(call.shape)["batches"] > 1 or call.scratch_bytes or made == 1 or width % block:
        return call
    band = Band(
        shape=tuple((name, width if name == "output_c" else value) for name, value in call.shape),
        height=made,
        width=width,
        windows=(RowWindow(stride=0),),
        in_place=(None,),
        instructions=call.instructions + 40 * made,
    )
    return replace(call, band=band)


def accumulating(
    source: Tensor, output: Tensor, sums: Sums, form: Requantization, weights_zero_point: int, features: frozenset[str]
) -> list[Call]:
    """The kernels that take the input row by row, or piece by piece where it has no rows: see
    fully_connected_s8_accumulate.h. None for batches, and where there is only one piece."""
    products = sums.weights.shape[1]
    rows = source.shape[1] if is_tall(source) else count(products)
    if source.elements != products or rows == 1:
        return []
    found = [_plain(source, output, sums, form, weights_zero_point, features, rows)]
    if features >= _DSP and products // rows % DSP_INPUTS == 0 and channel_pairs.fit(sums, form, 1):
        found.append(_paired(source, output, sums, form, rows))
    return found


def eights(sums: Sums, weights_zero_point: int) -> Array:
    """int8, flat: the weights as they are in the model, [block][inputs][8]."""
    packed = blocks(sums.weights + weights_zero_point, 1, BLOCK).astype(np.int8)
    return packed.reshape(-1, BLOCK, packed.shape[1]).transpose(0, 2, 1).reshape(-1)


def paired(sums: Sums, form: Requantization) -> tuple[Array, Array]:
    """int8, flat: the weights in halfwords, [block][inputs / 4][8 halfwords]; int32, flat: the biases A, A + 256 · B,
    C, C + 256 · D of each block."""
    weights, records = channel_pairs.fours(sums, form)
    return weights.reshape(-1).view(np.int8), np.ascontiguousarray(records[:, :DSP_BLOCK]).reshape(-1)


def sums_cost(inputs: int, outputs: int, features: frozenset[str]) -> int:
    """Instructions for products of so many inputs, added to sums: fitted to counts on an emulated Cortex-M3 and
    RV32IMC, which has no multiply and add in one, GCC 12 at -O3."""
    product, block = (26, 186) if features >= _MULDIV else (20, 60)
    return -(-outputs // BLOCK) * (inputs * product + block) + 40


def paired_cost(inputs: int, outputs: int) -> int:
    """The same of pairs, on an emulated Cortex-M4."""
    return -(-outputs // DSP_BLOCK) * (34 * (inputs // DSP_INPUTS) + 11) + 45


def _plain(
    source: Tensor,
    output: Tensor,
    sums: Sums,
    form: Requantization,
    weights_zero_point: int,
    features: frozenset[str],
    rows: int,
) -> Call:
    outputs, products = sums.weights.shape
    shape = (
        ("rows", rows),
        ("input_c", products // rows),
        ("output_c", outputs),
        ("asymmetric", int(weights_zero_point != 0)),
        ("general", int(form.general)),
        ("clamped", int(form.clamped)),
    )
    return _call(
        Call(
            _PLAIN,
            inputs=(source.index,),
            outputs=(output.index,),
            shape=shape,
            parameters=(
                ("weights_zero_point", weights_zero_point),
                ("offset", form.offset),
                ("low", form.low),
                ("high", form.high),
            ),
            constants=(
                Constant("weights", eights(sums, weights_zero_point), 1),
                Constant("bias", sums.bias),
                Constant("multipliers", sums.multipliers.astype(np.int32)),
                Constant("shifts", form.shifts, 1),
            ),
            state_bytes=state_bytes(outputs, halves=False),
            instructions=rows * (20 + sums_cost(products // rows, outputs, features)) + 22 * outputs,
            code_bytes=330,
        ),
        source,
        rows,
    )


def _paired(source: Tensor, output: Tensor, sums: Sums, form: Requantization, rows: int) -> Call:
    outputs, products = sums.weights.shape
    weights, bias = paired(sums, form)
    return _call(
        Call(
            _PAIRS,
            inputs=(source.index,),
            outputs=(output.index,),
            shape=(
                ("rows", rows),
                ("input_c", products // rows),
                ("output_c", outputs),
                ("clamped", int(form.clamped)),
            ),
            parameters=(("offset", form.offset), ("low", form.low), ("high", form.high)),
            constants=(
                Constant("weights", weights),
                Constant("bias", bias),
                Constant("multipliers", sums.multipliers.astype(np.int32)),
                Constant("shifts", form.shifts, 1),
            ),
            state_bytes=state_bytes(len(bias), halves=False),
            instructions=rows * (20 + paired_cost(products // rows, outputs)) + 16 * outputs,
            code_bytes=260,
        ),
        source,
        rows,
    )


def _call(call: Call, source: Tensor, rows: int) -> Call:
    """With its band; the last row's sums are complete before anything is written."""
    band = Band(
        shape=call.shape,
        height=rows,
        width=dict(call.shape)["output_c"],
        windows=(RowWindow(),),
        in_place=(source.bytes // rows,),
        state_bytes=call.state_bytes,
        over_state=_OVER_STATE,
        accumulates=True,
        instructions=call.instructions + 20 * rows,
    )
    return replace(call, in_place=(source.bytes,), band=band)
