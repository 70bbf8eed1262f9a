"""What AVERAGE_POOL_2D and MAX_POOL_2D share: windows over NHWC that leave out what lies outside of the input."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np

from shoal.errors import BadInput, Unsupported
from shoal.operators import floats
from shoal.operators.activation import activation_range, read_activation
from shoal.operators.base import Band, Call, Kernel, Operator, Tensors
from shoal.operators.checks import check_int8, check_rank, check_shape, operand, single_output, where
from shoal.operators.window import Window, read_window, row_window
from shoal.tensors import Array, Tensor

#: rows of a window that the kernels have pointers for; one over the whole input counts as one row
_MAX_ROWS = 32


@dataclass(frozen=True)
class Pool(Window):
    """Attributes of both. `activation`: a name of `shoal.operators.activation.RANGES`."""

    filter_h: int
    filter_w: int
    activation: str

    @property
    def padded(self) -> bool:
        return max(self.pad_top, self.pad_bottom, self.pad_left, self.pad_right) > 0


def read_pool(options: Any, operator: Operator, tensors: Tensors) -> Pool:
    """From TFLite's Pool2DOptions."""
    input_ = operand(operator, tensors, 0)
    check_rank(operator, input_, 4)
    if options is None:
        raise BadInput("options are missing", where=where(operator), advice="convert the model again")
    filter_ = options.FilterHeight(), options.FilterWidth()
    window = read_window(options, operator, (input_.shape[1], input_.shape[2]), filter_)
    activation = read_activation(options.FusedActivationFunction(), operator)
    return Pool(**asdict(window), filter_h=filter_[0], filter_w=filter_[1], activation=activation)


def check_pool(operator: Operator, tensors: Tensors) -> None:
    """The shape rule, and the equal quantization of input and output that TFLM asks for."""
    input_, output = operand(operator, tensors, 0), single_output(operator, tensors)
    pool: Pool = operator.attributes
    for tensor in (input_, output):
        check_rank(operator, tensor, 4)
        if floats.computes(input_):
            floats.check(operator, tensor)
        else:
            check_int8(operator, tensor)
    batches, height, width, channels = input_.shape
    size = pool.output_size((height, width), (pool.filter_h, pool.filter_w))
    check_shape(operator, output, (batches, *size, channels))
    if not floats.computes(input_) and (
        abs(input_.scale - output.scale) > 1e-6 or input_.zero_point != output.zero_point
    ):
        raise Unsupported(
            "input and output are quantized differently",
            where=where(operator, output),
            advice="convert the model again; TensorFlow Lite Micro does not run this either",
        )
    if geometry(pool, input_, output)["filter_h"] > _MAX_ROWS:
        raise Unsupported(
            f"a window of {pool.filter_h} rows that is not the whole input",
            where=where(operator),
            advice=f"at most {_MAX_ROWS} rows, or pool in two steps",
        )


def taps(pool: Pool, x: Array, outside: float) -> Iterator[Array]:
    """For each tap of the window the input under it, [batches, output_h, output_w, channels] in x's dtype, `outside`
    where it leaves the input."""
    _, height, width, _ = x.shape
    output_h, output_w = pool.output_size((height, width), (pool.filter_h, pool.filter_w))
    padding = ((0, 0), (pool.pad_top, pool.pad_bottom), (pool.pad_left, pool.pad_right), (0, 0))
    padded = np.pad(x, padding, constant_values=outside)
    for top in range(pool.filter_h):
        for left in range(pool.filter_w):
            bottom, right = top + (output_h - 1) * pool.stride_h + 1, left + (output_w - 1) * pool.stride_w + 1
            yield padded[:, top : bottom : pool.stride_h, left : right : pool.stride_w]


def geometry(pool: Pool, input_: Tensor, output: Tensor) -> dict[str, int]:
    """The shape members that describe the loops. A window over the whole input is one row: so are its rows in
    memory."""
    g = image(pool, input_, output)
    if is_whole(pool, input_, output):
        pixels = g["input_h"] * g["input_w"]
        g |= {"input_h": 1, "input_w": pixels, "filter_h": 1, "filter_w": pixels, "pad_top": 0, "pad_left": 0}
    return g


def image(pool: Pool, input_: Tensor, output: Tensor) -> dict[str, int]:
    """The shape members for rows as they are."""
    batches, input_h, input_w, channels = input_.shape
    _, output_h, output_w, _ = output.shape
    return {
        "batches": batches,
        "input_h": input_h,
        "input_w": input_w,
        "channels": channels,
        "output_h": output_h,
        "output_w": output_w,
        "filter_h": pool.filter_h,
        "filter_w": pool.filter_w,
        "stride_h": pool.stride_h,
        "stride_w": pool.stride_w,
        "pad_top": pool.pad_top,
        "pad_left": pool.pad_left,
    }


