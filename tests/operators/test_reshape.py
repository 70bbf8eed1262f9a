"""RESHAPE against TensorFlow Lite Micro and in generated C."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from one_operator import Example, assert_c_is_exact, assert_reference_is_exact, int8s, needs_oracle
from shoal.errors import BadInput
from shoal.network.read_tflite import parse
from tflite_builder import ModelBuilder


def reshape(shape: Sequence[int], target: Sequence[int]) -> Example:
    builder = ModelBuilder()
    a = builder.tensor(shape, scale=0.5, zero_point=3)
    y = builder.tensor(target, scale=0.5, zero_point=3)
    builder.operator("RESHAPE", [a], [y], new_shape=list(target))
    return Example(builder.build(inputs=[a], outputs=[y]), [int8s(1, shape)])


@needs_oracle
def test_reference() -> None:
    assert_reference_is_exact(reshape([2, 3, 4], [6, 4]))


def test_c() -> None:
    assert_c_is_exact([reshape([2, 3, 4], [6, 4])])


def test_refused() -> None:
    with pytest.raises(BadInput, match="24 elements"):
        parse(reshape([2, 3, 4], [5, 5]).model, "model", "model")
