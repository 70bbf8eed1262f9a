"""Float32: checks, activations, exponentials and calls of operators that compute in it, as TensorFlow Lite Micro does:
sums in the order of its reference kernels, every product rounded before it is added."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence

import numpy as np

from shoal.errors import BadInput, Unsupported
from shoal.operators.activation import RANGES
from shoal.operators.base import Bounds, Constant, Kernel, Operator, Tensors
from shoal.operators.checks import where
from shoal.tensors import Array, Tensor

#: bytes of a value
BYTES = 4

#: how far ends made of exponentials may be from TensorFlow Lite Micro's, as a share of the value: its C library's
#: exponential is another one than exp_f32.h's
EXP_TOLERANCE = 1e-6

_LARGEST = float(np.finfo(np.float32).max)

#: rows of terms, in the order in which they are added: float32, broadcast against the output
Terms = Iterable[Array]


def computes(tensor: Tensor) -> bool:
    """Whether an operator on this tensor computes in float32."""
    return tensor.dtype == "float32"


def check(operator: Operator, *tensors: Tensor) -> None:
    for tensor in tensors:
        if tensor.dtype != "float32":
            raise Unsupported(
                f"{tensor.dtype} where float32 is due",
                where=where(operator, tensor),
                advice="convert the whole model to float32, or quantize all of it to int8",
            )


def check_constant(operator: Operator, tensor: Tensor | None, channels: int) -> None:
    """A float32 constant of so many finite values; or none at all."""
    if tensor is None:
        return
    check(operator, tensor)
    check_weights(operator, tensor)
    if tensor.elements != channels:
        raise BadInput(f"{tensor.elements} elements where {channels} channels are due", where=where(operator, tensor))


def check_weights(operator: Operator, tensor: Tensor) -> None:
    """A constant of finite values."""
    if tensor.data is None:
        raise Unsupported(
            "a constant that is computed at run time",
            where=where(operator, tensor),
            advice="make weights and biases constants",
        )
    if not np.isfinite(tensor.data).all():
        raise BadInput("a value that is not finite", where=where(operator, tensor), advice="train the model again")


def limits(activation: str) -> tuple[float, float]:
    """The smallest and largest float32 that a fused activation lets through."""
    low, high = RANGES[activation]
    return (low if math.isfinite(low) else -_LARGEST, high if math.isfinite(high) else _LARGEST)


def clamp(values: Array, activation: str) -> Array:
    """As clamp_f32 of firmware/kernels/float_32.h: which zero it is, is kept."""
    low, high = (np.float32(limit) for limit in limits(activation))
    above = np.where(values < low, low, values)
    return np.asarray(np.where(high < above, high, above), np.float32)


def parameters(activation: str) -> tuple[tuple[str, float], ...]:
    """The members `low` and `high` of a kernel's args."""
    low, high = limits(activation)
    return (("low", low), ("high", high))


def total(terms: Terms, shape: tuple[int, ...]) -> Array:
    """Terms added one by one, from zero."""
    result = np.zeros(shape, np.float32)
    for term in terms:
        result = result + term
    return result


def blocks(values: Array, groups: int, multiple: int) -> Array:
    """[channels, …] with each group's channels filled up with zeros to a multiple."""
    grouped = values.reshape(groups, len(values) // groups, -1)
    filled = np.pad(grouped, ((0, 0), (0, -grouped.shape[1] % multiple), (0, 0)))
    return np.ascontiguousarray(filled.reshape(-1, grouped.shape[2]))


def weights_constant(values: Array) -> Constant:
    """Weights of a kernel: float32, or float16 as the words that hold its bits."""
    values = np.ascontiguousarray(values).reshape(-1)
    return Constant("weights", values.view(np.uint16) if values.dtype == np.float16 else values, values.itemsize)


def kernel(name: str, weights: Tensor) -> Kernel:
    """Of the operator's family for weights of this dtype."""
    stem = f"{name}_f16_f32" if weights.dtype == "float16" else f"{name}_f32"
    return Kernel(stem, stem)


def unless_float(bounds: Bounds) -> Bounds:
    """`bounds` of an operator in int8; not known in float32."""

    def limits(
        operator: Operator, tensors: Tensors, low: Sequence[Array], high: Sequence[Array]
    ) -> tuple[list[Array], list[Array]] | None:
        return None if computes(tensors[operator.outputs[0]]) else bounds(operator, tensors, low, high)

    return limits


def product_instructions(features: frozenset[str], weights: Tensor) -> float:
    """Of one product and its addition, about: with a float unit, or by the compiler's library."""
    widening = 1.0 if weights.dtype == "float16" else 0.0
    return 3.2 + widening if "fpu" in features else 110.0 + 30 * widening


def exp(x: Array) -> Array:
    """exp_f32 of firmware/kernels/exp_f32.h, bit for bit."""
    single: Callable[[float], np.float32] = np.float32
    x = np.minimum(x.astype(np.float32), single(88.0))
    kept = np.where(x > single(-104.0), x, single(0.0))
    turns = kept * single(1.44269504)
    n = np.trunc(turns + np.where(turns < 0, single(-0.5), single(0.5))).astype(np.int32)
    whole = n.astype(np.float32)
    r = (kept - whole * single(0.693359375)) - whole * single(-2.12194440e-4)
    p = np.full_like(r, single(1.9875691500e-4))
    for term in (1.3981999507e-3, 8.3334519073e-3, 4.1665795894e-2, 1.6666665459e-1, 5.0000001201e-1):
        p = p * r + single(term)
    p = (p * (r * r) + r) + single(1.0)
    half = np.trunc(n / 2).astype(np.int32)
    power = p * np.ldexp(single(1.0), half) * np.ldexp(single(1.0), n - half)
    return np.asarray(np.where(x > single(-104.0), power, single(0.0)), np.float32)
