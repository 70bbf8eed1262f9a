"""Constants in float16, which a model file widens by a DEQUANTIZE each: weights stay as they are, whatever else reads
one gets float32."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from shoal.errors import BadInput, Unsupported
from shoal.operators.base import Operator
from shoal.tensors import Array, Tensor

#: operators whose kernels take float16 weights, as their second operand
_WEIGHTED = ("conv_2d", "depthwise_conv_2d", "fully_connected")


def fold(
    operators: Sequence[Operator], tensors: Sequence[Tensor], outputs: Sequence[int]
) -> tuple[list[Operator], list[Tensor]]:
    """The operators without those that widen constants, and the tensors with what these made. BadInput where one
    contradicts itself, Unsupported where float16 is anything but a constant."""
    left = list(tensors)
    source: dict[int, int] = {}  # widened tensor → float16 constant
    for o in operators:
        x = o.inputs[0]
        if o.kind != "dequantize" or x is None or tensors[x].dtype != "float16" or tensors[x].data is None:
            continue
        half, wide = tensors[x], tensors[o.outputs[0]]
        if half.shape != wide.shape or wide.dtype != "float32" or wide.index in outputs:
            raise BadInput(
                f"float16 {list(half.shape)} widened to {wide.dtype} {list(wide.shape)}",
                where=f"operator {o.index} {o.kind}",
                advice="convert the model again",
            )
        source[wide.index] = x
    kept = []
    for o in operators:
        if o.outputs[0] in source:
            continue
        inputs = list(o.inputs)
        for position, t in enumerate(o.inputs):
            if t is None or t not in source:
                continue
            if position == 1 and o.kind in _WEIGHTED:
                inputs[position] = source[t]
            elif left[t].data is None:
                left[t] = replace(left[t], data=_widened(tensors[source[t]]))
        kept.append(replace(o, inputs=tuple(inputs)))
    for o in kept:
        for position, t in enumerate((*o.inputs, *o.outputs)):
            weights = position == 1 and o.kind in _WEIGHTED
            if t is not None and left[t].dtype == "float16" and not weights:
                raise Unsupported(
                    "computes in float16",
                    where=f"operator {o.index} {o.kind}",
                    advice="convert it with float16 weights alone (supported_types = [tf.float16])",
                )
    return kept, left


def _widened(tensor: Tensor) -> Array:
    assert tensor.data is not None
    values = tensor.data.astype(np.float32)
    values.flags.writeable = False
    return values
