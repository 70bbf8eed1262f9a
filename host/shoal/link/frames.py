"""Frames: what travels on a serial line. docs/link.md has the bytes; firmware/link/frames.c is the other side."""

from __future__ import annotations

import struct
import zlib
from dataclasses import dataclass

from cobs import cobs

VERSION = 1
_HEADER = struct.Struct("<BBBBHH")
_CRC = struct.Struct("<I")

#: the longest that COBS encodes with one extra byte
MAX_BODY = 254
MAX_PAYLOAD = MAX_BODY - _HEADER.size - _CRC.size
#: bytes of a frame on the line beside its payload: header, CRC, COBS, a zero at each end
OVERHEAD = _HEADER.size + _CRC.size + 3


@dataclass(frozen=True)
class Frame:
    """`type`, `session` and `sequence` are the messages' business; source and destination are nodes' numbers."""

    source: int
    destination: int
    type: int
    session: int
    sequence: int
    payload: bytes
    version: int = VERSION


def encode(frame: Frame) -> bytes:
    """The frame's bytes on the line. A zero comes first as well: noise before it is no part of it."""
    if len(frame.payload) > MAX_PAYLOAD:
        raise ValueError(f"a payload has {MAX_PAYLOAD} bytes at most")
    body = (
        _HEADER.pack(frame.version, frame.source, frame.destination, frame.type, frame.session, frame.sequence)
        + frame.payload
    )
    encoded: bytes = cobs.encode(body + _CRC.pack(zlib.crc32(body)))
    return b"\0" + encoded + b"\0"


class Receiver:
    """Takes bytes as they come and gives whole frames; whatever is damaged disappears. Holds one frame at most."""

    def __init__(self) -> None:
        self._pending = bytearray()
        self._broken = False

    def feed(self, data: bytes) -> list[Frame]:
        frames = []
        *ended, rest = data.split(b"\0")
        for part in ended:
            self._append(part)
            if not self._broken and (frame := _decode(bytes(self._pending))):
                frames.append(frame)
            self._pending.clear()
            self._broken = False
        self._append(rest)
        return frames

    def _append(self, part: bytes) -> None:
        self._broken = self._broken or len(self._pending) + len(part) > MAX_BODY + 1
        if not self._broken:
            self._pending += part


def _decode(encoded: bytes) -> Frame | None:
    try:
        body = cobs.decode(encoded)
    except cobs.DecodeError:
        return None
    if not _HEADER.size + _CRC.size <= len(body) <= MAX_BODY:
        return None
    (crc,) = _CRC.unpack_from(body, len(body) - _CRC.size)
    content = body[: -_CRC.size]
    if zlib.crc32(content) != crc:
        return None
    version, source, destination, kind, session, sequence = _HEADER.unpack_from(content)
    return Frame(source, destination, kind, session, sequence, content[_HEADER.size :], version)
