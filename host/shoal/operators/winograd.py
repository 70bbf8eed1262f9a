"""Winograd's F(4×4, 3×3) in integers, for convolutions of 3×3 without stride: see conv_2d_s8_dsp_winograd.h.

Lavin and Gray, "Fast Algorithms for Convolutional Neural Networks", 2015, with the points 0, ±1, ±2 and infinity. The
transform of the weights is multiplied by 24 in each direction, by 12 at infinity, so that it is integer and fits 16
bits: 12 · 12 · 128 at most. That of inputs from 0 to 255 lies from −12750 to 17340."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from shoal.operators.requantization import Requantization, Sums, wrap
from shoal.tensors import Array

#: the members of the kernel's shape that describe its loops
SHAPE = (
    *("batches", "input_h", "input_w", "input_c", "output_h", "output_w", "output_c"),
    *("pad_top", "pad_left"),
)

_TILE, _TILES, _BLOCK, _PAIRS = 4, 2, 4, 8
_WEIGHTS = np.array([[6, 0, 0], [-4, -4, -4], [-4, 4, -4], [1, 2, 4], [1, -2, 4], [0, 0, 12]], np.int64)
_POINTS = len(_WEIGHTS)


def fits(geometry: Mapping[str, int], sums: Sums, form: Requantization) -> bool:
    """Whether the kernel takes this shape, and every sum fits where 64 times the sum is an int32."""
    one = ("stride_h", "stride_w", "dilation_h", "dilation_w", "groups")
    shaped = (geometry["filter_h"], geometry["filter_w"]) == (3, 3) and all(geometry[name] == 1 for name in one)
    whole = geometry["input_c"] % 4 == 0 and geometry["output_c"] % _BLOCK == 0
    in_range = (sums.weights >= -128).all() and (sums.weights < 128).all()
    reach = np.maximum(np.abs(sums.low), np.abs(sums.high))
    return shaped and whole and not form.general and bool(in_range) and bool((reach < 1 << 25).all())


def weights(sums: Sums) -> Array:
    """int16 [block, position, pair, channel, 2] of filters [channels, 3 · 3 · inputs], flat; pairs beyond the last are
    zero."""
    channels = len(sums.weights)
    filters = sums.weights.reshape(channels, 3, 3, -1).astype(np.int64)
    points = np.einsum("ia,jb,oabc->ijoc", _WEIGHTS, _WEIGHTS, filters)
    filled = np.pad(points, ((0, 0), (0, 0), (0, 0), (0, -filters.shape[3] % (2 * _PAIRS))))
    # channels of a quad: 0 and 2 are a pair, 1 and 3
    quads = filled.reshape(_POINTS**2, channels // _BLOCK, _BLOCK, -1, 2, 2).transpose(1, 0, 3, 5, 2, 4)
    return np.ascontiguousarray(quads).astype(np.int16).reshape(-1)


def records(sums: Sums, form: Requantization) -> Array:
    """int32 [channels, 4], flat: 64 · bias where inputs are counted as value + 128, multiplier, offset << halving,
    shift."""
    bias = sums.bias.astype(np.int64) - 128 * sums.weights.astype(np.int64).sum(axis=1)
    halving = form.shifts.astype(np.int64)
    columns = (64 * bias, sums.multipliers, form.offset << halving, halving + 1)
    return wrap(np.stack(columns, axis=1)).reshape(-1)


def _pitch(shape: Mapping[str, int]) -> int:
    return -(-shape["output_w"] // (_TILES * _TILE)) * _TILES * _TILE + 2


def _filled(shape: Mapping[str, int]) -> int:
    return -(-shape["input_c"] // (2 * _PAIRS)) * _PAIRS


def scratch_bytes(shape: Mapping[str, int]) -> int:
    """Transformed columns of a row of tiles, two transformed tiles, their sums, a row of padding."""
    columns = _POINTS * shape["input_c"] // 2 * _pitch(shape)
    tiles = _POINTS**2 * _TILES * (_filled(shape) + _BLOCK)
    return 4 * (columns + tiles) + shape["input_w"] * shape["input_c"]


def overlap(shape: Mapping[str, int]) -> int:
    """In-place distance in bytes: a row of tiles is read before it is written."""
    pitch, line = shape["input_w"] * shape["input_c"], shape["output_w"] * shape["output_c"]
    stop = np.minimum(np.arange(_TILE, shape["output_h"] + _TILE, _TILE), shape["output_h"])
    needed = np.clip(stop - shape["pad_top"], 0, shape["input_h"]) * pitch
    needed[-1] = shape["input_h"] * pitch
    grown = shape["input_h"] * pitch - shape["output_h"] * line
    return int((needed - stop * line).min()) + min(0, (shape["batches"] - 1) * grown)


def instructions(shape: Mapping[str, int]) -> int:
    """Fitted to counts on an emulated Cortex-M4, GCC 12 at -O3."""
    rows = shape["batches"] * -(-shape["output_h"] // _TILE)
    pairs_of_tiles = rows * -(-shape["output_w"] // (_TILES * _TILE))
    blocks = shape["output_c"] // _BLOCK
    fill = 9 * _POINTS * shape["input_c"] // 2 * _pitch(shape)
    down = rows * shape["input_w"] * shape["input_c"] // 4 * 70
    across = pairs_of_tiles * shape["input_c"] // 2 * _POINTS * 66
    multiply = pairs_of_tiles * blocks * _POINTS**2 * (11 * _filled(shape) + 3 * _filled(shape) // _PAIRS + 8)
    store = pairs_of_tiles * blocks * _TILES * _BLOCK * 300
    return fill + down + across + multiply + store
