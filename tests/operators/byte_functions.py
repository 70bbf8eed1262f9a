"""Models of one operator that works on each element alone."""

from __future__ import annotations

from typing import Any

import numpy as np
from hypothesis import strategies as st

from one_operator import Example, scales, zero_points
from shoal.tensors import Array
from tflite_builder import ModelBuilder

#: keywords `scale` and `zero_point` of a tensor
Quantization = dict[str, Any]


def whole_range(dtype: str) -> Array:
    """Every value of an 8-bit type, and three more so that words have a remainder."""
    return np.append(np.arange(256, dtype=np.uint8), [0, 128, 255]).astype(np.uint8).view(dtype)


def one_input(name: str, x: Array, quantization: Quantization, dtype: str, output: Quantization) -> Example:
    builder = ModelBuilder()
    a = builder.tensor(x.shape, x.dtype.name, **quantization)
    y = builder.tensor(x.shape, dtype, **output)
    builder.operator(name, [a], [y])
    return Example(builder.build(inputs=[a], outputs=[y]), [x])


def quantized(dtype: str) -> st.SearchStrategy[Quantization]:
    points = zero_points.map(lambda z: z + 128) if dtype == "uint8" else zero_points
    return st.fixed_dictionaries({"scale": scales, "zero_point": points})
