"""Weights of 16 bits for convolutions straight from int8 inputs: see conv_2d_s8_dsp_direct.h for the identity."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from shoal.operators.requantization import Requantization, Sums, wrap
from shoal.tensors import Array

_BLOCK = 4
_TAPS = 9


def fits(geometry: Mapping[str, int], sums: Sums, form: Requantization) -> bool:
    """Whether the kernel takes this shape, 256 times every sum is an int32, and weights are int16."""
    shaped = geometry["filter_h"] * geometry["filter_w"] <= _TAPS and geometry["groups"] == 1
    whole = geometry["input_c"] % 4 == 0 and geometry["output_c"] % _BLOCK == 0
    if not shaped or not whole or form.general:
        return False
    even, odd = sums.weights.astype(np.int64).reshape(len(sums.weights), -1, 2).transpose(2, 0, 1)
    mixed = 256 * even - odd
    reach = np.maximum(np.abs(sums.low), np.abs(sums.high))
    in_range = (mixed >= -(1 << 15)).all() and (mixed < 1 << 15).all()
    return bool(in_range) and bool((reach < 1 << 23).all())


def weights(sums: Sums) -> Array:
    """int16 [block, inputs / 4, 2, channel, 2], flat: of every four inputs w1 and w3, then 256 · w0 − w1 and
    256 · w2 − w3."""
    quads = sums.weights.astype(np.int64).reshape(len(sums.weights) // _BLOCK, _BLOCK, -1, 2, 2)
    odd = quads[..., 1]
    both = np.stack([odd, 256 * quads[..., 0] - odd], axis=3)
    return np.ascontiguousarray(both.transpose(0, 2, 3, 1, 4)).astype(np.int16).reshape(-1)


def records(sums: Sums, form: Requantization) -> Array:
    """int32 [block, 16], flat: four sums to start from, then multiplier, offset << halving, shift of each channel."""
    even = sums.weights.astype(np.int64)[:, ::2].sum(axis=1)
    start = 256 * sums.bias.astype(np.int64) - 32768 * even
    halving = form.shifts.astype(np.int64)
    rescale = np.stack([sums.multipliers.astype(np.int64), form.offset << halving, halving + 1], axis=1)
    blocks = len(start) // _BLOCK
    return wrap(np.concatenate([start.reshape(blocks, -1), rescale.reshape(blocks, -1)], axis=1)).reshape(-1)


def instructions(geometry: Mapping[str, int]) -> int:
    """Fitted to counts on an emulated Cortex-M4, GCC 12 at -O3."""
    rows = geometry["batches"] * geometry["output_h"]
    tiles = rows * -(-geometry["output_w"] // 2)
    words = geometry["filter_h"] * geometry["filter_w"] * geometry["input_c"] // 4
    rounds = words // 4 if geometry["input_c"] % 16 == 0 else words
    blocks = geometry["output_c"] // _BLOCK
    return tiles * (blocks * (30 * words + 3 * rounds + 6 * geometry["filter_h"] + 80) + 40 * geometry["filter_h"] + 40)
