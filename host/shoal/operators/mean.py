"""MEAN along any axes: a sum, rescaled by a multiplier that holds the division."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from shoal.errors import BadInput, Unsupported
from shoal.operators import floats, sums
from shoal.operators.base import Band, Call, Kernel, Operator, RowWindow, Tensors, monotone
from shoal.operators.checks import check_int8, check_shape, operand, single_output, where
from shoal.tensors import Array, Tensor, multiply_by_quantized_multiplier, quantize_multiplier

NAME = "mean"

#: groups of neighbouring dimensions that the kernel has loops for, outermost first
_GROUPS = ("outer", "reduced_0", "middle", "reduced_1", "inner")


@dataclass(frozen=True)
class Mean:
    """`axes`: not negative, ascending, each once. `keep_dims`: they stay in the shape, as 1."""

    axes: tuple[int, ...]
    keep_dims: bool


def read(options: Any, operator: Operator, tensors: Tensors) -> Mean:
    if options is None:
        raise BadInput("options are missing", where=where(operator), advice="convert the model again")
    input_, axes = operand(operator, tensors, 0), operand(operator, tensors, 1)
    if axes.data is None:
        raise Unsupported(
            "axes are computed while the model runs",
            where=where(operator, axes),
            advice="make them constants of the model",
        )
    if axes.dtype != "int32":
        raise BadInput(f"axes are {axes.dtype} where int32 is due", where=where(operator, axes))
    rank = len(input_.shape)
    given = [int(axis) for axis in axes.data.reshape(-1)]
    if any(not -rank <= axis < rank for axis in given):
        raise BadInput(f"axes {given} of {rank} dimensions", where=where(operator, axes))
    return Mean(tuple(sorted({axis % rank for axis in given})), bool(options.KeepDims()))


def check(operator: Operator, tensors: Tensors) -> None:
    input_, output = operand(operator, tensors, 0), single_output(operator, tensors)
    for tensor in (input_, output):
        if floats.computes(input_):
            floats.check(operator, tensor)
        else:
            check_int8(operator, tensor)
    mean: Mean = operator.attributes
    sizes = [1 if axis in mean.axes else size for axis, size in enumerate(input_.shape)]
    check_shape(
        operator,
        output,
        tuple(size for axis, size in enumerate(sizes) if mean.keep_dims or axis not in mean.axes),
    )
    if _groups(input_.shape, mean.axes) is None:
        raise Unsupported(
            f"axes {list(mean.axes)} of shape {list(input_.shape)} are three separate groups",
            where=where(operator, input_),
            advice="take the mean in two steps",
        )


def macs(operator: Operator, tensors: Tensors) -> int:
    return 0


def _groups(shape: tuple[int, ...], axes: tuple[int, ...]) -> dict[str, int] | None:
    """The shape as alternating groups of kept and reduced dimensions; None where there are more than the kernel's.
    Dimensions of 1 belong anywhere; without anything to reduce all is inner."""
    sizes: list[int] = []
    kinds: list[bool] = []
    for axis, size in enumerate(shape):
        reduced = axis in axes
        if size == 1:
            continue
        if kinds and kinds[-1] == reduced:
            sizes[-1] *= size
        else:
            kinds.append(reduced)
            sizes.append(size)
    if not kinds or kinds[-1]:  # ends with an inner group of kept dimensions
        kinds.append(False)
        sizes.append(1)
    if len(kinds) > len(_GROUPS):
        return None
    return dict(zip(_GROUPS, [1] * (len(_GROUPS) - len(sizes)) + sizes, strict=True))


def _multiplier(input_: Tensor, output: Tensor, count: int) -> tuple[int, int]:
    """TFLM's multiplier with 1 / count taken into it as far as its bits allow."""
    multiplier, shift = quantize_multiplier(input_.scale / output.scale)
    taken = min(count.bit_length() - 1, 32, 31 + shift)
    return (multiplier << taken) // count, shift - taken


def _count(input_: Tensor, mean: Mean) -> int:
    return math.prod(input_.shape[axis] for axis in mean.axes)


