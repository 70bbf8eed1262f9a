"""Weights of two output channels in a word, for kernels that multiply both at once: see conv_2d_s8_rv_twin.h."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from shoal.operators import quadrupled
from shoal.operators.requantization import Requantization, Sums, wrap
from shoal.tensors import Array

#: the members of the kernel's shape that describe its loops
SHAPE = (
    *("batches", "input_h", "input_w", "input_c", "output_h", "output_w", "output_c", "filter_h", "filter_w"),
    *("stride_h", "stride_w", "dilation_h", "dilation_w", "pad_top", "pad_left"),
)

#: pixels of a tile
PIXELS = 3

_BLOCK, _TAPS = 4, 4
_STEP = PIXELS * _TAPS

#: bytes of weights that stay in a cache over flash; else of tiles for which each weight is read once, so that flash
#: keeps up
CACHED, _SCRATCH = 8192, 2048


def fits(geometry: Mapping[str, int], sums: Sums, form: Requantization) -> bool:
    """Whether the kernel takes this shape, and any two products can be summed in half a word."""
    if geometry["groups"] != 1 or geometry["output_c"] % _BLOCK or form.general:
        return False
    return quadrupled.fits(sums, form) and bool(_in_half(_quads(sums).reshape(-1, 2)).all())


def _quads(sums: Sums) -> Array:
    """int64 [channels, quads, 4], products beyond the last zero."""
    wide = sums.weights.astype(np.int64)
    return np.pad(wide, ((0, 0), (0, -wide.shape[1] % _TAPS))).reshape(len(wide), -1, _TAPS)


def _in_half(weights: Array) -> Array:
    """Whether the sums of int8 inputs times these weights, [..., taps], are all int16."""
    positive, negative = np.maximum(weights, 0).sum(axis=-1), np.minimum(weights, 0).sum(axis=-1)
    most, least = 127 * positive - 128 * negative, 127 * negative - 128 * positive
    return np.asarray((most < 1 << 15) & (least >= -(1 << 15)))


def stream(sums: Sums, form: Requantization) -> Array:
    """int32, flat: what the sums of each block of channels start from, its runs of quads, its records."""
    quads = _quads(sums)
    wide = np.asarray(_in_half(quads).reshape(-1, _BLOCK, quads.shape[1]).all(axis=1))
    pairs = quads.reshape(-1, 2, *quads.shape[1:])
    words = (pairs[:, 0] + (pairs[:, 1] << 16)).reshape(-1, 2, *quads.shape[1:])
    bias = sums.bias.astype(np.int64).reshape(-1, 2, 2)
    records = quadrupled.records(sums, form)
    found = []
    for block, is_wide in enumerate(wide):
        groups = 2 * len(is_wide) - int(is_wide.sum())
        both = bias[block, :, 0] + (bias[block, :, 1] << 16) - (groups << 15)
        found += [np.stack([both, bias[block, :, 1]], axis=1).reshape(-1)]
        found += _runs(words[block].transpose(1, 0, 2).reshape(len(is_wide), -1), is_wide)
        found += [records[_BLOCK * block : _BLOCK * (block + 1)].reshape(-1)]
    return wrap(np.concatenate(found))


def _runs(words: Array, wide: Array) -> list[Array]:
    """Runs of wide quads, the bytes that they have in scratch first, with a narrow one between."""
    found, start = [], 0
    for stop in [*np.flatnonzero(~wide), len(wide)]:
        found += [np.array([_STEP * (stop - start)]), words[start : stop + 1].reshape(-1)]
        start = stop + 1
    return found


def _filled(geometry: Mapping[str, int]) -> int:
    """Bytes of a window."""
    return -(-geometry["filter_h"] * geometry["filter_w"] * geometry["input_c"] // _TAPS) * _TAPS


def tiles(geometry: Mapping[str, int], words: int) -> int:
    """How many tiles scratch holds: where a cache does not hold a stream of so many `words`, all of an image as far
    as _SCRATCH allows."""
    most = min(-(-geometry["output_h"] * geometry["output_w"] // PIXELS), _SCRATCH // (PIXELS * _filled(geometry)))
    return max(1, most) if 4 * words > CACHED else 1


def scratch_bytes(geometry: Mapping[str, int], tiles: int) -> int:
    """Of the windows of so many tiles, and of one as it lies."""
    return _filled(geometry) * (PIXELS * tiles + (1 if geometry["input_c"] % _TAPS else 0))


def overlap(geometry: Mapping[str, int], tiles: int) -> int:
    """In-place distance in bytes: the windows of so many tiles, in the next rows where one ends, are copied before they
    are written."""
    g = geometry
    row = np.maximum(np.arange(g["output_h"]) * g["stride_h"] - g["pad_top"], 0) * g["input_w"]
    column = np.maximum(np.arange(g["output_w"]) * g["stride_w"] - g["pad_left"], 0)
    first = np.minimum((row[:, None] + column).reshape(-1), g["input_h"] * g["input_w"]) * g["input_c"]
    needed = np.append(np.minimum.accumulate(first[::-1])[::-1], g["input_h"] * g["input_w"] * g["input_c"])
    stop = np.minimum(np.arange(0, len(first), PIXELS * tiles) + PIXELS * tiles, len(first))
    grown = int(needed[-1]) - len(first) * g["output_c"]
    return int((needed[stop] - stop * g["output_c"]).min()) + min(0, (g["batches"] - 1) * grown)


def instructions(geometry: Mapping[str, int], words: int, tiles: int) -> int:
    """Fitted to counts on an emulated ESP32-C3, GCC 12 at -O3. `words` of the stream tell how many quads are narrow."""
    quads, blocks = _filled(geometry) // _TAPS, geometry["output_c"] // _BLOCK
    narrow = words - blocks * (8 * quads + 17)
    turns = geometry["batches"] * -(-geometry["output_h"] * geometry["output_w"] // PIXELS)
    windows = 10 * geometry["filter_h"] + (60 if geometry["input_c"] % _TAPS else 13) * quads
    each = 166 if tiles == 1 else 180
    return turns * (blocks * (90 * quads + each) + 39 * narrow + windows)
