"""The short form of the rescale, where `settle` chooses it, is TensorFlow Lite Micro's two roundings for all inputs."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from shoal.operators.requantization import bind, rescale, settle
from shoal.tensors import Array, Quantization, Tensor, quantize_multiplier


def short_form(sums: Array, multiplier: Array, halving: Array, offset: int) -> Array:
    """fixed_point.h's requantize."""
    high = (2 * sums * multiplier + (1 << 31)) >> 32
    return (high + (sums >> 31) + (offset << halving)) >> halving >> 1


reals = st.builds(lambda exponent, mantissa: mantissa * 2.0**exponent, st.integers(-34, 2), st.floats(0.5, 1.0))


@given(
    seed=st.integers(0, 2**32 - 1),
    real=st.lists(reals, min_size=5, max_size=5),
    zero_point=st.integers(-128, 127),
    bias_bits=st.sampled_from([4, 10, 18, 29, 31]),
    activation=st.sampled_from(["none", "relu", "relu6"]),
)
def test_the_chosen_form_is_exact(
    seed: int, real: list[float], zero_point: int, bias_bits: int, activation: str
) -> None:
    rng = np.random.default_rng(seed)
    source = Tensor(0, "in", (1,), "int8", Quantization((0.5,), (int(rng.integers(-128, 128)),)))
    output = Tensor(1, "out", (1,), "int8", Quantization((0.1,), (zero_point,)))
    weights = rng.integers(-128, 128, (5, 7)).astype(np.int16)
    weights[rng.random(5) < 0.3] = 0
    bias = rng.integers(-(2**bias_bits), 2**bias_bits, 5).astype(np.int32)
    scale = np.array([quantize_multiplier(r) for r in real], np.int64)
    sums = bind(weights, bias, source, scale[:, 0], scale[:, 1])
    settled, form = settle(sums, activation, output)
    inputs = rng.integers(-128, 128, (50, 7))
    expected = rescale(inputs @ weights.T.astype(np.int64) + sums.bias, *scale.T, activation, output)
    found = inputs @ settled.weights.T.astype(np.int64) + settled.bias
    if form.general:
        assert form.offset == zero_point
        np.testing.assert_array_equal(rescale(found, *scale.T, activation, output), expected)
    else:
        values = short_form(found, settled.multipliers, form.shifts.astype(np.int64), form.offset)
        np.testing.assert_array_equal(np.clip(values, form.low, form.high), expected)
