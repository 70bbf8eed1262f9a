"""The firmware as a process of this computer: its first port is its standard input and output."""

from __future__ import annotations

import contextlib
import os
import selectors
import signal
import subprocess
import tempfile
import time
from pathlib import Path

from shoal.errors import NodeError

_WRITE_SECONDS = 10.0
_END_SECONDS = 2.0


class HostProcess:
    """The byte stream of a running firmware. NodeError, with its last words, once it is gone.

    `second`: the file descriptor that its second port reads and writes."""

    def __init__(self, elf: Path, second: int | None = None) -> None:
        self._name = f"host process {elf.name}"
        self._words = tempfile.TemporaryFile()  # noqa: SIM115 - lives as long as the process
        wires = () if second is None else (second,)
        named = {} if second is None else {"SHOAL_HOST_PORT1": str(second)}
        try:
            self._process = subprocess.Popen(
                [str(elf.absolute())],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=self._words,
                bufsize=0,
                pass_fds=wires,
                env=os.environ | named,
            )
        except OSError as error:
            self._words.close()
            raise NodeError(f"cannot be started: {error.strerror}", where=str(elf), advice="build it again") from None
        assert self._process.stdin is not None and self._process.stdout is not None
        self._in, self._out = self._process.stdin.fileno(), self._process.stdout.fileno()
        os.set_blocking(self._in, False)
        self._readable = selectors.DefaultSelector()
        self._readable.register(self._out, selectors.EVENT_READ)
        self._writable = selectors.DefaultSelector()
        self._writable.register(self._in, selectors.EVENT_WRITE)

    def read(self, timeout: float) -> bytes:
        """What has come in, at least a byte, or b"" where nothing came within `timeout` seconds."""
        if not self._readable.select(max(timeout, 0.0)):
            return b""
        data = os.read(self._out, 65536)
        if not data:
            raise self._gone()
        return data

    def write(self, data: bytes) -> None:
        deadline = time.monotonic() + _WRITE_SECONDS
        while data:
            if not self._writable.select(max(deadline - time.monotonic(), 0.0)):
                raise NodeError(f"has not read its input for {_WRITE_SECONDS:.0f} s", where=self._name)
            try:
                data = data[os.write(self._in, data) :]
            except BrokenPipeError:
                raise self._gone() from None

    def close(self) -> None:
        """Hangs up, at which the firmware ends; kills it where it does not."""
        process = self._process
        with contextlib.suppress(OSError):
            if process.stdin:
                process.stdin.close()
        try:
            process.wait(_END_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        if process.stdout:
            process.stdout.close()
        self._readable.close()
        self._writable.close()
        self._words.close()

    def _gone(self) -> NodeError:
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(_END_SECONDS)
        code = self._process.returncode
        how = "closed its output" if code is None else f"ended with exit code {code}"
        if code is not None and code < 0:
            how = f"ended with {signal.Signals(-code).name}"
        self._words.seek(0)
        words = self._words.read()[-2000:].decode(errors="replace").strip()
        return NodeError(f"the firmware {how}{': ' + words if words else ''}", where=self._name)
