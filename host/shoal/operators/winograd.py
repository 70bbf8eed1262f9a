"""Winograd's F(4×4, 3×3) and F(2×2, 3×3) in integers, for convolutions of 3×3 without stride: see
winograd_dsp.h, conv_2d_s8_dsp_winograd.h and conv_2d_s8_dsp_winograd_2.h.

Lavin and Gray, "Fast Algorithms for Convolutional Neural Networks", 2015, with the points 0, ±1, ±2 and infinity, or 0,
±1 and infinity. Transforms of weights are multiplied by what makes them integers: they fit 16 bits, 12 · 12 · 128 and
9 · 128 at most. Those of inputs do as well: from −12750 to 17340 of inputs from 0 to 255, ±512 of signed ones."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from shoal.operators.requantization import Requantization, Sums, wrap
from shoal.tensors import Array

#: the members of the kernels' shapes that describe their loops
SHAPE = (
    *("batches", "input_h", "input_w", "input_c", "output_h", "output_w", "output_c"),
    *("pad_top", "pad_left"),
)

_TILES, _BLOCK, _PAIRS = 2, 4, 8


@dataclass(frozen=True)
class Transform:
    """`tile`: outputs in each direction. `weights`: [points, 3]. `unit`: what the kernel's sums are multiples of before
    they are shifted to the doubled sum; `offset`: what it adds to each input. `costs`: instructions for four channels
    of an input column, for a pair of channels of a point of two tiles, for a channel's outputs of a tile."""

    tile: int
    weights: Array
    unit: int
    offset: int
    costs: tuple[int, int, int]

    @property
    def points(self) -> int:
        return len(self.weights)


LARGE = Transform(
    tile=4,
    weights=np.array([[6, 0, 0], [-4, -4, -4], [-4, 4, -4], [1, 2, 4], [1, -2, 4], [0, 0, 12]], np.int64),
    unit=64,
    offset=128,
    costs=(70, 66, 310),
)
SMALL = Transform(
    tile=2,
    weights=np.array([[2, 0, 0], [1, 1, 1], [1, -1, 1], [0, 0, 2]], np.int64),
    unit=4,
    offset=0,
    costs=(40, 30, 85),
)


def fits(transform: Transform, geometry: Mapping[str, int], sums: Sums, form: Requantization) -> bool:
    """Whether the kernel takes this shape, and every sum fits where a multiple of it is an int32."""
    one = ("stride_h", "stride_w", "dilation_h", "dilation_w", "groups")
    shaped = (geometry["filter_h"], geometry["filter_w"]) == (3, 3) and all(geometry[name] == 1 for name in one)
    whole = geometry["input_c"] % 4 == 0 and geometry["output_c"] % _BLOCK == 0
    in_range = (sums.weights >= -128).all() and (sums.weights < 128).all()
    reach = np.maximum(np.abs(sums.low), np.abs(sums.high))
    limit = (1 << 31) // transform.unit
    return shaped and whole and not form.general and bool(in_range) and bool((reach < limit).all())


def weights(transform: Transform, sums: Sums) -> Array:
    """int16 [block, position, pair, channel, 2] of filters [channels, 3 · 3 · inputs], flat; pairs beyond the last are
    zero."""
    channels, matrix = len(sums.weights), transform.weights
    filters = sums.weights.reshape(channels, 3, 3, -1).astype(np.int64)
    points = np.einsum("ia,jb,oabc->ijoc", matrix, matrix, filters)
    filled = np.pad(points, ((0, 0), (0, 0), (0, 0), (0, -filters.shape[3] % (2 * _PAIRS))))
    # channels of a quad: 0 and 2 are a pair, 1 and 3
    quads = filled.reshape(transform.points**2, channels // _BLOCK, _BLOCK, -1, 2, 2).transpose(1, 0, 3, 5, 2, 4)
    return np.ascontiguousarray(quads).astype(np.int16).reshape(-1)


def records(transform: Transform, sums: Sums, form: Requantization) -> Array:
    """int32 [channels, 4], flat: the bias in units, multiplier, offset << halving, shift."""
    bias = sums.bias.astype(np.int64) - transform.offset * sums.weights.astype(np.int64).sum(axis=1)
    halving = form.shifts.astype(np.int64)
    columns = (transform.unit * bias, sums.multipliers, form.offset << halving, halving + 1)
    return wrap(np.stack(columns, axis=1)).reshape(-1)


def _pitch(transform: Transform, shape: Mapping[str, int]) -> int:
    step = _TILES * transform.tile
    return -(-shape["output_w"] // step) * step + 2


def _filled(shape: Mapping[str, int]) -> int:
    return -(-shape["input_c"] // (2 * _PAIRS)) * _PAIRS


def scratch_bytes(transform: Transform, shape: Mapping[str, int]) -> int:
    """Transformed columns of a row of tiles, two transformed tiles, their sums, a row of padding."""
    columns = transform.points * shape["input_c"] // 2 * _pitch(transform, shape)
    tiles = transform.points**2 * _TILES * (_filled(shape) + _BLOCK)
    return 4 * (columns + tiles) + shape["input_w"] * shape["input_c"]


def overlap(transform: Transform, shape: Mapping[str, int]) -> int:
    """In-place distance in bytes: a row of tiles is read before it is written."""
    pitch, line = shape["input_w"] * shape["input_c"], shape["output_w"] * shape["output_c"]
    tile, height = transform.tile, shape["output_h"]
    stop = np.minimum(np.arange(tile, height + tile, tile), height)
    needed = np.clip(stop - shape["pad_top"], 0, shape["input_h"]) * pitch
    needed[-1] = shape["input_h"] * pitch
    grown = shape["input_h"] * pitch - height * line
    return int((needed - stop * line).min()) + min(0, (shape["batches"] - 1) * grown)


def passes(transform: Transform, shape: Mapping[str, int]) -> int:
    """Over the weights: two tiles of pixels at a time."""
    rows = shape["batches"] * -(-shape["output_h"] // transform.tile)
    return rows * -(-shape["output_w"] // (_TILES * transform.tile))


def instructions(transform: Transform, shape: Mapping[str, int]) -> int:
    """Fitted to counts on an emulated Cortex-M4, GCC 12 at -O3."""
    points, pairs = transform.points, shape["input_c"] // 2
    rows = shape["batches"] * -(-shape["output_h"] // transform.tile)
    steps = passes(transform, shape)
    blocks = shape["output_c"] // _BLOCK
    column, point, output = transform.costs
    fill = 9 * points * pairs * _pitch(transform, shape)
    down = rows * shape["input_w"] * pairs // 2 * column
    across = steps * pairs * points * point
    multiply = steps * blocks * points**2 * (11 * _filled(shape) + 3 * _filled(shape) // _PAIRS + 8)
    store = steps * blocks * _TILES * _BLOCK * output
    return fill + down + across + multiply + store
