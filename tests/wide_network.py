"""A network whose weights outgrow the flash of small boards: half a megabyte of them, few activations."""

from __future__ import annotations

import numpy as np

from tflite_builder import ModelBuilder

#: (name, filter's height and width, stride, output channels) of the convolutions over 16 × 16 × 3, then the widths of
#: the fully connected layers
_CONVOLUTIONS = ((3, 2, 32), (3, 2, 96), (3, 1, 128))
_WIDTHS = (128, 256, 256, 10)


def wide_network(seed: int = 1) -> bytes:
    """A .tflite of 502,080 bytes of int8 weights: three convolutions, then four fully connected layers."""
    rng = np.random.default_rng(seed)
    b = ModelBuilder()
    scale = 0.05
    size, channels = 16, 3
    source = x = b.tensor((1, size, size, channels), scale=scale, zero_point=-1)
    for extent, stride, output_c in _CONVOLUTIONS:
        size = -(-size // stride)
        weights, bias = _weights(b, rng, (output_c, extent, extent, channels), scale)
        y = b.tensor((1, size, size, output_c), scale=scale, zero_point=-128)
        options = {"padding": "SAME", "stride_h": stride, "stride_w": stride, "activation": "RELU"}
        b.operator("CONV_2D", [source, weights, bias], [y], **options)
        source, channels = y, output_c
    flat = size * size * channels
    y = b.tensor((1, flat), scale=scale, zero_point=-128)
    b.operator("RESHAPE", [source, b.tensor(data=np.asarray([1, flat], np.int32))], [y], new_shape=[1, flat])
    source = y
    for width in _WIDTHS:
        weights, bias = _weights(b, rng, (width, flat), scale)
        last = width == _WIDTHS[-1]
        y = b.tensor((1, width), scale=scale, zero_point=3 if last else -128)
        b.operator("FULLY_CONNECTED", [source, weights, bias], [y], activation="NONE" if last else "RELU")
        source, flat = y, width
    return b.build(inputs=[x], outputs=[source])


def _weights(b: ModelBuilder, rng: np.random.Generator, shape: tuple[int, ...], scale: float) -> tuple[int, int]:
    """Weights and bias that keep the range of activations, whatever the fan-in."""
    own = float(2.0 / (127 * np.sqrt(np.prod(shape[1:]))))
    weights = b.tensor(data=rng.integers(-127, 128, shape).astype(np.int8), scale=own)
    values = rng.integers(-2000, 2001, shape[0]).astype(np.int32)
    return weights, b.tensor(data=values, scale=scale * own)
