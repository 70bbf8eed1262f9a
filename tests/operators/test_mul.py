"""MUL against TensorFlow Lite Micro and in generated C."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import cycle

import numpy as np
import pytest
from broadcasts import binary, examples, rare, squared
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from one_operator import Example, assert_c_is_exact, assert_reference_is_exact, int8s, needs_oracle, reference, seeds
from shoal.errors import Unsupported
from shoal.network.read_tflite import parse
from shoal.operators import kind


def edges() -> list[Example]:
    """Products that are shifted left by 15 bits to right by 31."""
    return [
        binary("MUL", [(64,), (64,)], [(1.0, -3), (1.0, 9), (2.0**-e, 4)], activation)
        for e, activation in zip(
            (14.5, 12.5, 11.5, 5, 0, -1, -8, -16, -22, -23, -31), cycle(("NONE", "RELU")), strict=False
        )
    ]


@needs_oracle
@given(examples("MUL"))
@settings(max_examples=200, deadline=None)
def test_reference(example: Example) -> None:
    assert_reference_is_exact(example)


@needs_oracle
def test_reference_at_the_edges() -> None:
    for example in [*edges(), *rare("MUL"), squared("MUL")]:
        assert_reference_is_exact(example)


@given(st.lists(examples("MUL"), min_size=10, max_size=10))
@settings(max_examples=1, deadline=None, phases=[Phase.generate], suppress_health_check=list(HealthCheck))
def test_c(examples: Sequence[Example]) -> None:
    assert_c_is_exact([*edges(), *rare("MUL"), squared("MUL"), *examples])


def test_refused_where_products_overflow() -> None:
    with pytest.raises(Unsupported, match="far below the product"):
        parse(binary("MUL", [(2,), (2,)], [(1.0, 0), (1.0, 0), (1e-5, 0)]).model, "model", "model")


@given(examples("MUL"), seeds)
@settings(max_examples=100, deadline=None)
def test_bounds_hold(example: Example, seed: int) -> None:
    graph = parse(example.model, "model", "model")
    (operator,) = graph.operators
    values = dict(zip(graph.inputs, example.inputs, strict=True))
    exact = [values.get(i, graph.tensors[i].data) for i in operator.inputs if i is not None]
    constant = [graph.tensors[i].data is not None for i in operator.inputs if i is not None]
    others = [x if fixed else int8s(seed, x.shape) for x, fixed in zip(exact, constant, strict=True)]
    low = [np.minimum(x, y) for x, y in zip(exact, others, strict=True)]
    high = [np.maximum(x, y) for x, y in zip(exact, others, strict=True)]
    found = kind("mul").bounds(operator, graph.tensors, low, high)
    assert found is not None
    result = reference(example)[0]
    assert np.all(found[0][0] <= result) and np.all(result <= found[1][0])
