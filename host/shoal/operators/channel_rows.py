"""Depthwise filters, a channel at a time along a row: the constants and costs of depthwise_conv_2d_s8_3x3.h and
depthwise_conv_2d_s8_line.h."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from shoal.operators.base import Call, Constant, Kernel
from shoal.operators.requantization import Requantization, Sums, wrap
from shoal.operators.window import overlap
from shoal.tensors import Array, Tensor

#: the right shift of all channels in the form for ReLU
SHIFT = 11

#: RISC-V, which has no multiply and add in one, but the registers for a channel's weights
RISCV = frozenset({"muldiv"})

_NINE = Kernel("depthwise_conv_2d_s8_3x3", "depthwise_conv_2d_s8_3x3")
_LINE = Kernel("depthwise_conv_2d_s8_line", "depthwise_conv_2d_s8_line")

#: what depthwise_conv_2d_s8_line.h takes: taps, pixels of a tile; taps whose weights RISC-V keeps in registers
_TAPS, _PIXELS, _REGISTERS = range(2, 17), range(1, 7), 8


def row_calls(
    g: Mapping[str, int], source: Tensor, output: Tensor, sums: Sums, form: Requantization, features: frozenset[str]
) -> list[Call]:
    """The kernel for 3×3 filters, if it takes this shape and these numbers, on a core with these features."""
    known = _constants(sums, form) if _has_nine(g) else None
    if known is None:
        return []
    channels = output.shape[3]
    relu, constants = known
    members = ("batches", "input_h", "input_w", "input_c", "output_h", "output_w", "multiplier", "stride_h", "stride_w")
    return [
        Call(
            _NINE,
            inputs=(source.index,),
            outputs=(output.index,),
            shape=(
                *((name, g[name]) for name in (*members, "dilation_h", "pad_top", "pad_left")),
                ("relu", int(relu)),
            ),
            parameters=(("input_zero_point", source.zero_point), ("low", form.low), ("high", form.high)),
            constants=constants,
            align=_align(g),
            in_place=(_overlap(g, 1, g["output_w"]),),
            instructions=_row_instructions(g, channels, relu, features >= RISCV),
            code_bytes=1000,
        )
    ]


def line_calls(
    g: Mapping[str, int], source: Tensor, output: Tensor, sums: Sums, form: Requantization, features: frozenset[str]
) -> list[Call]:
    """The kernel for filters of one row, if it takes this shape and these numbers, on a core with these features."""
    known = _constants(sums, form) if _is_line(g) else None
    if known is None:
        return []
    relu, constants = known
    channels, taps, width = g["input_c"], g["filter_w"], g["output_w"]
    lines = g["batches"] * g["output_h"]
    riscv = features >= RISCV
    pixels = min(_PIXELS, key=lambda n: (_line_instructions(taps, width, n, relu, riscv), n))
    return [
        Call(
            _LINE,
            inputs=(source.index,),
            outputs=(output.index,),
            shape=(
                *(("lines", lines), ("line", g["stride_h"] * g["input_w"] * channels), ("output_w", width)),
                *(("channels", channels), ("taps", taps), ("pixels", pixels), ("relu", int(relu))),
            ),
            parameters=(("low", form.low), ("high", form.high)),
            constants=constants,
            align=_align(g),
            in_place=(_overlap(g, pixels, pixels),),
            instructions=40 + lines * channels * _line_instructions(taps, width, pixels, relu, riscv),
            code_bytes=200 + 10 * taps * (pixels + 1),
        )
    ]


def _is_line(g: Mapping[str, int]) -> bool:
    """Whether the filter has one row of taps, all of them inside, and the rows of all images are equally far apart."""
    return bool(
        g["filter_h"] == 1
        and g["filter_w"] in _TAPS
        and g["multiplier"] == g["stride_w"] == g["dilation_w"] == 1
        and g["pad_top"] == g["pad_left"] == 0
        and g["output_w"] + g["filter_w"] - 1 <= g["input_w"]
        and (g["batches"] == 1 or g["output_h"] * g["stride_h"] == g["input_h"])
    )


def _line_instructions(taps: int, width: int, pixels: int, relu: bool, riscv: bool) -> int:
    """Of one channel; fitted to counts on an emulated RV32IMC and Cortex-M3, GCC 12 at -O3."""

    products = taps * (20 if taps <= _REGISTERS else 27) // 10 if riscv else taps * 13 // 10
    result = (8 if riscv else 13) - 4 * relu

    def tile(n: int) -> int:
        return 9 + 2 * taps + n + n * (products + result)

    return width // pixels * tile(pixels) + width % pixels * tile(1)


def _align(g: Mapping[str, int]) -> int:
    """Of tensors, so that outputs come to lie over inputs of their own channel only; 1 where none does that."""
    pixel = g["input_c"]
    return pixel if g["multiplier"] == 1 and pixel >= 4 and pixel & (pixel - 1) == 0 else 1


def _overlap(g: Mapping[str, int], pixels: int, apart: int) -> int:
    """In-place distance in bytes of kernels that take a channel's inputs of so many pixels before they store them;
    `apart`: pixels that are stored before other channels' inputs are taken."""
    geometry = {**g, "output_c": g["input_c"] * g["multiplier"]}
    return overlap(geometry, pixels, packed=True) if _align(g) > 1 else overlap(geometry, apart, packed=False)


def _has_nine(g: Mapping[str, int]) -> bool:
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


def _constants(sums: Sums, form: Requantization) -> tuple[bool, tuple[Constant, Constant]] | None:
    """The form for ReLU or not; weights, int16, and records, int32, as depthwise_conv_2d_s8_channel.h has them. None
    where no form takes these numbers."""
    relu = None if form.general else one_shift(sums, form)
    if form.general or (relu is None and not _fits(sums, form)):
        return None
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
    scaled = (weights << up[:, None]).astype(np.int16).reshape(-1)
    return relu is not None, (
        Constant("weights", scaled),
        Constant("records", wrap(np.stack(columns, axis=1)).reshape(-1)),
    )


def _row_instructions(g: Mapping[str, int], channels: int, relu: bool, riscv: bool) -> int:
    """Fitted to counts on an emulated RV32IMC and Cortex-M3, GCC 12 at -O3."""
    rows = g["batches"] * g["output_h"]
    if riscv:
        pixel, start = 31, 30 if g["stride_w"] == 1 else 40
    else:
        pixel, start = 32 if g["stride_w"] == 1 else 34, 62
    return rows * (40 + channels * (start + (pixel if relu else pixel + 5) * g["output_w"]))
