"""Nordic Semiconductor's Power Profiler Kit II, as an ampere meter in the board's supply; the trigger pin at D0.

A sample is four bytes, little-endian: bits 0 to 13 the converter's value, 14 to 16 its range, 18 to 23 a counter, 24 to
31 the logic inputs; 100,000 of them a second. `ppk2_api` makes currents of them, by the calibration that the kit
tells."""

from __future__ import annotations

import math
import threading
import time
from types import TracebackType
from typing import Any, NoReturn, Self

import numpy as np

from shoal.bench.meters import Recording
from shoal.boards.board import Board
from shoal.errors import NodeError, ToolError
from shoal.tensors import Array

_SAMPLE_BYTES = 4
_PERIOD = 10e-6
_COUNTER_SHIFT, _COUNTER_MASK = 18, 0x3F
_TRIGGER = 1 << 24

#: samples that say what a board draws idle, and that are waited for after the last run: what a USB port holds back
_QUIET, _TAIL = 5_000, 2_000
#: samples that the filter in `ppk2_api` needs to forget what was before
_LEAD = 32
#: one lost stretch in so many samples is a busy USB port; more is not what a kit sends
_SAMPLES_PER_LOSS = 1_000
#: no recording is longer: five minutes
_MOST = 30_000_000

#: seconds: of one read, that the kit may be silent, for its calibration or a few samples
_SLICE, _SILENCE, _PATIENCE = 0.05, 2.0, 3.0
#: the calibration is some hundred characters
_MOST_METADATA = 4096


def open(port: str, board: Board) -> Kit:
    """The kit on a port, with the board's supply voltage."""
    try:
        from ppk2_api.ppk2_api import PPK2_API
    except ImportError:
        raise ToolError("the package ppk2-api is missing", advice="pip install ppk2-api==0.9.2") from None
    try:
        api = PPK2_API(port, timeout=_SLICE, write_timeout=_SILENCE)
    except (OSError, ValueError) as error:  # SerialException is an OSError
        raise NodeError(
            f"the meter's port cannot be opened: {str(error).splitlines()[0][:200]}",
            where=f"ppk2:{port}",
            advice="check its name and close what else uses it, as the Power Profiler app",
        ) from None
    assert board.supply_millivolts is not None
    return Kit(api, f"ppk2:{port}", board.supply_millivolts)


class Kit:
    """A `Meter`. A thread takes in what the kit sends while it samples."""

    name = "ppk2"

    def __init__(self, api: Any, where: str, millivolts: int) -> None:
        self._api, self._where, self._millivolts = api, where, millivolts
        self._data = bytearray()
        self._more = threading.Condition()
        self._thread: threading.Thread | None = None
        self._ended = False
        self._failed: str | None = None

    def __enter__(self) -> Self:
        try:
            # it may still be sampling for somebody who is gone
            self._api.stop_measuring()
            self._calibrate()
            self._api.use_ampere_meter()
            self._api.set_source_voltage(self._millivolts)
            self._api.toggle_DUT_power("ON")
        except BaseException:
            self._api.ser.close()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._end()
        self._api.stop_measuring()
        self._api.ser.close()

    def start(self) -> None:
        self._data.clear()
        self._ended, self._failed = False, None
        self._api.start_measuring()
        self._thread = threading.Thread(target=self._take, daemon=True)
        self._thread.start()
        self._await(_QUIET)

    def stop(self) -> Recording:
        self._await(len(self._data) // _SAMPLE_BYTES + _TAIL)
        self._api.stop_measuring()
        self._end()
        return self._recording(np.frombuffer(self._data[: len(self._data) // _SAMPLE_BYTES * _SAMPLE_BYTES], "<u4"))

    def _calibrate(self) -> None:
        """Reads the calibration, which ends in END, and gives it to the package: itself it takes what comes in one
        piece only."""
        self._read_until_silent()
        self._api.ser.write(b"\x19")
        text, deadline = b"", time.monotonic() + _PATIENCE
        while b"END" not in text:
            if time.monotonic() > deadline or len(text) > _MOST_METADATA:
                self._fail("the meter does not tell its calibration" if text else "the meter does not answer")
            text += self._read()
        try:
            known = self._api._parse_metadata(text.decode("ascii"))
        except UnicodeDecodeError:
            known = None
        numbers = [v for of in self._api.modifiers.values() if isinstance(of, dict) for v in of.values()]
        if not known or b"R0:" not in text or not all(isinstance(n, int | float) and math.isfinite(n) for n in numbers):
            self._fail("the meter's calibration is garbled")

    def _read_until_silent(self) -> None:
        """What is left of an earlier recording."""
        deadline = time.monotonic() + _PATIENCE
        while self._read():
            if time.monotonic() > deadline:
                self._fail("the meter does not stop sending")

    def _read(self) -> bytes:
        """What has come, b"" where nothing came within a slice."""
        try:
            data: bytes = self._api.ser.read(max(1, self._api.ser.in_waiting))
        except (OSError, TypeError) as error:  # pyserial reads from a closed descriptor with a TypeError
            self._fail(f"the meter's port failed: {str(error).splitlines()[0][:200]}")
        return data

    def _take(self) -> None:
        """The thread."""
        silent_since = time.monotonic()
        while not self._ended:
            try:
                data = self._read()
            except NodeError as error:
                failed: str | None = error.what
            else:
                silent_since = time.monotonic() if data else silent_since
                failed = "the meter sends no samples" if time.monotonic() - silent_since > _SILENCE else None
            with self._more:
                self._data += data if failed is None else b""
                if len(self._data) > _MOST * _SAMPLE_BYTES:
                    failed = f"more than {_MOST:,} samples came in"
                self._failed = failed
                self._more.notify_all()
            if failed is not None:
                return

    def _await(self, samples: int) -> None:
        """Until so many have come in since the start."""
        with self._more:
            came = self._more.wait_for(
                lambda: self._failed is not None or len(self._data) >= samples * _SAMPLE_BYTES, _PATIENCE
            )
        if self._failed is not None or not came:
            self._fail(self._failed or "the meter's samples come too slowly")

    def _end(self) -> None:
        self._ended = True
        if self._thread is not None:
            self._thread.join()
            self._thread = None

    def _recording(self, words: Array) -> Recording:
        counters = words >> _COUNTER_SHIFT & _COUNTER_MASK
        whole = np.diff(counters, prepend=(counters[:1] - 1) & _COUNTER_MASK) & _COUNTER_MASK == 1
        lost = int((~whole).sum())
        if lost * _SAMPLES_PER_LOSS > words.size:
            self._fail(f"the meter's samples are torn or lost at {lost:,} of {words.size:,} places")

        def milliamperes(first: int, last: int) -> Array:
            lead = max(0, first - _LEAD)
            microamperes, _ = self._api.get_samples(words[lead:last].tobytes())
            return np.array(microamperes[first - lead :], np.float64) / 1000

        return Recording((words & _TRIGGER) != 0, whole, _PERIOD, milliamperes)

    def _fail(self, what: str) -> NoReturn:
        raise NodeError(what, where=self._where, advice="unplug the meter and plug it in again, without a hub")
