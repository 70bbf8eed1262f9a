"""Functions of one byte: a table of 256 results, made when the model is generated, is exact and fastest."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from shoal.operators.base import Call, Constant, Kernel
from shoal.operators.elements import banded
from shoal.tensors import Array, Tensor

_KERNEL = Kernel("lookup_8", "lookup_8", literal=False)


def all_bytes(dtype: str) -> Array:
    """The 256 values of an int8 or uint8 tensor, by their bytes: entry b is the value whose byte is b."""
    return np.arange(256, dtype=np.uint8).view(dtype)


def lookup_calls(input_: Tensor, output: Tensor, function: Callable[[Array], Array]) -> list[Call]:
    """The kernel that maps every byte of `input_` through a table of `function` (values in, values out)."""
    table = np.ascontiguousarray(function(all_bytes(input_.dtype))).astype(output.dtype).view(np.uint8)
    count = input_.elements
    call = Call(
        kernel=_KERNEL,
        inputs=(input_.index,),
        outputs=(output.index,),
        shape=(("count", count),),
        constants=(Constant("table", table),),
        in_place=(0,),
        instructions=20 + round(4.25 * count),
        code_bytes=112,
    )
    return [banded(call, input_)]
