"""Made-up inputs: the shared generator's, and those at the ends of what a dtype holds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from shoal.tensors import Array


def made_up(inputs: Sequence[Mapping[str, Any]], count: int) -> list[tuple[Array, ...]]:
    """`count` rows for a manifest's `inputs`: pseudo-random ones, then the lowest, the highest and the zero value
    everywhere."""
    from shoal.bench.inputs import generator

    flat = [tuple(_filled(t, kind) for t in inputs) for kind in ("low", "high", "zero")]
    seeds = range(1, max(0, count - len(flat)) + 1)
    random = [tuple(generator(inputs, seed)) for seed in seeds]
    return [*random, *flat][:count]


def _filled(tensor: Mapping[str, Any], kind: str) -> Array:
    if tensor["dtype"] == "float32":
        value: float = {"low": -1.0, "high": 1.0, "zero": 0.0}[kind]
    else:
        info = np.iinfo(tensor["dtype"])
        value = {"low": info.min, "high": info.max, "zero": tensor["zero_point"] or 0}[kind]
    return np.full(tensor["shape"], value, tensor["dtype"])
