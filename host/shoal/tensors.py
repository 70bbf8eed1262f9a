"""Tensors, their quantization and TensorFlow Lite Micro's fixed-point arithmetic: what everything else stands on."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]

#: dtypes that a tensor may have, by NumPy's names, with the bytes of an element
ITEM_BYTES = {"int8": 1, "uint8": 1, "int16": 2, "int32": 4, "int64": 8, "float16": 2, "float32": 4}


@dataclass(frozen=True)
class Quantization:
    """real = scale * (quantized - zero_point), per tensor (one entry) or per channel along `axis`."""

    scale: tuple[float, ...]
    zero_point: tuple[int, ...]
    axis: int = 0

    @property
    def per_channel(self) -> bool:
        return len(self.scale) > 1


@dataclass(frozen=True)
class Tensor:
    """One tensor of a network. `index` is the model file's own; `data` is set for constants only (read-only array of
    `shape` and `dtype`)."""

    index: int
    name: str
    shape: tuple[int, ...]
    dtype: str
    quantization: Quantization | None = None
    data: Array | None = field(default=None, compare=False, repr=False)

    @property
    def elements(self) -> int:
        return math.prod(self.shape)

    @property
    def bytes(self) -> int:
        return self.elements * ITEM_BYTES[self.dtype]

    @property
    def scale(self) -> float:
        """The one scale of a per-tensor quantized tensor."""
        assert self.quantization is not None
        return self.quantization.scale[0]

    @property
    def zero_point(self) -> int:
        assert self.quantization is not None
        return self.quantization.zero_point[0]


def quantize_multiplier(real: float) -> tuple[int, int]:
    """The int32 multiplier m and shift s with real ≈ m · 2^(s − 31), as TFLite's QuantizeMultiplier (round half up of
    the mantissa; below 2^−32 everything is zero)."""
    if real == 0.0:
        return 0, 0
    mantissa, shift = math.frexp(real)
    multiplier = math.floor(mantissa * (1 << 31) + 0.5)
    if multiplier == 1 << 31:
        multiplier //= 2
        shift += 1
    if shift < -31:
        return 0, 0
    if shift > 30:
        return (1 << 31) - 1, 30
    return multiplier, shift


def saturating_rounding_doubling_high_mul(a: Array, b: Array | int) -> Array:
    """gemmlowp's SaturatingRoundingDoublingHighMul on int32 held in int64: (2·a·b + nudge) / 2^32 towards zero."""
    product = a.astype(np.int64) * np.asarray(b, np.int64)
    nudged = product + np.where(product >= 0, 1 << 30, 1 - (1 << 30))
    high = np.where(nudged >= 0, nudged >> 31, -((-nudged) >> 31))
    return np.minimum(high, (1 << 31) - 1)


def rounding_divide_by_pot(x: Array, exponent: Array | int) -> Array:
    """gemmlowp's RoundingDivideByPOT: x / 2^exponent, halves away from zero; int64 in, int64 out."""
    exponent = np.asarray(exponent, np.int64)
    mask = (np.int64(1) << exponent) - 1
    remainder = x & mask
    threshold = (mask >> 1) + (x < 0)
    return np.asarray((x >> exponent) + (remainder > threshold), np.int64)


def multiply_by_quantized_multiplier(x: Array, multiplier: Array | int, shift: Array | int) -> Array:
    """TFLM's MultiplyByQuantizedMultiplier with two roundings: x · m · 2^(shift − 31); left shifts wrap."""
    shift = np.asarray(shift, np.int64)
    left = np.maximum(shift, 0)
    right = np.maximum(-shift, 0)
    shifted = x.astype(np.int64) << left
    wrapped = ((shifted + (1 << 31)) & 0xFFFFFFFF) - (1 << 31)
    return rounding_divide_by_pot(saturating_rounding_doubling_high_mul(wrapped, multiplier), right)
