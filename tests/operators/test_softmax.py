"""SOFTMAX against TensorFlow Lite Micro and in generated C."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from one_operator import Example, assert_c_is_exact, assert_reference_is_exact, int8s, needs_oracle, reference, seeds
from shoal.errors import BadInput, Unsupported
from shoal.network.read_tflite import parse
from shoal.tensors import Array
from tflite_builder import ModelBuilder


def softmax(x: Array, scale: float, beta: float = 1.0, output: tuple[float, int] = (1 / 256, -128)) -> Example:
    builder = ModelBuilder()
    a = builder.tensor(x.shape, scale=scale, zero_point=7)
    y = builder.tensor(x.shape, scale=output[0], zero_point=output[1])
    builder.operator("SOFTMAX", [a], [y], beta=beta)
    return Example(builder.build(inputs=[a], outputs=[y]), [x])


@st.composite
def examples(draw: st.DrawFn) -> Example:
    shape = [*draw(st.lists(st.integers(1, 3), max_size=3)), draw(st.integers(1, 40) | st.just(2))]
    spread = draw(st.sampled_from([128, 16, 2, 1]))
    x = (int8s(draw(seeds), shape).astype(np.int32) * spread // 128).astype(np.int8)
    scale, beta = 2.0 ** draw(st.floats(-12.0, 6.0)), draw(st.sampled_from([1.0, 0.125, 0.3, 7.0]))
    return softmax(x, scale, beta)


@needs_oracle
@given(examples())
@settings(max_examples=300, deadline=None)
def test_reference(example: Example) -> None:
    assert_reference_is_exact(example)


@needs_oracle
def test_reference_with_many_classes() -> None:
    assert_reference_is_exact(softmax(np.tile(np.arange(-128, 127, dtype=np.int8), 16), 0.1))


def test_many_equal_classes_become_zero() -> None:
    """More than 511 at the top, where TensorFlow Lite Micro aborts."""
    example = softmax(np.full((1, 4095), 5, np.int8), 0.1)
    assert np.all(reference(example)[0] == -128)
    assert_c_is_exact([example])


@given(st.lists(examples(), min_size=10, max_size=10))
@settings(max_examples=1, deadline=None, phases=[Phase.generate], suppress_health_check=list(HealthCheck))
def test_c(examples: Sequence[Example]) -> None:
    assert_c_is_exact(examples)


ROW = np.arange(4, dtype=np.int8)


@pytest.mark.parametrize(
    ("example", "error", "what"),
    [
        (softmax(ROW, 0.1, output=(1 / 255, -128)), Unsupported, "1/256"),
        (softmax(ROW, 0.1, output=(1 / 256, 0)), Unsupported, "zero point 0"),
        (softmax(ROW, 0.1, beta=-1.0), Unsupported, "beta -1"),
        (softmax(ROW, 1e-9), Unsupported, "below what fixed point can hold"),
        (softmax(np.zeros(4096, np.int8), 0.1), Unsupported, "4096 classes"),
        (softmax(np.zeros((), np.int8), 0.1), BadInput, "scalar"),
    ],
)
def test_refused(example: Example, error: type[Exception], what: str) -> None:
    with pytest.raises(error, match=what):
        parse(example.model, "model", "model")
