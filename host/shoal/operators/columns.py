"""Operators on some columns of their images: what a strip of the output is computed from, and the operator that does.

A strip of an image is an image: the same operator with less padding computes it from a strip of the input, byte for
byte, and by the same kernels."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace
from typing import NamedTuple

from shoal.operators.base import Operator, RowWindow, Tensors
from shoal.operators.pooling import Pool
from shoal.operators.window import Window, extent
from shoal.tensors import Tensor

#: kinds that make each element of an output from the elements in its place
_ELEMENTWISE = ("add", "logistic", "mul", "quantize")


class Columns(NamedTuple):
    """Those of an image from `first` up to `last`, that one not included."""

    first: int
    last: int

    @property
    def width(self) -> int:
        return self.last - self.first


class Crop(NamedTuple):
    """What tells strips of one operator apart: columns of inputs and of the output, and of padding at both sides."""

    read: int
    made: int
    left: int
    right: int


def is_image(tensor: Tensor) -> bool:
    """Whether it is one NHWC image."""
    return len(tensor.shape) == 4 and tensor.shape[0] == 1 and min(tensor.shape) > 0


def window(operator: Operator, tensors: Tensors) -> RowWindow | None:
    """The columns of each input in the arena that a column of the output is computed from, as a RowWindow has rows;
    None where inputs and output are not images, or a column may need any other."""
    [output] = operator.outputs if len(operator.outputs) == 1 else [None]
    held = [tensors[t] for t in operator.inputs if t is not None and tensors[t].data is None]
    if output is None or not all(is_image(t) for t in (*held, tensors[output])):
        return None
    attributes = operator.attributes
    if isinstance(attributes, Window):
        if isinstance(attributes, Pool):
            taps = attributes.filter_w
        else:
            assert operator.inputs[1] is not None
            taps = tensors[operator.inputs[1]].shape[2]
        return RowWindow(extent(taps, attributes.dilation_w), attributes.stride_w, attributes.pad_left)
    fixed = [tensors[t] for t in operator.inputs if t is not None and tensors[t].data is not None]
    alike = all(t.shape == tensors[output].shape for t in held)
    along = all(math.prod(t.shape[-2:-1]) == 1 for t in fixed)
    return RowWindow() if operator.kind in _ELEMENTWISE and alike and along else None


def crop(window: RowWindow, made: Columns, width: int) -> tuple[Columns, Crop]:
    """What columns of an output are computed from, of inputs of `width` columns."""
    start = made.first * window.stride - window.before
    end = (made.last - 1) * window.stride - window.before + window.size
    read = Columns(max(0, start), min(width, end))
    return read, Crop(read.width, made.width, read.first - start, end - read.last)


def cropped(operator: Operator, tensors: Tensors, crop: Crop) -> tuple[Operator, Tensors]:
    """The operator on a strip, and its tensors."""
    strip = dict(tensors)
    for tensors_, width in ((operator.inputs, crop.read), (operator.outputs, crop.made)):
        for t in tensors_:
            if t is not None and tensors[t].data is None:
                shape = tensors[t].shape
                strip[t] = replace(tensors[t], shape=(*shape[:2], width, shape[3]))
    attributes = operator.attributes
    if isinstance(attributes, Window):
        attributes = replace(attributes, pad_left=crop.left, pad_right=crop.right)
    return replace(operator, attributes=attributes), strip


def hull(parts: Mapping[int, Columns], tensor: int, more: Columns) -> Columns:
    """The columns of a tensor with `more` of them."""
    known = parts.get(tensor, more)
    return Columns(min(known.first, more.first), max(known.last, more.last))
