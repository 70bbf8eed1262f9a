"""CONV_2D: int8, per-tensor or per-channel weights, or float32; groups, every stride, dilation and padding."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np

from shoal.errors import BadInput
from shoal.operators import (
    channel_pairs,
    checks,
    direct,
    floats,
    hybrid,
    kronecker,
    rv_winograd,
    short_pairs,
    twin,
    weighted,
    winograd,
)
from shoal.operators.activation import read_activation
from shoal.operators.base import Band, Call, Constant, Kernel, Operator, Tensors
from shoal.operators.fully_connected import row_calls
from shoal.operators.requantization import Requantization, Sums, biases_and_shifts, blocks, fits_bytes
from shoal.operators.window import Window, at_tap, overlap, pad, read_window, row_overlap, row_window
from shoal.tensors import Array, Tensor

NAME = "conv_2d"

#: output channels of a block of weights in conv_2d_s8.h
BLOCK = 4

_LITERAL = Kernel("conv_2d_s8", "conv_2d_s8")
_SHARED = Kernel("conv_2d_s8", "conv_2d_s8", literal=False)
_DSP = frozenset({"dsp"})
_DSP_LITERAL = Kernel("conv_2d_s8_dsp", "conv_2d_s8_dsp", _DSP, common_bytes=286)
_DSP_SHARED = Kernel("conv_2d_s8_dsp", "conv_2d_s8_dsp", _DSP, literal=False, common_bytes=286)
_DIRECT = Kernel("conv_2d_s8_dsp_direct", "conv_2d_s8_dsp_direct", _DSP, common_bytes=700)
_WINOGRAD = (
    (winograd.LARGE, Kernel("conv_2d_s8_dsp_winograd", "conv_2d_s8_dsp_winograd", _DSP, common_bytes=768), 2200),
    (winograd.SMALL, Kernel("conv_2d_s8_dsp_winograd_2", "conv_2d_s8_dsp_winograd_2", _DSP, common_bytes=768), 1500),
)
_RV = frozenset({"muldiv"})
_RV_TWIN = Kernel("conv_2d_s8_rv_twin", "conv_2d_s8_rv_twin", _RV, common_bytes=1500)
_RV_WINOGRAD = Kernel("conv_2d_s8_rv_winograd", "conv_2d_s8_rv_winograd", _RV, common_bytes=800)
_DSP_2X4 = Kernel("conv_2d_s8_dsp_2x4", "conv_2d_s8_dsp_2x4", _DSP, common_bytes=940)
#: inputs that conv_2d_s8_dsp_eight.h has in registers
_EIGHT_INPUTS = 8
_EIGHT = Kernel("conv_2d_s8_dsp_eight", "conv_2d_s8_dsp_eight", _DSP)
_DSP_3X2 = Kernel("conv_2d_s8_dsp_3x2", "conv_2d_s8_dsp_3x2", _DSP, common_bytes=500)
_KRONECKER = Kernel("conv_2d_s8_dsp_kronecker", "conv_2d_s8_dsp_kronecker", _DSP, common_bytes=670)

#: pixels for which a kernel reads its constants once, by its function
_PIXELS = {
    _LITERAL.function: 2,
    _DSP_LITERAL.function: 2,
    _DIRECT.function: 2,
    _DSP_2X4.function: 2,
    _DSP_3X2.function: 3,
    _EIGHT.function: 1,
    _KRONECKER.function: kronecker.PIXELS,
    _RV_TWIN.function: twin.PIXELS,
}


@dataclass(frozen=True)
class Attributes(Window):
    """A window and the fused activation's name. Groups follow from the shapes: input channels / filter channels."""

    activation: str


def read(options: Any, operator: Operator, tensors: Tensors) -> Attributes:
    """From Conv2DOptions."""
    inputs, weights = checks.operand(operator, tensors, 0), checks.operand(operator, tensors, 1)
    checks.check_rank(operator, inputs, 4)
    checks.check_rank(operator, weights, 4)
    _, height, width, _ = inputs.shape
    _, filter_h, filter_w, _ = weights.shape
    window = read_window(options, operator, (height, width), (filter_h, filter_w))
    return Attributes(**asdict(window), activation=read_activation(options.FusedActivationFunction(), operator))


