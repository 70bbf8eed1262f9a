"""FULLY_CONNECTED: int8, per-tensor or per-channel weights, or float32; any batch, inputs of any rank."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from shoal.errors import BadInput, Unsupported
from shoal.operators import channel_pairs, checks, floats, hybrid, pieces, weighted
from shoal.operators.activation import read_activation
from shoal.operators.base import Call, Constant, Kernel, Operator, Tensors
from shoal.operators.requantization import Requantization, Sums, blocks
from shoal.tensors import Array, Tensor

NAME = "fully_connected"

#: outputs of a block of weights in fully_connected_s8.h
BLOCK = 4

_LITERAL = Kernel("fully_connected_s8", "fully_connected_s8")
_SHARED = Kernel("fully_connected_s8", "fully_connected_s8", literal=False)
_EIGHT = Kernel("fully_connected_s8", "fully_connected_s8_eight", common_bytes=450)
_DSP, _MULDIV = frozenset({"dsp"}), frozenset({"muldiv"})
_DSP_LITERAL = Kernel("fully_connected_s8_dsp", "fully_connected_s8_dsp", _DSP, common_bytes=338)
_DSP_SHARED = Kernel("fully_connected_s8_dsp", "fully_connected_s8_dsp", _DSP, literal=False, common_bytes=338)

#: outputs at once, of kernels that can compute some of them
_BLOCKS = {"fully_connected_s8": BLOCK, "fully_connected_s8_eight": 2 * BLOCK, "fully_connected_s8_dsp": 4}

_UNPACKED = Kernel("fully_connected_s8_dsp_unpacked", "fully_connected_s8_dsp_unpacked", _DSP, common_bytes=1060)


@dataclass(frozen=True)
class Attributes:
    """`keep_dims`: the output keeps all dimensions of the input but the last; else it is [batches, outputs].
    `asymmetric`: float32 inputs that int8 weights multiply are quantized with a zero point."""

    activation: str
    keep_dims: bool
    asymmetric: bool = False


def read(options: Any, operator: Operator, tensors: Tensors) -> Attributes:
    """From FullyConnectedOptions."""
    if options is None:
        raise BadInput("options are missing", where=checks.where(operator), advice="convert the model again")
    if options.WeightsFormat() != 0:
        raise Unsupported(
            "weights are shuffled for another processor",
            where=checks.where(operator),
            advice="convert the model again with default weights",
        )
    return Attributes(
        read_activation(options.FusedActivationFunction(), operator),
        bool(options.KeepNumDims()),
        bool(options.AsymmetricQuantizeInputs()),
    )


def check(operator: Operator, tensors: Tensors) -> None:
    """Weights are [outputs, inputs]; all dimensions of the input but the weights' are batches."""
    inputs, weights, _, output = weighted.operands(operator, tensors)
    checks.check_rank(operator, weights, 2)
    outputs, products = weights.shape
    per_channel = weights.quantization is not None and weights.quantization.per_channel
    weighted.check_types(operator, tensors, 0, outputs, symmetric=per_channel)
    if min(weights.shape) < 1 or not inputs.elements or inputs.elements % products:
        raise BadInput(
            f"shape {list(inputs.shape)} is not rows of the {products} inputs that the weights take",
            where=checks.where(operator, inputs),
        )
    if operator.attributes.keep_dims:
        checks.check_shape(operator, output, (*inputs.shape[:-1], outputs))
    elif not output.shape or output.shape[-1] != outputs or output.elements != inputs.elements // products * outputs:
        raise BadInput(
            f"shape {list(output.shape)} where {[inputs.elements // products, outputs]} is due",
            where=checks.where(operator, output),
        )


def macs(operator: Operator, tensors: Tensors) -> int:
    _, weights, _, output = weighted.operands(operator, tensors)
    return output.elements * weights.shape[1]


def _sums(operator: Operator, tensors: Tensors, values: Array, filters: Array) -> Array:
    """Int64 sums of products [rows, outputs], without bias: a matrix product in double, which holds every sum."""
    source = weighted.operands(operator, tensors)[0]
    rows = values.reshape(-1, filters.shape[1]).astype(np.float64) - source.zero_point
    return (rows @ filters.astype(np.float64).T).astype(np.int64)


def _terms(operator: Operator, tensors: Tensors, values: Array) -> Iterator[Array]:
    """By inputs."""
    _, weights, _, output = weighted.operands(operator, tensors)
    assert weights.data is not None
    rows, filters = values.reshape(-1, weights.shape[1]), weights.data.astype(np.float32)
    for i in range(weights.shape[1]):
        yield (rows[:, i, None] * filters[:, i]).reshape(output.shape)


