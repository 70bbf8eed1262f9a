"""ADD and MUL: every scale, broadcast, activation and constant, against TensorFlow Lite Micro and in generated C."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from one_operator import (
    Example,
    assert_c_is_exact,
    assert_reference_is_exact,
    int8s,
    needs_oracle,
    scales,
    seeds,
    zero_points,
)
from tflite_builder import ModelBuilder

ACTIVATIONS = ("NONE", "RELU", "RELU_N1_TO_1", "RELU6")


@st.composite
def broadcasts(draw: st.DrawFn) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Two shapes of up to five dimensions that broadcast against each other."""
    output = draw(st.lists(st.integers(1, 5), min_size=1, max_size=5))
    if draw(st.booleans()):
        return tuple(output), tuple(output)

    def operand() -> tuple[int, ...]:
        shape = [n if draw(st.booleans()) else 1 for n in output]
        return tuple(shape[draw(st.integers(0, len(shape) - 1)) :])

    return operand(), operand()


@dataclass(frozen=True)
class Quantized:
    scale: float
    zero_point: int


quantized = st.builds(Quantized, scales, zero_points)


@st.composite
def examples(draw: st.DrawFn, name: str) -> Example:
    shape_a, shape_b = draw(broadcasts())
    a, b, output = draw(st.tuples(quantized, quantized, quantized))
    constant = draw(st.sampled_from([None, None, 0, 1]))
    seed = draw(seeds)
    builder = ModelBuilder()
    values = [int8s(seed, shape_a), int8s(seed + 1, shape_b)]
    tensors = [
        builder.tensor(x.shape, scale=q.scale, zero_point=q.zero_point, **({"data": x} if i == constant else {}))
        for i, (x, q) in enumerate(zip(values, (a, b), strict=True))
    ]
    y = builder.tensor(np.broadcast_shapes(shape_a, shape_b), scale=output.scale, zero_point=output.zero_point)
    builder.operator(name, tensors, [y], activation=draw(st.sampled_from(ACTIVATIONS)))
    inputs = [i for i in (0, 1) if i != constant]
    model = builder.build(inputs=[tensors[i] for i in inputs], outputs=[y])
    return Example(model, [values[i] for i in inputs])


@needs_oracle
@pytest.mark.parametrize("name", ["ADD", "MUL"])
@given(data=st.data())
@settings(max_examples=150, deadline=None)
def test_reference(name: str, data: st.DataObject) -> None:
    assert_reference_is_exact(data.draw(examples(name)))


@pytest.mark.parametrize("name", ["ADD", "MUL"])
@given(data=st.data())
@settings(max_examples=2, deadline=None, phases=[Phase.generate], suppress_health_check=list(HealthCheck))
def test_c(name: str, data: st.DataObject) -> None:
    assert_c_is_exact(data.draw(st.lists(examples(name), min_size=12, max_size=12)))
