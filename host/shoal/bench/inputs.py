"""The default input: a fixed stream of bytes from a linear congruential generator, the same for every model."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import prod
from typing import Any

import numpy as np

from shoal.tensors import Array

_FACTOR, _SUMMAND = 1664525, 1013904223
_MASK = 0xFFFFFFFF


class Generator:
    """x ← x · 1664525 + 1013904223 (mod 2^32) per value, which is its upper eight bits as int8."""

    def __init__(self, seed: int = 1) -> None:
        self._state = seed & _MASK

    def take(self, count: int) -> Array:
        """The next `count` values, int8."""
        states = np.empty(count, np.uint32)
        if count == 0:
            return states.astype(np.int8)
        states[0] = (self._state * _FACTOR + _SUMMAND) & _MASK
        done, factor, summand = 1, _FACTOR, _SUMMAND
        while done < count:
            # `done` steps at once are a step of the same form, with this factor and summand
            more = min(done, count - done)
            states[done : done + more] = states[:more] * np.uint32(factor) + np.uint32(summand)
            factor, summand = factor * factor & _MASK, (factor * summand + summand) & _MASK
            done += more
        self._state = int(states[-1])
        return (states >> np.uint32(24)).astype(np.uint8).view(np.int8)


def generator(tensors: Sequence[Mapping[str, Any]], seed: int = 1) -> list[Array]:
    """An input for each tensor of a manifest's `inputs`, in its shape and dtype: int8 as it comes, uint8 plus 128,
    float32 divided by 128; several inputs continue one stream."""
    stream = Generator(seed)
    inputs = []
    for tensor in tensors:
        values = stream.take(prod(tensor["shape"])).reshape(tensor["shape"])
        if tensor["dtype"] == "float32":
            inputs.append(values.astype(np.float32) / np.float32(128))
        elif tensor["dtype"] == "uint8":
            inputs.append((values.astype(np.int16) + 128).astype(np.uint8))
        else:
            inputs.append(values.astype(tensor["dtype"]))
    return inputs
