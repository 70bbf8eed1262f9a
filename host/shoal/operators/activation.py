"""Activations that TFLite fuses into an operator: their names and the clamps they mean on a quantized output."""

from __future__ import annotations

import math

import numpy as np

from shoal.errors import Unsupported
from shoal.operators.base import Operator
from shoal.operators.checks import where
from shoal.tensors import Tensor

#: fused activations by TFLite's ActivationFunctionType, with the real range each one keeps
RANGES = {
    "none": (-math.inf, math.inf),
    "relu": (0.0, math.inf),
    "relu_n1_to_1": (-1.0, 1.0),
    "relu6": (0.0, 6.0),
}
_CODES = dict(enumerate(RANGES))
_REFUSED = {4: "tanh", 5: "sign_bit"}


def read_activation(code: int, operator: Operator) -> str:
    """The name of a fused activation; Unsupported for those that no kernel runs."""
    if code not in _CODES:
        raise Unsupported(
            f"fused activation {_REFUSED.get(code, code)} is not supported",
            where=where(operator),
            advice="shoal fuses none, relu, relu6 and relu_n1_to_1: convert the activation as an operator of its own",
        )
    return _CODES[code]


def activation_range(activation: str, output: Tensor) -> tuple[int, int]:
    """The smallest and largest int8 value that the fused activation lets through.

    TFLM's CalculateActivationRangeQuantized: bounds are divided by the scale in float32 and rounded half away from
    zero."""
    low, high = -128, 127
    scale, zero_point = np.float32(output.scale), output.zero_point

    def quantized(bound: float) -> int:
        ratio = float(np.float32(bound) / scale)
        return zero_point + int(math.copysign(math.floor(abs(ratio) + 0.5), ratio))

    real_low, real_high = RANGES[activation]
    if math.isfinite(real_low):
        low = max(low, quantized(real_low))
    if math.isfinite(real_high):
        high = min(high, quantized(real_high))
    return low, high
