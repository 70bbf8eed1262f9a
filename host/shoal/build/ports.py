"""Finds the serial port or debug probe of a board: by USB ids, by serial number, by name."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from shoal.boards.board import Board
from shoal.errors import NodeError

#: where Linux lists USB devices
USB = Path("/sys/bus/usb/devices")


@dataclass(frozen=True)
class Port:
    """`device`: the serial port's name (empty for a probe that brings none); `serial_number`: the USB device's."""

    device: str
    serial_number: str
    usb: tuple[int, int] | None
    product: str

    def __str__(self) -> str:
        names = [self.device, self.product, f"serial number {self.serial_number}" if self.serial_number else ""]
        return ", ".join(name for name in names if name)


def ports() -> list[Port]:
    """Every serial port, and every USB device that brings none."""
    from serial.tools import list_ports

    found = [
        Port(p.device, p.serial_number or "", None if p.vid is None else (p.vid, p.pid), p.product or "")
        for p in list_ports.comports()
    ]
    known = {(p.usb, p.serial_number) for p in found}
    return found + [p for p in _probes() if (p.usb, p.serial_number) not in known]


def _probes() -> Iterator[Port]:
    for device in sorted(USB.glob("*")):
        try:
            usb = (int(_read(device / "idVendor"), 16), int(_read(device / "idProduct"), 16))
        except (OSError, ValueError):
            continue
        yield Port("", _optional(device / "serial"), usb, _optional(device / "product"))


def _read(file: Path) -> str:
    return file.read_text(encoding="utf-8", errors="replace").strip()


def _optional(file: Path) -> str:
    try:
        return _read(file)
    except OSError:
        return ""


def find(board: Board, name: str | None) -> Port:
    """The port to flash a board by: the one of this name or serial number, else the only one whose USB ids the board
    file lists. Raises NodeError where there is none, or more than one."""
    assert board.flasher is not None
    present = ports()
    if name is not None:
        return _named(name, present)
    fitting = [port for port in present if port.usb in board.flasher.usb]
    if len(fitting) == 1:
        return fitting[0]
    where = f"board {board.id}"
    if fitting:
        raise NodeError(
            f"{len(fitting)} devices could be it: {_listed(fitting)}",
            where=where,
            advice="name one by --port DEVICE or --port SERIAL_NUMBER",
        )
    there = f"there are {_listed(present)}" if any(p.device for p in present) else "there is no serial port at all"
    raise NodeError(
        f"no device with its USB ids is plugged in; {there}",
        where=where,
        advice="plug it in, or name the port by --port; `shoal doctor` checks permissions",
    )


def _named(name: str, present: Sequence[Port]) -> Port:
    for port in present:
        if name in (port.device, port.serial_number):
            return port
    if "://" in name or Path(name).exists():
        return Port(name, "", None, "")
    there = _listed(present) if any(p.device for p in present) else "none"
    raise NodeError(f"no such port; present: {there}", where=name, advice="check the cable and the name")


def _listed(found: Sequence[Port]) -> str:
    return "; ".join(str(port) for port in found if port.device or port.serial_number)
