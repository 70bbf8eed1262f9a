"""Weights and rescaling packed for kernels that multiply pairs of 16-bit values, four output channels at a time.

Sixteen bits leave room to scale a channel's weights and bias. Where negative results are all -128, scaling by
2^(14 - right shift) turns TFLM's two roundings into one product, one addition and one shift by 13: rounding twice is
floor((floor(x + 1/2) + 2^(r - 1)) / 2^r) for x not negative, whatever floor(x + 1/2) is multiplied out of, so that both
halves are constants."""

from __future__ import annotations

import numpy as np

from shoal.operators.requantization import Requantization, Sums, wrap
from shoal.tensors import Array, Tensor

#: output channels of a block
BLOCK = 4

#: the common right shift of the scaled form
SCALE = 13

_LIMIT = 1 << 31


def order(length: int) -> list[tuple[int, int]]:
    """Pairs of inputs as a run of so many bytes unpacks; -1 where there is none."""
    whole = length // 4 * 4
    pairs = [(i + k, i + k + 2) for i in range(0, whole, 4) for k in (0, 1)]
    rest = {0: [], 1: [(0, -1)], 2: [(0, 1)], 3: [(0, 2), (1, -1)]}[length - whole]
    return pairs + [(whole + a, whole + b if b >= 0 else -1) for a, b in rest]


def fit(sums: Sums, form: Requantization) -> bool:
    """Whether doubled weights and sums are in range, and the kernel's int8 saturation is the whole activation."""
    reach = np.maximum(np.abs(sums.low), np.abs(sums.high))
    return not form.general and not form.clamped and len(reach) % BLOCK == 0 and bool((2 * reach < _LIMIT).all())


def fit_relu(sums: Sums, form: Requantization, output: Tensor) -> bool:
    """Whether the scaled form takes it: channels without weights are constants and always fit."""
    left = _left(form)
    reach = np.maximum(np.abs(sums.low), np.abs(sums.high))
    largest = np.abs(sums.weights.astype(np.int64)).max(axis=1)
    scaled = np.where(left >= 0, 1, 0) << np.maximum(left, 0)
    fits = (left >= 2) & (left <= 15) & (reach * scaled < _LIMIT // 2) & (largest * scaled < 1 << 15)
    return output.zero_point == -128 and bool(np.all(fits | (largest == 0)))


def stream(sums: Sums, form: Requantization, runs: int, relu: bool) -> Array:
    """int32: per block of channels the biases, the weights pair by pair, the channels' records. `weights` of the sums
    are `runs` runs of contiguous inputs."""
    words, bias, records = _parts(sums, form, runs, relu)
    blocks = (len(sums.weights) // BLOCK, BLOCK)
    parts = (
        bias.reshape(blocks),
        words.reshape(*blocks, -1).transpose(0, 2, 1).reshape(blocks[0], -1),
        records.reshape(blocks[0], -1),
    )
    return wrap(np.concatenate(parts, axis=1)).reshape(-1)


def rows(sums: Sums, form: Requantization) -> Array:
    """int32: per channel the weights pair by pair, the bias, the record of the scaled form; inputs are one run."""
    words, bias, records = _parts(sums, form, 1, True)
    return wrap(np.concatenate((words, bias[:, None], records), axis=1)).reshape(-1)


def _parts(sums: Sums, form: Requantization, runs: int, relu: bool) -> tuple[Array, Array, Array]:
    """Words of weights [channels, pairs], biases [channels], records [channels, 2 or 3]; int64."""
    channels = len(sums.weights)
    constant = (np.abs(sums.weights).max(axis=1) == 0) & relu
    left = np.where(constant, 0, _left(form)) if relu else np.ones(channels, np.int64)
    by_run = sums.weights.astype(np.int64).reshape(channels, runs, -1) << left[:, None, None]
    padded = np.pad(by_run, ((0, 0), (0, 0), (0, 1)))
    low, high = np.moveaxis(padded[:, :, order(by_run.shape[2])], 3, 0).reshape(2, channels, -1)
    bias = np.where(constant, 0, sums.bias.astype(np.int64)) << left
    records = _relu_records(sums, form, constant) if relu else _records(sums, form)
    return (low & 0xFFFF) + (high << 16), bias, records


def _left(form: Requantization) -> Array:
    """By how many bits the scaled form moves weights and bias up."""
    return SCALE - form.shifts.astype(np.int64)


def _records(sums: Sums, form: Requantization) -> Array:
    """[channels, 3]: multiplier, (2 · zero point + 1) · 2^(shift − 1), shift."""
    shifts = form.shifts.astype(np.int64)
    return np.stack((sums.multipliers, np.int64(form.offset) << shifts, shifts + 1), axis=1)


def _relu_records(sums: Sums, form: Requantization, constant: Array) -> Array:
    """[channels, 2]: multiplier, both halves and the zero point, −128; a constant's multiplier is zero."""
    left = np.clip(_left(form), 2, 15)
    halves = (np.int64(1) << left - 2) + (np.int64(1) << SCALE - 1)
    high = (2 * sums.bias.astype(np.int64) * sums.multipliers + (1 << 31)) >> 32
    value = (high + (sums.bias >> 31) + (np.int64(form.offset) << form.shifts)) >> form.shifts >> 1
    return np.stack(
        (
            np.where(constant, 0, sums.multipliers),
            np.where(constant, np.clip(value, -128, 127) << SCALE, halves - (128 << SCALE)),
        ),
        axis=1,
    )
