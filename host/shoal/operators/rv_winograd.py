"""Winograd's F(4×4, 3×3) one channel at a time: see conv_2d_s8_rv_winograd.h, and winograd.py for the transforms."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from shoal.operators import quadrupled, winograd
from shoal.operators.requantization import Requantization, Sums, wrap
from shoal.tensors import Array

#: inputs are signed
_TRANSFORM = replace(winograd.LARGE, offset=0)
_TILES, _BLOCK, _DEPTH = 4, 4, 4


def fits(geometry: Mapping[str, int], sums: Sums, form: Requantization) -> bool:
    """Whether the kernel takes this shape, and every sum fits where a multiple of it is an int32."""
    return winograd.fits(_TRANSFORM, {**geometry, "input_c": _filled(geometry)}, sums, form) and quadrupled.fits(
        sums, form
    )


def _filled(shape: Mapping[str, int]) -> int:
    """Input channels, filled up to what the kernel unrolls."""
    return -(-shape["input_c"] // _DEPTH) * _DEPTH


def shape(geometry: Mapping[str, int]) -> dict[str, int]:
    """The members of the kernel's shape that describe its loops; tiles lie abreast as far as the image is wide."""
    across = -(-geometry["output_w"] // _TRANSFORM.tile)
    abreast = _TILES if across > 2 else across
    return {**{name: geometry[name] for name in winograd.SHAPE}, "abreast": abreast}


def weights(sums: Sums) -> Array:
    """int16 [block, position, input, channel] of filters [channels, 3 · 3 · inputs], flat."""
    channels, matrix = len(sums.weights), _TRANSFORM.weights
    filters = sums.weights.reshape(channels, 3, 3, -1).astype(np.int64)
    points = np.einsum("ia,jb,oabc->ijco", matrix, matrix, filters)
    filled = np.pad(points, ((0, 0), (0, 0), (0, -filters.shape[3] % _DEPTH), (0, 0)))
    blocks = filled.reshape(_TRANSFORM.points**2, -1, channels // _BLOCK, _BLOCK).transpose(2, 0, 1, 3)
    return np.ascontiguousarray(blocks).astype(np.int16).reshape(-1)


def records(sums: Sums, form: Requantization) -> Array:
    """int32 [channels, 4], flat: the bias in units, multiplier, addend, shift."""
    bias = _TRANSFORM.unit * sums.bias.astype(np.int64)
    return wrap(np.concatenate([bias[:, None], quadrupled.records(sums, form)], axis=1)).reshape(-1)


def _strip(shape: Mapping[str, int]) -> tuple[int, int]:
    """(rows, columns) of outputs that four tiles cover."""
    return _TRANSFORM.tile * _TILES // shape["abreast"], _TRANSFORM.tile * shape["abreast"]


def scratch_bytes(shape: Mapping[str, int]) -> int:
    """Four transformed tiles, their sums, the rows under them."""
    height, step = _strip(shape)
    width = -(-shape["output_w"] // step) * step + 2
    tiles = _TRANSFORM.points**2 * _TILES * (2 * _filled(shape) + 4 * _BLOCK)
    return tiles + (height + 2) * width * shape["input_c"]


def overlap(shape: Mapping[str, int]) -> int:
    """In-place distance in bytes: the rows under a strip and the two that it shares with the next are copied before it
    is written."""
    pitch, line = shape["input_w"] * shape["input_c"], shape["output_w"] * shape["output_c"]
    height, rows = shape["output_h"], _strip(shape)[0]
    start = np.arange(0, height, rows)
    needed = np.clip(start + rows + 2 - shape["pad_top"], 0, shape["input_h"]) * pitch
    needed[-1] = shape["input_h"] * pitch
    grown = shape["input_h"] * pitch - height * line
    written = np.minimum(start + rows, height) * line
    return int((needed - written).min()) + min(0, (shape["batches"] - 1) * grown)


def instructions(shape: Mapping[str, int]) -> int:
    """Fitted to counts on an emulated ESP32-C3, GCC 12 at -O3."""
    height, step = _strip(shape)
    strips, columns = shape["batches"] * -(-shape["output_h"] // height), -(-shape["output_w"] // step)
    blocks, depth = shape["output_c"] // _BLOCK, shape["input_c"]
    tile = _TRANSFORM.tile
    tiles = shape["batches"] * -(-shape["output_h"] // tile) * -(-shape["output_w"] // tile)
    copies = 3 * strips * (height + 2) * depth * (columns * step + 2)
    products = strips * columns * blocks * _TRANSFORM.points**2 * (44 * _filled(shape) + 30)
    return copies + strips * columns * _TILES * 470 * depth + products + tiles * blocks * _BLOCK * 500
