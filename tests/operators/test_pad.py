"""PAD against TensorFlow Lite Micro and in generated C."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from one_operator import Example, assert_c_is_exact, assert_reference_is_exact, int8s, needs_oracle, seeds, zero_points
from shoal.errors import BadInput, Unsupported
from shoal.network.read_tflite import parse
from tflite_builder import ModelBuilder

Amounts = Sequence[tuple[int, int]]


def pad(seed: int, shape: Sequence[int], amounts: Amounts, zero_point: int = 3, output_scale: float = 0.5) -> Example:
    builder = ModelBuilder()
    x = int8s(seed, shape)
    a = builder.tensor(shape, scale=0.5, zero_point=zero_point)
    p = builder.tensor(data=np.array(amounts, np.int32).reshape(-1, 2))
    y = builder.tensor(
        [n + sum(pair) for n, pair in zip(shape, amounts, strict=False)], scale=output_scale, zero_point=zero_point
    )
    builder.operator("PAD", [a, p], [y])
    return Example(builder.build(inputs=[a], outputs=[y]), [x])


@st.composite
def examples(draw: st.DrawFn) -> Example:
    shape = draw(st.lists(st.integers(1, 5), min_size=1, max_size=5))
    amount = st.sampled_from([0, 0, 0, 1, 2, 3])
    amounts = [(draw(amount), draw(amount)) for _ in shape]
    return pad(draw(seeds), shape, amounts, draw(zero_points))


@needs_oracle
@given(examples())
@settings(max_examples=150, deadline=None)
def test_reference(example: Example) -> None:
    assert_reference_is_exact(example)


@given(st.lists(examples(), min_size=14, max_size=14))
@settings(max_examples=1, deadline=None, phases=[Phase.generate], suppress_health_check=list(HealthCheck))
def test_c(examples: Sequence[Example]) -> None:
    assert_c_is_exact(examples)


@pytest.mark.parametrize(
    ("example", "error", "what"),
    [
        (pad(0, [1] * 6, [(0, 1)] * 6), Unsupported, "6 dimensions"),
        (pad(0, [4], [(-1, 0)]), BadInput, "below zero"),
        (pad(0, [4, 4], [(1, 1)]), BadInput, "is due"),
        (pad(0, [4], [(1, 1)], output_scale=0.25), Unsupported, "quantized differently"),
    ],
)
def test_refused(example: Example, error: type[Exception], what: str) -> None:
    with pytest.raises(error, match=what):
        parse(example.model, "model", "model")
