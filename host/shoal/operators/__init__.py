"""The operators shoal runs: one file each. `kind` finds one by its stem."""

from __future__ import annotations

from importlib import import_module
from typing import cast

from shoal.operators.base import OperatorKind

#: stems of this package's operator files: TFLite's names in lower case
NAMES = (
    "add",
    "average_pool_2d",
    "conv_2d",
    "depthwise_conv_2d",
    "dequantize",
    "fully_connected",
    "logistic",
    "max_pool_2d",
    "mean",
    "mul",
    "pad",
    "quantize",
    "reshape",
    "softmax",
)

#: of those that stand for parts of operators: rewrites make them, no model file has them
PARTS = ("add_sums", "fully_connected_sums", "requantize_sums")


def kind(name: str) -> OperatorKind:
    """The operator file of that stem; KeyError where shoal has none."""
    if name not in NAMES + PARTS:
        raise KeyError(name)
    return cast(OperatorKind, import_module(f"shoal.operators.{name}"))
