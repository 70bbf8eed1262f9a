"""Kernels that make each element of an output from the same element of an input: any row of an image is as good as
the whole."""

from __future__ import annotations

import math
from dataclasses import replace

from shoal.operators.base import Band, Call, RowWindow
from shoal.tensors import Tensor

#: what calling a band costs, about
_CALL = 20


def banded(call: Call, image: Tensor, in_place: int | None = 0, multiple: int = 1) -> Call:
    """The call with its band over rows of `image`, whose shape member `count` is their elements; as it is for batches,
    for what is not NHWC, and where a row has not a `multiple` of elements. `in_place` as in Band, for a row."""
    if len(image.shape) != 4 or image.shape[0] != 1:
        return call
    height, width = image.shape[1], math.prod(image.shape[2:])
    if width % multiple:
        return call
    band = Band(
        shape=tuple((name, width if name == "count" else value) for name, value in call.shape),
        height=height,
        width=width,
        windows=(RowWindow(),),
        in_place=(in_place,),
        instructions=call.instructions + _CALL * height,
    )
    return replace(call, band=band)
