"""The ESP32-C3: the true flash image, booted directly as the chip's ROM does, on Unicorn's RV32IMC core.

Around the core: flash at its two maps, SRAM at its two addresses, both UARTs, SYSTIMER's counters, the three watchdogs
that the ROM leaves running, the clock selection, software reset and the performance counter; traps are delivered, there
are no interrupts. Everything else is registers that keep what is written. Registers and their values after reset by the
ESP32-C3 Technical Reference Manual.

One instruction is one cycle of virtual time, so times are no board's; instruction counts are exact. The emulator runs
as a process of its own, `python -m shoal.link.emulators.esp32c3`, and looks to its client as QEMU does.
"""

from __future__ import annotations

import ctypes
import selectors
import socket
import sys
import time
from collections import deque
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn, cast

from shoal.errors import NodeError
from shoal.link.emulators.compiled import shared_library
from shoal.link.emulators.process import Emulator
from shoal.link.emulators.regions import RegionReader, marks

if TYPE_CHECKING:
    from shoal.boards.board import Board
    from shoal.build.builder import Built

FLASH_BYTES = 4 << 20
_IROM, _DROM = 0x42000000, 0x3C000000
_SRAM_BYTES, _SRAM_DATA, _SRAM_CODE = 0x60000, 0x3FC80000, 0x40380000
_RTC_FAST, _RTC_FAST_BYTES = 0x50000000, 0x2000
_DEVICES, _DEVICES_BYTES = 0x60000000, 0xD1000
#: the ROM starts an image directly where its first eight bytes are this word twice; it jumps behind them
_MAGIC = bytes.fromhex("1d04dbae") * 2
_ENTRY = _IROM + len(_MAGIC)
_NOWHERE = 0xFFFFFFFF

_XTAL_HZ, _PLL_HZ, _APB_HZ = 40_000_000, (80_000_000, 160_000_000), 80_000_000
_SLOW_HZ, _SYSTIMER_HZ = 136_000, 16_000_000
#: instructions between two looks at the sockets
_CHUNK = 200_000
#: cycles between two received bytes: far faster than any line, slow enough for whoever fetches them
_BYTE_CYCLES = 1_000
_FIFO_BYTES = 128
#: looks into an empty FIFO, and the most cycles from one to the next, that say that the firmware only waits
_POLLS, _POLL_CYCLES = 64, 2_000

# offsets of devices and registers
_UARTS, _RTC, _TIMG0 = (0x0, 0x10000), 0x8000, 0x1F000
_EFUSE_REVISION, _CPU_PER, _SYSCLK = 0x8850, 0xC0008, 0xC0058
_SYSTIMER_OP, _SYSTIMER_VALUE = 0x23004, 0x23040

# causes of a trap, by the privileged specification
_FETCH_FAULT, _ILLEGAL, _BREAKPOINT, _LOAD_FAULT, _STORE_FAULT = 1, 2, 3, 5, 7
_USER_CALL, _MACHINE_CALL = 8, 11  # Unicorn says the first, whatever the mode: here it is always the second
_EBREAK, _SHORT_EBREAK = bytes.fromhex("73001000"), bytes.fromhex("0290")
#: performance event, mode and counter; dedicated pins
_MPCCR = 0x7E2
_VENDOR_CSRS = (0x7E0, 0x7E1, _MPCCR, *range(0x800, 0x806))


def open(board: Board, built: Built, count: Sequence[str]) -> Emulator:
    """The board of a generated folder with its built firmware; see `start` for what is counted and for errors."""
    return start(built.image, built.elf, name=f"emulated {board.id}", count=count)


def start(
    image: Path, elf: Path, *, name: str = "esp32c3", count: Sequence[str] = (), blocks: bool = False
) -> Emulator:
    """Boots a flash image; counts the calls of the functions `count` of `elf`, with `blocks` by the block. Raises
    NodeError where the ROM would not start the image."""
    if not image.read_bytes().startswith(_MAGIC):
        raise NodeError(
            "no direct-boot header at the start of flash: the ROM would wait for a download instead",
            where=str(image),
            advice="build it with the board's own linker script",
        )
    what = marks(elf, count) if count else None
    shared_library("esp32c3.c", ("regions.h",))  # here, so that its errors are the caller's

    def command(folder: Path) -> list[str]:
        line = [sys.executable, "-m", __name__, f"image={image}"]
        line += [f"{port}={folder / port}" for port in ("console", "second")]
        if what:
            line += [f"out={folder / 'counts'}", *what.arguments(), *(["blocks=on"] if blocks else [])]
        return line

    return Emulator(name, command, (lambda folder: RegionReader(folder / "counts", what)) if what else None)


