"""Depthwise 3×3 filters, a channel at a time: the constants of depthwise_conv_2d_s8_3x3.h and its cost."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from shoal.operators.base import Call, Constant, Kernel
from shoal.operators.requantization import Requantization, Sums, wrap
from shoal.operators.window import overlap
from shoal.tensors import Array, Tensor

#: the right shift of all channels in the form for ReLU
SHIFT = 11

#: RISC-V with multiplication: other cores have not the registers
NEEDS = frozenset({"muldiv"})

_NAME = "depthwise_conv_2d_s8_3x3"
_KERNEL = Kernel(_NAME, _NAME, NEEDS)


def calls(
    g: Mapping[str, int], source: Tensor, output: Tensor, sums: Sums, form: Requantization, features: frozenset[str]
) -> list[Call]:
    """The kernel on a core with these features, if it takes this shape and these numbers."""
    if not features >= NEEDS or form.general or not _shaped(g):
        return []
    relu = one_shift(sums, form)
    if relu is None and not _fits(sums, form):
        return []
    weights, records = _constants(sums, form, relu)
    channels = output.shape[3]
    members = ("batches", "input_h", "input_w", "input_c", "output_h", "output_w", "multiplier", "stride_h", "stride_w")
    return [
        Call(
            _KERNEL,
            inputs=(source.index,),
            outputs=(output.index,),
            shape=(
                *((name, g[name]) for name in (*members, "dilation_h", "pad_top", "pad_left")),
                ("relu", int(relu is not None)),
            ),
            parameters=(("input_zero_point", source.zero_point), ("low", form.low), ("high", form.high)),
            constants=(Constant("weights", weights), Constant("records", records)),
            in_place=(overlap({**g, "output_c": channels}, g["output_w"], packed=False),),
            instructions=_instructions(g, channels, relu is not None),
            code_bytes=1000,
        )
    ]


def _shaped(g: Mapping[str, int]) -> bool:
    """Whether windows are as the kernel's shape says."""
    middle = np.arange(g["output_h"]) * g["stride_h"] - g["pad_top"] + g["dilation_h"]
    right = (g["output_w"] - 1) * g["stride_w"] - g["pad_left"] + 3 - g["input_w"]
    return bool(
        g["filter_h"] == g["filter_w"] == 3
        and g["dilation_w"] == 1
        and g["stride_w"] in (1, 2)
        and max(g["pad_left"], right) <= 1
        and (middle >= 0).all()
        and (middle < g["input_h"]).all()
    )


def one_shift(sums: Sums, form: Requantization) -> tuple[Array, Array, Array] | None:
    """Where one right shift of SHIFT will do for all channels, because negative sums give an output zero point of −128:
    by how many bits each one's weights and bias move up (2 to 8), its multiplier and its addend. A channel that has one
    result whatever its sum takes it from the addend, its multiplier is zero."""
    up = SHIFT - form.shifts.astype(np.int64)
    reach = np.maximum(np.abs(sums.low), np.abs(sums.high))
    fits = (up >= 2) & (up <= 8) & (reach < np.int64(1) << (31 - np.clip(up, 2, 8)))
    first, last = (_result(ends, sums, form) for ends in (sums.low, sums.high))
    if form.offset != 2 * -128 + 1 or not (fits | (first == last)).all():
        return None
    up = np.where(fits, up, 2)
    addends = np.where(fits, (1 << (up - 2)) + (1 << (SHIFT - 1)) - (128 << SHIFT), first << SHIFT)
    return up, np.where(fits, sums.multipliers, 0), addends


def _result(value: Array, sums: Sums, form: Requantization) -> Array:
    """fixed_point.h's requantize, saturated."""
    halving = form.shifts.astype(np.int64)
    high = (2 * value * sums.multipliers + (1 << 31)) >> 32
    values: Array = np.clip((high + (form.offset << halving) + (value >> 63)) >> halving >> 1, -128, 127)
    return values


def _fits(sums: Sums, form: Requantization) -> bool:
    """Whether four times every sum, and what its product and the addend make, are int32."""
    reach = np.maximum(np.abs(sums.low), np.abs(sums.high))
    addend = abs(form.offset) << (form.shifts.astype(np.int64) + 1)
    return bool(((reach < 1 << 29) & ((reach * sums.multipliers >> 30) + addend + 4 < 1 << 31)).all())


def _constants(sums: Sums, form: Requantization, relu: tuple[Array, Array, Array] | None) -> tuple[Array, Array]:
    """Weights, int16, and records, int32, in the order in which the kernel reads them."""
    weights, bias = sums.weights.astype(np.int64), sums.bias.astype(np.int64)
    if relu is None:
        shifts = form.shifts.astype(np.int64) + 2
        up = np.full_like(shifts, 2)
        columns = [bias << up, sums.multipliers, (form.offset << (shifts - 1)) + 1, shifts]
    else:
        up, multipliers, addends = relu
        # sums below zero would not give a constant its value
        weights, bias = np.where(multipliers[:, None] == 0, 0, weights), np.where(multipliers == 0, 0, bias)
        columns = [bias << up, multipliers, addends]
    return (weights << up[:, None]).astype(np.int16).reshape(-1), wrap(np.stack(columns, axis=1)).reshape(-1)


def _instructions(g: Mapping[str, int], channels: int, relu: bool) -> int:
    """Fitted to counts on an emulated RV32IMC, GCC 12 at -O3."""
    rows = g["batches"] * g["output_h"]
    pixel, start = 31 if relu else 36, 30 if g["stride_w"] == 1 else 40
    return rows * (40 + channels * (start + pixel * g["output_w"]))
