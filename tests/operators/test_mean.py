"""MEAN against TensorFlow Lite Micro and in generated C."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import HealthCheck, Phase, assume, given, settings
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
from shoal.errors import BadInput, Unsupported
from shoal.network.read_tflite import parse
from tflite_builder import ModelBuilder

Quantization = tuple[float, int]


def mean(
    shape: Sequence[int],
    axes: Sequence[int],
    keep_dims: bool = True,
    quantization: Quantization = (0.5, 3),
    output: Quantization = (0.5, 3),
    seed: int = 0,
) -> Example:
    builder = ModelBuilder()
    x = int8s(seed, shape)
    a = builder.tensor(shape, scale=quantization[0], zero_point=quantization[1])
    axis = builder.tensor(data=np.array(axes, np.int32))
    reduced = np.zeros(shape).mean(axis=tuple({n % len(shape) for n in axes}), keepdims=keep_dims)
    y = builder.tensor(np.shape(reduced), scale=output[0], zero_point=output[1])
    builder.operator("MEAN", [a, axis], [y], keep_dims=keep_dims)
    return Example(builder.build(inputs=[a], outputs=[y]), [x])


@st.composite
def examples(draw: st.DrawFn) -> Example:
    shape = draw(st.lists(st.sampled_from([1, 2, 3, 4, 5, 8]), min_size=1, max_size=5))
    axes = draw(st.lists(st.integers(-len(shape), len(shape) - 1), min_size=1, max_size=3))
    quantization = draw(st.tuples(scales, zero_points))
    output = draw(st.sampled_from([quantization, None])) or draw(st.tuples(scales, zero_points))
    example = mean(shape, axes, draw(st.booleans()), quantization, output, draw(seeds))
    try:
        parse(example.model, "model", "model")
    except Unsupported:
        assume(False)
    return example


#: as classifiers end, among them more values than 16 bits can sum up
POOLS = [
    mean([1, 7, 7, 8], [1, 2], keep_dims=keep, quantization=(0.5, 3), output=output)
    for keep in (True, False)
    for output in ((0.5, 3), (0.3, -100))
] + [mean([1, 40, 20, 4], [2, 1], output=(0.1, 5)), mean([2, 3, 4], [0, 1, 2])]


@needs_oracle
@given(examples())
@settings(max_examples=250, deadline=None)
def test_reference(example: Example) -> None:
    assert_reference_is_exact(example)


@needs_oracle
@pytest.mark.parametrize("example", POOLS)
def test_reference_over_rows_and_columns(example: Example) -> None:
    assert_reference_is_exact(example)


@given(st.lists(examples(), min_size=10, max_size=10))
@settings(max_examples=1, deadline=None, phases=[Phase.generate], suppress_health_check=list(HealthCheck))
def test_c(examples: Sequence[Example]) -> None:
    assert_c_is_exact([*POOLS, *examples])


def test_refused() -> None:
    with pytest.raises(Unsupported, match="three separate groups"):
        parse(mean([2, 3, 2, 3, 2], [0, 2, 4]).model, "model", "model")
    builder = ModelBuilder()
    a, y = builder.tensor([2, 3], scale=0.5), builder.tensor([2, 3], scale=0.5)
    builder.operator("MEAN", [a, builder.tensor(data=np.array([2], np.int32))], [y], keep_dims=True)
    with pytest.raises(BadInput, match=r"axes \[2\] of 2 dimensions"):
        parse(builder.build(inputs=[a], outputs=[y]), "model", "model")