class Counter:
    """esp32c3.c through ctypes: what was executed so far, and the point at which to stop."""

    def __init__(self, stop: int, memories: Sequence[tuple[int, Any]]) -> None:
        library = ctypes.CDLL(str(shared_library("esp32c3.c", ("regions.h",))))
        library.counter_new.restype = ctypes.c_void_p
        self._counter = ctypes.c_void_p(library.counter_new(ctypes.c_void_p(stop)))
        library.counter_executed.restype = ctypes.c_uint64
        library.counter_stopped.restype = ctypes.c_bool
        library.counter_regions.restype = ctypes.c_bool
        self._library = library
        for base, memory in memories:
            library.counter_memory(self._counter, ctypes.c_uint64(base), ctypes.c_uint64(len(memory)), memory)

    def hook(self, engine: Any, hook_add: Any, kind: int) -> None:
        """Hangs the counter into Unicorn, C calling C."""
        handle = ctypes.c_size_t()
        address = ctypes.cast(self._library.counter_block, ctypes.c_void_p)
        status = hook_add(
            engine, ctypes.byref(handle), kind, address, self._counter, ctypes.c_uint64(1), ctypes.c_uint64(0)
        )
        if status:
            raise NodeError(f"Unicorn refuses a hook with error {status}", where="esp32c3")

    def count(self, out: Path, ranges: Sequence[Sequence[str]], blocks: bool) -> None:
        """Counts into a file the calls of entries; `ranges` are these, interrupt handlers and what is left out."""
        lists = [(ctypes.c_char_p * (len(r) + 1))(*(text.encode() for text in r), None) for r in ranges]
        if not self._library.counter_regions(self._counter, *lists, ctypes.c_bool(blocks), str(out).encode()):
            raise NodeError("cannot count there", where=str(out))

    @property
    def executed(self) -> int:
        return int(self._library.counter_executed(self._counter))

    @property
    def stopped(self) -> bool:
        return bool(self._library.counter_stopped(self._counter))

    def deadline(self, executed: int) -> None:
        self._library.counter_deadline(self._counter, ctypes.c_uint64(executed))

    def left_at(self, address: int) -> None:
        """The last block was left before the instruction at `address`."""
        self._library.counter_left_at(self._counter, ctypes.c_uint64(address))


class Uart:
    """One UART with a Unix socket for a wire. What is sent leaves at once. What comes in fills the FIFO at a steady
    pace of virtual time and never overruns it; a firmware that finds the FIFO empty has waited for the next byte."""

    FIFO, STATUS = 0x00, 0x1C

    def __init__(self, path: Path, selector: selectors.BaseSelector) -> None:
        self._selector = selector
        self._listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._listener.bind(str(path))
        self._listener.listen(1)
        selector.register(self._listener, selectors.EVENT_READ, self._connect)
        self._wire: socket.socket | None = None
        self._coming: deque[int] = deque()
        self._going = bytearray()
        self.reset()

    def reset(self) -> None:
        self._registers: dict[int, int] = {}
        self._fifo: deque[int] = deque()
        self._due = 0
        self.polls = 0

    def _connect(self) -> None:
        wire, _ = self._listener.accept()
        self._hang_up()
        self._wire = wire
        self._selector.register(wire, selectors.EVENT_READ, self._receive)

    def _receive(self) -> None:
        assert self._wire is not None
        try:
            data = self._wire.recv(65536)
        except ConnectionError:
            data = b""
        if data:
            self._coming.extend(data)
        else:
            self._hang_up()

    def _hang_up(self) -> None:
        if self._wire is not None:
            self._selector.unregister(self._wire)
            self._wire.close()
            self._wire = None

    def flush(self) -> None:
        """Sends what the firmware wrote; without a wire it is lost, as on a board."""
        if self._wire is not None and self._going:
            try:
                self._wire.sendall(self._going)
            except ConnectionError:
                self._hang_up()
        self._going.clear()

    def read(self, offset: int, cycle: int) -> int:
        if offset == self.FIFO:
            self.polls = 0
            return self._fifo.popleft() if self._fifo else 0
        if offset == self.STATUS:
            if not self._fifo:
                self._due = cycle
            while self._coming and len(self._fifo) < _FIFO_BYTES and self._due <= cycle:
                self._fifo.append(self._coming.popleft())
                self._due += _BYTE_CYCLES
            self.polls += not self._fifo
            return len(self._fifo)
        return self._registers.get(offset, 0)

    def write(self, offset: int, value: int) -> None:
        if offset == self.FIFO:
            self.polls = 0
            self._going.append(value & 0xFF)
        else:
            self._registers[offset] = value


