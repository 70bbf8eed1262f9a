"""An emulator as a child process whose serial ports are Unix sockets."""

from __future__ import annotations

import contextlib
import os
import selectors
import shutil
import signal
import socket
import subprocess
import tempfile
import time
import weakref
from collections.abc import Callable, Sequence
from pathlib import Path

from shoal.build import tools
from shoal.errors import NodeError, ToolError
from shoal.link.emulators.regions import Region, RegionReader

_START_SECONDS = 20.0
_PAUSE = 0.005

#: runs a command that ends when this process does, even where it is killed: its standard input then breaks off
_LEASHED = ("sh", "-c", 'exec 3<&0; (read _ <&3; kill -9 $$) & exec "$@" 3<&- </dev/null', "sh")

#: folder in → the command line that serves `console` and `second` there (paths of Unix sockets, see `Emulator`)
Command = Callable[[Path], Sequence[str]]


class Emulator:
    """A running emulator: the byte stream of its first serial port, the way to its second, its counts.

    Closed by `close`, by leaving `with`, by garbage collection or when Python exits, whichever comes first; the
    process and its folder never outlive that. Raises NodeError, with the emulator's last words, once it is gone.
    """

    def __init__(self, name: str, command: Command, counts: Callable[[Path], RegionReader] | None = None) -> None:
        self.name = name
        self._command = command
        self._counts = counts
        self._start()

    def __enter__(self) -> Emulator:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def second(self) -> Path:
        """The Unix socket of the second serial port, for another board's wire."""
        return self._folder / "second"

    def read(self, timeout: float) -> bytes:
        """What has come in, at least a byte, or b"" where nothing came within `timeout` seconds."""
        if not self._selector.select(max(timeout, 0)):
            return b""
        try:
            data = self._socket.recv(65536)
        except ConnectionError:
            data = b""
        if not data:
            raise self._gone()
        return data

    def write(self, data: bytes) -> None:
        try:
            self._socket.sendall(data)
        except (ConnectionError, TimeoutError):
            raise self._gone() from None

    def regions(self) -> list[Region]:
        """The regions counted since the last call; complete up to the last answer that was read. Empty where the
        emulator was opened without `count`."""
        return self._reader.read() if self._reader else []

    def reset(self) -> None:
        """Starts the emulator again, as a reset button and an emptied line."""
        self.close()
        self._start()

    def close(self) -> None:
        self._end()

    def _start(self) -> None:
        # a Unix socket's path is limited to about a hundred bytes, which TMPDIR may not leave room for
        folder = Path(tempfile.mkdtemp(prefix="shoal-", dir="/tmp" if Path("/tmp").is_dir() else None))
        try:
            self._spawn(folder)
        except BaseException:
            shutil.rmtree(folder, ignore_errors=True)
            raise

    def _spawn(self, folder: Path) -> None:
        command = list(self._command(folder))
        require(command[0])
        self._folder = folder
        with (folder / "stderr").open("wb") as words:
            process = subprocess.Popen(
                [*_LEASHED, *command],
                stdin=subprocess.PIPE,
                stdout=words,
                stderr=words,
                start_new_session=True,
                env=_environment(),
            )
        self._process = process
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._selector = selectors.DefaultSelector()
        self._end = weakref.finalize(self, _end, process, self._socket, self._selector, folder)
        try:
            self._connect(folder / "console")
        except BaseException:
            self._end()
            raise
        self._socket.settimeout(_START_SECONDS)
        self._selector.register(self._socket, selectors.EVENT_READ)
        self._reader = self._counts(folder) if self._counts else None

    def _connect(self, path: Path) -> None:
        deadline = time.monotonic() + _START_SECONDS
        while True:
            try:
                return self._socket.connect(str(path))
            except (FileNotFoundError, ConnectionRefusedError):
                if self._process.poll() is not None:
                    raise self._gone() from None
                if time.monotonic() > deadline:
                    raise NodeError(
                        f"did not start within {_START_SECONDS:.0f} s{self._last_words()}", where=self.name
                    ) from None
                time.sleep(_PAUSE)

    def _gone(self) -> NodeError:
        """The error for an emulator that ended by itself."""
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(1)
        code = self._process.returncode
        how = "closed its serial line" if code is None else f"ended with {_status(code)}"
        return NodeError(f"the emulator {how}{self._last_words()}", where=self.name)

    def _last_words(self) -> str:
        try:
            text = (self._folder / "stderr").read_text(errors="replace")
        except OSError:
            return ""
        lines = [line.strip() for line in text.splitlines() if line.strip()]
        # what QEMU itself says starts with its name; a dump of all registers may follow
        spoken = [line for line in lines if line.startswith("qemu")] or lines[-3:]
        return f": {' / '.join(spoken)[-400:]}" if spoken else ""


def _environment() -> dict[str, str]:
    """This process's, from which an emulator written in Python finds this very package."""
    ours = str(Path(__file__).parents[3])
    return os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, (ours, os.environ.get("PYTHONPATH"))))}


def require(program: str) -> None:
    """Raises ToolError where an emulator's program is not installed."""
    if shutil.which(program) is None:
        package = program if program == tools.QEMU.program else "qemu-system-misc"
        raise ToolError(f"{program} is missing", advice=tools.install_command([package]))


def _status(code: int) -> str:
    return f"exit code {code}" if code >= 0 else f"signal {signal.Signals(-code).name}"


def _end(process: subprocess.Popen[bytes], wire: socket.socket, selector: selectors.BaseSelector, folder: Path) -> None:
    """Lets go of all that an emulator holds. The process leads a session of its own, so its children end with it."""
    selector.close()
    wire.close()
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    if process.stdin is not None:
        process.stdin.close()
    shutil.rmtree(folder, ignore_errors=True)
