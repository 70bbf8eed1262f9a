"""Networks of the same weights and other activations: what a second set of requantization constants is for."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from tflite_builder import ModelBuilder


def requantized(folder: Path, name: str, scales: Sequence[float], zero_points: Sequence[int]) -> Path:
    """A convolution, a depthwise one and a fully connected layer: the same weights each time, other activations."""
    rng = np.random.default_rng(5)
    b = ModelBuilder()
    x = source = b.tensor((1, 8, 8, 4), scale=scales[0], zero_point=zero_points[0])

    def layer(kind: str, shape: tuple[int, ...], extent: tuple[int, ...], place: int, **options: Any) -> None:
        nonlocal source
        weights = b.tensor(data=rng.integers(-127, 128, shape).astype(np.int8), scale=0.01)
        channels = shape[0] if kind != "DEPTHWISE_CONV_2D" else shape[-1]
        bias = b.tensor(data=rng.integers(-500, 500, channels).astype(np.int32), scale=0.01 * scales[place - 1])
        made = b.tensor(extent, scale=scales[place], zero_point=zero_points[place])
        b.operator(kind, [source, weights, bias], [made], **options)
        source = made

    same = {"padding": "SAME", "stride_h": 1, "stride_w": 1, "activation": "NONE"}
    layer("CONV_2D", (16, 3, 3, 4), (1, 8, 8, 16), 1, **same)
    layer("DEPTHWISE_CONV_2D", (1, 3, 3, 16), (1, 8, 8, 16), 2, depth_multiplier=1, **same)
    layer("FULLY_CONNECTED", (24, 1024), (1, 24), 3, activation="NONE")
    path = folder / f"{name}.tflite"
    path.write_bytes(b.build(inputs=[x], outputs=[source]))
    return path
