"""Checks that many operators share: each returns what it checked, or raises what the user reads."""

from __future__ import annotations

from shoal.errors import BadInput, Unsupported
from shoal.operators.base import Operator, Tensors
from shoal.tensors import Tensor


def where(operator: Operator, tensor: Tensor | None = None) -> str:
    """How errors name an operator of the model file, and one of its tensors."""
    index = operator.sources[0] if operator.sources else operator.index
    place = f"operator {index} {operator.kind}"
    return place if tensor is None else f"{place}, tensor {tensor.index} {tensor.name!r}"


def operand(operator: Operator, tensors: Tensors, position: int) -> Tensor:
    """The input at `position`, which must be there."""
    index = operator.inputs[position] if position < len(operator.inputs) else None
    if index is None:
        raise BadInput(f"input {position} is missing", where=where(operator), advice="convert the model again")
    return tensors[index]


def optional_operand(operator: Operator, tensors: Tensors, position: int) -> Tensor | None:
    """The input at `position`, None where the model leaves it out."""
    index = operator.inputs[position] if position < len(operator.inputs) else None
    return None if index is None else tensors[index]


def single_output(operator: Operator, tensors: Tensors) -> Tensor:
    """The only output."""
    if len(operator.outputs) != 1:
        raise BadInput(f"{len(operator.outputs)} outputs where one is due", where=where(operator))
    return tensors[operator.outputs[0]]


def check_rank(operator: Operator, tensor: Tensor, rank: int) -> None:
    if len(tensor.shape) != rank:
        raise BadInput(f"shape {list(tensor.shape)} where {rank} dimensions are due", where=where(operator, tensor))


def check_shape(operator: Operator, tensor: Tensor, shape: tuple[int, ...]) -> None:
    """The shape rule's verdict on an output or operand."""
    if tensor.shape != shape:
        raise BadInput(
            f"shape {list(tensor.shape)} where {list(shape)} is due",
            where=where(operator, tensor),
            advice="convert the model again; its shapes contradict each other",
        )


def check_int8(operator: Operator, tensor: Tensor) -> None:
    """An int8 activation with one scale and one zero point."""
    if tensor.dtype != "int8":
        raise Unsupported(
            f"{tensor.dtype} where int8 is due",
            where=where(operator, tensor),
            advice="quantize the whole model to int8 (post-training full integer quantization)",
        )
    check_quantized(operator, tensor)


def check_quantized(operator: Operator, tensor: Tensor) -> None:
    """One positive scale and one zero point inside the dtype's range."""
    quantization = tensor.quantization
    if quantization is None or len(quantization.scale) != 1 or len(quantization.zero_point) != 1:
        raise BadInput(
            "one scale and one zero point are due",
            where=where(operator, tensor),
            advice="quantize activations per tensor",
        )
    check_scales(operator, tensor)
    low, high = (0, 255) if tensor.dtype == "uint8" else (-128, 127)
    if tensor.dtype in ("int8", "uint8") and not low <= quantization.zero_point[0] <= high:
        raise BadInput(
            f"zero point {quantization.zero_point[0]} outside of {tensor.dtype}", where=where(operator, tensor)
        )


def check_scales(operator: Operator, tensor: Tensor) -> None:
    """Every scale positive and finite."""
    assert tensor.quantization is not None
    if not all(0.0 < scale < float("inf") for scale in tensor.quantization.scale):
        raise BadInput("a scale that is not positive and finite", where=where(operator, tensor))


def check_constant_weights(operator: Operator, weights: Tensor, axis: int, channels: int) -> None:
    """Int8 weights known at generation, symmetric, quantized as a whole or per channel along `axis`."""
    place = where(operator, weights)
    if weights.data is None:
        raise Unsupported("weights that are computed at run time", where=place, advice="make the weights constants")
    if weights.dtype != "int8":
        raise Unsupported(
            f"{weights.dtype} weights where int8 is due",
            where=place,
            advice="quantize the whole model to int8 (post-training full integer quantization)",
        )
    quantization = weights.quantization
    if quantization is None:
        raise BadInput("weights without a scale", where=place, advice="quantize the model again")
    if len(quantization.scale) not in (1, channels) or (quantization.per_channel and quantization.axis != axis):
        raise BadInput(
            f"{len(quantization.scale)} scales along dimension {quantization.axis}: one, or {channels} along dimension "
            f"{axis}, are due",
            where=place,
        )


def check_symmetric(operator: Operator, weights: Tensor) -> None:
    assert weights.quantization is not None
    if any(weights.quantization.zero_point):
        raise Unsupported(
            "weights whose zero point is not 0",
            where=where(operator, weights),
            advice="quantize weights symmetrically, as TFLite's int8 specification says",
        )


def check_bias(operator: Operator, bias: Tensor | None, channels: int) -> None:
    """No bias, or an int32 constant for each output channel."""
    if bias is None:
        return
    place = where(operator, bias)
    if bias.data is None:
        raise Unsupported("a bias that is computed at run time", where=place, advice="make the bias a constant")
    if bias.dtype != "int32":
        raise Unsupported(f"{bias.dtype} bias where int32 is due", where=place, advice="quantize activations to int8")
    if bias.elements != channels:
        raise BadInput(f"{bias.elements} elements where {channels} channels are due", where=place)
