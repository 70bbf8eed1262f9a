"""AVERAGE_POOL_2D: the mean of what a window holds, halves away from zero."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from shoal.operators.activation import activation_range
from shoal.operators.base import Call, Operator, Tensors, monotone
from shoal.operators.checks import operand, single_output
from shoal.operators.pooling import Pool, check_pool, is_whole, pool_calls, read_pool, taps
from shoal.tensors import Array

NAME = "average_pool_2d"


def read(options: Any, operator: Operator, tensors: Tensors) -> Pool:
    return read_pool(options, operator, tensors)


def check(operator: Operator, tensors: Tensors) -> None:
    check_pool(operator, tensors)


def macs(operator: Operator, tensors: Tensors) -> int:
    return 0


def reference(operator: Operator, tensors: Tensors, inputs: Sequence[Array]) -> list[Array]:
    pool: Pool = operator.attributes
    x = inputs[0].astype(np.int32)
    total = sum(taps(pool, x, 0), np.int32(0))
    count = sum(taps(pool, np.ones((1, *x.shape[1:3], 1), np.int32), 0), np.int32(0))
    magnitude = (np.abs(total) + count // 2) // count
    limits = activation_range(pool.activation, single_output(operator, tensors))
    return [np.asarray(np.clip(np.sign(total) * magnitude, *limits), np.int8)]


bounds = monotone(reference)


def calls(operator: Operator, tensors: Tensors, features: frozenset[str]) -> list[Call]:
    input_ = operand(operator, tensors, 0)
    pool: Pool = operator.attributes
    words = input_.shape[3] % 4 == 0
    small = pool.filter_h * pool.filter_w <= 9  # the compiler unrolls these
    per_tap = (2.0 if pool.padded else 1.5 if small else 2.0) if words else 2.5
    whole = is_whole(pool, input_, single_output(operator, tensors))
    code_bytes = 250 if whole or not words else 1050 if pool.padded else 900
    return pool_calls("average_pool_2d_s8", operator, tensors, per_tap, 9.5 if words else 7.0, code_bytes)
