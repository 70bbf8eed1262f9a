"""DEPTHWISE_CONV_2D: int8, per-tensor or per-channel weights, or float32; every depth multiplier, stride, dilation and
padding."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from typing import Any, NamedTuple

import numpy as np

from shoal.errors import BadInput
from shoal.operators import any_taps, channel_rows, checks, conv_2d, floats, hybrid, weighted
from shoal.operators.activation import read_activation
from shoal.operators.base import Band, Call, Constant, Kernel, Operator, RowWindow, Tensors
from shoal.operators.requantization import Requantization, Sums, biases_and_shifts, blocks, fits_bytes, wrap
from shoal.operators.sums import state_bytes
from shoal.operators.window import (
    Window,
    at_tap,
    extent,
    one_row,
    ordered_overlap,
    overlap,
    pad,
    read_window,
    row_window,
)
from shoal.tensors import Array, Tensor

NAME = "depthwise_conv_2d"

#: output channels of a block of weights in depthwise_conv_2d_s8.h
BLOCK = 4

_LITERAL = Kernel("depthwise_conv_2d_s8", "depthwise_conv_2d_s8")
_SHARED = Kernel("depthwise_conv_2d_s8", "depthwise_conv_2d_s8", literal=False)

#: what depthwise_conv_2d_s8_dsp_tile.h takes: pixels of a tile, taps of a filter of one row
_PIXELS, _TAPS = 3, range(3, 17)

#: the padding before an axis, and the axis
_SIDES = (("top", "h"), ("left", "w"))

_DSP = frozenset({"dsp"})
_NINE = "depthwise_conv_2d_s8_dsp_3x3"
_TILE = Kernel("depthwise_conv_2d_s8_dsp_tile", "depthwise_conv_2d_s8_dsp_tile", _DSP)
_PAIRS = Kernel("depthwise_conv_2d_s8_dsp_pairs", "depthwise_conv_2d_s8_dsp_pairs", _DSP)
_PAIRS_PARTS = (("pack", 252), ("strip_0", 406), ("strip_1", 406))
_DSP_LITERAL = Kernel(_NINE, _NINE, _DSP, common_bytes=1014)
_DSP_SHARED = Kernel(_NINE, _NINE, _DSP, literal=False, common_bytes=1014)


@dataclass(frozen=True)
class Attributes(Window):
    """A window, outputs per input channel and the fused activation's name."""

    depth_multiplier: int
    activation: str


def read(options: Any, operator: Operator, tensors: Tensors) -> Attributes:
    """From DepthwiseConv2DOptions."""
    inputs, weights = checks.operand(operator, tensors, 0), checks.operand(operator, tensors, 1)
    checks.check_rank(operator, inputs, 4)
    checks.check_rank(operator, weights, 4)
    _, height, width, _ = inputs.shape
    _, filter_h, filter_w, _ = weights.shape
    window = read_window(options, operator, (height, width), (filter_h, filter_w))
    activation = read_activation(options.FusedActivationFunction(), operator)
    return Attributes(**asdict(window), depth_multiplier=options.DepthMultiplier(), activation=activation)


def check(operator: Operator, tensors: Tensors) -> None:
    """Filters are [1, height, width, output channels]."""
    inputs, weights, _, output = weighted.operands(operator, tensors)
    for tensor in (inputs, weights, output):
        checks.check_rank(operator, tensor, 4)
    batches, height, width, input_c = inputs.shape
    one, filter_h, filter_w, output_c = weights.shape
    weighted.check_types(operator, tensors, 3, output_c)
    attributes: Attributes = operator.attributes
    if one != 1 or min(weights.shape) < 1 or output_c != input_c * attributes.depth_multiplier:
        raise BadInput(
            f"filters {list(weights.shape)} for {input_c} input channels and depth multiplier "
            f"{attributes.depth_multiplier}",
            where=checks.where(operator, weights),
        )
    size = attributes.output_size((height, width), (filter_h, filter_w))
    checks.check_shape(operator, output, (batches, *size, output_c))


