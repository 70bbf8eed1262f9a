"""DEPTHWISE_CONV_2D: shapes, multipliers, strides, dilations, paddings, quantization and activations, against
TensorFlow Lite Micro and in generated C."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from products import ACTIVATIONS, Numbers, model, numbers, weights

from emulated_build import run_emulated
from host_build import Case, run_models
from one_operator import (
    Example,
    assert_c_is_exact,
    assert_reference_is_exact,
    assert_same,
    int8s,
    kernels_of,
    needs_oracle,
)
from shoal.errors import BadInput
from shoal.network.execute import execute
from shoal.network.read_tflite import parse
from shoal.network.simplify import simplify
from shoal.operators import kind
from shoal.operators.base import Call, Operator, Tensors
from shoal.operators.window import extent
from shoal.tensors import Array
from tflite_builder import ModelBuilder


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


@pytest.mark.parametrize("features", [(), ("dsp",)], ids=["plain", "dsp"])
@given(several)
@settings(deadline=None, max_examples=2, phases=[Phase.generate], suppress_health_check=list(HealthCheck))
def test_generated_c_is_the_reference(features: tuple[str, ...], drawn: list[Example]) -> None:
    assert_c_is_exact(drawn, frozenset(features))


@pytest.mark.parametrize("core", ["cortex-m3", "cortex-m4", "rv32imc"])
@given(several)
@settings(deadline=None, max_examples=2, phases=[Phase.generate], suppress_health_check=list(HealthCheck))
def test_emulated_c_is_the_reference(core: str, drawn: list[Example]) -> None:
    assert_c_is_exact(drawn, core=core)


def tile(
    filters: tuple[int, int],
    size: tuple[int, int],
    stride: int,
    padding: str,
    n: Numbers,
    channels: int = 4,
    activation: str = "NONE",
    batches: int = 1,
    dilation_h: int = 1,
    multiplier: int = 1,
) -> Example:
    """Of the shapes that kernels for special cores run, and their neighbours."""
    reach = extent(filters[0], dilation_h), filters[1]
    if padding == "SAME":
        output = tuple(-(-extent_ // stride) for extent_ in size)
    else:
        output = tuple((extent_ - taps) // stride + 1 for extent_, taps in zip(size, reach, strict=True))
    shape = (batches, *size, channels)
    data = model(
        "DEPTHWISE_CONV_2D",
        shape,
        weights(np.random.default_rng(n.seed), (1, *filters, channels * multiplier), -128),
        (batches, *output, channels * multiplier),
        3,
        n,
        padding=padding,
        stride_h=stride,
        stride_w=stride,
        dilation_h=dilation_h,
        depth_multiplier=multiplier,
        activation=activation,
    )
    return Example(data, [int8s(n.seed + 2, shape)])


Window = tuple[tuple[int, int], tuple[int, int], tuple[int, int], int, str]


def every_window(
    windows: Sequence[Window], zero_point: int, batches: int = 1, channels: int = 8
) -> tuple[bytes, list[Array]]:
    """One network of these (filters, size, output, stride, padding), whose outputs have this zero point."""
    rng = np.random.default_rng(zero_point + 128)
    builder = ModelBuilder()
    sources, results = [], []

    for filters, size, output, stride, padding in windows:
        source = builder.tensor((batches, *size, channels), scale=0.05, zero_point=-7)
        scale = 40 * 0.1 / 0.05 / (5000.0 * math.sqrt(math.prod(filters))) * np.exp(rng.uniform(-0.7, 0.7, channels))
        kernel = builder.tensor(data=weights(rng, (1, *filters, channels), -128), scale=scale, axis=3)
        bias = rng.integers(-4096, 4096, channels).astype(np.int32)
        result = builder.tensor((batches, *output, channels), scale=0.1, zero_point=zero_point)
        inputs = [source, kernel, builder.tensor(data=bias, scale=np.float32(0.05) * scale)]
        window = {"padding": padding, "stride_h": stride, "stride_w": stride, "depth_multiplier": 1}
        builder.operator("DEPTHWISE_CONV_2D", inputs, [result], **window)
        sources.append((source, int8s(len(sources), (batches, *size, channels))))
        results.append(result)
    return builder.build(inputs=[index for index, _ in sources], outputs=results), [array for _, array in sources]


def every_tile(zero_point: int, batches: int = 1) -> tuple[bytes, list[Array]]:
    """All widths, strides and edges that choose another tile, and all lengths of lines: a zero point of -128 takes the
    scaled form, the others need the sum's sign."""
    windows: list[Window] = []
    for width in range(1, 8):
        for stride in (1, 2):
            windows.append(((3, 3), (4, width), (-(-4 // stride), -(-width // stride)), stride, "SAME"))
            if width >= 3:
                windows.append(((3, 3), (4, width), (1 + 1 // stride, (width - 3) // stride + 1), stride, "VALID"))
    for taps in range(3, 17):
        windows += [((taps, 1), (taps + width - 1, 1), (width, 1), 1, "VALID") for width in (1, 5)]
    windows.append(((1, 5), (3, 9), (3, 5), 1, "VALID"))
    return every_window(windows, zero_point, batches)


@pytest.mark.parametrize("core", [None, "cortex-m4"])
@pytest.mark.parametrize("zero_point", [-128, 5])
def test_every_tile_is_exact(zero_point: int, core: str | None) -> None:
    # with one image, the rows of some are packed in pairs
    data, inputs = every_tile(zero_point, batches=2)
    graph = simplify(parse(data, "tiles", "tiles"))
    for operator in graph.operators:
        call = kind(operator.kind).calls(operator, graph.tensors, frozenset({"dsp"}))[0]
        assert call.kernel.function == "depthwise_conv_2d_s8_dsp_tile"
        assert dict(call.shape)["scaled"] == (zero_point == -128)
    case = Case(data, [inputs], features=frozenset({"dsp"}))
    ((found,),) = run_models([case]) if core is None else run_emulated([case], core)
    assert_same(execute(graph, inputs), found)


@pytest.mark.parametrize("core", [None, "cortex-m4"])
@pytest.mark.parametrize("channels", [4, 12])
def test_pairs_of_rows_are_exact(channels: int, core: str | None, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also where another kernel would be chosen."""
    known = kind("depthwise_conv_2d")
    every = known.calls

    def only_pairs(operator: Operator, tensors: Tensors, features: frozenset[str]) -> list[Call]:
        found = every(operator, tensors, features)
        return [call for call in found if call.kernel.function == "depthwise_conv_2d_s8_dsp_pairs"]

    monkeypatch.setattr(known, "calls", only_pairs)
    windows: list[Window] = [
        ((3, 3), (height, width), (height - reach, width - reach), 1, padding)
        for padding, reach in (("SAME", 0), ("VALID", 2))
        for height in range(1 + reach, 6)
        for width in (*range(2 + reach, 9), 15)
    ]
    data, inputs = every_window(windows, -128, channels=channels)
    graph = simplify(parse(data, "pairs", "pairs"))
    case = Case(data, [inputs], features=frozenset({"dsp"}))
    ((found,),) = run_models([case]) if core is None else run_emulated([case], core)
    assert_same(execute(graph, inputs), found)


@pytest.mark.parametrize("core", [None, "cortex-m3", "rv32imc"])
@pytest.mark.parametrize("zero_point", [-128, 5])
def test_every_row_is_exact(zero_point: int, core: str | None) -> None:
    data, inputs = every_tile(zero_point)
    graph = simplify(parse(data, "rows", "rows"))
    for operator in graph.operators:
        if graph.tensors[operator.outputs[0]].elements > 8:
            call = kind(operator.kind).calls(operator, graph.tensors, frozenset({"muldiv"}))[0]
            assert call.kernel.function in ("depthwise_conv_2d_s8_3x3", "depthwise_conv_2d_s8_line")
            assert dict(call.shape)["relu"] == (zero_point == -128)
    case = Case(data, [inputs], features=frozenset({"muldiv"}))
    ((found,),) = run_models([case]) if core is None else run_emulated([case], core)
    assert_same(execute(graph, inputs), found)


@st.composite
def tiles(draw: st.DrawFn, fours: bool) -> Example:
    """`fours`: of four channels or a multiple, with a depth multiplier of 1."""
    filters = draw(st.sampled_from([(3, 3), (3, 3), (5, 1), (1, 4)]))
    padding = draw(st.sampled_from(["SAME", "VALID"]))
    dilation_h = draw(st.sampled_from([1, 1, 2]))
    least = (1, 1) if padding == "SAME" else (extent(filters[0], dilation_h), filters[1])
    size = tuple(side + draw(st.integers(0, 8)) for side in least)
    n = draw(numbers)
    if draw(st.booleans()):
        n = replace(n, output_zero_point=-128, gain=draw(st.sampled_from([40.0, 10.0, 100.0])), bias=10)
    return tile(
        filters,
        (size[0], 1 if filters[1] == 1 else size[1]),
        draw(st.integers(1, 3)),
        padding,
        n,
        4 * draw(st.integers(1, 5)) if fours else draw(st.integers(1, 9)),
        draw(st.sampled_from(ACTIVATIONS)),
        draw(st.integers(1, 2)),
        dilation_h,
        1 if fours else draw(st.integers(1, 3)),
    )


@pytest.mark.parametrize("core", [None, "cortex-m4"])
@given(st.lists(tiles(fours=True), min_size=10, max_size=10, unique_by=lambda e: e.model))
@settings(deadline=None, max_examples=1, phases=[Phase.generate], suppress_health_check=list(HealthCheck))
def test_tiles_are_the_reference(core: str | None, drawn: list[Example]) -> None:
    assert_c_is_exact(drawn, frozenset({"dsp"}), core)


@pytest.mark.parametrize("core", [None, "rv32imc"])
@given(st.lists(tiles(fours=False), min_size=10, max_size=10, unique_by=lambda e: e.model))
@settings(deadline=None, max_examples=1, phases=[Phase.generate], suppress_health_check=list(HealthCheck))
def test_rows_are_the_reference(core: str | None, drawn: list[Example]) -> None:
    assert_c_is_exact(drawn, frozenset({"muldiv"}), core)


@needs_oracle
@pytest.mark.parametrize("multiplier", [6, 8])
def test_one_input_channel_is_a_convolution(multiplier: int) -> None:
    filters = weights(np.random.default_rng(5), (1, 10, 4, multiplier))
    data = model(
        "DEPTHWISE_CONV_2D",
        (1, 9, 11, 1),
        filters,
        (1, 5, 6, multiplier),
        3,
        Numbers(2, -128, -128, 0.1, 40.0, 12, True, 4.0),
        padding="SAME",
        stride_h=2,
        stride_w=2,
        depth_multiplier=multiplier,
        activation="RELU",
    )
    example = Example(data, [int8s(6, (1, 9, 11, 1))])
    assert_reference_is_exact(example)
    assert kernels_of(example, frozenset({"dsp"}))[0].startswith("conv_2d")
    assert_c_is_exact([example], frozenset({"dsp"}))
    assert_c_is_exact([example], core="cortex-m4")


def test_channels_that_contradict_the_multiplier_are_named() -> None:
    n = Numbers(1, 0, 0, 0.1, 40.0, 8, True, 4.0)
    filters = np.ones((1, 3, 3, 8), np.int8)
    data = model("DEPTHWISE_CONV_2D", (1, 6, 7, 4), filters, (1, 6, 7, 8), 3, n, padding="SAME", depth_multiplier=1)
    with pytest.raises(BadInput, match="4 input channels and depth multiplier 1"):
        parse(data, "model", "model")
