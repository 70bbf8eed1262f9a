"""Lines between client and node for tests: over a socket, and one that loses, damages, repeats and reorders."""

from __future__ import annotations

import select
import socket
from random import Random

from shoal.errors import NodeError
from shoal.link.client import Stream


class SocketLine:
    """One end of a socket pair as a stream."""

    def __init__(self, end: socket.socket) -> None:
        self._end = end

    def read(self, timeout: float) -> bytes:
        if not select.select([self._end], [], [], max(timeout, 0.0))[0]:
            return b""
        try:
            data = self._end.recv(65536)
        except ConnectionError:
            data = b""
        if not data:
            raise NodeError("hung up")
        return data

    def write(self, data: bytes) -> None:
        try:
            self._end.sendall(data)
        except ConnectionError:
            raise NodeError("hung up") from None

    def close(self) -> None:
        self._end.close()


class FaultyLine:
    """A stream over another that mistreats frames both ways, each with probability `rate`, as `random` has it."""

    KINDS = ("drop", "repeat", "flip", "cut", "noise", "swap", "late")

    def __init__(self, stream: Stream, random: Random, rate: float, kinds: tuple[str, ...] = KINDS) -> None:
        self._stream = stream
        self._random = random
        self._rate = rate
        self._kinds = kinds
        self._held: dict[str, list[bytes]] = {"in": [], "out": []}
        self._partial = b""

    def read(self, timeout: float) -> bytes:
        data = self._partial + self._stream.read(timeout)
        whole, zero, self._partial = data.rpartition(b"\0")
        return b"".join(self._mistreat("in", part + b"\0") for part in (whole + zero).split(b"\0")[:-1])

    def write(self, data: bytes) -> None:
        self._stream.write(self._mistreat("out", data))

    def close(self) -> None:
        self._stream.close()

    def _mistreat(self, way: str, frame: bytes) -> bytes:
        held = self._held[way]
        after = b""
        if held and self._random.random() < 0.5:
            after = held.pop(0)
        if len(frame) < 2 or self._random.random() >= self._rate:
            return frame + after
        at = self._random.randrange(len(frame))
        match self._random.choice(self._kinds):
            case "drop":
                frame = b""
            case "repeat":
                frame *= 2
            case "flip":
                frame = frame[:at] + bytes([frame[at] ^ self._random.randrange(1, 256)]) + frame[at + 1 :]
            case "cut":
                frame = frame[:at]
            case "noise":
                frame = self._random.randbytes(at) + frame
            case "swap":
                held.append(frame)
                frame = b""
            case "late":
                held.append(frame)  # and once more, later
        return frame + after
