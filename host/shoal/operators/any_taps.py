"""Depthwise windows of any form, a pixel at a time: the constants of depthwise_conv_2d_s8_dsp_taps.h and its cost."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from shoal.operators.base import Call, Constant, Kernel
from shoal.operators.channel_rows import one_shift
from shoal.operators.requantization import Requantization, Sums, wrap
from shoal.operators.window import ordered_overlap
from shoal.tensors import Array, Tensor

NEEDS = frozenset({"dsp"})

#: taps that the kernel has pointers for
_MOST = 25

_NAME = "depthwise_conv_2d_s8_dsp_taps"
_LITERAL = Kernel(_NAME, _NAME, NEEDS)
_SHARED = Kernel(_NAME, _NAME, NEEDS, literal=False)


def calls(
    g: Mapping[str, int], source: Tensor, output: Tensor, sums: Sums, form: Requantization, features: frozenset[str]
) -> list[Call]:
    """The kernel on a core with these features, if it takes this shape and these numbers."""
    channels, taps = output.shape[3], g["filter_h"] * g["filter_w"]
    if not features >= NEEDS or form.general or g["multiplier"] != 1 or channels % 4 or taps > _MOST:
        return []
    relu = one_shift(sums, form)
    scaled = int(relu is not None)
    members = ["batches", "input_h", "input_w", "output_h", "output_w", "channels", "filter_h", "filter_w"]
    members += ["stride_h", "stride_w", "dilation_h", "dilation_w", "pad_top", "pad_left"]
    known = {**g, "channels": channels, "scaled": scaled, "clamped": int(form.clamped)}
    return [
        Call(
            kernel,
            inputs=(source.index,),
            outputs=(output.index,),
            shape=tuple((name, known[name]) for name in (*members, "scaled", "clamped")),
            parameters=(("low", form.low), ("high", form.high)),
            constants=(
                Constant("stream", _stream(sums, form, relu)),
                Constant("padding", np.full(channels, source.zero_point, np.int8)),
            ),
            align=4,
            in_place=(ordered_overlap(g, 1),),
            instructions=_instructions(g, channels, kernel.literal, relu is not None),
            code_bytes=250 if kernel.literal else 420,
            parts=((f"{_NAME}_run_{scaled}", 276 if scaled else 310),),
        )
        for kernel in (_LITERAL, _SHARED)
    ]


def _stream(sums: Sums, form: Requantization, relu: tuple[Array, Array, Array] | None) -> Array:
    """int32: of each four channels biases, weights and records."""
    halving = form.shifts.astype(np.int64)
    up = np.ones_like(halving) if relu is None else relu[0]
    columns = [sums.multipliers, form.offset << halving, halving + 1] if relu is None else list(relu[1:])
    weights = (sums.weights.astype(np.int64) << up[:, None]).astype(np.int16).astype(np.int64)
    quads = weights.reshape(-1, 4, weights.shape[1])
    pairs = (quads[:, :2] & 0xFFFF) | (quads[:, 2:] << 16)
    bias, records = sums.bias.astype(np.int64) << up, np.stack(columns, axis=1)
    parts = [bias, pairs.transpose(0, 2, 1), records]
    return wrap(np.concatenate([part.reshape(len(quads), -1) for part in parts], axis=1)).reshape(-1)


def _instructions(g: Mapping[str, int], channels: int, literal: bool, relu: bool) -> int:
    """The tile's by its lines, and what is around it fitted to counts on an emulated Cortex-M4, GCC 12 at -O3."""
    taps, rows = g["filter_h"] * g["filter_w"], g["batches"] * g["output_h"]
    quad = 7 + 9 * taps + 2 * -(-taps // 4) + (16 if relu else 24)
    columns = taps if g["filter_w"] > 1 else 0
    around = 30 + 5 * g["filter_h"] + 10 * columns if literal else 50 + 10 * g["filter_h"] + 14 * taps
    return 30 + rows * (20 + g["output_w"] * (around + channels // 4 * quad))
