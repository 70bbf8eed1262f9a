"""Weights scaled so that one addition and one shift by 13 rescale them: TensorFlow Lite Micro's two roundings where
negative results are all -128."""

from __future__ import annotations

import numpy as np
from hypothesis import assume, given
from hypothesis import strategies as st

from shoal.operators import short_pairs
from shoal.operators.requantization import bind, rescale, settle
from shoal.tensors import Quantization, Tensor, quantize_multiplier


@given(
    seed=st.integers(0, 2**32 - 1),
    real=st.lists(st.floats(2.0**-14, 2.0**-6), min_size=4, max_size=4),
    bias_bits=st.sampled_from([4, 10, 16]),
    largest=st.sampled_from([3, 40, 127]),
)
def test_relu_records_are_exact(seed: int, real: list[float], bias_bits: int, largest: int) -> None:
    rng = np.random.default_rng(seed)
    source = Tensor(0, "in", (1,), "int8", Quantization((0.5,), (int(rng.integers(-128, 128)),)))
    output = Tensor(1, "out", (1,), "int8", Quantization((0.1,), (-128,)))
    weights = rng.integers(-largest, largest + 1, (4, 9)).astype(np.int16)
    weights[rng.random(4) < 0.2] = 0
    bias = rng.integers(-(2**bias_bits), 2**bias_bits, 4).astype(np.int32)
    scale = np.array([quantize_multiplier(r) for r in real], np.int64)
    sums, form = settle(bind(weights, bias, source, scale[:, 0], scale[:, 1]), "relu", output)
    assume(not form.general and short_pairs.fit(sums, form) and short_pairs.fit_relu(sums, form, output))
    stream = short_pairs.stream(sums, form, 1, True).astype(np.int64)
    pairs = stream[4:-8].reshape(-1, 4).T
    taps = np.stack(((pairs & 0xFFFF).astype(np.uint16).astype(np.int16), pairs >> 16), axis=2).reshape(4, -1)
    at = np.array(short_pairs.order(9)).reshape(-1)
    inputs = rng.integers(-128, 128, (200, 9))
    found = inputs[:, at] @ taps.T + stream[:4]
    multipliers, addends = stream[-8:].reshape(4, 2).T
    expected = rescale(
        inputs @ sums.weights.T.astype(np.int64) + sums.bias,
        sums.multipliers,
        -form.shifts.astype(np.int64) - 1,
        "relu",
        output,
    )
    np.testing.assert_array_equal(np.clip(((found * multipliers >> 32) + addends) >> 13, -128, 127), expected)
