"""Rescaling from four times a sum, for cores where one instruction gives a product's high word: see rv.h."""

from __future__ import annotations

import numpy as np

from shoal.operators.requantization import Requantization, Sums
from shoal.tensors import Array


def fits(sums: Sums, form: Requantization) -> bool:
    """Whether it is exact for all channels."""
    return not form.general and bool(is_exact(sums, form).all())


def is_exact(sums: Sums, form: Requantization) -> Array:
    """Channels for which it is what the short form is: no overflow for any sum that is reached."""
    reach = np.maximum(np.abs(sums.low), np.abs(sums.high))
    halving = form.shifts.astype(np.int64)
    value = (np.minimum(reach, 1 << 29) * sums.multipliers >> 30) + 3
    addend = np.int64(abs(form.offset)) << halving + 1
    return np.asarray((reach < 1 << 29) & (halving <= 29) & (value + addend < 1 << 31))


def records(sums: Sums, form: Requantization) -> Array:
    """int64 [channels, 3]: multiplier, addend, shift."""
    halving = form.shifts.astype(np.int64)
    return np.stack([sums.multipliers, 1 + (np.int64(form.offset) << halving + 1), halving + 2], axis=1)
