"""The default input against its definition, one value at a time."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from shoal.bench.inputs import Generator, generator


def one_at_a_time(count: int, seed: int) -> np.ndarray:
    x, out = seed, np.empty(count, np.int8)
    for i in range(count):
        x = (x * 1664525 + 1013904223) % 2**32
        out[i] = np.uint8(x >> 24).view(np.int8)
    return out


@given(st.lists(st.integers(0, 300), min_size=1, max_size=4), st.integers(0, 2**32 - 1))
def test_continues_one_stream(counts: list[int], seed: int) -> None:
    stream = Generator(seed)
    taken = np.concatenate([stream.take(n) for n in counts])
    assert np.array_equal(taken, one_at_a_time(sum(counts), seed))


def test_each_dtype() -> None:
    tensors = [{"shape": [2, 3], "dtype": d} for d in ("int8", "uint8", "float32")]
    expected = one_at_a_time(18, 1).astype(np.int32)
    int8, uint8, float32 = generator(tensors)
    assert (int8.dtype, uint8.dtype, float32.dtype) == (np.int8, np.uint8, np.float32)
    assert int8.shape == uint8.shape == float32.shape == (2, 3)
    assert np.array_equal(int8.ravel(), expected[:6])
    assert np.array_equal(uint8.ravel(), expected[6:12] + 128)
    assert np.array_equal(float32.ravel() * 128, expected[12:])
