"""AVERAGE_POOL_2D against TensorFlow Lite Micro and in generated C."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from pools import examples, refused, whole

from one_operator import Example, assert_c_is_exact, assert_reference_is_exact, needs_oracle
from shoal.network.read_tflite import parse

NAME = "AVERAGE_POOL_2D"


@needs_oracle
@given(examples(NAME))
@settings(max_examples=150, deadline=None)
def test_reference(example: Example) -> None:
    assert_reference_is_exact(example)


@needs_oracle
def test_reference_over_the_whole_input() -> None:
    for example in whole(NAME):
        assert_reference_is_exact(example)


@given(st.lists(examples(NAME), min_size=8, max_size=8))
@settings(max_examples=1, deadline=None, phases=[Phase.generate], suppress_health_check=list(HealthCheck))
def test_c(examples: Sequence[Example]) -> None:
    assert_c_is_exact([*whole(NAME), *examples])


@pytest.mark.parametrize(("example", "error", "what"), refused(NAME))
def test_refused(example: Example, error: type[Exception], what: str) -> None:
    with pytest.raises(error, match=what):
        parse(example.model, "model", "model")