def macs(operator: Operator, tensors: Tensors) -> int:
    _, weights, _, output = weighted.operands(operator, tensors)
    return output.elements * weights.shape[1] * weights.shape[2]


def _sums(operator: Operator, tensors: Tensors, values: Array, filters: Array) -> Array:
    """Int64 sums of products in the output's shape, without bias: one product per filter tap."""
    source, weights, _, output = weighted.operands(operator, tensors)
    window: Attributes = operator.attributes
    _, filter_h, filter_w, _ = weights.shape
    _, height, width, _ = output.shape
    padded = pad(window, values.astype(np.int32) - source.zero_point)
    total = np.zeros(output.shape, np.int64)
    for y in range(filter_h):
        for x in range(filter_w):
            tap = at_tap(window, padded, y, x, height, width)
            total += np.repeat(tap, window.depth_multiplier, axis=3) * filters[0, y, x].astype(np.int32)
    return total


def _terms(operator: Operator, tensors: Tensors, values: Array) -> Iterator[Array]:
    """By taps."""
    _, weights, _, output = weighted.operands(operator, tensors)
    assert weights.data is not None
    window: Attributes = operator.attributes
    padded = pad(window, values)
    for y in range(weights.shape[1]):
        for x in range(weights.shape[2]):
            tap = at_tap(window, padded, y, x, *output.shape[1:3])
            yield np.repeat(tap, window.depth_multiplier, axis=3) * weights.data[0, y, x].astype(np.float32)


reference = weighted.reference(_sums, _terms)
bounds = weighted.bounds(_sums)


def calls(operator: Operator, tensors: Tensors, features: frozenset[str]) -> list[Call]:
    source, weights, _, output = weighted.operands(operator, tensors)
    window: Attributes = operator.attributes
    output_c = weights.shape[3]
    geometry = _geometry(window, source, weights, output)
    if hybrid.computes(source, weights):
        return [_hybrid(operator, tensors, geometry, features)]
    if floats.computes(source):
        return [_float(operator, tensors, geometry, features)]
    sums, form = weighted.settled(operator, tensors, weighted.centred(weights).reshape(-1, output_c).T)
    found = [_portable(kernel, geometry, source, output, sums, form, features) for kernel in (_LITERAL, _SHARED)]
    if _has_all_rows(geometry):
        found.append(_accumulating(found[0], geometry, source, output))
    nine = weights.shape[1:3] == (3, 3) and window.depth_multiplier == 1 and output_c % 4 == 0
    if features >= _DSP and nine and not form.general and fits_bytes(sums):
        found += [_dsp(kernel, geometry, source, output, sums, form) for kernel in (_DSP_LITERAL, _DSP_SHARED)]
    if features >= _DSP and not form.general:
        turned = _as_row(geometry)
        tiles = _tiles(turned, source, output, sums, form)
        found += [_banded(call, geometry, _PIXELS) if turned is geometry else call for call in tiles]
        found += _row_pairs(geometry, source, output, sums, form)
    found += [
        _banded(c, geometry, geometry["output_w"])
        for c in channel_rows.row_calls(geometry, source, output, sums, form, features)
    ]
    found += [_banded(c, geometry, 1) for c in any_taps.calls(geometry, source, output, sums, form, features)]
    found += channel_rows.line_calls(_as_row(geometry), source, output, sums, form, features)
    if geometry["input_c"] == 1:
        found += conv_2d.calls(*_as_convolution(operator, tensors), features)
    return sorted(found, key=lambda call: call.instructions)


def _float(operator: Operator, tensors: Tensors, geometry: dict[str, int], features: frozenset[str]) -> Call:
    """Four channels of a pixel: see depthwise_conv_2d_f32.h. It reads a pixel's window anew for each block."""
    source, weights, bias, output = weighted.operands(operator, tensors)
    assert weights.data is not None
    given = np.zeros(weights.shape[3], np.float32) if bias is None or bias.data is None else bias.data.reshape(-1)
    call = Call(
        floats.kernel(NAME, weights),
        inputs=(source.index,),
        outputs=(output.index,),
        shape=tuple(geometry.items()),
        parameters=floats.parameters(operator.attributes.activation),
        constants=(
            floats.weights_constant(weights.data),
            Constant("bias", np.ascontiguousarray(given, np.float32)),
        ),
        align=floats.BYTES,
        in_place=(floats.BYTES * _overlap(geometry, 1),),
        instructions=round(macs(operator, tensors) * (2 + floats.product_instructions(features, weights))),
        code_bytes=500,
    )
    banded = _banded(call, geometry, 1)
    if banded.band is None:
        return banded
    (distance,) = banded.band.in_place
    assert distance is not None
    return replace(banded, band=replace(banded.band, in_place=(floats.BYTES * distance,)))


