"""TensorFlow Lite Micro's fixed-point arithmetic against plain integers of any size."""

from __future__ import annotations

import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shoal.tensors import (
    ITEM_BYTES,
    Quantization,
    Tensor,
    multiply_by_quantized_multiplier,
    quantize_multiplier,
    rounding_divide_by_pot,
    saturating_rounding_doubling_high_mul,
)

LOW, HIGH = -(1 << 31), (1 << 31) - 1
EDGES = sorted(
    {0, 1, -1, 2, -2, 3, -3, LOW, LOW + 1, HIGH, HIGH - 1}
    | {sign * (1 << k) + d for k in (7, 8, 15, 16, 29, 30) for sign in (1, -1) for d in (-1, 0, 1)}
)
int32 = st.integers(LOW, HIGH) | st.sampled_from(EDGES)


def high_mul(a: int, b: int) -> int:
    """a·b / 2^31 rounded to nearest, ties towards plus infinity (the nudge is 2^30 or 1 − 2^30 and division truncates),
    saturated."""
    product = a * b
    nudged = product + ((1 << 30) if product >= 0 else 1 - (1 << 30))
    quotient = abs(nudged) // (1 << 31)
    return min(quotient if nudged >= 0 else -quotient, HIGH)


def divide_by_pot(x: int, exponent: int) -> int:
    """x / 2^exponent rounded to nearest, ties away from zero."""
    quotient = Fraction(abs(x), 1 << exponent)
    rounded = math.floor(quotient + Fraction(1, 2))
    return rounded if x >= 0 else -rounded


def wrapped(x: int) -> int:
    return (x + (1 << 31)) % (1 << 32) - (1 << 31)


def test_high_mul_at_all_edges() -> None:
    a, b = (m.ravel() for m in np.meshgrid(np.array(EDGES, np.int64), np.array(EDGES, np.int64)))
    expected = [high_mul(int(x), int(y)) for x, y in zip(a, b, strict=True)]
    assert saturating_rounding_doubling_high_mul(a, b).tolist() == expected


def test_high_mul_saturates_where_the_product_overflows() -> None:
    assert saturating_rounding_doubling_high_mul(np.array([LOW]), LOW).tolist() == [HIGH]


@given(int32, int32)
def test_high_mul(a: int, b: int) -> None:
    assert saturating_rounding_doubling_high_mul(np.array([a]), b).tolist() == [high_mul(a, b)]


def test_divide_by_pot_at_all_edges() -> None:
    for exponent in range(32):
        x = np.array(EDGES, np.int64)
        expected = [divide_by_pot(v, exponent) for v in EDGES]
        assert rounding_divide_by_pot(x, exponent).tolist() == expected, exponent


@given(st.lists(st.tuples(int32, st.integers(0, 31)), min_size=1, max_size=20))
def test_divide_by_pot_with_an_exponent_for_each_element(pairs: list[tuple[int, int]]) -> None:
    x, exponent = (np.array(v, np.int64) for v in zip(*pairs, strict=True))
    assert rounding_divide_by_pot(x, exponent).tolist() == [divide_by_pot(*p) for p in pairs]


@given(int32, st.integers(1 << 30, HIGH), st.integers(-31, 30))
def test_multiply(x: int, multiplier: int, shift: int) -> None:
    expected = divide_by_pot(high_mul(wrapped(x << max(shift, 0)), multiplier), max(-shift, 0))
    assert multiply_by_quantized_multiplier(np.array([x], np.int32), multiplier, shift).tolist() == [expected]


@given(st.integers(-(1 << 24), 1 << 24))
def test_multiplying_by_one_changes_nothing(x: int) -> None:
    assert multiply_by_quantized_multiplier(np.array([x], np.int32), *quantize_multiplier(1.0)).tolist() == [x]


def test_multiplies_each_channel_by_its_own() -> None:
    x = np.array([[100, 100, 100]], np.int32)
    multipliers, shifts = zip(*(quantize_multiplier(r) for r in (0.5, 0.25, 2.0)), strict=True)
    y = multiply_by_quantized_multiplier(x, np.array(multipliers), np.array(shifts))
    assert y.tolist() == [[50, 25, 200]]


@given(st.floats(2.0**-31, 2.0**29, allow_nan=False))
def test_a_multiplier_is_as_near_as_31_bits_allow(real: float) -> None:
    multiplier, shift = quantize_multiplier(real)
    assert 1 << 30 <= multiplier <= HIGH
    assert abs(Fraction(multiplier) * Fraction(2) ** (shift - 31) / Fraction(real) - 1) <= Fraction(1, 1 << 31)


@pytest.mark.parametrize(
    ("real", "expected"),
    [
        (0.0, (0, 0)),
        (1.0, (1 << 30, 1)),
        (0.5, (1 << 30, 0)),
        (math.nextafter(1.0, 0.0), (1 << 30, 1)),  # rounds up to the next power of two
        (math.ldexp(0.5, -31), (1 << 30, -31)),
        (math.ldexp(0.5, -32), (0, 0)),  # too small for a shift of 31
        (math.ldexp((1 << 30) + 0.5, -31), ((1 << 30) + 1, 0)),  # a tie rounds up
    ],
)
def test_multipliers_at_the_edges(real: float, expected: tuple[int, int]) -> None:
    assert quantize_multiplier(real) == expected


def test_a_tensor_counts_its_bytes() -> None:
    for dtype, item in ITEM_BYTES.items():
        assert Tensor(0, "t", (2, 3, 5), dtype).bytes == 30 * item == np.zeros((2, 3, 5), dtype).nbytes
    assert Tensor(0, "scalar", (), "int32").bytes == 4


def test_quantization_is_per_channel_with_several_scales() -> None:
    assert not Quantization((0.5,), (3,)).per_channel
    assert Quantization((0.5, 0.25), (0, 0), axis=3).per_channel
