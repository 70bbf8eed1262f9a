"""A node on a serial port: pyserial's names (/dev/ttyACM0, COM3) and URLs (socket://host:port)."""

from __future__ import annotations

import time

from shoal.errors import NodeError

#: how long one read of the port blocks, in seconds
_SLICE = 0.05
_WRITE_SECONDS = 10.0


class SerialPort:
    """The byte stream of a port. An unplugged or busy one is a NodeError, at once."""

    def __init__(self, port: str, baud: int) -> None:
        import serial

        self._name = port
        try:
            self._port = serial.serial_for_url(
                port, baudrate=baud, timeout=_SLICE, write_timeout=_WRITE_SECONDS, do_not_open=True
            )
            # on many boards these lines are wired to reset and boot
            self._port.dtr = self._port.rts = False
            self._port.open()
            self._port.reset_input_buffer()
        except (OSError, ValueError) as error:  # SerialException is an OSError
            raise NodeError(
                f"the port cannot be opened: {_reason(error)}",
                where=port,
                advice="check its name and close what else uses it; `shoal doctor` checks permissions",
            ) from None

    def read(self, timeout: float) -> bytes:
        """What has come in, at least a byte, or b"" where nothing came within `timeout` seconds."""
        deadline = time.monotonic() + timeout
        try:
            while True:
                data: bytes = self._port.read(max(1, self._port.in_waiting))
                if data or time.monotonic() >= deadline:
                    return data
        except (OSError, TypeError) as error:  # pyserial reads from a closed descriptor with a TypeError
            raise self._gone(error) from None

    def write(self, data: bytes) -> None:
        try:
            self._port.write(data)
        except (OSError, TypeError) as error:
            raise self._gone(error) from None

    def close(self) -> None:
        self._port.close()

    def _gone(self, error: Exception) -> NodeError:
        return NodeError(
            f"the port failed: {_reason(error)}", where=self._name, advice="check the cable, then try again"
        )


def _reason(error: Exception) -> str:
    return str(getattr(error, "strerror", None) or error).splitlines()[0][:200] if str(error) else type(error).__name__
