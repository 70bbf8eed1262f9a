"""AVERAGE_POOL_2D: the mean of what a window holds, halves away from zero."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from shoal.operators import floats, sums
from shoal.operators.activation import activation_range
from shoal.operators.base import Band, Call, Kernel, Operator, RowWindow, Tensors, monotone
from shoal.operators.checks import operand, single_output
from shoal.operators.pooling import Pool, check_pool, float_calls, image, is_whole, pool_calls, read_pool, taps
from shoal.tensors import Array, Tensor

NAME = "average_pool_2d"


def read(options: Any, operator: Operator, tensors: Tensors) -> Pool:
    return read_pool(options, operator, tensors)


def check(operator: Operator, tensors: Tensors) -> None:
    check_pool(operator, tensors)


def macs(operator: Operator, tensors: Tensors) -> int:
    return 0


def reference(operator: Operator, tensors: Tensors, inputs: Sequence[Array]) -> list[Array]:
    pool: Pool = operator.attributes
    if floats.computes(operand(operator, tensors, 0)):
        return [_float_mean(pool, inputs[0])]
    x = inputs[0].astype(np.int32)
    total = sum(taps(pool, x, 0), np.int32(0))
    count = _count(pool, x)
    magnitude = (np.abs(total) + count // 2) // count
    limits = activation_range(pool.activation, single_output(operator, tensors))
    return [np.asarray(np.clip(np.sign(total) * magnitude, *limits), np.int8)]


def _count(pool: Pool, x: Array) -> Array:
    """How many values of the input each window holds, int32."""
    return np.asarray(sum(taps(pool, np.ones((1, *x.shape[1:3], 1), np.int32), 0), np.int32(0)))


def _float_mean(pool: Pool, x: Array) -> Array:
    total = floats.total(taps(pool, x, 0.0), ())
    return floats.clamp(total / _count(pool, x).astype(np.float32), pool.activation)


bounds = floats.unless_float(monotone(reference))


def calls(operator: Operator, tensors: Tensors, features: frozenset[str]) -> list[Call]:
    input_ = operand(operator, tensors, 0)
    if floats.computes(input_):
        return float_calls("average_pool_2d_f32", operator, tensors, features)
    pool: Pool = operator.attributes
    words = input_.shape[3] % 4 == 0
    small = pool.filter_h * pool.filter_w <= 9  # the compiler unrolls these
    per_tap = (2.0 if pool.padded else 1.5 if small else 2.0) if words else 2.5
    whole = is_whole(pool, input_, single_output(operator, tensors))
    code_bytes = 250 if whole or not words else 1050 if pool.padded else 900
    found = pool_calls("average_pool_2d_s8", operator, tensors, per_tap, 9.5 if words else 7.0, code_bytes)
    return [*found, *_accumulating(pool, input_, single_output(operator, tensors))]


def _accumulating(pool: Pool, input_: Tensor, output: Tensor) -> list[Call]:
    """The kernel that takes its input row by row, where one window has all rows of one image."""
    g = image(pool, input_, output)
    if g["batches"] > 1 or g["output_h"] > 1 or g["input_h"] == 1 or g["filter_h"] - g["pad_top"] < g["input_h"]:
        return []
    halves = sums.fit_halves(g["channels"], g["input_h"] * g["filter_w"])
    low, high = activation_range(pool.activation, output)
    members = ("input_h", "input_w", "channels", "output_w", "filter_w", "stride_w", "pad_left")
    shape = (
        *((name, g[name]) for name in members),
        ("halves", int(halves)),
        ("is_clamped", int((low, high) != (-128, 127))),
    )
    row_sums = g["output_w"] * g["channels"]
    taps_cost = row_sums * g["filter_w"] * (1.75 if halves else 2.5 if g["channels"] % 4 == 0 else 3.0)
    cost = 20 * row_sums + round(g["input_h"] * (20 + taps_cost + 2.5 * row_sums))
    state = sums.state_bytes(row_sums, halves)
    name = "average_pool_2d_s8_accumulate"
    return [
        Call(
            Kernel("average_pool_2d_s8", name),
            inputs=(input_.index,),
            outputs=(output.index,),
            shape=shape,
            parameters=(("low", low), ("high", high)),
            state_bytes=state,
            align=4,
            in_place=(input_.bytes,),
            instructions=50 + cost,
            code_bytes=300,
            band=Band(
                shape=shape,
                height=g["input_h"],
                width=g["output_w"],
                windows=(RowWindow(),),
                in_place=(g["input_w"] * g["channels"],),
                state_bytes=state,
                accumulates=True,
                instructions=50 + cost + 20 * g["input_h"],
            ),
        )
    ]