def _hybrid(operator: Operator, tensors: Tensors, geometry: dict[str, int], features: frozenset[str]) -> Call:
    """One value at a time: see depthwise_conv_2d_s8_f32.h."""
    source, weights, bias, output = weighted.operands(operator, tensors)
    assert weights.data is not None
    channels = weights.shape[3]
    given = np.zeros(channels, np.float32) if bias is None or bias.data is None else bias.data.reshape(-1)
    per_value, per_result = (16, 20) if "fpu" in features else (180, 260)
    return Call(
        Kernel("depthwise_conv_2d_s8_f32", "depthwise_conv_2d_s8_f32"),
        inputs=(source.index,),
        outputs=(output.index,),
        shape=(*geometry.items(), ("asymmetric", int(hybrid.is_asymmetric(operator, weights)))),
        parameters=floats.parameters(operator.attributes.activation),
        constants=(
            Constant("weights", np.ascontiguousarray(weights.data).reshape(-1), 1),
            Constant("scales", np.ascontiguousarray(hybrid.scales(weights, channels))),
            Constant("bias", np.ascontiguousarray(given, np.float32)),
        ),
        scratch_bytes=source.elements // source.shape[0],
        align=floats.BYTES,
        in_place=(source.bytes if source.shape[0] == 1 else None,),
        instructions=source.elements * per_value + output.elements * per_result + 9 * macs(operator, tensors),
        code_bytes=700,
    )


def _as_convolution(operator: Operator, tensors: Tensors) -> tuple[Operator, Tensors]:
    """What an operator of one input channel is: the same filters in another order."""
    weights = checks.operand(operator, tensors, 1)
    assert weights.data is not None
    data = np.ascontiguousarray(weights.data.transpose(3, 1, 2, 0))
    known = asdict(operator.attributes)
    del known["depth_multiplier"]
    filters = replace(weights, shape=data.shape, data=data)
    return replace(operator, attributes=conv_2d.Attributes(**known)), {**tensors, weights.index: filters}


def _as_row(geometry: dict[str, int]) -> dict[str, int]:
    """The same where a column of pixels lies as a row of them: one after another."""
    if any(geometry[member] != 1 for member in ("input_w", "output_w", "filter_w")) or geometry["pad_left"]:
        return geometry
    turned = dict(geometry)
    for member in ("input", "output", "filter", "stride", "dilation"):
        turned[f"{member}_h"], turned[f"{member}_w"] = geometry[f"{member}_w"], geometry[f"{member}_h"]
    turned["pad_top"], turned["pad_left"] = geometry["pad_left"], geometry["pad_top"]
    return turned


