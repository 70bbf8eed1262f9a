"""What a wire carries, by its line rate."""

from __future__ import annotations

from shoal.link.frames import MAX_PAYLOAD, OVERHEAD
from shoal.link.messages import MAX_WRITE

#: bits of a byte on a serial line: eight, start and stop
_LINE_BITS = 10

#: bytes per second from and to a process of this computer: more than any line carries
PIPE = 1e8


def goodput(baud: int) -> float:
    """Bytes of a tensor per second, in full frames; requests, answers and repeated frames are not counted."""
    return baud / _LINE_BITS * MAX_WRITE / (MAX_PAYLOAD + OVERHEAD)
