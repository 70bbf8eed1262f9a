"""MAX_POOL_2D: the largest value in a window."""

from __future__ import annotations

from collections.abc import Sequence
from functools import reduce
from typing import Any

import numpy as np

from shoal.operators import floats
from shoal.operators.activation import activation_range
from shoal.operators.base import Call, Operator, Tensors, monotone
from shoal.operators.checks import operand, single_output
from shoal.operators.pooling import Pool, check_pool, float_calls, pool_calls, read_pool, taps
from shoal.tensors import Array

NAME = "max_pool_2d"


def read(options: Any, operator: Operator, tensors: Tensors) -> Pool:
    return read_pool(options, operator, tensors)


def check(operator: Operator, tensors: Tensors) -> None:
    check_pool(operator, tensors)


def macs(operator: Operator, tensors: Tensors) -> int:
    return 0


def reference(operator: Operator, tensors: Tensors, inputs: Sequence[Array]) -> list[Array]:
    pool: Pool = operator.attributes
    if floats.computes(operand(operator, tensors, 0)):
        least = float(np.finfo(np.float32).min)
        return [floats.clamp(reduce(_larger, taps(pool, inputs[0], least)), pool.activation)]
    largest = reduce(np.maximum, taps(pool, inputs[0], -128))
    limits = activation_range(pool.activation, single_output(operator, tensors))
    return [np.asarray(np.clip(largest, *limits), np.int8)]


def _larger(a: Array, b: Array) -> Array:
    """Of two equal values, as zeros of both signs are, the first."""
    return np.where(a < b, b, a)


bounds = floats.unless_float(monotone(reference))


def calls(operator: Operator, tensors: Tensors, features: frozenset[str]) -> list[Call]:
    if floats.computes(operand(operator, tensors, 0)):
        return float_calls("max_pool_2d_f32", operator, tensors, features)
    words = operand(operator, tensors, 0).shape[3] % 4 == 0 and "dsp" in features
    pool: Pool = operator.attributes
    per_tap = (1.5 if pool.padded else 0.75) if words else (6.5 if pool.padded else 4.5)
    return pool_calls("max_pool_2d_s8", operator, tensors, per_tap, 1.0, 400 if pool.padded else 300)
