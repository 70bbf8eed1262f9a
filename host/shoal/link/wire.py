"""What a wire carries, by its line rate."""

from __future__ import annotations

from shoal.link.frames import MAX_PAYLOAD, OVERHEAD
from shoal.link.messages import MAX_DELIVER

#: bits of a byte on a serial line: eight, start and stop
_LINE_BITS = 10

#: bytes per second from and to a process of this computer: more than any line carries
PIPE = 1e8


#: bytes of a frame that acknowledges a piece: its status alone
_ANSWER = OVERHEAD + 1


def goodput(baud: int) -> float:
    """Bytes of a tensor per second, in full frames, each acknowledged before the next; nothing repeated."""
    return baud / _LINE_BITS * MAX_DELIVER / (MAX_PAYLOAD + OVERHEAD + _ANSWER)