def _tiles(g: dict[str, int], source: Tensor, output: Tensor, sums: Sums, form: Requantization) -> list[Call]:
    """Three pixels by two channels, of the shapes that depthwise_conv_2d_s8_dsp_tile.h takes."""
    channels, rows, taps, stride, width = g["input_c"], g["filter_h"], g["filter_w"], g["stride_w"], g["output_w"]
    right = (width - 1) * stride - g["pad_left"] + taps - g["input_w"]
    outside = max(g["pad_left"], right)
    nine = (rows, taps) == (3, 3) and stride <= 2 and outside <= 1
    line = rows == 1 and taps in _TAPS and stride == 1 and outside <= 0
    if g["multiplier"] != 1 or channels % 4 or g["dilation_w"] != 1 or not (nine or line):
        return []
    scaled = _scaled_stream(sums, form)
    shape = ["batches", "input_h", "input_w", "output_h", "output_w"]
    shape += ["stride_h", "stride_w", "dilation_h", "pad_top", "pad_left"]
    form_and_filter = (int(scaled is not None), rows, taps, stride)
    tiles = [(_Tile(*form_and_filter, *t), count) for t, count in _split(width, g["pad_left"], right)]
    instructions = 30 + sum(25 + n * (channels // 4 * tile.instructions + 12) for tile, n in tiles)
    columns = (_PIXELS - 1) * stride + taps
    return [
        Call(
            _TILE,
            inputs=(source.index,),
            outputs=(output.index,),
            shape=(
                *((name, g[name]) for name in shape[:5]),
                *(("channels", channels), ("rows", rows), ("taps", taps)),
                *((name, g[name]) for name in shape[5:]),
                *(("scaled", int(scaled is not None)), ("clamped", int(form.clamped))),
            ),
            parameters=(("input_zero_point", source.zero_point), ("low", form.low), ("high", form.high)),
            constants=(
                Constant("stream", _doubled_stream(sums, form) if scaled is None else scaled),
                Constant("padding", np.full(columns * channels, source.zero_point, np.int8)),
            ),
            align=4,
            in_place=(_overlap(g, _PIXELS),),
            instructions=g["batches"] * g["output_h"] * instructions,
            code_bytes=200 + 65 * len(tiles) if rows > 1 else 100 * len(tiles),
            passes=g["batches"] * g["output_h"] * sum(n for _, n in tiles),
            parts=tuple((f"{_TILE.function}_{tile.name}", tile.bytes) for tile, _ in tiles),
        )
    ]


def _row_pairs(g: dict[str, int], source: Tensor, output: Tensor, sums: Sums, form: Requantization) -> list[Call]:
    """Two rows by two pixels of a channel, of the shapes and numbers that depthwise_conv_2d_s8_dsp_pairs.h takes: it
    needs the whole image.

    Costs are fitted to counts on an emulated Cortex-M4, GCC 12 at -O3."""
    channels, width, height = g["input_c"], g["output_w"], g["output_h"]
    ones = ("batches", "multiplier", "stride_h", "stride_w", "dilation_h", "dilation_w")
    shaped = all(g[name] == 1 for name in ones) and g["filter_h"] == g["filter_w"] == 3 and channels % 4 == 0
    outside = max(max(g[f"pad_{p}"], g[f"output_{s}"] - g[f"pad_{p}"] + 2 - g[f"input_{s}"]) for p, s in _SIDES)
    known = channel_rows.one_shift(sums, form) if shaped and outside <= 1 < width <= g["input_w"] else None
    if known is None or form.clamped:
        return []
    up, multipliers, addends = known
    taps = (sums.weights.astype(np.int64) << up[:, None]).reshape(-1, 3, 3).transpose(0, 2, 1) & 0xFFFF
    pairs = taps[:, :, :2] | taps[:, :, 1:] << 16
    records = np.stack([sums.bias.astype(np.int64) << up, multipliers, addends], axis=1)
    row = g["input_w"] * channels
    chunks = (width + 3) // 2
    pairs_of_columns, one_more = divmod(g["input_w"] - g["pad_left"], 2)
    pack = 60 + channels // 4 * (13 + 28 * pairs_of_columns + 17 * (one_more + g["pad_left"]))
    strip = 25 + channels * (21 + 49 * (width // 2) + 25 * (width % 2))
    return [
        Call(
            _PAIRS,
            inputs=(source.index,),
            outputs=(output.index,),
            shape=tuple(
                (name, channels if name == "channels" else g[name])
                for name in ("input_h", "input_w", "output_h", "output_w", "channels", "pad_top", "pad_left")
            ),
            parameters=(("input_zero_point", source.zero_point),),
            constants=(Constant("stream", wrap(np.concatenate([pairs.reshape(-1, 6), records], axis=1)).reshape(-1)),),
            scratch_bytes=16 * chunks * channels + row,
            align=4,
            # rows that two rows of output need are packed before these are written
            in_place=((4 - g["pad_top"]) * row - 2 * width * channels,),
            instructions=(height + 3) // 2 * pack + (height + 1) // 2 * strip + channels * 20 + row // 2,
            code_bytes=400,
            parts=tuple((f"{_PAIRS.function}_{part}", size) for part, size in _PAIRS_PARTS),
        )
    ]


def _split(width: int, left: int, right: int) -> list[tuple[tuple[int, int, int], int]]:
    """The tiles of a row of outputs as ((pixels, columns outside on the left, on the right), how many), in the way of
    depthwise_conv_2d_s8_dsp_tile_band."""
    left, right = int(left > 0), int(right > 0)
    if width <= _PIXELS:
        return [((width, left, right), 1)]
    rest = width % _PIXELS
    head = 2 if rest == 1 else _PIXELS * left
    tail = 2 if rest else _PIXELS * right
    parts = [((head, left, 0), 1), ((_PIXELS, 0, 0), (width - head - tail) // _PIXELS), ((tail, 0, right), 1)]
    return [(tile, count) for tile, count in parts if tile[0] > 0 and count > 0]


class _Tile(NamedTuple):
    """One function of depthwise_conv_2d_s8_dsp_tile.h; the figures follow its macros line by line."""

    scaled: int
    rows: int
    taps: int
    stride: int
    pixels: int
    left: int
    right: int

    @property
    def name(self) -> str:
        return f"{self.scaled}_{self.rows}x{self.taps}_{self.stride}_{self.pixels}_{self.left}{self.right}"

    @property
    def _columns(self) -> tuple[int, int]:
        """(all of them, steps of the row's pointer)."""
        columns = (self.pixels - 1) * self.stride + self.taps
        return columns, max(0, columns - self.left - self.right - 2) // 4

    @property
    def _loads(self) -> int:
        """Of a row's weights."""
        return 1 + self.taps - 3 if self.pixels > 1 else self.taps // 3 + self.taps % 3

    @property
    def instructions(self) -> int:
        """For four channels."""
        columns, moves = self._columns
        row = 1 + self._loads + 2 * columns - self.left - self.right + moves + 2 * self.taps * self.pixels
        results = 2 * (1 + self.pixels * (3 if self.scaled else 5))
        return 2 * (2 * self.pixels + self.rows * row + results) + (9 if self.rows == 3 else 7)

    @property
    def bytes(self) -> int:
        columns, moves = self._columns
        row = 2 + 4 * self._loads + 8 * columns - 4 * self.left - 6 * self.right + 4 * moves
        row += 8 * self.taps * self.pixels
        results = 2 * (4 + self.pixels * (12 if self.scaled else 20))
        return 2 * (2 + 4 * self.pixels + self.rows * row + results) + (80 if self.rows == 3 else 74)


def _scaled_stream(sums: Sums, form: Requantization) -> Array | None:
    """The stream with one right shift for all channels, where their shifts and sums allow it and the output's zero
    point is -128. A channel that has one result whatever its sum takes it from the addend."""
    known = channel_rows.one_shift(sums, form)
    if known is None:
        return None
    up, multipliers, addends = known
    return _stream(sums, up, [multipliers, addends])


def _doubled_stream(sums: Sums, form: Requantization) -> Array:
    halving = form.shifts.astype(np.int64)
    return _stream(sums, np.ones_like(halving), [sums.multipliers, form.offset << halving, halving + 1])


def _stream(sums: Sums, up: Array, records: list[Array]) -> Array:
    """Weights and biases shifted left by `up`, then the records of each channel: int32, see
    depthwise_conv_2d_s8_dsp_tile.h for the order."""
    weights = (sums.weights.astype(np.int64) << up[:, None]).astype(np.int16).astype(np.int64)
    bias, scales = sums.bias.astype(np.int64) << up, np.stack(records, axis=1)
    pairs = [
        np.concatenate(
            [
                np.stack([bias[even::4], bias[even + 2 :: 4]], axis=1),
                (weights[even::4] & 0xFFFF) | (weights[even + 2 :: 4] << 16),
                *(scales[even::4], scales[even + 2 :: 4]),
            ],
            axis=1,
        )
        for even in (0, 1)
    ]
    return wrap(np.stack(pairs, axis=1).reshape(-1))


def _dsp(
    kernel: Kernel, geometry: dict[str, int], source: Tensor, output: Tensor, sums: Sums, form: Requantization
) -> Call:
    """Two pixels by four channels: see depthwise_conv_2d_s8_dsp_3x3.h for the order of the constants.

    Costs are fitted to counts on an emulated Cortex-M4, GCC 12 at -O3."""
    channels = output.shape[3]
    names = ("batches", "input_h", "input_w", "output_h", "output_w", "channels", "stride_h", "stride_w")
    known = geometry | {"channels": channels}
    weights = sums.weights.astype(np.int8).reshape(-1, 4, 9).transpose(0, 2, 1)
    parts = (biases_and_shifts(sums, form), np.ascontiguousarray(weights).view("<i4"), sums.multipliers)
    stream = np.concatenate([p.reshape(len(weights), -1).astype(np.int32) for p in parts], axis=1)
    tiles = geometry["batches"] * geometry["output_h"] * -(-geometry["output_w"] // 2)
    call = Call(
        kernel,
        inputs=(source.index,),
        outputs=(output.index,),
        shape=(
            *((name, known[name]) for name in (*names, "dilation_h", "dilation_w", "pad_top", "pad_left")),
            ("clamped", int(form.clamped)),
        ),
        parameters=(("offset", form.offset), ("low", form.low), ("high", form.high)),
        constants=(
            Constant("stream", stream.reshape(-1)),
            Constant("padding", np.full(channels, source.zero_point, np.int8)),
        ),
        align=4,
        in_place=(_overlap(geometry, 2),),
        instructions=tiles * (252 * channels // 4 + (138 if kernel.literal else 249)),
        code_bytes=650 if kernel.literal else 1320,
    )
    return _banded(call, geometry, 2)


def _portable(
    kernel: Kernel,
    geometry: dict[str, int],
    source: Tensor,
    output: Tensor,
    sums: Sums,
    form: Requantization,
    features: frozenset[str],
) -> Call:
    """Four channels of one pixel: see depthwise_conv_2d_s8.h for the order of the constants.

    Costs are fitted to counts on an emulated Cortex-M4, GCC 12 at -O3; RV32IMC has no multiply and add in one."""
    groups = 1 if geometry["multiplier"] == 1 else geometry["input_c"]
    packed = blocks(sums.weights.astype(np.int8), groups, BLOCK)
    count, taps, lines = len(packed) // BLOCK, packed.shape[1], geometry["filter_h"]
    within, edge = _pixels(geometry)
    if kernel.literal:
        instructions = within * count * (12 * taps + 77) + edge * count * (8 * taps + 24 * lines + 106)
        instructions += within * count * 10 * lines if geometry["filter_w"] > 1 else 0
        code = 1250
    else:
        instructions = within * (count * (26 * taps + 29 * lines + 108) + 148)
        instructions += edge * (count * (21 * taps + 13 * lines + 220) + 148)
        code = 2400
    if features >= channel_rows.RISCV:
        instructions = instructions * 10 // 7
    call = Call(
        kernel,
        inputs=(source.index,),
        outputs=(output.index,),
        shape=(*geometry.items(), ("general", int(form.general)), ("clamped", int(form.clamped))),
        parameters=_parameters(source, form),
        constants=(
            Constant("weights", packed.reshape(-1, BLOCK, taps).transpose(0, 2, 1).reshape(-1), 1),
            Constant("bias", blocks(sums.bias, groups, BLOCK)),
            Constant("multipliers", blocks(sums.multipliers.astype(np.int32), groups, BLOCK)),
            Constant("shifts", blocks(form.shifts, groups, BLOCK), 1),
        ),
        in_place=(_overlap(geometry, 1),),
        instructions=instructions,
        code_bytes=code,
    )
    return _banded(call, geometry, 1)


def _has_all_rows(g: dict[str, int]) -> bool:
    """Whether a filter has each row of one image once, and no padding."""
    right = (g["output_w"] - 1) * g["stride_w"] + extent(g["filter_w"], g["dilation_w"])
    alone = g["batches"] == g["output_h"] == g["dilation_h"] == 1 < g["input_h"] == g["filter_h"]
    return alone and g["pad_top"] == g["pad_left"] == 0 and right <= g["input_w"]


def _accumulating(portable: Call, g: dict[str, int], source: Tensor, output: Tensor) -> Call:
    """The kernel that takes its input row by row, with the constants of the portable one."""
    row = g["output_w"] * output.shape[3]
    cost = 50 + g["input_h"] * (30 + row * (3 * g["filter_w"] + 3)) + 25 * row
    state = state_bytes(row, halves=False)
    return replace(
        portable,
        kernel=Kernel("depthwise_conv_2d_s8", "depthwise_conv_2d_s8_accumulate"),
        parameters=tuple(p for p in portable.parameters if p[0] != "input_zero_point"),
        state_bytes=state,
        in_place=(source.bytes,),
        instructions=cost,
        code_bytes=350,
        band=Band(
            shape=portable.shape,
            height=g["input_h"],
            width=g["output_w"],
            windows=(RowWindow(),),
            in_place=(g["input_w"] * g["input_c"],),
            state_bytes=state,
            accumulates=True,
            instructions=cost + 20 * g["input_h"],
        ),
    )


def _banded(call: Call, geometry: dict[str, int], pixels: int) -> Call:
    """The call with the band of a kernel that computes so many pixels at a time; batches have none."""
    if geometry["batches"] > 1:
        return call
    band = Band(
        shape=call.shape,
        height=geometry["output_h"],
        width=geometry["output_w"],
        windows=(row_window(geometry),),
        in_place=(_overlap(one_row(geometry), pixels),),
        instructions=call.instructions + 20 * geometry["output_h"],
    )
    return replace(call, band=band)


def _overlap(geometry: dict[str, int], pixels: int) -> int:
    """In-place distance of kernels that compute so many pixels at a time."""
    if geometry["multiplier"] == 1:
        return ordered_overlap(geometry, pixels)
    return overlap(geometry | {"output_c": geometry["input_c"] * geometry["multiplier"]}, pixels, packed=False)


def _pixels(geometry: dict[str, int]) -> tuple[int, int]:
    """Output pixels whose window lies within the input, and those at its edge."""
    inside = geometry["batches"]
    for axis, before in (("h", "pad_top"), ("w", "pad_left")):
        start = np.arange(geometry[f"output_{axis}"]) * geometry[f"stride_{axis}"] - geometry[before]
        last = start + (geometry[f"filter_{axis}"] - 1) * geometry[f"dilation_{axis}"]
        inside *= int(np.count_nonzero((start >= 0) & (last < geometry[f"input_{axis}"])))
    return inside, geometry["batches"] * geometry["output_h"] * geometry["output_w"] - inside


def _parameters(source: Tensor, form: Requantization) -> tuple[tuple[str, int], ...]:
    return (
        ("input_zero_point", source.zero_point),
        ("offset", form.offset),
        ("low", form.low),
        ("high", form.high),
    )


def _geometry(window: Attributes, source: Tensor, weights: Tensor, output: Tensor) -> dict[str, int]:
    """The shape members that describe the loops."""
    batches, input_h, input_w, input_c = source.shape
    _, output_h, output_w, _ = output.shape
    _, filter_h, filter_w, _ = weights.shape
    return {
        "batches": batches,
        "input_h": input_h,
        "input_w": input_w,
        "input_c": input_c,
        "output_h": output_h,
        "output_w": output_w,
        "multiplier": window.depth_multiplier,
        "filter_h": filter_h,
        "filter_w": filter_w,
        "stride_h": window.stride_h,
        "stride_w": window.stride_w,
        "dilation_h": window.dilation_h if filter_h > 1 else 1,
        "dilation_w": window.dilation_w if filter_w > 1 else 1,
        "pad_top": window.pad_top,
        "pad_left": window.pad_left,
    }
