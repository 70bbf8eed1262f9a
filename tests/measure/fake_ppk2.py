"""A Power Profiler Kit II that is none: its protocol on a pseudo-terminal, and a trigger pin that tests raise."""

from __future__ import annotations

import os
import pty
import select
import struct
import threading
import tty
from collections import deque
from collections.abc import Callable

STOP, START, SET_REGULATOR, RUNNING, MODE, METADATA = 0x07, 0x06, 0x0D, 0x0C, 0x11, 0x19
#: bytes that follow a command
ARGUMENTS = {SET_REGULATOR: 2, RUNNING: 1, MODE: 1}

#: as a kit tells it; ranges 0 to 4 measure over these resistances
RESISTANCES = (1031.64, 101.65, 10.15, 0.94, 0.043)
CALIBRATION = "".join(
    [
        "Calibrated: 0\n",
        *(f"R{i}: {r}\n" for i, r in enumerate(RESISTANCES)),
        *(f"{key}{i}: {value}\n" for key, value in (("GS", 1), ("GI", 1), ("O", 0), ("S", 0), ("I", 0), ("UG", 1))
          for i in range(5)),
        "HW: 9173\nIA: 56\nEND",
    ]
)  # fmt: skip

#: samples of each lump, one a millisecond
LUMP = 100


def volts(adc: int) -> float:
    return adc * 4 * 1.8 / 163840


def milliamperes(adc: int, range_: int) -> float:
    """What a converter's value means by that calibration: the gain of 1 has a square in it."""
    linear = volts(adc) / RESISTANCES[range_]
    return (linear * linear + linear) * 1000


class FakeKit:
    """Sends samples of `idle` (converter's value, range) while it is asked to; `pulse` raises the pin for some samples
    of `busy`. `spoil` alters what is sent."""

    idle, busy = (200, 3), (1000, 3)

    def __init__(self, calibration: bytes = CALIBRATION.encode(), spoil: Callable[[bytes], bytes] = lambda data: data):
        self._device, self._port = pty.openpty()
        tty.setraw(self._port)
        self.port = os.ttyname(self._port)
        self.commands: list[tuple[int, ...]] = []
        self._calibration, self._spoil = calibration, spoil
        self._pulses: deque[tuple[int, threading.Event]] = deque()
        self._sampling = self._ended = False
        self._count = 0
        self._thread = threading.Thread(target=self._serve, daemon=True)

    def __enter__(self) -> FakeKit:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended = True
        self._thread.join()
        os.close(self._device)
        os.close(self._port)

    def pulse(self, samples: int) -> None:
        """Back once the pin was up for so long; at once where nobody asked for samples."""
        if self._sampling:
            done = threading.Event()
            self._pulses.append((samples, done))
            assert done.wait(5)

    def _serve(self) -> None:
        pending = b""
        while not self._ended:
            if select.select([self._device], [], [], 0.001)[0]:
                pending = self._obey(pending + os.read(self._device, 4096))
            if self._sampling:
                self._send()

    def _obey(self, data: bytes) -> bytes:
        while data:
            size = 1 + ARGUMENTS.get(data[0], 0)
            if len(data) < size:
                break
            self.commands.append(tuple(data[:size]))
            if data[0] == METADATA:
                for i in range(0, len(self._calibration), 50):  # as it comes over USB: in pieces
                    os.write(self._device, self._calibration[i : i + 50])
            elif data[0] in (START, STOP):
                self._sampling = data[0] == START
            data = data[size:]
        return data

    def _send(self) -> None:
        lump = b"".join(self._sample(self.idle, 0) for _ in range(LUMP))
        done = None
        if self._pulses:
            samples, done = self._pulses.popleft()
            lump += b"".join(self._sample(self.busy, 1) for _ in range(samples)) + self._sample(self.idle, 0)
        lump = self._spoil(lump)
        while lump and not self._ended:
            if select.select([], [self._device], [], 0.1)[1]:
                lump = lump[os.write(self._device, lump[:1024]) :]
        if done is not None:
            done.set()

    def _sample(self, value: tuple[int, int], pins: int) -> bytes:
        adc, range_ = value
        self._count += 1
        return struct.pack("<I", adc | range_ << 14 | (self._count & 0x3F) << 18 | pins << 24)