def overlap(g: Mapping[str, int]) -> int:
    """In-place distance in bytes of kernels that go through the output in order: when a pixel is stored, what was
    written so far must lie below the first input pixel that later windows read. Within a pixel, channels are stored
    after they were read and before the next ones are."""
    top = np.maximum(np.arange(g["output_h"]) * g["stride_h"] - g["pad_top"], 0)
    left = np.maximum(np.arange(g["output_w"]) * g["stride_w"] - g["pad_left"], 0)
    image = np.arange(g["batches"]) * g["input_h"] * g["input_w"]
    first = (image[:, None, None] + top[:, None] * g["input_w"] + left).reshape(-1)
    needed = np.minimum.accumulate(first[::-1])[::-1]
    return int((needed - np.arange(len(needed))).min()) * g["channels"]


def is_whole(pool: Pool, input_: Tensor, output: Tensor) -> bool:
    """Whether one window holds the whole input."""
    return (
        output.shape[1:3] == (1, 1)
        and pool.filter_h - pool.pad_top >= input_.shape[1]
        and pool.filter_w - pool.pad_left >= input_.shape[2]
    )


def pool_calls(
    name: str, operator: Operator, tensors: Tensors, per_tap: float, per_output: float, code_bytes: int
) -> list[Call]:
    """The kernel `name`, for this shape alone and for any; its cost is that of every tap and of every output value."""
    input_, output = operand(operator, tensors, 0), single_output(operator, tensors)
    pool: Pool = operator.attributes
    g = geometry(pool, input_, output)
    low, high = activation_range(pool.activation, output)
    clamped = int((low, high) != (-128, 127))
    rows = output.shape[0] * output.shape[1]
    cost = output.elements * (g["filter_h"] * g["filter_w"] * per_tap + per_output) + rows * 40
    literal = Call(
        kernel=Kernel(name, name),
        inputs=(input_.index,),
        outputs=(output.index,),
        shape=(*g.items(), ("is_clamped", clamped)),
        parameters=(("low", low), ("high", high)),
        align=4,
        in_place=(overlap(g),),
        instructions=50 + round(cost),
        code_bytes=code_bytes,
        band=_band(image(pool, input_, output), clamped, 50 + round(cost)),
    )
    shared = replace(
        literal,
        kernel=Kernel(name, name, literal=False),
        instructions=100 + round(1.6 * cost),
        code_bytes=900,
        band=_band(image(pool, input_, output), clamped, 100 + round(1.6 * cost)),
    )
    return [literal, shared]


def float_calls(name: str, operator: Operator, tensors: Tensors, features: frozenset[str]) -> list[Call]:
    """The kernel `name` in float32."""
    input_, output = operand(operator, tensors, 0), single_output(operator, tensors)
    pool: Pool = operator.attributes
    g = geometry(pool, input_, output)
    taps_cost = g["filter_h"] * g["filter_w"] * (5.0 if "fpu" in features else 60.0)
    cost = 50 + round(output.elements * (taps_cost + 20))
    band = _band(image(pool, input_, output), 0, cost)
    call = Call(
        kernel=Kernel(name, name),
        inputs=(input_.index,),
        outputs=(output.index,),
        shape=(*g.items(), ("is_clamped", 0)),
        parameters=floats.parameters(pool.activation),
        align=floats.BYTES,
        in_place=(floats.BYTES * overlap(g),),
        instructions=cost,
        code_bytes=400,
    )
    if band is None:
        return [call]
    (distance,) = band.in_place
    assert distance is not None
    return [replace(call, band=replace(band, in_place=(floats.BYTES * distance,)))]


def _band(g: Mapping[str, int], clamped: int, instructions: int) -> Band | None:
    """None for batches and where the kernels have no pointers for all rows of a window."""
    if g["batches"] > 1 or min(g["filter_h"], g["input_h"]) > _MAX_ROWS:
        return None
    row = {"input_h": 1, "output_h": 1, "pad_top": 0}
    return Band(
        shape=(*g.items(), ("is_clamped", clamped)),
        height=g["output_h"],
        width=g["output_w"],
        windows=(row_window(g),),
        in_place=(overlap({**g, **row}),),
        instructions=instructions + 30 * g["output_h"],
    )