class Watchdog:
    """What a watchdog remembers: when it was fed, and registers that are locked until its key is written."""

    def __init__(self, name: str, key: int, lock: int, feed: int, reset: Mapping[int, int]) -> None:
        self.name = name
        self._key, self._lock, self._feed, self._reset = key, lock, feed, reset
        self.registers: dict[int, int] = {}
        self.fed = 0.0
        self._open = False

    def reset(self, seconds: float) -> None:
        self.registers = dict(self._reset)
        self.fed = seconds
        self._open = False

    def write(self, offset: int, value: int, seconds: float) -> bool:
        """Whether the register is its own."""
        if offset == self._lock:
            self._open = value == self._key
        elif offset in self.registers or offset == self._feed:
            if self._open:
                self.registers |= {offset: value} if offset in self.registers else {}
                self.fed = seconds if offset == self._feed else self.fed
        else:
            return False
        return True


class Reset(Exception):
    """The firmware or a watchdog restarts the chip."""


class Chip:
    """The chip with an image in its flash; `run` runs it for good."""

    def __init__(self, image: bytes, console: Path, second: Path) -> None:
        import unicorn
        from unicorn import riscv_const
        from unicorn.unicorn_py3.unicorn import uclib

        # untyped, as Unicorn's own package is
        self._uc = uc = cast(Any, unicorn)
        self._core = cast(Any, riscv_const)
        engine: Any = uc.Uc(uc.UC_ARCH_RISCV, uc.UC_MODE_RISCV32)
        self._engine = engine
        self._flash = ctypes.create_string_buffer(image.ljust(FLASH_BYTES, b"\xff"), FLASH_BYTES)
        self._sram = ctypes.create_string_buffer(_SRAM_BYTES)
        for base, memory, rights in (
            (_IROM, self._flash, uc.UC_PROT_READ | uc.UC_PROT_EXEC),
            (_DROM, self._flash, uc.UC_PROT_READ),
            (_SRAM_DATA, self._sram, uc.UC_PROT_ALL),
            (_SRAM_CODE, self._sram, uc.UC_PROT_ALL),
        ):
            engine.mem_map_ptr(base, len(memory), rights, ctypes.addressof(memory))
        engine.mem_map(_RTC_FAST, _RTC_FAST_BYTES)
        engine.mmio_map(_DEVICES, _DEVICES_BYTES, self._read, None, self._write, None)
        engine.hook_add(uc.UC_HOOK_INTR, self._exception)
        engine.hook_add(uc.UC_HOOK_MEM_INVALID, self._bad_access)
        stop = ctypes.cast(uclib.uc_emu_stop, ctypes.c_void_p).value
        assert stop is not None
        code = [(_IROM, self._flash), (_SRAM_DATA, self._sram), (_SRAM_CODE, self._sram)]
        self.counter = Counter(stop, code)
        self.counter.hook(engine._uch, uclib.uc_hook_add, uc.UC_HOOK_BLOCK)

        self._selector = selectors.DefaultSelector()
        other = Uart(second, self._selector)
        self._uarts = (Uart(console, self._selector), other)  # last: who can connect to it finds the other, too
        # as the ROM leaves them: the first timer group's and the RTC's in flash boot mode, the super watchdog on
        self._group = Watchdog(
            "timer group 0", 0x50D83AA1, 0x64, 0x60, {0x48: 1 << 14, 0x4C: 1 << 16, 0x50: 26_000_000}
        )
        self._rtc = Watchdog("RTC", 0x50D83AA1, 0xA8, 0xA4, {0x90: 1 << 12, 0x94: 200_000})
        self._super = Watchdog("super", 0x8F1D312A, 0xB0, 0xAC, {0xAC: 0})
        self._kept: dict[int, int] = {}
        self._skipped = 0
        self._clock = (0, 0.0)
        self._hz = _XTAL_HZ // 2
        self._naps = 0
        self._cold_start()

    def _cold_start(self) -> None:
        core = self._core
        self._registers: dict[int, int] = dict(self._kept)
        self._registers[_EFUSE_REVISION] = 3 << 18  # the first chip revision that boots directly
        self._registers[_SYSCLK] = 1  # the crystal, divided by two
        self._select_clock()
        for name in (*(f"X{i}" for i in range(1, 32)), "MTVEC", "MCAUSE", "MEPC", "MTVAL"):
            self._engine.reg_write(getattr(core, f"UC_RISCV_REG_{name}"), 0)
        self._engine.reg_write(core.UC_RISCV_REG_MSTATUS, 0x1800)
        for uart in self._uarts:
            uart.reset()
        for dog in (self._group, self._rtc, self._super):
            dog.reset(self._seconds())
        self._counted_from = self.counter.executed
        self._polled_from = self._cycle()
        self._pc = _ENTRY
        self._trap: tuple[int, int] | None = None
        self._access: tuple[int, int] | None = None

    # --- time

    def _cycle(self) -> int:
        """Cycles since power on: one for an instruction, and those that were slept through."""
        return self.counter.executed + self._skipped

    def _seconds(self) -> float:
        cycle, seconds = self._clock
        return seconds + (self._cycle() - cycle) / self._hz

    def _select_clock(self) -> None:
        self._clock = (self._cycle(), self._seconds())
        conf = self._registers[_SYSCLK]
        from_pll = conf >> 10 & 3 == 1
        self._hz = _PLL_HZ[self._registers.get(_CPU_PER, 0) & 1] if from_pll else _XTAL_HZ // ((conf & 0x3FF) + 1)

    # --- devices

    def _read(self, _engine: Any, offset: int, _size: int, _data: Any) -> int:
        page, register = offset & ~0xFFF, offset & 0xFFF
        if page in _UARTS:
            uart = self._uarts[_UARTS.index(page)]
            value = uart.read(register, self._cycle())
            if uart.polls >= (_POLLS if self._naps == 0 else _POLLS // 16):
                self.counter.deadline(0)
            return value
        if offset in (_SYSTIMER_OP, _SYSTIMER_OP + 4):
            return 1 << 29  # the value asked for is there
        for dog in self._dogs(page):
            if register in dog.registers:
                return dog.registers[register]
        return self._registers.get(offset, 0)

    def _write(self, _engine: Any, offset: int, _size: int, value: int, _data: Any) -> None:
        page, register = offset & ~0xFFF, offset & 0xFFF
        if page in _UARTS:
            self._uarts[_UARTS.index(page)].write(register, value)
            return
        for dog in self._dogs(page):
            if dog.write(register, value, self._seconds()):
                return
        self._registers[offset] = value
        if offset in (_SYSTIMER_OP, _SYSTIMER_OP + 4):
            unit = (offset - _SYSTIMER_OP) // 4
            ticks = int(self._seconds() * _SYSTIMER_HZ)
            self._registers[_SYSTIMER_VALUE + 8 * unit] = ticks >> 32 & 0xFFFFF
            self._registers[_SYSTIMER_VALUE + 8 * unit + 4] = ticks & 0xFFFFFFFF
        elif _RTC + 0x50 <= offset <= _RTC + 0x5C:
            self._kept[offset] = value  # four words that survive a reset
        elif offset in (_CPU_PER, _SYSCLK):
            self._select_clock()
        elif offset == _RTC and value & (1 << 31 | 1 << 5):
            self.counter.deadline(0)

    def _dogs(self, page: int) -> tuple[Watchdog, ...]:
        return (self._group,) if page == _TIMG0 else (self._rtc, self._super) if page == _RTC else ()

    def _watch(self) -> None:
        """Raises Reset where the firmware or a hungry watchdog restarts the chip."""
        if self._registers.get(_RTC, 0) & (1 << 31 | 1 << 5):
            raise Reset("the firmware")
        group, rtc, now = self._group.registers, self._rtc.registers, self._seconds()
        limits = (
            (
                self._group,
                group[0x48] & (1 << 31 | 1 << 14),
                group[0x50] * max(group[0x4C] >> 16, 1) / self._group_hz(),
            ),
            (self._rtc, rtc[0x90] & (1 << 31 | 1 << 12), 2 * rtc[0x94] / _SLOW_HZ),
            (self._super, not self._super.registers[0xAC] & (1 << 31 | 1 << 30), 1.0),
        )
        for dog, armed, limit in limits:
            if not armed:
                dog.fed = now
            elif now - dog.fed > limit:
                raise Reset(f"the {dog.name} watchdog")

    def _group_hz(self) -> int:
        return _XTAL_HZ if self._group.registers[0x48] & 1 << 21 else _APB_HZ

    # --- core

    def _exception(self, engine: Any, cause: int, _data: Any) -> None:
        """What Unicorn does not execute: the vendor's performance counter and pin registers, or else a trap."""
        pc = engine.reg_read(self._core.UC_RISCV_REG_PC) - 4
        if cause == _ILLEGAL and self._vendor_csr(int.from_bytes(engine.mem_read(pc, 4), "little")):
            return
        self._trap = (_MACHINE_CALL if cause == _USER_CALL else cause, pc)
        self.counter.deadline(0)

    def _vendor_csr(self, word: int) -> bool:
        """Executes a CSR instruction on one of the vendor's registers; False where it is something else. The counter
        counts instructions, whatever event is selected; the rest reads 0."""
        csr, source, function, target = word >> 20, word >> 15 & 31, word >> 12 & 7, word >> 7 & 31
        if word & 0x7F != 0x73 or not function & 3 or csr not in _VENDOR_CSRS:
            return False
        x0 = self._core.UC_RISCV_REG_X0
        counted = self.counter.executed - self._counted_from
        if csr == _MPCCR and function & 3 == 1:
            start = source if function & 4 else self._engine.reg_read(x0 + source) if source else 0
            self._counted_from = self.counter.executed - start
        if target:
            self._engine.reg_write(x0 + target, counted & 0xFFFFFFFF if csr == _MPCCR else 0)
        return True

    def _bad_access(self, _engine: Any, access: int, address: int, _size: int, _value: int, _data: Any) -> bool:
        uc = self._uc
        causes = {uc.UC_MEM_FETCH_UNMAPPED: _FETCH_FAULT, uc.UC_MEM_FETCH_PROT: _FETCH_FAULT}
        causes |= {uc.UC_MEM_WRITE_UNMAPPED: _STORE_FAULT, uc.UC_MEM_WRITE_PROT: _STORE_FAULT}
        self._access = (causes.get(access, _LOAD_FAULT), address)
        return False

    def _enter(self, cause: int, pc: int, value: int) -> None:
        """Into the trap handler, as the privileged specification says."""
        core, engine = self._core, self._engine
        handler = engine.reg_read(core.UC_RISCV_REG_MTVEC) & ~0xFF
        if handler in (0, pc):
            raise NodeError(f"the core is locked up: trap {cause} at {pc:#x}, value {value:#x}, and no handler for it")
        self.counter.left_at(pc)
        status = engine.reg_read(core.UC_RISCV_REG_MSTATUS)
        engine.reg_write(core.UC_RISCV_REG_MEPC, pc)
        engine.reg_write(core.UC_RISCV_REG_MCAUSE, cause)
        engine.reg_write(core.UC_RISCV_REG_MTVAL, value)
        # the interrupt enable moves to its saved bit; the trap came from machine mode
        engine.reg_write(core.UC_RISCV_REG_MSTATUS, (status & ~0x1888) | 0x1800 | (status & 8) << 4)
        self._pc = handler

    def _trap_value(self, cause: int, pc: int) -> int:
        """mtval for a trap whose value Unicorn keeps to itself: the address that a load or store meant, or the illegal
        instruction."""
        word = int.from_bytes(self._engine.mem_read(pc, 4), "little")
        if word & 3 != 3:
            word &= 0xFFFF
        if cause == _ILLEGAL:
            return word
        if cause not in (_LOAD_FAULT, _STORE_FAULT):
            return 0
        base, displacement = address_operands(word)
        return int(self._engine.reg_read(self._core.UC_RISCV_REG_X0 + base) + displacement) & 0xFFFFFFFF

    def _at_breakpoint(self) -> bool:
        """EBREAK, long or short, is an error to Unicorn, not a trap."""
        code = bytes(self._engine.mem_read(self._pc, 4))
        return code == _EBREAK or code[:2] == _SHORT_EBREAK

    def _chunk(self) -> None:
        """Runs until a device, a trap or the end of the chunk wants attention."""
        self.counter.deadline(self.counter.executed + _CHUNK)
        try:
            self._engine.emu_start(self._pc, _NOWHERE)
        except self._uc.UcError as error:
            self._pc = self._engine.reg_read(self._core.UC_RISCV_REG_PC)
            if self._access is None and not self._at_breakpoint():
                raise NodeError(f"Unicorn stops at {self._pc:#x}: {error}") from error
            (cause, address), self._access = self._access or (_BREAKPOINT, self._pc), None
            self._enter(cause, self._pc, address)
            return
        self._pc = self._engine.reg_read(self._core.UC_RISCV_REG_PC)
        if self._trap is not None:
            (cause, pc), self._trap = self._trap, None
            self._enter(cause, pc, self._trap_value(cause, pc))
        elif not self.counter.stopped:
            self.counter.left_at(self._pc)  # WFI, which is allowed to be a no-operation

    def _pump(self, seconds: float) -> bool:
        """Lets the sockets speak, waiting for them at most this long; whether one did."""
        for uart in self._uarts:
            uart.flush()
        ready = self._selector.select(seconds)
        for key, _ in ready:
            key.data()
        return bool(ready)

    def _rest(self) -> None:
        """Where the firmware only looks for bytes that do not come, waits for them outside, longer and longer."""
        polls = sum(uart.polls for uart in self._uarts)
        if polls < (_POLLS if self._naps == 0 else _POLLS // 16):
            return
        waiting = self._cycle() - self._polled_from < polls * _POLL_CYCLES
        self._polled_from = self._cycle()
        for uart in self._uarts:
            uart.polls = 0
        if not waiting:
            return
        before = time.monotonic()
        spoke = self._pump(min(0.001 * 2**self._naps, 0.02))
        self._naps = 0 if spoke else min(self._naps + 1, 5)
        self._skipped += int((time.monotonic() - before) * self._hz)
        self._polled_from = self._cycle()

    def run(self) -> NoReturn:
        """Runs for good. Raises NodeError where the core locks up."""
        while True:
            try:
                self._turn()
            except Reset as why:
                print(f"reset by {why}", file=sys.stderr, flush=True)
                self._cold_start()

    def _turn(self) -> None:
        self._chunk()
        self._watch()
        self._pump(0)
        self._rest()


def address_operands(word: int) -> tuple[int, int]:
    """(base register, displacement) of an RV32IC load or store."""
    if word & 3 == 3:
        high = word >> 25
        low = word >> 7 & 31 if word & 0x20 else word >> 20 & 31
        return word >> 15 & 31, (high << 5 | low) - (1 << 12 if high & 0x40 else 0)
    if word & 3 == 0:  # c.lw, c.sw
        return 8 + (word >> 7 & 7), (word >> 10 & 7) << 3 | (word >> 6 & 1) << 2 | (word >> 5 & 1) << 6
    if word >> 15 & 1:  # c.swsp
        return 2, (word >> 9 & 15) << 2 | (word >> 7 & 3) << 6
    return 2, (word >> 12 & 1) << 5 | (word >> 4 & 7) << 2 | (word >> 2 & 3) << 6  # c.lwsp


def main(arguments: Sequence[str]) -> int:
    """The process: `image=`, `console=`, `second=`, and to count, the arguments of qemu_plugin.c."""
    values: dict[str, list[str]] = {}
    for argument in arguments:
        key, _, value = argument.partition("=")
        values.setdefault(key, []).append(value)
    image, console, second = (Path(values[key][0]) for key in ("image", "console", "second"))
    try:
        chip = Chip(image.read_bytes(), console, second)
        if "out" in values:
            ranges = [values.get(key, []) for key in ("entry", "interrupt", "exclude")]
            chip.counter.count(Path(values["out"][0]), ranges, "blocks" in values)
        chip.run()
    except NodeError as error:
        print(error.what, file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