def reference(operator: Operator, tensors: Tensors, inputs: Sequence[Array]) -> list[Array]:
    input_, output = operand(operator, tensors, 0), single_output(operator, tensors)
    mean: Mean = operator.attributes
    count = _count(input_, mean)
    if floats.computes(input_):
        kept = [axis for axis in range(len(input_.shape)) if axis not in mean.axes]
        values = inputs[0].transpose(*kept, *mean.axes).reshape(output.elements, count)
        summed = floats.total((values[:, i] for i in range(count)), (output.elements,))
        return [np.asarray(summed / np.float32(count), np.float32).reshape(output.shape)]
    total = inputs[0].sum(axis=mean.axes, dtype=np.int64).reshape(output.shape)
    centred = total - input_.zero_point * count
    scaled = multiply_by_quantized_multiplier(centred, *_multiplier(input_, output, count)) + output.zero_point
    return [np.asarray(np.clip(scaled, -128, 127), np.int8)]


bounds = floats.unless_float(monotone(reference))


def calls(operator: Operator, tensors: Tensors, features: frozenset[str]) -> list[Call]:
    input_, output = operand(operator, tensors, 0), single_output(operator, tensors)
    count = _count(input_, operator.attributes)
    groups = _groups(input_.shape, operator.attributes.axes)
    assert groups is not None
    if floats.computes(input_):
        return [
            Call(
                kernel=Kernel("mean_f32", "mean_f32"),
                inputs=(input_.index,),
                outputs=(output.index,),
                shape=tuple(groups.items()),
                align=floats.BYTES,
                in_place=(0,),
                instructions=50 + (6 if "fpu" in features else 60) * input_.elements + 20 * output.elements,
                code_bytes=200,
            )
        ]
    multiplier, shift = _multiplier(input_, output, count)
    parameters = (
        ("bias", -(input_.zero_point + 128) * count),
        ("multiplier", multiplier),
        ("shift", shift),
        ("zero_point", output.zero_point),
    )
    per_element = 2.0 if groups["inner"] % 4 == 0 else 3.0
    return [
        Call(
            kernel=Kernel("mean_s8", "mean_s8"),
            inputs=(input_.index,),
            outputs=(output.index,),
            shape=tuple(groups.items()),
            parameters=parameters,
            align=4,
            in_place=(0,),
            instructions=50 + round(input_.elements * per_element) + 25 * output.elements,
            code_bytes=590 if groups["inner"] % 4 == 0 else 210,
        ),
        *_accumulating(operator.attributes, input_, output, parameters),
    ]


def _accumulating(mean: Mean, input_: Tensor, output: Tensor, parameters: tuple[tuple[str, int], ...]) -> list[Call]:
    """The kernel that takes its input row by row, where rows of one image are reduced, with or without columns."""
    axes = {axis for axis in mean.axes if input_.shape[axis] > 1}
    if len(input_.shape) != 4 or input_.shape[0] > 1 or not {1} <= axes <= {1, 2}:
        return []
    _, height, width, depth = input_.shape
    pixels, channels = (width, depth) if 2 in axes else (1, width * depth)
    halves = sums.fit_halves(channels, height * pixels)
    shape = (("rows", height), ("pixels", pixels), ("channels", channels), ("halves", int(halves)))
    taps_cost = channels * pixels * (1.75 if halves else 2.5 if channels % 4 == 0 else 3.0)
    cost = 25 * channels + round(height * (20 + taps_cost + 2.5 * channels))
    state = sums.state_bytes(channels, halves)
    return [
        Call(
            Kernel("mean_s8", "mean_s8_accumulate"),
            inputs=(input_.index,),
            outputs=(output.index,),
            shape=shape,
            parameters=parameters,
            state_bytes=state,
            align=4,
            in_place=(input_.bytes,),
            instructions=50 + cost,
            code_bytes=300,
            band=Band(
                shape=shape,
                height=height,
                width=1 if 2 in axes else width,
                windows=(RowWindow(),),
                in_place=(width * depth,),
                state_bytes=state,
                accumulates=True,
                instructions=50 + cost + 20 * height,
            ),
        )
    ]
