"""Raw pairs of channels for convolutions straight from int8 inputs: see conv_2d_s8_dsp_direct.h."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from shoal.operators import channel_pairs
from shoal.operators.requantization import Requantization, Sums, wrap
from shoal.tensors import Array

_BLOCK = 4
_TAPS = 9
#: bytes from pixel to pixel that the kernel has as constants
_NEAR = (16, 32, 64, 128)


def fits(geometry: Mapping[str, int], sums: Sums, form: Requantization) -> bool:
    """Whether the kernel takes this shape, and its weights and sums are in range."""
    shaped = geometry["filter_h"] * geometry["filter_w"] <= _TAPS and geometry["groups"] == 1
    whole = geometry["input_c"] % 4 == 0 and geometry["output_c"] % _BLOCK == 0
    return shaped and whole and channel_pairs.fit(sums, form, 1)


def weights(sums: Sums) -> Array:
    """int8 [block, inputs / 4, 2, 2, 2, 2], flat: of every four inputs 0 and 2, then 1 and 3, by two pairs of channels,
    each a halfword of its pair."""
    wide = sums.weights.astype(np.int16).reshape(len(sums.weights) // _BLOCK, 2, 2, -1, 2, 2)
    pairs = (wide[:, :, 0] + 256 * wide[:, :, 1]).transpose(0, 2, 4, 1, 3)
    return np.ascontiguousarray(pairs).reshape(-1).view(np.int8)


def records(sums: Sums, form: Requantization) -> Array:
    """int32 [block, 16], flat: where the sums of both pairs start, then multiplier, offset << halving, shift of each
    channel."""
    bias = sums.bias.astype(np.int64).reshape(-1, 2)
    start = np.stack([bias[:, 0], bias[:, 0] + 256 * bias[:, 1]], axis=1)
    halving = form.shifts.astype(np.int64)
    rescale = np.stack([sums.multipliers.astype(np.int64), form.offset << halving, halving + 1], axis=1)
    blocks = len(sums.bias) // _BLOCK
    return wrap(np.concatenate([start.reshape(blocks, -1), rescale.reshape(blocks, -1)], axis=1)).reshape(-1)


def padding_bytes(geometry: Mapping[str, int]) -> int:
    """A filter row of two pixels."""
    return (geometry["filter_w"] + geometry["stride_w"]) * geometry["input_c"]


def instructions(geometry: Mapping[str, int]) -> int:
    """Fitted to counts on an emulated Cortex-M4, GCC 12 at -O3."""
    g = geometry
    reach = (g["filter_w"] - 1) * g["dilation_w"]
    start = np.arange(0, g["output_w"], 2)
    column = start * g["stride_w"] - g["pad_left"]
    inside = (column >= 0) & (column + g["stride_w"] + reach < g["input_w"]) & (g["dilation_w"] == 1)
    near = inside & (start + 1 < g["output_w"]) & (g["stride_w"] * g["input_c"] in _NEAR)
    words = g["filter_h"] * g["filter_w"] * g["input_c"] // 4
    rounds = words // 4 if g["input_c"] % 16 == 0 else words
    segments = np.where(inside, g["filter_h"], g["filter_h"] * g["filter_w"])
    block = np.where(near, 30, 32) * words + 3 * rounds + 6 * segments + 75
    tiles = g["output_c"] // _BLOCK * block + 12 * segments + 25
    return int(tiles.sum()) * g["batches"] * g["output_h"]
