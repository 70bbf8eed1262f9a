"""From int32 sums back to int8: the constants of TFLM's two-step rescale, for every operator that sums products.

A channel's result is monotonic in its sum, and the sums that it can reach follow from its weights. Both are used to
prove, channel by channel, that the kernels' short form of the rescale is exact."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from shoal.operators.activation import activation_range
from shoal.tensors import Array, Tensor, multiply_by_quantized_multiplier, quantize_multiplier

_LIMIT = 1 << 30


@dataclass(frozen=True)
class Sums:
    """One row per output channel. `weights`: int8 [channels, products]; `bias`: int32, the input's zero point folded
    in; `multipliers` int32 and `shifts` (TFLite's, left is positive) of the rescale; `low` and `high`: int64, the least
    and greatest sum that int8 inputs reach."""

    weights: Array
    bias: Array
    multipliers: Array
    shifts: Array
    low: Array
    high: Array


@dataclass(frozen=True)
class Requantization:
    """How a kernel rescales. `general`: some channel needs the general form, where `shifts` holds TFLite's shifts and
    `offset` is the output's zero point; else `shifts` holds right shifts − 1 and `offset` is 2 · zero point + 1.
    `clamped`: the activation keeps less than int8."""

    shifts: Array
    offset: int
    low: int
    high: int
    general: bool

    @property
    def clamped(self) -> bool:
        return (self.low, self.high) != (-128, 127)


def multipliers(inputs: Tensor, weights: Tensor, output: Tensor, channels: int) -> tuple[Array, Array]:
    """(multipliers, shifts), int64 per channel: input scale · weight scale / output scale, multiplied in double."""
    pairs = [quantize_multiplier(scale / output.scale) for scale in scales(inputs, weights)]
    table = np.array(pairs * (channels if len(pairs) == 1 else 1), np.int64)
    return table[:, 0], table[:, 1]


def scales(inputs: Tensor, weights: Tensor) -> tuple[float, ...]:
    """The real value of a unit of the sums: input scale · weight scale in double, one or one per channel."""
    assert weights.quantization is not None
    return tuple(inputs.scale * scale for scale in weights.quantization.scale)


def wrap(values: Array) -> Array:
    """To int32 as C's unsigned arithmetic does."""
    wrapped: Array = values.astype(np.int64).astype(np.uint32).astype(np.int32)
    return wrapped


def rescale(sums: Array, multiplier: Array, shift: Array, activation: str, output: Tensor) -> Array:
    """Int64 sums [..., channels] to the output's int8, byte for byte TFLM's: sums wrap to int32 first."""
    scaled = multiply_by_quantized_multiplier(wrap(sums).astype(np.int64), multiplier, shift) + output.zero_point
    clipped: Array = np.clip(scaled, *activation_range(activation, output)).astype(np.int8)
    return clipped


def sum_bounds(
    accumulate: Callable[[Array, Array], Array],
    weights: Array,
    bias: Array | None,
    low: Array,
    high: Array,
    left: Array,
) -> tuple[Array, Array] | None:
    """The least and the greatest sum at every output, for inputs that lie from `low` to `high`; None where one might
    leave int32 once shifted `left`. `accumulate(inputs, weights)`: int64 sums of products, no bias."""
    positive, negative = np.maximum(weights, 0), np.minimum(weights, 0)
    least = accumulate(low, positive) + accumulate(high, negative)
    most = accumulate(high, positive) + accumulate(low, negative)
    if bias is not None:
        least, most = least + bias.reshape(-1), most + bias.reshape(-1)
    limit = np.int64(1 << 31) >> np.maximum(left, 0)
    return (least, most) if np.all(most < limit) and np.all(least >= -limit) else None


def bind(weights: Array, bias: Array | None, inputs: Tensor, multiplier: Array, shift: Array) -> Sums:
    """Folds the input's zero point into the bias. `weights`: int8 or wider [channels, products]; `bias`: int32."""
    wide = weights.astype(np.int64)
    raw = np.zeros(len(wide), np.int64) if bias is None else bias.astype(np.int64).reshape(-1)
    folded = raw - inputs.zero_point * wide.sum(axis=1)
    positive, negative = np.maximum(wide, 0).sum(axis=1), np.minimum(wide, 0).sum(axis=1)
    low = folded - 128 * positive + 127 * negative
    high = folded + 127 * positive - 128 * negative
    return Sums(weights, wrap(folded), multiplier, shift, low, high)


def settle(sums: Sums, activation: str, output: Tensor) -> tuple[Sums, Requantization]:
    """Chooses the form of the rescale. A channel that the short form does not take but whose result is the same for all
    sums that it reaches becomes that constant: no weights, no bias, a multiplier of zero."""
    low, high = activation_range(activation, output)
    short = is_short(sums, output.zero_point)
    constant = ~short & _is_constant(sums, activation, output)
    zero_point = output.zero_point
    if not np.all(short | constant):
        return sums, Requantization(sums.shifts.astype(np.int8), zero_point, low, high, True)
    shifts = -sums.shifts - 1
    if constant.any():
        # what remains is (2 · zero point + 1) << shift >> shift >> 1, the zero point, plus a bias that a unit
        # multiplier carries over: 2^30 and a right shift of 1 divide by 4
        value = rescale(sums.low, sums.multipliers, sums.shifts, activation, output).astype(np.int64) - zero_point
        sums = replace(
            sums,
            weights=np.where(constant[:, None], 0, sums.weights).astype(sums.weights.dtype),
            bias=np.where(constant, 4 * value, sums.bias).astype(np.int32),
            multipliers=np.where(constant, 1 << 30, sums.multipliers),
            low=np.where(constant, 4 * value, sums.low),
            high=np.where(constant, 4 * value, sums.high),
        )
        shifts = np.where(constant, 0, shifts)
    return sums, Requantization(shifts.astype(np.int8), 2 * zero_point + 1, low, high, False)


def fits_bytes(sums: Sums) -> bool:
    """Whether biases leave a byte of an int32 for a shift, see `biases_and_shifts`."""
    return bool((np.abs(sums.bias.astype(np.int64)) < 1 << 23).all())


def biases_and_shifts(sums: Sums, form: Requantization) -> Array:
    """int32 per channel: the bias, and the right shift − 1 in the lowest byte. For the short form."""
    merged: Array = sums.bias.astype(np.int32) * 256 + form.shifts.astype(np.int32)
    return merged


def is_short(sums: Sums, zero_point: int) -> Array:
    """Channels for which fixed_point.h's `requantize` is exact: no overflow for any sum that is reached."""
    reach = np.maximum(np.abs(sums.low), np.abs(sums.high))
    right = np.clip(-sums.shifts, 1, 31)
    value = (np.minimum(reach, _LIMIT) * sums.multipliers >> 31) + 2
    addend = abs(2 * zero_point + 1) << (right - 1)
    return np.asarray((sums.shifts <= -1) & (reach < _LIMIT) & (value + addend < 1 << 31))


def _is_constant(sums: Sums, activation: str, output: Tensor) -> Array:
    """Channels whose result is one value for all sums from low to high: there is one sum, or none of them wraps."""
    limit = np.int64(1 << 31) >> np.maximum(sums.shifts, 0)
    first = rescale(sums.low, sums.multipliers, sums.shifts, activation, output)
    last = rescale(sums.high, sums.multipliers, sums.shifts, activation, output)
    unwrapped = (sums.low >= -limit) & (sums.high < limit)
    return np.asarray((sums.low == sums.high) | (unwrapped & (first == last)))


def blocks(channels: Array, groups: int, block: int) -> Array:
    """[channels, …] with each group's channels filled up with zeros to a multiple of `block`."""
    grouped = channels.reshape(groups, -1, *channels.shape[1:])
    missing = -grouped.shape[1] % block
    filled = np.pad(grouped, ((0, 0), (0, missing), *((0, 0) for _ in channels.shape[1:])))
    return np.ascontiguousarray(filled.reshape(-1, *channels.shape[1:]))
