"""Weights and rescaling packed for conv_2d_s8_dsp_kronecker.h: four products in one long multiply."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from shoal.operators.requantization import Requantization, Sums, wrap
from shoal.tensors import Array

#: members of the kernel's shape
SHAPE = (
    *("batches", "input_h", "input_w", "output_h", "output_w", "output_c"),
    *("filter_h", "filter_w", "stride_h", "dilation_h", "pad_top", "pad_left"),
)

#: bits of a field: one output's sum, signed
_FIELD = 21
_LIMIT = 1 << _FIELD - 1
#: pixels at once, words per filter row, most filter rows and columns
PIXELS, _WORDS, _ROWS, _COLUMNS = 5, 6, 12, 4
#: sums arrive this many bits above their place
_UP = 32 - _FIELD


def fits(geometry: Mapping[str, int], sums: Sums, form: Requantization, zero_point: int) -> bool:
    """Whether shape and activation are the kernel's and no field can overflow: of any part of a sum, of a sum with its
    bias."""
    g = geometry
    shaped = g["input_c"] == g["groups"] == g["dilation_w"] == 1 and g["stride_w"] == 2
    shaped = shaped and g["filter_h"] <= _ROWS and g["filter_w"] <= _COLUMNS and g["output_w"] >= PIXELS
    if not shaped or form.general or form.clamped or zero_point != -128:
        return False
    products = 128 * np.abs(sums.weights.astype(np.int64)).sum(axis=1)
    reach = np.maximum(np.abs(sums.low), np.abs(sums.high))
    return bool((products < _LIMIT).all() and (reach < _LIMIT).all() and (form.shifts <= 12).all())


def stream(geometry: Mapping[str, int], sums: Sums, form: Requantization) -> Array:
    """int32: per output channel two words per filter row, then bias, multiplier, addend and shift."""
    channels = len(sums.weights)
    taps = sums.weights.astype(np.int64).reshape(channels, geometry["filter_h"], geometry["filter_w"])
    taps = np.pad(taps, ((0, 0), (0, 0), (0, _COLUMNS - taps.shape[2])))
    words = (taps[:, :, 2:] + (taps[:, :, :2] << _FIELD)).reshape(channels, -1)
    shifts = form.shifts.astype(np.int64) + _UP
    halves = (1 << _UP - 2) + (np.int64(1) << shifts - 1)
    bias = (sums.bias.astype(np.int64) << _UP) + (1 << 31)
    records = np.stack((bias, sums.multipliers, halves - (np.int64(128) << shifts), shifts), axis=1)
    return wrap(np.concatenate((words, records), axis=1)).reshape(-1)


def scratch_bytes(shape: Mapping[str, int]) -> int:
    return 4 * _WORDS * shape["filter_h"]


def instructions(shape: Mapping[str, int]) -> int:
    """Fitted to counts on an emulated Cortex-M4, GCC 12 at -O3."""
    tiles = shape["batches"] * shape["output_h"] * -(-shape["output_w"] // PIXELS)
    line = 26 if shape["output_w"] == PIXELS else 75
    return tiles * (shape["output_c"] * (49 + 9 * shape["filter_h"]) + line * shape["filter_h"] + 40)
