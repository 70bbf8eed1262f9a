"""Windows that slide over NHWC tensors: padding, strides and dilations of convolutions and pools."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from shoal.errors import BadInput
from shoal.operators.base import Operator, RowWindow
from shoal.operators.checks import where
from shoal.tensors import Array

_SAME, _VALID = 0, 1


@dataclass(frozen=True)
class Window:
    """Attributes of every spatial operator, in elements. Padding is explicit, so that a PAD can be folded in."""

    stride_h: int
    stride_w: int
    dilation_h: int
    dilation_w: int
    pad_top: int
    pad_bottom: int
    pad_left: int
    pad_right: int

    def output_size(self, size: tuple[int, int], kernel: tuple[int, int]) -> tuple[int, int]:
        """(height, width) of the output for an input of `size`; below 1 where the window does not fit."""
        height = size[0] + self.pad_top + self.pad_bottom - extent(kernel[0], self.dilation_h)
        width = size[1] + self.pad_left + self.pad_right - extent(kernel[1], self.dilation_w)
        return height // self.stride_h + 1, width // self.stride_w + 1


def extent(kernel: int, dilation: int) -> int:
    """Elements from a window's first tap to its last, both included."""
    return (kernel - 1) * dilation + 1


def same_padding(size: int, kernel: int, stride: int, dilation: int) -> tuple[int, int]:
    """(before, after) of TFLite's SAME along one dimension: ceil(size / stride) outputs, the odd element after."""
    outputs = -(-size // stride)
    total = max(0, (outputs - 1) * stride + extent(kernel, dilation) - size)
    return total // 2, total - total // 2


def read_window(options: Any, operator: Operator, size: tuple[int, int], kernel: tuple[int, int]) -> Window:
    """The window of TFLite's options (Conv2DOptions, DepthwiseConv2DOptions or Pool2DOptions) over an input of `size`
    (height, width), with SAME and VALID resolved to explicit padding; BadInput for values that no model may have."""
    if options is None:
        raise BadInput("options are missing", where=where(operator), advice="convert the model again")
    stride_h, stride_w = options.StrideH(), options.StrideW()
    dilation_h = options.DilationHFactor() if hasattr(options, "DilationHFactor") else 1
    dilation_w = options.DilationWFactor() if hasattr(options, "DilationWFactor") else 1
    if min(stride_h, stride_w, dilation_h, dilation_w, *kernel) < 1:
        raise BadInput(
            f"strides {stride_h}×{stride_w}, dilations {dilation_h}×{dilation_w} and kernel {kernel[0]}×{kernel[1]} "
            "must be at least 1",
            where=where(operator),
        )
    padding = options.Padding()
    if padding not in (_SAME, _VALID):
        raise BadInput(f"padding code {padding} is neither SAME nor VALID", where=where(operator))
    top, bottom = same_padding(size[0], kernel[0], stride_h, dilation_h) if padding == _SAME else (0, 0)
    left, right = same_padding(size[1], kernel[1], stride_w, dilation_w) if padding == _SAME else (0, 0)
    return Window(stride_h, stride_w, dilation_h, dilation_w, top, bottom, left, right)


def pad(window: Window, image: Array) -> Array:
    """NHWC with the window's padding added as zeros."""
    return np.pad(image, ((0, 0), (window.pad_top, window.pad_bottom), (window.pad_left, window.pad_right), (0, 0)))


def at_tap(window: Window, padded: Array, y: int, x: int, height: int, width: int) -> Array:
    """What tap (y, x) of the window reads for each of `height` × `width` outputs."""
    top, left = y * window.dilation_h, x * window.dilation_w
    bottom, right = top + (height - 1) * window.stride_h + 1, left + (width - 1) * window.stride_w + 1
    return padded[:, top : bottom : window.stride_h, left : right : window.stride_w]


def overlap(geometry: Mapping[str, int], pixels: int, packed: bool) -> int:
    """In-place distance in bytes of kernels that walk the output in order, up to `pixels` of a row at once.

    When a tile is stored, what was written so far must lie below the first input byte that is still to be read: by
    later tiles, and by the tile itself unless it was `packed` beforehand."""
    g = geometry
    pitch = g["input_w"] * g["input_c"]
    start = np.arange(g["output_w"])
    stop = np.minimum(start + pixels, g["output_w"])
    column = np.clip((stop if packed else start) * g["stride_w"] - g["pad_left"], 0, g["input_w"])
    top = np.clip(np.arange(g["output_h"] + 1) * g["stride_h"] - g["pad_top"], 0, g["input_h"])
    top[-1] = g["input_h"]
    needed = np.minimum(top[:-1, None] * pitch + column * g["input_c"], top[1:, None] * pitch)
    if packed:
        needed[:, stop == g["output_w"]] = top[1:, None] * pitch
    written = (np.arange(g["output_h"])[:, None] * g["output_w"] + stop) * g["output_c"]
    grown = g["input_h"] * pitch - g["output_h"] * g["output_w"] * g["output_c"]
    return int((needed - written).min()) + min(0, (g["batches"] - 1) * grown)


def row_overlap(geometry: Mapping[str, int], pixels: int, packed: bool) -> int:
    """The same of one output row over one row of its window, whichever that is."""
    return overlap(one_row(geometry), pixels, packed)


def one_row(geometry: Mapping[str, int]) -> dict[str, int]:
    """Of an output row that is computed from a single row."""
    return {**geometry, "batches": 1, "input_h": 1, "output_h": 1, "pad_top": 0}


def ordered_overlap(geometry: Mapping[str, int], pixels: int) -> int:
    """The same as `overlap` of kernels that make as many output channels as there are input channels, in their order,
    each from its own: where a tile writes them, it has read them of all its pixels."""
    channels = geometry["input_c"]
    return min(
        overlap({**geometry, "output_c": channels}, pixels, packed=False) + channels,
        overlap({**geometry, "output_c": channels}, pixels, packed=True),
    )


def row_window(geometry: Mapping[str, int]) -> RowWindow:
    """The input rows that an output row is computed from; a geometry of pools has no dilation."""
    size = extent(geometry["filter_h"], geometry.get("dilation_h", 1))
    return RowWindow(size, geometry["stride_h"], geometry["pad_top"])
