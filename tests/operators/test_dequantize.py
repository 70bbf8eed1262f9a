"""DEQUANTIZE against TensorFlow Lite Micro and in generated C."""

from __future__ import annotations

import numpy as np
import pytest
from byte_functions import one_input, quantized, whole_range
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from one_operator import Example, assert_c_is_exact, assert_reference_is_exact, needs_oracle
from shoal.errors import Unsupported
from shoal.network.read_tflite import parse


@st.composite
def examples(draw: st.DrawFn) -> Example:
    source = draw(st.sampled_from(["int8", "uint8"]))
    return one_input("DEQUANTIZE", whole_range(source), draw(quantized(source)), "float32", {})


@needs_oracle
@given(examples())
@settings(max_examples=100, deadline=None)
def test_reference(example: Example) -> None:
    assert_reference_is_exact(example)


@pytest.mark.parametrize("features", [frozenset(), frozenset({"fpu"})], ids=["no fpu", "fpu"])
@given(data=st.data())
@settings(max_examples=1, deadline=None, phases=[Phase.generate], suppress_health_check=list(HealthCheck))
def test_c(features: frozenset[str], data: st.DataObject) -> None:
    assert_c_is_exact(data.draw(st.lists(examples(), min_size=6, max_size=6)), features)


def test_refused() -> None:
    q = {"scale": 0.5, "zero_point": 0}
    with pytest.raises(Unsupported, match="int16 to float32"):
        parse(one_input("DEQUANTIZE", np.zeros(4, np.int16), q, "float32", {}).model, "model", "model")
