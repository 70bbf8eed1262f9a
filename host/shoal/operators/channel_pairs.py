"""Weights and rescaling packed for kernels that compute two output channels from one stream of halfwords.

A halfword holds a + 256 · b, a of the first channel and b of the second; so do the biases. The sum of products then is
A + 256 · B, from which both follow as long as B stays below 2^23."""

from __future__ import annotations

import numpy as np

from shoal.operators.requantization import Requantization, Sums, blocks, wrap
from shoal.tensors import Array

#: how words of four bytes unpack to halfwords
_ORDER = (0, 2, 1, 3)


def fit(sums: Sums, form: Requantization, groups: int) -> bool:
    """Whether every second channel's sums stay small enough, and weights and halfwords in range."""
    reach = np.maximum(np.abs(sums.low), np.abs(sums.high)).reshape(groups, -1)[:, 1::2]
    seconds = sums.weights.reshape(groups, -1, sums.weights.shape[1])[:, 1::2]
    in_range = (sums.weights >= -128).all() and (sums.weights < 128).all() and (seconds > -128).all()
    return not form.general and bool(in_range) and bool((reach < 1 << 23).all())


def halfwords(weights: Array) -> Array:
    """int8 [channels, products], both even and products a multiple of 4, to int16 [channels / 2, products / 4, 4]."""
    wide = weights.astype(np.int16)
    packed: Array = wide[0::2] + 256 * wide[1::2]
    return np.ascontiguousarray(packed.reshape(len(packed), -1, 4)[:, :, _ORDER])


def pair_records(sums: Sums, form: Requantization, groups: int) -> Array:
    """int32 [pairs, 5]: bias A, bias A + 256 · B, multipliers, shifts in bytes; missing channels are zero."""
    bias, multipliers, shifts = (
        blocks(v.astype(np.int64), groups, 2) for v in (sums.bias, sums.multipliers, form.shifts)
    )
    columns = (
        bias[0::2],
        bias[0::2] + 256 * bias[1::2],
        multipliers[0::2],
        multipliers[1::2],
        shifts[0::2] + 256 * shifts[1::2],
    )
    return wrap(np.stack(columns, axis=1))


def fours(sums: Sums, form: Requantization) -> tuple[Array, Array]:
    """Per block of four channels, as two pairs: int16 weights [blocks, 4 per input], inputs filled up to a multiple of
    8, and int32 [blocks, 9]: biases, multipliers, shifts."""
    filled = np.pad(blocks(sums.weights, 1, 4), ((0, 0), (0, -sums.weights.shape[1] % 8)))
    count = len(filled) // 4
    packed = halfwords(filled).reshape(count, 2, -1, 2, 2).transpose(0, 2, 3, 1, 4)
    records = blocks(pair_records(sums, form, 1), 1, 2).reshape(count, 2, 5)
    shifts = records[:, 0, 4:] + (records[:, 1, 4:] << 16)
    requantization = np.concatenate(
        [records[:, :, :2].reshape(count, 4), records[:, :, 2:4].reshape(count, 4), shifts], axis=1
    )
    return np.ascontiguousarray(packed).reshape(count, -1), requantization


def stream(sums: Sums, form: Requantization, runs: int) -> Array:
    """int32, flat: per pair of channels the biases A and A + 256 · B; the halfwords, each of the `runs` of contiguous
    inputs filled up to a multiple of four; multiplier, offset << halving and shift of both."""
    channels = len(sums.weights)
    by_run = sums.weights.reshape(channels, runs, -1)
    filled = np.pad(by_run, ((0, 0), (0, 0), (0, -by_run.shape[2] % 4))).reshape(channels, -1)
    bias = sums.bias.astype(np.int64)
    halving = form.shifts.astype(np.int64)
    rescale = np.stack((sums.multipliers, np.int64(form.offset) << halving, halving + 1), axis=1)
    parts = (
        np.stack((bias[0::2], bias[0::2] + 256 * bias[1::2]), axis=1),
        halfwords(filled).reshape(channels // 2, -1).view(np.int32),
        rescale.reshape(channels // 2, -1),
    )
    return wrap(np.concatenate(parts, axis=1)).reshape(-1)
