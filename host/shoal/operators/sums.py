"""Sums of channels that grow row by row, as firmware/kernels/quad.h keeps them."""

from __future__ import annotations

#: bytes that a sum in half a word holds: QUAD_MOST in quad.h
_MOST = 257
#: of a word of state, and of its count of rows
_WORD = 4


def fit_halves(channels: int, summands: int) -> bool:
    """Whether two sums of so many bytes share a word."""
    return channels % 4 == 0 and summands <= _MOST


def state_bytes(sums: int, halves: bool) -> int:
    """Of so many sums and the count of rows."""
    return _WORD + sums * (_WORD // 2 if halves else _WORD)
