"""The line that harms what goes over it."""

from __future__ import annotations

import pytest

from shoal.hil.garbled import Garbled


class Loop:
    """What is written can be read again, `size` bytes at a time."""

    def __init__(self, size=1 << 20):
        self.data = b""
        self.size = size

    def write(self, data):
        self.data += data

    def read(self, timeout):
        data, self.data = self.data[: self.size], self.data[self.size :]
        return data

    def close(self):
        pass


def frame(n):
    return bytes([n]) * n + b"\0"


def carried(rate, seed, size=1 << 20):
    loop = Loop(size)
    line = Garbled(loop, rate, seed)
    seen = []
    for n in range(1, 200):
        line.write(frame(n))
        while loop.data:
            seen.append(line.read(0.0))
    return line, seen


def test_a_rate_of_nothing_harms_nothing():
    line, seen = carried(0.0, 1)
    assert line.harmed == 0 and seen == [frame(n) for n in range(1, 200)]


@pytest.mark.parametrize("rate", [0.1, 1.0])
def test_harm_is_counted_and_the_same_each_time(rate):
    line, seen = carried(rate, 3)
    again, seen_again = carried(rate, 3)
    assert seen == seen_again and line.harmed == again.harmed
    assert line.harmed >= 0.4 * rate * 2 * 199
    assert carried(rate, 4)[1] != seen


def test_pieces_that_frames_come_in_make_no_difference():
    whole, pieces = carried(0.3, 5), carried(0.3, 5, size=7)
    assert b"".join(whole[1]) == b"".join(pieces[1]) and whole[0].harmed == pieces[0].harmed


def test_silence_stays_silence():
    assert Garbled(Loop(), 1.0).read(0.0) == b""
