"""What a board file says, checked and typed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Region:
    """A memory region. `wait_states`: extra core cycles per read at the board's clock, where one read brings
    `line_bytes`; constants of at most `cache_bytes` wait once for all their reads. `arena`: holds it, beside stack
    and static data; `tensors`: a part of the arena may lie there, too. `data_address`: where loads see a flash whose
    code window is `address`, if not there."""

    name: str
    kind: str  # flash | ram
    address: int
    bytes: int
    wait_states: int = 0
    line_bytes: int = 4
    cache_bytes: int = 0
    arena: bool = False
    tensors: bool = False
    data_address: int | None = None


@dataclass(frozen=True)
class Store:
    """A second store beside the flash; `address`: where it is mapped, if it is, by the hal over `pins`, if there are
    any."""

    kind: str  # qspi | spi | sdio
    bytes: int
    bytes_per_second: int
    source: str
    address: int | None = None
    pins: tuple[str, ...] = ()


@dataclass(frozen=True)
class Uart:
    """A serial port of the chip; pins by the vendor's names ("PA2"), None where the emulator or chip has none."""

    name: str
    baud: int
    tx: str | None
    rx: str | None


@dataclass(frozen=True)
class Core:
    """`features`: what kernels may need, of dsp, fpu, mve, mpu, muldiv; `cycle_counter`: dwt, mpccr, ccount or none."""

    name: str
    isa: str
    features: frozenset[str]
    cycle_counter: str | None
    cycle_table: str | None


@dataclass(frozen=True)
class Cpi:
    """Cycles per instruction, assumed, and where the figure comes from."""

    value: float
    source: str


@dataclass(frozen=True)
class Emulator:
    """`kind`: the stem of a file in link/emulators; `settings`: its own (machine name, …); `faults`: the faults it can
    raise, of hard_fault, bus_fault, stack_overflow."""

    kind: str
    settings: Mapping[str, Any]
    faults: tuple[str, ...]


@dataclass(frozen=True)
class Flasher:
    """`kind`: openocd or esptool; `usb`: (vendor id, product id) pairs by which its port is found."""

    kind: str
    settings: Mapping[str, Any]
    usb: tuple[tuple[int, int], ...]


@dataclass(frozen=True)
class Board:
    """One kind of hardware. `hal`: the folder of `firmware/hal`; `toolchain`: prefix of the cross tools ("" is the
    host's own); `platform`: `shoal` (in-tree, offline) or the PlatformIO registry's name; `verified`: the most that was
    shown of it, of built, emulated, hardware; `manifest`: the whole JSON file."""

    id: str
    name: str
    path: Path
    sha256: str
    hal: str
    core: Core
    clock_hz: int
    regions: tuple[Region, ...]
    stack_bytes: int
    uarts: tuple[Uart, ...]
    trigger_pin: str | None
    supply_millivolts: int | None
    currents: Mapping[str, Any] | None
    assumed_cpi: Cpi | None
    emulator: Emulator | None
    flasher: Flasher | None
    toolchain: str
    platform: str
    verified: str | None
    manifest: Mapping[str, Any]
    store: Store | None = None
    platformio_board: str | None = None
    framework: str | None = None

    def region(self, kind: str) -> Region:
        """The region that holds code and weights (`flash`), or static data and the arena (`ram`)."""
        regions = [r for r in self.regions if r.kind == kind]
        return next((r for r in regions if r.arena), regions[0])

    def arenas(self) -> list[Region]:
        """The regions that parts of the arena may lie in, the fastest first; of equal ones as in the board file."""
        return sorted((r for r in self.regions if r.arena or r.tensors), key=lambda r: r.wait_states)