def check(operator: Operator, tensors: Tensors) -> None:
    """Filters are [output channels, height, width, input channels / groups]."""
    inputs, weights, _, output = weighted.operands(operator, tensors)
    for tensor in (inputs, weights, output):
        checks.check_rank(operator, tensor, 4)
    batches, height, width, input_c = inputs.shape
    output_c, filter_h, filter_w, filter_c = weights.shape
    weighted.check_types(operator, tensors, 0, output_c)
    if min(weights.shape) < 1 or input_c % filter_c or output_c % (input_c // filter_c):
        raise BadInput(
            f"filters {list(weights.shape)} do not divide {input_c} input channels into groups",
            where=checks.where(operator, weights),
        )
    size = operator.attributes.output_size((height, width), (filter_h, filter_w))
    checks.check_shape(operator, output, (batches, *size, output_c))


def macs(operator: Operator, tensors: Tensors) -> int:
    _, weights, _, output = weighted.operands(operator, tensors)
    return output.elements * math.prod(weights.shape[1:])


def _sums(operator: Operator, tensors: Tensors, values: Array, filters: Array) -> Array:
    """Int64 sums of products in the output's shape, without bias: one matrix product per filter tap, in double, which
    holds every sum of int8 products."""
    source, weights, _, output = weighted.operands(operator, tensors)
    window: Attributes = operator.attributes
    output_c, filter_h, filter_w, filter_c = weights.shape
    groups = source.shape[3] // filter_c
    batches, height, width, _ = output.shape
    padded = pad(window, values.astype(np.float64) - source.zero_point)
    grouped = filters.reshape(groups, output_c // groups, filter_h, filter_w, filter_c).astype(np.float64)
    sums = np.zeros((groups, batches * height * width, output_c // groups))
    for y in range(filter_h):
        for x in range(filter_w):
            tap = at_tap(window, padded, y, x, height, width).reshape(-1, groups, filter_c)
            sums += tap.transpose(1, 0, 2) @ grouped[:, :, y, x].transpose(0, 2, 1)
    return sums.transpose(1, 0, 2).reshape(output.shape).astype(np.int64)


def _terms(operator: Operator, tensors: Tensors, values: Array) -> Iterator[Array]:
    """By taps, then by a group's input channels."""
    _, weights, _, output = weighted.operands(operator, tensors)
    assert weights.data is not None
    window: Attributes = operator.attributes
    output_c, filter_h, filter_w, filter_c = weights.shape
    groups = values.shape[3] // filter_c
    padded = pad(window, values)
    grouped = weights.data.astype(np.float32).reshape(groups, output_c // groups, filter_h, filter_w, filter_c)
    for y in range(filter_h):
        for x in range(filter_w):
            tap = at_tap(window, padded, y, x, *output.shape[1:3])
            for c in range(filter_c):
                products = tap[..., c::filter_c, None] * grouped[:, :, y, x, c]
                yield products.reshape(output.shape)


reference = weighted.reference(_sums, _terms)
bounds = weighted.bounds(_sums)


def calls(operator: Operator, tensors: Tensors, features: frozenset[str]) -> list[Call]:
    """A filter that covers its whole input is a matrix, and runs as one."""
    source, weights, _, output = weighted.operands(operator, tensors)
    image = _geometry(operator, source, weights, output)
    if hybrid.computes(source, weights):
        return [_hybrid(operator, tensors, image, features)]
    if floats.computes(source):
        return [_float(operator, tensors, image, features)]
    sums, form = weighted.settled(operator, tensors, weighted.centred(weights).reshape(weights.shape[0], -1))
    geometry = _one_row(image)
    if weights.shape[1:] == source.shape[1:] and output.shape[1:3] == (1, 1) and not _is_padded(operator):
        return row_calls(source, output, sums, form, 0, features)
    found = [_portable(kernel, geometry, image, source, output, sums, form, features) for kernel in (_LITERAL, _SHARED)]
    if features >= _DSP and channel_pairs.fit(sums, form, geometry["groups"]):
        if fits_bytes(sums):
            kernels = (_DSP_LITERAL, _DSP_SHARED)
            found += [_dsp(kernel, geometry, image, source, output, sums, form) for kernel in kernels]
        if geometry["groups"] == geometry["dilation_w"] == 1 and geometry["output_c"] % 2 == 0:
            found.append(_dsp_3x2(geometry, image, source, output, sums, form))
    if features >= _DSP and direct.fits(geometry, sums, form):
        found.append(_direct(geometry, image, source, output, sums, form))
    if features >= _DSP:
        found += [
            _winograd(transform, kernel, code, geometry, source, output, sums, form)
            for transform, kernel, code in _WINOGRAD
            if winograd.fits(transform, geometry, sums, form)
        ]
    if features >= _DSP and geometry["groups"] == geometry["dilation_w"] == 1 and short_pairs.fit(sums, form):
        found.append(_dsp_2x4(geometry, image, source, output, sums, form))
        if geometry["input_c"] == _EIGHT_INPUTS and _is_pointwise(image) and short_pairs.fit_relu(sums, form, output):
            found.append(_eight(geometry, image, source, output, sums, form))
    if features >= _DSP and kronecker.fits(geometry, sums, form, output.zero_point):
        found.append(_kronecker(geometry, source, output, sums, form))
    if features >= _RV and twin.fits(geometry, sums, form):
        found.append(_rv_twin(geometry, image, source, output, sums, form))
    if features >= _RV and rv_winograd.fits(geometry, sums, form):
        found.append(_rv_winograd(geometry, source, output, sums, form))
    return sorted((_counted(call, geometry) for call in found), key=lambda call: call.instructions)


def _counted(call: Call, geometry: Mapping[str, int]) -> Call:
    """The call with its passes over its constants."""
    pixels = _PIXELS.get(call.kernel.function)
    if pixels is None:
        return call
    return replace(call, passes=geometry["batches"] * geometry["output_h"] * -(-geometry["output_w"] // pixels))


def _direct(
    geometry: dict[str, int],
    image: dict[str, int],
    source: Tensor,
    output: Tensor,
    sums: Sums,
    form: Requantization,
) -> Call:
    """Two pixels by four channels, without scratch: see conv_2d_s8_dsp_direct.h."""
    padding = np.full(direct.padding_bytes(geometry), source.zero_point, np.int8)
    call = Call(
        _DIRECT,
        inputs=(source.index,),
        outputs=(output.index,),
        shape=(*((n, v) for n, v in geometry.items() if n != "groups"), ("clamped", int(form.clamped))),
        parameters=(("low", form.low), ("high", form.high)),
        constants=(
            Constant("weights", direct.weights(sums)),
            Constant("requantization", direct.records(sums, form)),
            Constant("padding", padding),
        ),
        in_place=(overlap(geometry, 2, packed=False),),
        instructions=direct.instructions(geometry),
        code_bytes=600,
    )
    return _banded(call, image, row_overlap(image, 2, False), direct.instructions(image))


def _winograd(
    transform: winograd.Transform,
    kernel: Kernel,
    code_bytes: int,
    geometry: dict[str, int],
    source: Tensor,
    output: Tensor,
    sums: Sums,
    form: Requantization,
) -> Call:
    """Two tiles of pixels by four channels: see conv_2d_s8_dsp_winograd.h."""
    shape = {name: geometry[name] for name in winograd.SHAPE}
    return Call(
        kernel,
        inputs=(source.index,),
        outputs=(output.index,),
        shape=(*shape.items(), ("clamped", int(form.clamped))),
        parameters=(("input_zero_point", source.zero_point), ("low", form.low), ("high", form.high)),
        constants=(
            Constant("weights", winograd.weights(transform, sums)),
            Constant("requantization", winograd.records(transform, sums, form)),
        ),
        scratch_bytes=winograd.scratch_bytes(transform, shape),
        in_place=(winograd.overlap(transform, shape),),
        instructions=winograd.instructions(transform, shape),
        code_bytes=code_bytes,
        passes=winograd.passes(transform, shape),
    )


def _kronecker(geometry: dict[str, int], source: Tensor, output: Tensor, sums: Sums, form: Requantization) -> Call:
    """Five pixels of one input channel by one channel: see conv_2d_s8_dsp_kronecker.h."""
    shape = {name: geometry[name] for name in kronecker.SHAPE}
    call = Call(
        _KRONECKER,
        inputs=(source.index,),
        outputs=(output.index,),
        shape=tuple(shape.items()),
        parameters=(("input_zero_point", source.zero_point),),
        constants=(Constant("weights", kronecker.stream(geometry, sums, form)),),
        scratch_bytes=kronecker.scratch_bytes(shape),
        in_place=(None,),
        instructions=kronecker.instructions(shape),
        code_bytes=450,
    )
    return _banded(call, geometry, None, call.instructions)


def _dsp_2x4(
    geometry: dict[str, int],
    image: dict[str, int],
    source: Tensor,
    output: Tensor,
    sums: Sums,
    form: Requantization,
) -> Call:
    """Two pixels by four channels: see conv_2d_s8_dsp_2x4.h."""
    relu = short_pairs.fit_relu(sums, form, output)
    runs, length = geometry["filter_h"], geometry["filter_w"] * geometry["input_c"]
    shape = {name: value for name, value in geometry.items() if name not in ("groups", "dilation_w")}
    call = Call(
        _DSP_2X4,
        inputs=(source.index,),
        outputs=(output.index,),
        shape=(*shape.items(), ("relu", int(relu))),
        parameters=(("input_zero_point", source.zero_point),),
        constants=(Constant("weights", short_pairs.stream(sums, form, runs, relu)),),
        scratch_bytes=8 * runs * len(short_pairs.order(length)),
        in_place=(overlap(geometry, 2, packed=True),),
        instructions=_dsp_2x4_instructions(relu, geometry),
        code_bytes=250 if geometry["filter_h"] * geometry["filter_w"] == 1 else 900,
    )
    return _banded(call, image, row_overlap(image, 2, True), _dsp_2x4_instructions(relu, image))


def _eight(
    geometry: dict[str, int],
    image: dict[str, int],
    source: Tensor,
    output: Tensor,
    sums: Sums,
    form: Requantization,
) -> Call:
    """A pixel's inputs in registers: see conv_2d_s8_dsp_eight.h."""
    call = Call(
        _EIGHT,
        inputs=(source.index,),
        outputs=(output.index,),
        shape=tuple((name, geometry[name]) for name in ("output_h", "output_w", "output_c")),
        constants=(Constant("weights", short_pairs.rows(sums, form)),),
        in_place=(overlap(geometry, 1, packed=True),),
        instructions=_eight_instructions(geometry),
        # its own 34, and what was measured that one function more costs beside a shared one
        code_bytes=110,
        parts=((f"{_EIGHT.function}_run", 188),),
    )
    return _banded(call, image, row_overlap(image, 1, True), _eight_instructions(image))


def _eight_instructions(geometry: Mapping[str, int]) -> int:
    """As its header's lines are."""
    blocks = geometry["output_c"] // short_pairs.BLOCK
    return geometry["output_h"] * (20 + geometry["output_w"] * (14 + 34 * blocks))


def _dsp_2x4_instructions(relu: bool, geometry: Mapping[str, int]) -> int:
    """Fitted to counts on an emulated Cortex-M4, GCC 12 at -O3."""
    runs, length = geometry["filter_h"], geometry["filter_w"] * geometry["input_c"]
    pairs = runs * -(-length // 2)
    tiles = geometry["batches"] * geometry["output_h"] * -(-geometry["output_w"] // 2)
    unpacking = 2 * runs * (5 * (length // 4) + 2 * (length % 4) + 3) * (1 + 0.8 * _border(geometry))
    channels = geometry["output_c"] // short_pairs.BLOCK * (11 * pairs + 3 * -(-pairs // 16) + (34 if relu else 52))
    return int(tiles * (channels + unpacking + 30))


def _dsp_3x2(
    geometry: dict[str, int],
    image: dict[str, int],
    source: Tensor,
    output: Tensor,
    sums: Sums,
    form: Requantization,
) -> Call:
    """Three pixels by two channels: see conv_2d_s8_dsp_3x2.h."""
    relu = output.zero_point == -128
    runs, length = geometry["filter_h"], geometry["filter_w"] * geometry["input_c"]
    shape = {name: value for name, value in geometry.items() if name not in ("groups", "dilation_w")}
    call = Call(
        _DSP_3X2,
        inputs=(source.index,),
        outputs=(output.index,),
        shape=(*shape.items(), ("relu", int(relu)), ("clamped", int(form.clamped))),
        parameters=(("input_zero_point", source.zero_point), ("low", form.low), ("high", form.high)),
        constants=(Constant("weights", channel_pairs.stream(sums, form, runs)),),
        scratch_bytes=24 * runs * -(-length // 4),
        in_place=(overlap(geometry, 3, packed=True),),
        instructions=_dsp_3x2_instructions(relu, geometry),
        code_bytes=250 if geometry["filter_h"] * geometry["filter_w"] == 1 else 900,
    )
    return _banded(call, image, row_overlap(image, 3, True), _dsp_3x2_instructions(relu, image))


def _dsp_3x2_instructions(relu: bool, geometry: Mapping[str, int]) -> int:
    """Fitted to counts on an emulated Cortex-M4, GCC 12 at -O3."""
    runs, length = geometry["filter_h"], geometry["filter_w"] * geometry["input_c"]
    quads = runs * -(-length // 4)
    tiles = geometry["batches"] * geometry["output_h"] * -(-geometry["output_w"] // 3)
    unpacking = runs * (14 * (length // 4) + 20 * (length % 4) + 12) * (1 + 3 * _border(geometry))
    channels = geometry["output_c"] // 2 * (17 * quads + 3 * -(-quads // 4) + (46 if relu else 52))
    return int(tiles * (channels + unpacking + 45))


def _dsp(
    kernel: Kernel,
    geometry: dict[str, int],
    image: dict[str, int],
    source: Tensor,
    output: Tensor,
    sums: Sums,
    form: Requantization,
) -> Call:
    """Two pixels by two channels: see conv_2d_s8_dsp.h for the order of the constants."""
    groups, filter_h, filter_w = geometry["groups"], geometry["filter_h"], geometry["filter_w"]
    merged = groups == 1 and geometry["dilation_w"] == 1
    by_run = sums.weights.reshape(len(sums.weights), filter_h if merged else filter_h * filter_w, -1)
    filled = np.pad(by_run, ((0, 0), (0, 0), (0, -by_run.shape[2] % 4))).reshape(len(by_run), -1)
    packed = channel_pairs.halfwords(blocks(filled, groups, 2))
    words = (blocks(v, groups, 2) for v in (biases_and_shifts(sums, form), sums.multipliers.astype(np.int32)))
    records = np.concatenate([w.reshape(-1, 2) for w in words], axis=1)
    call = Call(
        kernel,
        inputs=(source.index,),
        outputs=(output.index,),
        shape=(*geometry.items(), ("clamped", int(form.clamped))),
        parameters=_parameters(source, form),
        constants=(
            Constant("weights", packed.reshape(-1).view(np.int8)),
            Constant("requantization", records.reshape(-1)),
        ),
        scratch_bytes=4 * filled.shape[1],
        in_place=(overlap(geometry, 2, packed=groups == 1),),
        instructions=_dsp_instructions(kernel.literal, geometry),
        code_bytes=(250 if filter_h * filter_w == 1 else 700) if kernel.literal else 2860,
    )
    return _banded(call, image, row_overlap(image, 2, groups == 1), _dsp_instructions(kernel.literal, image))


def _dsp_instructions(literal: bool, geometry: Mapping[str, int]) -> int:
    """Fitted to counts on an emulated Cortex-M4, GCC 12 at -O3."""
    groups, taps, width = geometry["groups"], geometry["filter_w"], geometry["output_w"]
    merged = groups == 1 and geometry["dilation_w"] == 1
    runs = geometry["filter_h"] * (1 if merged else taps)
    quads = runs * -(-(taps if merged else 1) * geometry["input_c"] // groups // 4)
    pairs = groups * -(-geometry["output_c"] // groups // 2)
    rows = geometry["batches"] * geometry["output_h"]
    tiles, pixels = rows * -(-width // 2), rows * width * groups
    if literal:
        return tiles * pairs * (13 * quads + 42) + pixels * (21 * runs + 11 * quads // 2) + 80 * rows
    return tiles * (pairs * (13 * quads + 46) + 82 * groups) + pixels * (72 * runs + 7 * quads + 66)


def _rv_twin(
    geometry: dict[str, int],
    image: dict[str, int],
    source: Tensor,
    output: Tensor,
    sums: Sums,
    form: Requantization,
) -> Call:
    """Three pixels by four channels, two products in one multiply: see conv_2d_s8_rv_twin.h. Bands take one tile at a
    time, whole tensors several."""
    stream = twin.stream(sums, form)
    tiles = twin.tiles(geometry, len(stream))
    options = {"tiles": tiles, "rectified": int(output.zero_point == -128)}
    call = Call(
        _RV_TWIN,
        inputs=(source.index,),
        outputs=(output.index,),
        shape=(*((name, geometry[name]) for name in twin.SHAPE), *options.items()),
        parameters=(("input_zero_point", source.zero_point), ("low", form.low), ("high", form.high)),
        constants=(Constant("weights", stream),),
        scratch_bytes=twin.scratch_bytes(geometry, tiles),
        in_place=(twin.overlap(geometry, tiles),),
        instructions=twin.instructions(geometry, len(stream), tiles),
        code_bytes=350,
    )
    banded = _banded(
        replace(call, scratch_bytes=twin.scratch_bytes(geometry, 1)),
        {**image, "tiles": 1},
        row_overlap(image, twin.PIXELS, packed=True),
        twin.instructions({**image, "batches": image["output_h"], "output_h": 1}, len(stream), 1),
    )
    return replace(call, band=banded.band)


def _rv_winograd(geometry: dict[str, int], source: Tensor, output: Tensor, sums: Sums, form: Requantization) -> Call:
    """Four tiles of pixels by four channels: see conv_2d_s8_rv_winograd.h."""
    shape = rv_winograd.shape(geometry)
    rectified = int(output.zero_point == -128)
    return Call(
        _RV_WINOGRAD,
        inputs=(source.index,),
        outputs=(output.index,),
        shape=(*shape.items(), ("rectified", rectified)),
        parameters=(("input_zero_point", source.zero_point), ("low", form.low), ("high", form.high)),
        constants=(
            Constant("weights", rv_winograd.weights(sums)),
            Constant("requantization", rv_winograd.records(sums, form)),
        ),
        scratch_bytes=rv_winograd.scratch_bytes(shape),
        in_place=(rv_winograd.overlap(shape),),
        instructions=rv_winograd.instructions(shape),
        code_bytes=1500,
    )


def _portable(
    kernel: Kernel,
    geometry: dict[str, int],
    image: dict[str, int],
    source: Tensor,
    output: Tensor,
    sums: Sums,
    form: Requantization,
    features: frozenset[str],
) -> Call:
    """Two pixels, or one at the edges, by four channels: see conv_2d_s8.h for the order of the constants."""
    groups = geometry["groups"]
    packed = blocks(sums.weights.astype(np.int8), groups, BLOCK)
    products = packed.shape[1]
    call = Call(
        kernel,
        inputs=(source.index,),
        outputs=(output.index,),
        shape=(
            *geometry.items(),
            ("output_pitch", geometry["output_c"]),
            ("general", int(form.general)),
            ("clamped", int(form.clamped)),
        ),
        parameters=_parameters(source, form),
        constants=(
            Constant("weights", packed.reshape(-1, BLOCK, products).transpose(0, 2, 1).reshape(-1), 1),
            Constant("bias", blocks(sums.bias, groups, BLOCK)),
            Constant("multipliers", blocks(sums.multipliers.astype(np.int32), groups, BLOCK)),
            Constant("shifts", blocks(form.shifts, groups, BLOCK), 1),
        ),
        in_place=(overlap(geometry, 2, packed=False),),
        instructions=_portable_instructions(kernel.literal, geometry, features),
        code_bytes=(650 if geometry["filter_h"] * geometry["filter_w"] == 1 else 1500) if kernel.literal else 3230,
    )
    return _banded(call, image, row_overlap(image, 2, False), _portable_instructions(kernel.literal, image, features))


def _portable_instructions(literal: bool, geometry: Mapping[str, int], features: frozenset[str]) -> int:
    """Fitted to counts on an emulated Cortex-M4, GCC 12 at -O3; RV32IMC has no multiply and add in one."""
    groups, filter_h = geometry["groups"], geometry["filter_h"]
    count = groups * -(-geometry["output_c"] // groups // BLOCK)
    products = filter_h * geometry["filter_w"] * geometry["input_c"] // groups
    pairs, singles = (geometry["batches"] * geometry["output_h"] * n for n in _tiles(geometry))
    if literal:
        instructions = pairs * count * (18 * products + 44 * filter_h + 118)
        instructions += singles * count * (11 * products + 7 * filter_h + 275)
    else:
        instructions = pairs * (count * (18 * products + 50 * filter_h + 301) + 69)
        instructions += singles * count * (13 * products + 61 * filter_h + 242)
    return instructions * 10 // 7 if features >= _RV else instructions


def _float(operator: Operator, tensors: Tensors, image: dict[str, int], features: frozenset[str]) -> Call:
    """Two pixels, or one at the edges, by four channels: see conv_2d_f32.h."""
    source, weights, bias, output = weighted.operands(operator, tensors)
    assert weights.data is not None
    geometry = _one_row(image)
    call = Call(
        floats.kernel(NAME, weights),
        inputs=(source.index,),
        outputs=(output.index,),
        shape=(*geometry.items(), ("output_pitch", geometry["output_c"])),
        parameters=floats.parameters(operator.attributes.activation),
        constants=weighted.float_constants(
            weights.data.reshape(len(weights.data), -1), bias, geometry["groups"], BLOCK
        ),
        align=floats.BYTES,
        in_place=(floats.BYTES * overlap(geometry, 2, packed=False),),
        instructions=_float_instructions(geometry, weights, features),
        code_bytes=900,
    )
    return _banded(
        call, image, floats.BYTES * row_overlap(image, 2, False), _float_instructions(image, weights, features)
    )


def _hybrid(operator: Operator, tensors: Tensors, image: dict[str, int], features: frozenset[str]) -> Call:
    """Four channels of a pixel: see conv_2d_s8_f32.h."""
    source, weights, bias, output = weighted.operands(operator, tensors)
    assert weights.data is not None
    filters, scales = weights.data.reshape(len(weights.data), -1), hybrid.scales(weights, len(weights.data))
    return hybrid_call(
        source,
        output,
        {**image, "asymmetric": int(hybrid.is_asymmetric(operator, weights))},
        operator.attributes.activation,
        hybrid.constants(filters, scales, bias, image["groups"], BLOCK),
        features,
    )


def hybrid_call(
    source: Tensor,
    output: Tensor,
    shape: Mapping[str, int],
    activation: str,
    constants: tuple[Constant, ...],
    features: frozenset[str],
) -> Call:
    """conv_2d_s8_f32.h, for a fully connected layer, too: each row is an image of one pixel."""
    products = shape["filter_h"] * shape["filter_w"] * shape["input_c"] // shape["groups"]
    per_value, per_result = (16, 14) if "fpu" in features else (180, 250)
    return Call(
        Kernel("conv_2d_s8_f32", "conv_2d_s8_f32"),
        inputs=(source.index,),
        outputs=(output.index,),
        shape=tuple(shape.items()),
        parameters=floats.parameters(activation),
        constants=constants,
        scratch_bytes=source.elements // shape["batches"],
        align=floats.BYTES,
        in_place=(source.bytes if shape["batches"] == 1 else None,),
        instructions=round(source.elements * per_value + output.elements * (products * 3.5 + per_result)),
        code_bytes=1100,
    )


def _float_instructions(geometry: Mapping[str, int], weights: Tensor, features: frozenset[str]) -> int:
    """Estimated from the loops of conv_2d_f32.h."""
    products = geometry["filter_h"] * geometry["filter_w"] * geometry["input_c"] // geometry["groups"]
    pixels = geometry["batches"] * geometry["output_h"] * geometry["output_w"]
    per_product = floats.product_instructions(features, weights)
    return int(pixels * geometry["output_c"] * (products * per_product + 10))


def _banded(call: Call, image: dict[str, int], in_place: int | None, instructions: int) -> Call:
    """The call with the band that computes a row of `image`; batches have none."""
    if image["batches"] > 1:
        return call
    band = Band(
        shape=tuple((name, image.get(name, value)) for name, value in call.shape),
        height=image["output_h"],
        width=image["output_w"],
        windows=(row_window(image),),
        in_place=(in_place,),
        scratch_bytes=call.scratch_bytes,
        instructions=instructions,
    )
    return replace(call, band=band)


def _parameters(source: Tensor, form: Requantization) -> tuple[tuple[str, int], ...]:
    return (
        ("input_zero_point", source.zero_point),
        ("offset", form.offset),
        ("low", form.low),
        ("high", form.high),
    )


def _border(geometry: Mapping[str, int]) -> float:
    """Which share of the windows leaves the image, about."""
    share = 1.0
    for axis, before in (("h", "pad_top"), ("w", "pad_left")):
        reach = (geometry[f"filter_{axis}"] - 1) * geometry[f"dilation_{axis}"]
        starts = np.arange(geometry[f"output_{axis}"]) * geometry[f"stride_{axis}"] - geometry[before]
        share *= float(np.mean((starts >= 0) & (starts + reach < geometry[f"input_{axis}"])))
    return 1 - share


def _tiles(geometry: Mapping[str, int]) -> tuple[int, int]:
    """(pairs, single pixels) of an output row, as conv_2d_s8.h walks it."""
    stride, width = geometry["stride_w"], geometry["input_w"]
    reach = stride + (geometry["filter_w"] - 1) * geometry["dilation_w"]
    pairs = singles = 0
    while (x := 2 * pairs + singles) < geometry["output_w"]:
        column = x * stride - geometry["pad_left"]
        paired = x + 1 < geometry["output_w"] and column >= 0 and column + reach < width
        pairs, singles = (pairs + 1, singles) if paired else (pairs, singles + 1)
    return pairs, singles


def _geometry(operator: Operator, source: Tensor, weights: Tensor, output: Tensor) -> dict[str, int]:
    """The shape members that describe the loops."""
    window: Attributes = operator.attributes
    batches, input_h, input_w, input_c = source.shape
    _, output_h, output_w, output_c = output.shape
    _, filter_h, filter_w, filter_c = weights.shape
    return {
        "batches": batches,
        "input_h": input_h,
        "input_w": input_w,
        "input_c": input_c,
        "output_h": output_h,
        "output_w": output_w,
        "output_c": output_c,
        "filter_h": filter_h,
        "filter_w": filter_w,
        "groups": input_c // filter_c,
        "stride_h": window.stride_h,
        "stride_w": window.stride_w,
        "dilation_h": window.dilation_h if filter_h > 1 else 1,
        "dilation_w": window.dilation_w if filter_w > 1 else 1,
        "pad_top": window.pad_top,
        "pad_left": window.pad_left,
    }


def _is_pointwise(image: Mapping[str, int]) -> bool:
    """Whether each pixel is made of the one in its place."""
    alike = all(image[f"input_{axis}"] == image[f"output_{axis}"] for axis in "hw")
    return alike and all(image[f"{name}_{axis}"] == 1 for name in ("filter", "stride") for axis in "hw")


def _one_row(image: dict[str, int]) -> dict[str, int]:
    """Pixels of a 1×1 convolution without stride or padding as one long row."""
    if not _is_pointwise(image):
        return image
    pixels = image["batches"] * image["input_h"] * image["input_w"]
    return {**image, "batches": 1, "input_h": 1, "output_h": 1, "input_w": pixels, "output_w": pixels}


def _is_padded(operator: Operator) -> bool:
    window: Attributes = operator.attributes
    return max(window.pad_top, window.pad_bottom, window.pad_left, window.pad_right) > 0
