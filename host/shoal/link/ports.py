"""The serial ports of one node: of a process of this computer, which may end and be started again under them, or of a
board that lies beside it."""

from __future__ import annotations

import contextlib
import select
import socket
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from shoal.errors import NodeError
from shoal.link.client import Expected, Stream
from shoal.link.emulators.process import Emulator
from shoal.link.emulators.regions import Region
from shoal.link.host import HostProcess

if TYPE_CHECKING:
    from shoal.build.builder import Built

#: the longest that a read holds up whoever ends the node or starts it again, in seconds
_SLICE = 0.1


class Machine(Protocol):
    """What runs a node's firmware: its first port's bytes, and a socket that is its second's."""

    def read(self, timeout: float) -> bytes: ...

    def write(self, data: bytes) -> None: ...

    def close(self) -> None: ...

    def second_port(self) -> socket.socket: ...

    def regions(self) -> list[Region]: ...


class Emulated:
    """An emulator as a machine."""

    def __init__(self, emulator: Emulator) -> None:
        self.read, self.write, self.close = emulator.read, emulator.write, emulator.close
        self.regions = emulator.regions
        self._path: Path = emulator.second

    def second_port(self) -> socket.socket:
        wire = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        wire.connect(str(self._path))
        return wire


class Process:
    """The firmware as a process of this computer."""

    def __init__(self, elf: Path) -> None:
        self._ours, theirs = socket.socketpair()
        with theirs:
            process = HostProcess(elf, theirs.fileno())
        self.read, self.write, self.close = process.read, process.write, process.close

    def second_port(self) -> socket.socket:
        return self._ours

    def regions(self) -> list[Region]:
        """Nothing counts here."""
        return []


class Ports:
    """`first` and `second` (None: not at hand) outlive whatever runs behind them. `built`: the firmware; `expected`:
    what the node must say it is; `store`: constants that it fetches while it runs."""

    def __init__(
        self, name: str, first: Stream | None, second: Stream | None, built: Built, expected: Expected, store: bytes
    ) -> None:
        self.name, self.first, self.second = name, first, second
        self.built, self.expected, self.store = built, expected, store

    def close(self) -> None:
        for port in (self.first, self.second):
            if port is not None:
                port.close()

    def regions(self) -> list[Region]:
        """Calls of the model counted since the last call of this, where an emulator counts."""
        return []


class RunPorts(Ports):
    """Of a node that this computer runs. What is done to it here the lines do not know: they go on."""

    def __init__(self, name: str, start: Callable[[], Machine], built: Built, expected: Expected, store: bytes) -> None:
        self._start = start
        self._switch = _Switch()
        super().__init__(name, _First(self._switch, name), _Second(self._switch), built, expected, store)
        self._switch.turn(start())

    def close(self) -> None:
        self.end()

    def end(self) -> None:
        """As a board that loses its power."""
        self._switch.turn(None)

    def restart(self) -> None:
        """As a board that loses its power and gets it back."""
        self._switch.turn(None)
        self._switch.turn(self._start())

    def regions(self) -> list[Region]:
        machine = self._switch.machine
        return machine.regions() if machine else []


class _Switch:
    """The machine that runs, and locks for whoever reads from it or writes to it."""

    def __init__(self) -> None:
        self.machine: Machine | None = None
        self.second: socket.socket | None = None
        self.locks = {use: threading.Lock() for use in ("read", "write", "read second", "write second")}

    def turn(self, machine: Machine | None) -> None:
        with contextlib.ExitStack() as stack:
            for lock in self.locks.values():
                stack.enter_context(lock)
            if self.second is not None:
                self.second.close()
                self.second = None
            if self.machine is not None:
                self.machine.close()
            self.machine = machine
            if machine is not None:
                self.second = machine.second_port()


class _First:
    def __init__(self, switch: _Switch, name: str) -> None:
        self._switch, self._name = switch, name

    def read(self, timeout: float) -> bytes:
        with self._switch.locks["read"]:
            return self._running().read(min(timeout, _SLICE))

    def write(self, data: bytes) -> None:
        with self._switch.locks["write"]:
            self._running().write(data)

    def close(self) -> None:
        """With the machine."""

    def _running(self) -> Machine:
        if self._switch.machine is None:
            raise NodeError("it was switched off", where=self._name)
        return self._switch.machine


class _Second:
    """Silent while nobody is there: a line between boards does not know why."""

    def __init__(self, switch: _Switch) -> None:
        self._switch = switch

    def read(self, timeout: float) -> bytes:
        data = None
        with self._switch.locks["read second"], contextlib.suppress(OSError):
            wire = self._switch.second
            if wire is not None:
                if not select.select([wire], [], [], min(timeout, _SLICE))[0]:
                    return b""
                data = wire.recv(65536)
        if not data:
            time.sleep(min(timeout, _SLICE))
        return data or b""

    def write(self, data: bytes) -> None:
        with self._switch.locks["write second"], contextlib.suppress(OSError):
            wire = self._switch.second
            if wire is not None:
                wire.sendall(data)

    def close(self) -> None:
        """With the machine."""
