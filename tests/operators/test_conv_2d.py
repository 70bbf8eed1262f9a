"""CONV_2D: shapes, strides, dilations, paddings, groups, quantization and activations, against TensorFlow Lite Micro
and in generated C."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from products import ACTIVATIONS, Numbers, model, numbers, weights

from one_operator import Example, assert_c_is_exact, assert_reference_is_exact, int8s, kernels_of, needs_oracle
from shoal.errors import BadInput, Unsupported
from shoal.network.read_tflite import parse
from shoal.operators import kind
from shoal.operators.window import extent
from tflite_builder import ModelBuilder


@st.composite
def examples(draw: st.DrawFn, batches: int = 2, channels: int = 9) -> Example:
    filter_h, filter_w = draw(st.tuples(st.integers(1, 5), st.integers(1, 5)))
    stride_h, stride_w = draw(st.tuples(st.integers(1, 3), st.integers(1, 3)))
    dilation_h, dilation_w = draw(st.sampled_from([(1, 1), (1, 1), (2, 1), (1, 3), (2, 2)]))
    padding = draw(st.sampled_from(["SAME", "VALID"]))
    least_h, least_w = (1, 1) if padding == "SAME" else (extent(filter_h, dilation_h), extent(filter_w, dilation_w))
    height, width = draw(st.tuples(st.integers(least_h, least_h + 9), st.integers(least_w, least_w + 9)))
    groups = draw(st.sampled_from([1, 1, 1, 2, 3]))
    filter_c, group_c = draw(st.integers(1, channels)), draw(st.integers(1, channels))
    shape = (draw(st.integers(1, batches)), height, width, groups * filter_c)
    if padding == "SAME":
        size = (-(-height // stride_h), -(-width // stride_w))
    else:
        size = ((height - least_h) // stride_h + 1, (width - least_w) // stride_w + 1)
    n = draw(numbers)
    filters = weights(np.random.default_rng(n.seed), (groups * group_c, filter_h, filter_w, filter_c))
    data = model(
        "CONV_2D",
        shape,
        filters,
        (shape[0], *size, groups * group_c),
        0,
        n,
        padding=padding,
        stride_h=stride_h,
        stride_w=stride_w,
        dilation_h=dilation_h,
        dilation_w=dilation_w,
        activation=draw(st.sampled_from(ACTIVATIONS)),
    )
    return Example(data, [int8s(n.seed + 2, shape)])


@needs_oracle
@given(examples())
@settings(deadline=None, max_examples=150)
def test_reference_is_tflms(example: Example) -> None:
    assert_reference_is_exact(example)


@st.composite
def quads(draw: st.DrawFn) -> Example:
    """What the kernels that compute four output channels at a time take; half of them with ReLU's zero point."""
    filter_size = draw(st.tuples(st.integers(1, 5), st.integers(1, 5)))
    shape = draw(st.tuples(st.integers(1, 2), st.integers(1, 9), st.integers(1, 9), st.integers(1, 20)))
    strides = draw(st.tuples(st.integers(1, 3), st.integers(1, 3)))
    return same(draw(numbers), shape, filter_size, strides, 4 * draw(st.integers(1, 3)), draw(st.booleans()))


@st.composite
def spectra(draw: st.DrawFn) -> Example:
    """What the kernel for one input channel takes: images of time and frequency."""
    filter_size = draw(st.tuples(st.integers(1, 12), st.integers(1, 4)))
    shape = draw(st.tuples(st.integers(1, 2), st.integers(1, 14), st.integers(9, 24), st.just(1)))
    strides = (draw(st.integers(1, 3)), 2)
    return same(draw(numbers), shape, filter_size, strides, draw(st.integers(3, 70)), True)


def same(
    n: Numbers,
    shape: tuple[int, int, int, int],
    filter_size: tuple[int, int],
    strides: tuple[int, int],
    channels: int,
    relu: bool,
) -> Example:
    """A convolution with SAME padding whose sums rescale without left shifts."""
    n = replace(n, gain=40.0, bias=12, spread=4.0, output_scale=0.05)
    n = replace(n, output_zero_point=-128 if relu else n.output_zero_point)
    filters = weights(np.random.default_rng(n.seed), (channels, *filter_size, shape[3]))
    size = (-(-shape[1] // strides[0]), -(-shape[2] // strides[1]))
    data = model(
        "CONV_2D",
        shape,
        filters,
        (shape[0], *size, channels),
        0,
        n,
        padding="SAME",
        stride_h=strides[0],
        stride_w=strides[1],
        activation="RELU" if relu else "NONE",
    )
    return Example(data, [int8s(n.seed + 2, shape)])


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


@pytest.mark.parametrize("core", [None, "cortex-m4"])
@pytest.mark.parametrize(
    ("drawn", "function"), [(quads(), "conv_2d_s8_dsp_2x4"), (spectra(), "conv_2d_s8_dsp_kronecker")]
)
@given(data=st.data())
@settings(deadline=None, max_examples=2, phases=[Phase.generate], suppress_health_check=list(HealthCheck))
def test_special_kernels_are_the_reference(
    drawn: st.SearchStrategy[Example], function: str, core: str | None, data: st.DataObject
) -> None:
    several = data.draw(st.lists(drawn, min_size=8, max_size=8, unique_by=lambda e: e.model))
    assert function in {kernels_of(e, frozenset({"dsp"}))[0] for e in several}
    assert_c_is_exact(several, frozenset({"dsp"}), core)


def builder(
    *, bias: str = "int32", zero_point: int = 0, filter_c: int = 4, width: int = 5, run_time: bool = False
) -> bytes:
    b = ModelBuilder()
    x = b.tensor((1, 5, 5, 4), scale=0.5)
    filters = np.ones((2, 3, 3, filter_c), np.int8)
    w = b.tensor(data=None if run_time else filters, shape=filters.shape, scale=0.5, zero_point=zero_point)
    c = b.tensor(data=np.zeros(2, bias), scale=0.25)
    y = b.tensor((1, 5, width, 2), scale=1.0)
    b.operator("CONV_2D", [x, w, c], [y], padding="SAME")
    return b.build(inputs=[x, w] if run_time else [x], outputs=[y])


@pytest.mark.parametrize(
    ("data", "error", "text"),
    [
        (builder(bias="int64"), Unsupported, "int64 bias where int32 is due"),
        (builder(zero_point=3), Unsupported, "zero point is not 0"),
        (builder(run_time=True), Unsupported, "computed at run time"),
        (builder(filter_c=3), BadInput, "do not divide 4 input channels"),
        (builder(width=4), BadInput, r"shape \[1, 5, 4, 2\] where \[1, 5, 5, 2\] is due"),
    ],
)
def test_contradictions_are_named(data: bytes, error: type[BadInput], text: str) -> None:
    with pytest.raises(error, match=text):
        parse(data, "model", "model")


def test_macs_count_padding_as_if_computed() -> None:
    n = Numbers(1, 0, 0, 0.1, 40.0, 8, True, 4.0)
    data = model("CONV_2D", (1, 6, 7, 4), np.ones((8, 3, 5, 2), np.int8), (1, 6, 7, 8), 0, n, padding="SAME")
    graph = parse(data, "model", "model")
    assert kind("conv_2d").macs(graph.operators[0], graph.tensors) == 6 * 7 * 8 * 3 * 5 * 2
