"""Parts of an operator's output channels, as operators of their own: what is computed of a layer whose constants come
in pieces."""

from __future__ import annotations

import math
from dataclasses import replace

from shoal.operators import kind
from shoal.operators.base import Call, Operator, Tensors
from shoal.tensors import Quantization, Tensor

#: a member of a kernel's shape that tells output pixels apart from the channels that it computes
_PITCH = "output_pitch"

#: channels of a slice start at multiples of this, so that kernels get whole blocks
MULTIPLE = 4


def channels(operator: Operator, tensors: Tensors) -> int:
    """How many output channels can be told apart, 1 where the operator computes them together."""
    if operator.kind not in ("conv_2d", "fully_connected"):
        return 1
    weights = tensors[operator.inputs[1] or 0]
    groups = tensors[operator.inputs[0] or 0].shape[-1] // weights.shape[-1] if operator.kind == "conv_2d" else 1
    return weights.shape[0] if groups == 1 and weights.data is not None else 1


def calls(operator: Operator, tensors: Tensors, features: frozenset[str], first: int, last: int) -> list[Call]:
    """The kernels that can compute output channels `first` up to `last`, that one not included, the fastest first: as
    `calls` of the operator's kind, with the output's address that of channel `first` of its first pixel. Empty where no
    kernel leaves the other channels alone."""
    whole = tensors[operator.outputs[0]]
    if (first, last) == (0, whole.shape[-1]):
        return kind(operator.kind).calls(operator, tensors, features)
    sliced = {**tensors, whole.index: replace(whole, shape=(*whole.shape[:-1], last - first))}
    for index in operator.inputs[1:]:
        if index is not None:
            sliced[index] = _part(tensors[index], first, last)
    found = kind(operator.kind).calls(operator, sliced, features)
    if math.prod(whole.shape[:-1]) == 1:
        return [replace(call, band=None, in_place=(None,)) for call in found]
    return [
        replace(call, band=None, in_place=(None,), shape=_with_pitch(call, whole.shape[-1]))
        for call in found
        if _PITCH in dict(call.shape)
    ]


def _with_pitch(call: Call, pitch: int) -> tuple[tuple[str, int], ...]:
    return tuple((name, pitch if name == _PITCH else value) for name, value in call.shape)


def _part(tensor: Tensor, first: int, last: int) -> Tensor:
    """Weights or bias of these output channels, the first axis of both."""
    assert tensor.data is not None
    known = tensor.quantization
    if known is not None and known.per_channel:
        known = Quantization(known.scale[first:last], known.zero_point[first:last], known.axis)
    return replace(
        tensor,
        shape=(last - first, *tensor.shape[1:]),
        quantization=known,
        data=tensor.data[first:last],
    )
