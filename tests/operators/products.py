"""What the tests of operators that sum products draw from: quantized weights, biases and outputs."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from hypothesis import strategies as st

from one_operator import Example
from shoal.operators.requantization import Sums
from shoal.operators.window import extent
from shoal.tensors import Array
from tflite_builder import ModelBuilder

ACTIVATIONS = ("NONE", "RELU", "RELU_N1_TO_1", "RELU6")


@dataclass(frozen=True)
class Numbers:
    """How values are quantized. `gain`: output units per sum of one standard deviation: from far below one to left
    shifts that wrap; `bias`: in bits, None for no bias; `spread`: per-channel scales differ by up to this factor."""

    seed: int
    input_zero_point: int
    output_zero_point: int
    output_scale: float
    gain: float
    bias: int | None
    per_channel: bool
    spread: float


numbers = st.builds(
    Numbers,
    seed=st.integers(0, 2**32 - 1),
    input_zero_point=st.sampled_from([-128, 0, 127]) | st.integers(-128, 127),
    output_zero_point=st.sampled_from([-128, 0, 127]) | st.integers(-128, 127),
    output_scale=st.floats(2.0**-8, 0.25, width=32),
    gain=st.sampled_from([40.0, 40.0, 40.0, 200.0, 1e-6, 3e4, 1e9]),
    bias=st.sampled_from([None, 8, 12, 12, 31]),
    per_channel=st.booleans(),
    spread=st.sampled_from([1.0, 4.0, 1000.0]),
)


def weights(rng: np.random.Generator, shape: tuple[int, ...], least: int = -127) -> Array:
    """Random int8 weights, some channels or taps all zero."""
    values = rng.integers(least, 128, shape)
    values[rng.random(shape) < 0.05] = 127
    return values.astype(np.int8)


def model(
    name: str,
    shape: tuple[int, ...],
    filters: Array,
    output: tuple[int, ...],
    channel_axis: int,
    n: Numbers,
    *,
    weights_zero_point: int = 0,
    **options: object,
) -> bytes:
    """A model of one operator of this name over an input of `shape`."""
    rng = np.random.default_rng(n.seed + 1)
    channels = filters.shape[channel_axis]
    products = filters.size / channels
    multiplier = n.gain / (5000.0 * math.sqrt(products))
    scales = np.full(channels, 1.0)
    if n.per_channel:
        scales = np.exp(rng.uniform(-1, 1, channels) * math.log(n.spread) / 2)
    input_scale = 0.05
    filter_scales = multiplier * n.output_scale / input_scale * scales
    builder = ModelBuilder()
    source = builder.tensor(shape, scale=input_scale, zero_point=n.input_zero_point)
    kernel = builder.tensor(
        data=filters,
        scale=filter_scales if n.per_channel else filter_scales[0],
        zero_point=weights_zero_point,
        axis=channel_axis,
    )
    inputs: list[int | None] = [source, kernel]
    if n.bias is not None:
        limit = 2**n.bias
        data = rng.integers(-limit, limit, channels).astype(np.int32)
        scale = np.float32(input_scale) * filter_scales
        inputs.append(builder.tensor(data=data, scale=scale if n.per_channel else scale[0]))
    result = builder.tensor(output, scale=n.output_scale, zero_point=n.output_zero_point)
    builder.operator(name, inputs, [result], **options)
    return builder.build(inputs=[source], outputs=[result])


#: quantization that every special kernel takes
NUMBERS = Numbers(5, -17, 9, 0.1, 40.0, 12, True, 4.0)


def convolved(
    filters: Array,
    values: Array,
    n: Numbers,
    padding: str,
    activation: str,
    stride: tuple[int, int],
    dilation: tuple[int, int],
) -> Example:
    """CONV_2D of int8 `values` (NHWC) by `filters` (output channels, height, width, input channels)."""
    batches, height, width, _ = values.shape
    channels, *window, _ = filters.shape
    reach = (0, 0) if padding == "SAME" else tuple(extent(w, d) - 1 for w, d in zip(window, dilation, strict=True))
    size = (-(-(height - reach[0]) // stride[0]), -(-(width - reach[1]) // stride[1]))
    options = {"stride_h": stride[0], "stride_w": stride[1], "dilation_h": dilation[0], "dilation_w": dilation[1]}
    output = (batches, *size, channels)
    data = model("CONV_2D", values.shape, filters, output, 0, n, padding=padding, activation=activation, **options)
    return Example(data, [values])


def sums(**changes: object) -> Sums:
    """Of four output channels of 36 products, with members in place of these."""
    members = {
        "weights": np.ones((4, 36), np.int8),
        "bias": np.zeros(4, np.int32),
        "multipliers": np.full(4, 1 << 30),
        "shifts": np.full(4, -3),
        "low": np.full(4, -36 * 128),
        "high": np.full(4, 36 * 127),
    }
    return Sums(**{**members, **changes})  # type: ignore[arg-type]  # members by name