reference = weighted.reference(_sums, _terms)
bounds = weighted.bounds(_sums)


def calls(operator: Operator, tensors: Tensors, features: frozenset[str]) -> list[Call]:
    source, weights, _, output = weighted.operands(operator, tensors)
    if hybrid.computes(source, weights):
        return [_hybrid(operator, tensors, features)]
    if floats.computes(source):
        return [_float(operator, tensors, features)]
    sums, form = weighted.settled(operator, tensors, weighted.centred(weights))
    found = row_calls(source, output, sums, form, weights.zero_point, features)
    found = [
        pieces.in_blocks(c, source, output, _BLOCKS[c.kernel.function]) if c.kernel.function in _BLOCKS else c
        for c in found
    ]
    found += pieces.accumulating(source, output, sums, form, weights.zero_point, features)
    return sorted(found, key=lambda call: call.instructions)


def _float(operator: Operator, tensors: Tensors, features: frozenset[str]) -> Call:
    """Four outputs at a time: see fully_connected_f32.h."""
    source, weights, bias, output = weighted.operands(operator, tensors)
    assert weights.data is not None
    outputs, products = weights.shape
    batches = output.elements // outputs
    return Call(
        floats.kernel(NAME, weights),
        inputs=(source.index,),
        outputs=(output.index,),
        shape=(("batches", batches), ("input_c", products), ("output_c", outputs)),
        parameters=floats.parameters(operator.attributes.activation),
        constants=weighted.float_constants(weights.data, bias, 1, BLOCK),
        align=floats.BYTES,
        in_place=(floats.BYTES * weighted.overlap(batches, products, outputs),),
        instructions=round(batches * outputs * (products * floats.product_instructions(features, weights) + 10)),
        code_bytes=300,
    )


