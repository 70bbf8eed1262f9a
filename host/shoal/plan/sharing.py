"""What the calls of one function have in common is literal in its code; the rest is data, in a record for each."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import replace

import numpy as np

from shoal.operators.base import Call
from shoal.plan.steps import instance

#: members of a shape or parameters of a call: name and value, None where calls differ
Members = tuple[tuple[str, int | float | None], ...]

#: what an integer of a record may be stored as, the narrowest first
_NARROW = ("uint8", "int8", "uint16", "int16")

#: shape members up to this (strides, taps, padding, flags) decide which loops and branches a function has
_STRUCTURAL = 3


def by_function(calls: Iterable[Call]) -> list[list[Call]]:
    """The calls of each generated function, in order of first use."""
    found: dict[object, list[Call]] = {}
    for call in calls:
        found.setdefault(instance(call), []).append(call)
    return list(found.values())


def by_rows(call: Call) -> Call:
    """The call as its band sees it: what it computes a single row with."""
    band = call.band
    assert band is not None, f"{call.kernel.function} has no band"
    return replace(call, shape=band.shape, scratch_bytes=band.scratch_bytes, state_bytes=band.state_bytes)


def common(every: Sequence[Sequence[tuple[str, int | float]]]) -> Members:
    """The members with the value that they have in every call, or None."""
    first, *others = every
    return tuple(
        (name, value if all(o[i][1] == value for o in others) else None) for i, (name, value) in enumerate(first)
    )


def differing(members: Members) -> set[str]:
    """The names of those that calls do not have in common."""
    return {name for name, value in members if value is None}


def scalar_type(values: Iterable[int | float], widest: str = "int32") -> str:
    """The dtype of a record's member: the narrowest that holds these integers, float32 where they are none."""
    kept = list(values)
    if not all(isinstance(v, int | np.integer) for v in kept):
        return "float32"
    low, high = min(kept), max(kept)
    return next((n for n in _NARROW if np.iinfo(n).min <= low and high <= np.iinfo(n).max), widest)


def multiple(values: Iterable[int]) -> int:
    """The largest of 1, 2, 4 and 8 that divides all of them: records hold quotients, so that the compiler knows."""
    return math.gcd(8, *values)


def structure(call: Call) -> tuple[int, ...]:
    """What of a call's shape decides which code runs it; other members only say how often."""
    return tuple(value if value <= _STRUCTURAL else _STRUCTURAL + 1 for _, value in call.shape)
