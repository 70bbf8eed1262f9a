"""LOGISTIC against TensorFlow Lite Micro and in generated C."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
from byte_functions import one_input, whole_range
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from one_operator import Example, assert_c_is_exact, assert_reference_is_exact, needs_oracle, reference, zero_points
from shoal.errors import Unsupported
from shoal.network.read_tflite import parse


def logistic(scale: float, zero_point: int = 0, output: tuple[float, int] = (1 / 256, -128)) -> Example:
    quantization = {"scale": scale, "zero_point": zero_point}
    return one_input(
        "LOGISTIC", whole_range("int8"), quantization, "int8", {"scale": output[0], "zero_point": output[1]}
    )


examples = st.builds(logistic, st.floats(-26.0, 7.0).map(lambda e: 2.0**e), zero_points)


@needs_oracle
@given(examples)
@settings(max_examples=200, deadline=None)
def test_reference(example: Example) -> None:
    assert_reference_is_exact(example)


@given(examples)
@settings(max_examples=200, deadline=None)
def test_never_falls(example: Example) -> None:
    """Bounds stand on it."""
    result = reference(example)[0].astype(int)
    assert np.all(np.diff(result[np.argsort(example.inputs[0], kind="stable")]) >= 0)


@given(st.lists(examples, min_size=4, max_size=4))
@settings(max_examples=1, deadline=None, phases=[Phase.generate], suppress_health_check=list(HealthCheck))
def test_c(examples: Sequence[Example]) -> None:
    assert_c_is_exact(examples)


@pytest.mark.parametrize(
    ("example", "what"),
    [
        (logistic(0.1, output=(1 / 255, -128)), "1/256"),
        (logistic(0.1, output=(1 / 256, -127)), "zero point -127"),
        (logistic(1e-9), "below what fixed point can hold"),
    ],
)
def test_refused(example: Example, what: str) -> None:
    with pytest.raises(Unsupported, match=what):
        parse(example.model, "model", "model")
