"""A line that loses, damages, repeats and cuts what goes over it, the same way each time."""

from __future__ import annotations

import random

from shoal.link.client import Stream


class Garbled:
    """A byte stream over another one. Of the frames that go over it either way, in however many pieces, a share of
    `rate` is dropped, repeated, cut short, has one bit flipped, or has noise before it; `harmed` counts those."""

    def __init__(self, line: Stream, rate: float, seed: int = 1) -> None:
        self.harmed = 0
        self._line = line
        self._rate = rate
        self._random = random.Random(seed)
        self._partial = b""

    def read(self, timeout: float) -> bytes:
        *frames, self._partial = (self._partial + self._line.read(timeout)).split(b"\0")
        return b"".join(self._harm(frame + b"\0") for frame in frames)

    def write(self, data: bytes) -> None:
        self._line.write(self._harm(data))

    def close(self) -> None:
        self._line.close()

    def _harm(self, data: bytes) -> bytes:
        if len(data) < 2 or self._random.random() >= self._rate:
            return data
        self.harmed += 1
        match self._random.randrange(5):
            case 0:
                return b""
            case 1:
                return data + data
            case 2:
                return data[: self._random.randrange(len(data))]
            case 3:
                at = self._random.randrange(len(data))
                return data[:at] + bytes([data[at] ^ 1 << self._random.randrange(8)]) + data[at + 1 :]
            case _:
                return self._random.randbytes(self._random.randrange(1, 40)) + data
