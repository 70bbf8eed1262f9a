"""Fused activations: names, refusals and clamps."""

from __future__ import annotations

import pytest

from shoal.errors import Unsupported
from shoal.operators.activation import activation_range, read_activation
from shoal.operators.base import Operator
from shoal.tensors import Quantization, Tensor

CONV = Operator(3, "conv_2d", (0, 1), (2,), None)


def output(scale: float, zero_point: int) -> Tensor:
    return Tensor(2, "out", (1,), "int8", Quantization((scale,), (zero_point,)))


@pytest.mark.parametrize(
    ("activation", "scale", "zero_point", "expected"),
    [
        ("none", 0.5, 3, (-128, 127)),
        ("relu", 0.5, 3, (3, 127)),
        ("relu", 0.5, -128, (-128, 127)),
        ("relu6", 0.1, -128, (-128, -68)),
        ("relu6", 0.01, 0, (0, 127)),
        ("relu_n1_to_1", 0.4, 5, (2, 8)),
        ("relu_n1_to_1", 0.001, 5, (-128, 127)),
    ],
)
def test_clamps(activation: str, scale: float, zero_point: int, expected: tuple[int, int]) -> None:
    assert activation_range(activation, output(scale, zero_point)) == expected


def test_codes_are_tflites() -> None:
    assert [read_activation(code, CONV) for code in range(4)] == ["none", "relu", "relu_n1_to_1", "relu6"]


@pytest.mark.parametrize("code", [4, 5, 17])
def test_others_are_refused_by_name(code: int) -> None:
    with pytest.raises(Unsupported, match="operator 3 conv_2d: fused activation"):
        read_activation(code, CONV)
