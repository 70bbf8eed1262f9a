"""gemmlowp's fixed-point exponential, logistic and reciprocal, which TFLM's softmax and logistic are made of.

A Qm.n value is an int32 held in int64 arrays: real = raw / 2^n with m + n = 31. The constants are the rounded values of
the functions named beside them."""

from __future__ import annotations

import numpy as np

from shoal.tensors import Array, rounding_divide_by_pot, saturating_rounding_doubling_high_mul

_INT32_MIN, _INT32_MAX = -(1 << 31), (1 << 31) - 1

_EXP_MINUS_EIGHTH = 1895147668  # Q0.31
_ONE_THIRD = 715827883  # Q0.31
_48_OVER_17 = 1515870810  # Q2.29
_MINUS_32_OVER_17 = -1010580540  # Q2.29
#: exp(−2^k) in Q0.31 for k from −2 on
_EXP_MINUS_POWERS = (1672461947, 1302514674, 790015084, 290630308, 39332535, 720401, 242)

_multiply = saturating_rounding_doubling_high_mul


def _shift_left(x: Array, exponent: int) -> Array:
    """x · 2^exponent, saturating."""
    limit = (1 << (31 - exponent)) - 1
    return np.asarray(np.where(x > limit, _INT32_MAX, np.where(x < -limit, _INT32_MIN, x << exponent)), np.int64)


def _exp_on_last_quarter(x: Array) -> Array:
    """exp(x) in Q0.31 for x in [−1/4, 0), Q0.31: a Taylor expansion around −1/8."""
    x = x + (1 << 28)
    square = _multiply(x, x)
    cube = _multiply(square, x)
    quarter_of_fourth = rounding_divide_by_pot(_multiply(square, square), 2)
    terms = rounding_divide_by_pot(_multiply(quarter_of_fourth + cube, _ONE_THIRD) + square, 1)
    return np.asarray(_EXP_MINUS_EIGHTH + _multiply(x + terms, _EXP_MINUS_EIGHTH))


def exp_on_negative_values(x: Array, integer_bits: int) -> Array:
    """exp(x) in Q0.31 for x ≤ 0 in Qm.n, m = `integer_bits` of at most 5."""
    fraction_bits = 31 - integer_bits
    quarter = 1 << (fraction_bits - 2)
    last = (x & (quarter - 1)) - quarter
    result = _exp_on_last_quarter(_shift_left(last, integer_bits))
    remainder = last - x
    for power, factor in enumerate(_EXP_MINUS_POWERS, start=-2):
        if power < integer_bits:
            bit = (remainder >> (fraction_bits + power)) & 1
            result = np.where(bit == 1, _multiply(result, factor), result)
    return np.asarray(np.where(x == 0, _INT32_MAX, result), np.int64)


def one_over_one_plus(x: Array) -> Array:
    """1 / (1 + x) in Q0.31 for x in [0, 1), Q0.31: three Newton-Raphson steps in Q2.29."""
    half_denominator = (x + _INT32_MAX + 1) // 2
    y = _48_OVER_17 + _multiply(half_denominator, _MINUS_32_OVER_17)
    for _ in range(3):
        error = (1 << 29) - _multiply(half_denominator, y)
        y = y + _shift_left(_multiply(y, error), 2)
    return _shift_left(y, 1)


def logistic(x: Array, integer_bits: int) -> Array:
    """1 / (1 + exp(−x)) in Q0.31 for x in Qm.n, m = `integer_bits`."""
    positive = one_over_one_plus(exp_on_negative_values(-np.abs(x), integer_bits))
    return np.asarray(np.where(x == 0, 1 << 30, np.where(x > 0, positive, _INT32_MAX - positive)), np.int64)


def input_radius(integer_bits: int, left_shift: int) -> int:
    """TFLM's CalculateInputRadius: the largest input that a multiplier with this left shift keeps inside of Qm.n."""
    return ((((1 << integer_bits) - 1) << (31 - integer_bits)) >> left_shift) if left_shift >= 0 else 0