def _hybrid(operator: Operator, tensors: Tensors, features: frozenset[str]) -> Call:
    """Each row as an image of one pixel: see conv_2d_s8_f32.h."""
    from shoal.operators.conv_2d import hybrid_call  # which runs matrices by this file

    source, weights, bias, output = weighted.operands(operator, tensors)
    assert weights.data is not None
    outputs, products = weights.shape
    spatial = ("input", "output", "filter", "stride", "dilation")
    ones = ("groups", *(f"{name}_{axis}" for name in spatial for axis in "hw"))
    members = dict.fromkeys(ones, 1) | {"batches": output.elements // outputs, "input_c": products}
    members |= {"output_c": outputs, "pad_top": 0, "pad_left": 0}
    members["asymmetric"] = int(hybrid.is_asymmetric(operator, weights))
    constants = hybrid.constants(weights.data, hybrid.scales(weights, outputs), bias, 1, BLOCK)
    return hybrid_call(source, output, members, operator.attributes.activation, constants, features)


def row_calls(
    source: Tensor, output: Tensor, sums: Sums, form: Requantization, weights_zero_point: int, features: frozenset[str]
) -> list[Call]:
    """The kernels that multiply rows of inputs by a matrix, whatever operator asks for it."""
    found = [
        _portable(k, source, output, sums, form, weights_zero_point, features) for k in (_EIGHT, _LITERAL, _SHARED)
    ]
    if features >= _DSP and channel_pairs.fit(sums, form, 1):
        if np.abs(sums.bias.astype(np.int64)).max() < 1 << 23:
            found += [_dsp(k, source, output, sums, form) for k in (_DSP_LITERAL, _DSP_SHARED)]
        found.append(_unpacked(source, output, sums, form))
    return sorted(found, key=lambda call: call.instructions)


def _dsp(kernel: Kernel, source: Tensor, output: Tensor, sums: Sums, form: Requantization) -> Call:
    """Four channels at a time: see fully_connected_s8_dsp.h for the order of the constants.

    Costs are fitted to counts on an emulated Cortex-M4, GCC 12 at -O3."""
    outputs, products = sums.weights.shape
    batches = output.elements // outputs
    packed, requantization = channel_pairs.fours(sums, form)
    count, rounds = len(requantization), -(-products // 8)
    scales, per_channel = _scales(sums, form, requantization)
    return Call(
        kernel,
        inputs=(source.index,),
        outputs=(output.index,),
        shape=(*_pairs_shape(batches, sums, form), ("per_channel", int(per_channel))),
        parameters=(("offset", form.offset), ("low", form.low), ("high", form.high)),
        constants=(
            Constant("weights", packed.reshape(-1).view(np.int8)),
            Constant("bias", _narrow(blocks(sums.bias, 1, BLOCK)), 1),
            Constant("scales", scales),
        ),
        scratch_bytes=8 * rounds if products % 8 else 0,
        in_place=(weighted.overlap(batches, products, outputs),),
        instructions=batches * (count * (34 * rounds + 56) + (40 if kernel.literal else 101)),
        code_bytes=48 if kernel.literal else 268,
    )


def _unpacked(source: Tensor, output: Tensor, sums: Sums, form: Requantization) -> Call:
    """The same from rows that are unpacked beforehand: see fully_connected_s8_dsp_unpacked.h.

    Costs are fitted to counts on an emulated Cortex-M4, GCC 12 at -O3."""
    outputs, products = sums.weights.shape
    batches = output.elements // outputs
    packed, requantization = channel_pairs.fours(sums, form)
    count, rounds = len(requantization), -(-products // 8)
    stream = np.concatenate([requantization[:, :4], packed.view(np.int32), requantization[:, 4:]], axis=1)
    return Call(
        _UNPACKED,
        inputs=(source.index,),
        outputs=(output.index,),
        shape=_pairs_shape(batches, sums, form),
        parameters=(("offset", form.offset), ("low", form.low), ("high", form.high)),
        constants=(Constant("weights", stream.reshape(-1)),),
        scratch_bytes=16 * rounds,
        in_place=(weighted.overlap(batches, products, outputs),),
        instructions=batches * (count * (27 * rounds + 3 * -(-rounds // 8) + 44) + 11 * rounds + 50),
        code_bytes=150,
    )


def _scales(sums: Sums, form: Requantization, requantization: Array) -> tuple[Array, bool]:
    """int32 [5 per block]: multipliers and shifts; of one block, and False, where they are the same for all."""
    same = len(np.unique(np.stack([sums.multipliers, form.shifts], axis=1), axis=0)) == 1
    if same and len(sums.bias) >= BLOCK:
        return np.ascontiguousarray(requantization[0, 4:]), False
    return np.ascontiguousarray(requantization[:, 4:]).reshape(-1), True


def _narrow(bias: Array) -> Array:
    """uint8: 24 bits of each, little endian, and one byte more."""
    return np.append(bias.astype("<i4").view(np.uint8).reshape(-1, 4)[:, :3].reshape(-1), np.uint8(0))


def _pairs_shape(batches: int, sums: Sums, form: Requantization) -> tuple[tuple[str, int], ...]:
    outputs, products = sums.weights.shape
    return (("batches", batches), ("input_c", products), ("output_c", outputs), ("clamped", int(form.clamped)))


def _portable(
    kernel: Kernel,
    source: Tensor,
    output: Tensor,
    sums: Sums,
    form: Requantization,
    weights_zero_point: int,
    features: frozenset[str],
) -> Call:
    """Four or eight channels at a time: see fully_connected_s8.h for the order of the constants.

    Costs are fitted to counts on an emulated Cortex-M4 and RV32IMC, which has no multiply and add in one, GCC 12 at
    -O3."""
    outputs, products = sums.weights.shape
    batches = output.elements // outputs
    block = 8 if kernel is _EIGHT else BLOCK
    riscv = features >= _MULDIV
    if block == 8:
        product, start, result = 26 if riscv else 20, 80, 20
    else:
        product, start, result = 16 if riscv else 12, 0, (24 if riscv else 16) if kernel.literal else 33
    packed = blocks(sums.weights + weights_zero_point, 1, block).astype(np.int8)
    return Call(
        kernel,
        inputs=(source.index,),
        outputs=(output.index,),
        shape=(
            ("batches", batches),
            ("input_c", products),
            ("output_c", outputs),
            ("asymmetric", int(weights_zero_point != 0)),
            ("general", int(form.general)),
            ("clamped", int(form.clamped)),
        ),
        parameters=(
            ("weights_zero_point", weights_zero_point),
            ("offset", form.offset),
            ("low", form.low),
            ("high", form.high),
        ),
        constants=(
            Constant("weights", packed.reshape(-1, block, products).transpose(0, 2, 1).reshape(-1), 1),
            Constant("bias", blocks(sums.bias, 1, block)),
            Constant("multipliers", blocks(sums.multipliers.astype(np.int32), 1, block)),
            Constant("shifts", blocks(form.shifts, 1, block), 1),
        ),
        in_place=(weighted.overlap(batches, products, outputs),),
        instructions=batches * (len(packed) // block * (products * product + start) + outputs * result),
        code_bytes=180 if kernel is _EIGHT else 350 if kernel.literal else 1036,
    )
