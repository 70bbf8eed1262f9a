"""The line that harms what goes over it."""

from __future__ import annotations

import pytest

from shoal.hil.garbled import Garbled


class Loop:
    """What is written can be read again."""

    def __init__(self):
        self.data = b""

    def write(self, data):
        self.data += data

    def read(self, timeout):
        data, self.data = self.data, b""
        return data

    def close(self):
        pass


def carried(rate, seed):
    line = Garbled(Loop(), rate, seed)
    seen = []
    for n in range(1, 200):
        line.write(bytes([n % 256]) * n)
        seen.append(line.read(0.0))
    return line, seen


def test_a_rate_of_nothing_harms_nothing():
    line, seen = carried(0.0, 1)
    assert line.harmed == 0 and seen == [bytes([n % 256]) * n for n in range(1, 200)]


@pytest.mark.parametrize("rate", [0.1, 1.0])
def test_harm_is_counted_and_the_same_each_time(rate):
    line, seen = carried(rate, 3)
    again, seen_again = carried(rate, 3)
    assert seen == seen_again and line.harmed == again.harmed
    assert line.harmed >= 0.5 * rate * 2 * 199
    assert carried(rate, 4)[1] != seen


def test_silence_stays_silence():
    assert Garbled(Loop(), 1.0).read(0.0) == b""
