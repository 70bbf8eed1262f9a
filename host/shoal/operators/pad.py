"""PAD: zero points around a tensor, or zeros in float32, whose bytes are zeros."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from shoal.errors import BadInput, Unsupported
from shoal.operators import floats
from shoal.operators.base import Call, Kernel, Operator, Tensors, monotone
from shoal.operators.checks import check_int8, check_shape, operand, single_output, where
from shoal.tensors import ITEM_BYTES, Array, Tensor

NAME = "pad"

#: dimensions that TFLM's kernel, and ours, has loops for
_MAX_RANK = 5


@dataclass(frozen=True)
class Pad:
    """Elements (before, after) along each dimension."""

    amounts: tuple[tuple[int, int], ...]


def read(options: Any, operator: Operator, tensors: Tensors) -> Pad:
    paddings = operand(operator, tensors, 1)
    if paddings.data is None:
        raise Unsupported(
            "paddings are computed while the model runs",
            where=where(operator, paddings),
            advice="make them constants of the model",
        )
    rank = len(operand(operator, tensors, 0).shape)
    if paddings.dtype != "int32" or paddings.shape != (rank, 2):
        raise BadInput(
            f"paddings are {paddings.dtype} {list(paddings.shape)} where int32 {[rank, 2]} is due",
            where=where(operator, paddings),
        )
    amounts = tuple((int(before), int(after)) for before, after in paddings.data)
    if any(n < 0 for pair in amounts for n in pair):
        raise BadInput("paddings below zero", where=where(operator, paddings))
    return Pad(amounts)


def check(operator: Operator, tensors: Tensors) -> None:
    input_, output = operand(operator, tensors, 0), single_output(operator, tensors)
    for tensor in (input_, output):
        if floats.computes(input_):
            floats.check(operator, tensor)
        else:
            check_int8(operator, tensor)
    if len(input_.shape) > _MAX_RANK:
        raise Unsupported(
            f"{len(input_.shape)} dimensions",
            where=where(operator, input_),
            advice=f"at most {_MAX_RANK} dimensions can be padded",
        )
    amounts = operator.attributes.amounts
    check_shape(operator, output, tuple(n + sum(pair) for n, pair in zip(input_.shape, amounts, strict=True)))
    if not floats.computes(input_) and (input_.scale, input_.zero_point) != (output.scale, output.zero_point):
        raise Unsupported(
            "input and output are quantized differently",
            where=where(operator, output),
            advice="convert the model again; TensorFlow Lite Micro would copy bytes that mean something else",
        )


def macs(operator: Operator, tensors: Tensors) -> int:
    return 0


def reference(operator: Operator, tensors: Tensors, inputs: Sequence[Array]) -> list[Array]:
    output = single_output(operator, tensors)
    return [np.pad(inputs[0], operator.attributes.amounts, constant_values=_outside(output))]


def _outside(output: Tensor) -> int:
    return 0 if floats.computes(output) else output.zero_point


bounds = monotone(reference)


@dataclass(frozen=True)
class _Level:
    """One loop over the output: bytes before, of, and after the input."""

    before: int
    inside: int
    after: int

    @property
    def total(self) -> int:
        return self.before + self.inside + self.after


def _levels(shape: tuple[int, ...], amounts: tuple[tuple[int, int], ...]) -> list[_Level]:
    """The fewest loops, outermost first, at least one: a dimension without padding joins the one around it."""
    found: list[_Level] = []
    run = 1  # elements of one step of the dimension at hand
    for size, (before, after) in zip(reversed(shape), reversed(amounts), strict=True):
        if before or after:
            found.append(_Level(before * run, size * run, after * run))
            run = 1
        else:
            run *= size
    if run > 1 or not found:
        found.append(_Level(0, run, 0))
    return found[::-1]


def calls(operator: Operator, tensors: Tensors, features: frozenset[str]) -> list[Call]:
    input_, output = operand(operator, tensors, 0), single_output(operator, tensors)
    size = ITEM_BYTES[output.dtype]
    found = _levels((*input_.shape, size), (*operator.attributes.amounts, (0, 0)))
    levels = [_Level(0, 1, 0)] * (_MAX_RANK - len(found)) + found
    # Ahead of the input's last element lie all elements of the output but it, the input's others, and what follows it.
    behind, block = 0, 1
    for level in reversed(levels):
        behind += level.after * block
        block *= level.total
    runs = int(np.prod([level.total for level in levels[:-1]]))
    inner = levels[-1]
    per_byte = 0.75 if inner.before % 4 == inner.total % 4 == 0 else 3.0  # the C library's, by words or by bytes
    return [
        Call(
            kernel=Kernel("pad_s8", "pad_s8"),
            inputs=(input_.index,),
            outputs=(output.index,),
            shape=tuple(
                (f"{name}_{i}", getattr(level, name))
                for i, level in enumerate(levels)
                for name in ("before", "inside", "after")
            ),
            parameters=(("zero_point", _outside(output)),),
            align=size,
            in_place=(-(output.bytes - input_.bytes - behind),),
            instructions=30 + 30 * runs + round(per_byte * output.bytes),
            code_bytes=110,
        )
    ]
