"""FULLY_CONNECTED: batches, ranks, quantization, zero points of weights and activations, against TensorFlow Lite Micro
and in generated C."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from products import ACTIVATIONS, model, numbers, weights

from one_operator import Example, assert_c_is_exact, assert_reference_is_exact, int8s, needs_oracle


@st.composite
def examples(draw: st.DrawFn, per_channel: bool = False) -> Example:
    leading = draw(st.lists(st.integers(1, 3), min_size=1, max_size=3))
    products = draw(st.sampled_from([8, 16, 32]) | st.integers(1, 70))
    outputs = draw(st.sampled_from([4, 8]) | st.integers(1, 11))
    keep = draw(st.booleans()) and not per_channel
    shape = (*leading, products)
    output = (*leading, outputs) if keep else (math.prod(leading), outputs)
    n = replace(draw(numbers), per_channel=per_channel)
    # the oracle takes a scale of bias that fits the weights' only where the output's units are not much finer
    zero_point = 0 if per_channel else draw(st.sampled_from([0, 0, 0, 5, -128]))
    filters = weights(np.random.default_rng(n.seed), (outputs, products))
    data = model(
        "FULLY_CONNECTED",
        shape,
        filters,
        output,
        0,
        n,
        weights_zero_point=zero_point,
        activation=draw(st.sampled_from(ACTIVATIONS)),
        keep_num_dims=keep,
    )
    return Example(data, [int8s(n.seed + 2, shape)])


@needs_oracle
@given(examples())
@settings(deadline=None, max_examples=150)
def test_reference_is_tflms(example: Example) -> None:
    assert_reference_is_exact(example)


@needs_oracle
@given(examples(per_channel=True))
@settings(deadline=None, max_examples=50)
def test_per_channel_reference_is_tflms(example: Example) -> None:
    assert_reference_is_exact(example)


several = st.lists(examples() | examples(per_channel=True), min_size=6, max_size=6, unique_by=lambda e: e.model)


@pytest.mark.parametrize("features", [frozenset(), frozenset({"dsp"})], ids=["plain", "dsp"])
@given(several)
@settings(deadline=None, max_examples=2, phases=[Phase.generate], suppress_health_check=list(HealthCheck))
def test_generated_c_is_the_reference(features: frozenset[str], drawn: list[Example]) -> None:
    assert_c_is_exact(drawn, features)


@pytest.mark.parametrize("core", ["cortex-m3", "cortex-m4", "rv32imc"])
@given(several)
@settings(deadline=None, max_examples=2, phases=[Phase.generate], suppress_health_check=list(HealthCheck))
def test_emulated_c_is_the_reference(core: str, drawn: list[Example]) -> None:
    assert_c_is_exact(drawn, core=core)
