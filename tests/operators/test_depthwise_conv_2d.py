"""DEPTHWISE_CONV_2D: shapes, multipliers, strides, dilations, paddings, quantization and activations, against
TensorFlow Lite Micro and in generated C."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from products import ACTIVATIONS, Numbers, model, numbers, weights

from one_operator import Example, assert_c_is_exact, assert_reference_is_exact, int8s, needs_oracle
from shoal.errors import BadInput
from shoal.network.read_tflite import parse
from shoal.operators.window import extent


@st.composite
def examples(draw: st.DrawFn) -> Example:
    filter_h, filter_w = draw(st.sampled_from([(3, 3)]) | st.tuples(st.integers(1, 6), st.integers(1, 5)))
    stride_h, stride_w = draw(st.tuples(st.integers(1, 3), st.integers(1, 3)))
    dilation_h, dilation_w = draw(st.sampled_from([(1, 1), (1, 1), (2, 1), (1, 3), (2, 2)]))
    padding = draw(st.sampled_from(["SAME", "VALID"]))
    least_h, least_w = (1, 1) if padding == "SAME" else (extent(filter_h, dilation_h), extent(filter_w, dilation_w))
    height, width = draw(st.tuples(st.integers(least_h, least_h + 9), st.integers(least_w, least_w + 9)))
    multiplier = draw(st.sampled_from([1, 1, 1, 2, 4, 5]))
    channels = draw(st.integers(1, 14))
    shape = (draw(st.integers(1, 2)), height, width, channels)
    if padding == "SAME":
        size = (-(-height // stride_h), -(-width // stride_w))
    else:
        size = ((height - least_h) // stride_h + 1, (width - least_w) // stride_w + 1)
    n = draw(numbers)
    filters = weights(np.random.default_rng(n.seed), (1, filter_h, filter_w, channels * multiplier), -128)
    data = model(
        "DEPTHWISE_CONV_2D",
        shape,
        filters,
        (shape[0], *size, channels * multiplier),
        3,
        n,
        padding=padding,
        stride_h=stride_h,
        stride_w=stride_w,
        dilation_h=dilation_h,
        dilation_w=dilation_w,
        depth_multiplier=multiplier,
        activation=draw(st.sampled_from(ACTIVATIONS)),
    )
    return Example(data, [int8s(n.seed + 2, shape)])


@needs_oracle
@given(examples())
@settings(deadline=None, max_examples=150)
def test_reference_is_tflms(example: Example) -> None:
    assert_reference_is_exact(example)


several = st.lists(examples(), min_size=6, max_size=6, unique_by=lambda e: e.model)


@pytest.mark.parametrize("features", [frozenset(), frozenset({"dsp"})], ids=["plain", "dsp"])
@given(several)
@settings(deadline=None, max_examples=2, phases=[Phase.generate], suppress_health_check=list(HealthCheck))
def test_generated_c_is_the_reference(features: frozenset[str], drawn: list[Example]) -> None:
    assert_c_is_exact(drawn, features)


@pytest.mark.parametrize("core", ["cortex-m3", "cortex-m4"])
@given(several)
@settings(deadline=None, max_examples=2, phases=[Phase.generate], suppress_health_check=list(HealthCheck))
def test_emulated_c_is_the_reference(core: str, drawn: list[Example]) -> None:
    assert_c_is_exact(drawn, core=core)


def test_channels_that_contradict_the_multiplier_are_named() -> None:
    n = Numbers(1, 0, 0, 0.1, 40.0, 8, True, 4.0)
    filters = np.ones((1, 3, 3, 8), np.int8)
    data = model("DEPTHWISE_CONV_2D", (1, 6, 7, 4), filters, (1, 6, 7, 8), 3, n, padding="SAME", depth_multiplier=1)
    with pytest.raises(BadInput, match="4 input channels and depth multiplier 1"):
        parse(data, "model", "model")
