"""What an STM32's start writes into its clock registers, played back: the probe boots on a bare core whose peripherals
are registers that keep what is written, and the clock tree is computed from them by the reference manuals' formulas."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
from probe_image import build

from shoal import boards
from shoal.boards.board import Board

unicorn = pytest.importorskip("unicorn")

STM32 = [b for b in map(boards.load, boards.names()) if b.hal.startswith("stm32")]
MHZ = 1_000_000

_RCC = {"stm32f1": 0x40021000, "stm32l4": 0x40021000, "stm32h7": 0x58024400}
_FLASH_ACR = {"stm32f1": 0x40022000, "stm32l4": 0x40022000, "stm32h7": 0x52002000}
#: RCC's register with the switch of the system clock, and the shift of its status
_SWITCH = {"stm32f1": (0x04, 2), "stm32l4": (0x08, 2), "stm32h7": (0x10, 3)}
#: ready at once: register → bits that say so
_READY = {
    "stm32f2": {},
    "stm32f1": {},
    "stm32l4": {},
    "stm32f4": {0x40007004: 3 << 16},
    "stm32f7": {0x40007004: 3 << 16},
    "stm32h7": {0x58024804: 1 << 13, 0x58024818: 1 << 13},
}
#: RCC_CR after reset, by RCC's manuals: the oscillator that the core runs from is on
_CR_RESET = {"stm32l4": 0x63, "stm32h7": 0x05}
_AFTER_RESET = {"stm32f1": 8 * MHZ, "stm32l4": 4 * MHZ, "stm32h7": 64 * MHZ}
#: serial port → (registers, enable register in RCC, bit)
_F2_UARTS = {
    "usart1": (0x40011000, 0x44, 4),
    "usart2": (0x40004400, 0x40, 17),
    "usart3": (0x40004800, 0x40, 18),
    "usart6": (0x40011400, 0x44, 5),
}
_UARTS = {
    "stm32f1": {"usart1": (0x40013800, 0x18, 14), "usart2": (0x40004400, 0x1C, 17)},
    "stm32l4": {"lpuart1": (0x40008000, 0x5C, 0), "usart2": (0x40004400, 0x58, 17)},
    "stm32h7": {"usart2": (0x40004400, 0xE8, 17), "usart3": (0x40004800, 0xE8, 18)},
}
#: GPIO → (port A, enable register in RCC, port A's bit)
_GPIO = {"stm32f1": (0x40010800, 0x18, 2), "stm32l4": (0x48000000, 0x4C, 0), "stm32h7": (0x58020000, 0xE0, 0)}
_QUADSPI = 0xA0001000
_AHB = {0: 1, **{8 + i: 2 ** (i + 1) for i in range(8)}}
_APB = {0: 1, 4: 2, 5: 4, 6: 8, 7: 16}


@dataclass(frozen=True)
class Clocks:
    """Hz, and what must hold beside them: (name, value, lowest, highest)."""

    core: int
    apb1: int
    apb2: int
    limits: tuple[tuple[str, float, float, float], ...] = ()


class Chip:
    """A core with flash and RAM; peripheral registers keep what is written and say that they are ready, except
    `broken` (crystal, pll). `sent` is what the first serial port transmits."""

    def __init__(self, board: Board, image: bytes, broken: str) -> None:
        hal = board.hal
        self.board, self.family = board, hal
        self.rcc = _RCC.get(hal, 0x40023800)
        self.acr = _FLASH_ACR.get(hal, 0x40023C00)
        self.switch, self.status = _SWITCH.get(hal, (0x08, 2))
        self.uarts = _UARTS.get(hal, _F2_UARTS)
        self.gpio = _GPIO.get(hal, (0x40020000, 0x30, 0))
        self.dead = {"crystal": 1 << 16, "pll": 1 << 24}.get(broken, 0)
        self.registers = {self.rcc: _CR_RESET.get(hal, 0x83)}
        self.writes: list[int] = []
        self.unclocked: set[int] = set()
        self.sent = b""
        models = {"cortex-m3": "M3", "cortex-m4": "M4", "cortex-m7": "M7"}
        arm = unicorn.arm_const
        self.core = core = unicorn.Uc(unicorn.UC_ARCH_ARM, unicorn.UC_MODE_THUMB | unicorn.UC_MODE_MCLASS)
        core.ctl_set_cpu_model(getattr(arm, f"UC_CPU_ARM_CORTEX_{models[board.core.name]}"))
        for region in board.regions:
            core.mem_map(region.address, region.bytes)
        core.mem_write(board.region("flash").address, image)
        core.mmio_map(0x40000000, 0x20000000, self._read, 0x40000000, self._write, 0x40000000)
        core.mmio_map(_QUADSPI, 0x1000, self._read, _QUADSPI, self._write, _QUADSPI)
        core.mmio_map(0xE0000000, 0x00100000, self._read, 0xE0000000, self._write, 0xE0000000)
        stack, start = (int.from_bytes(image[i : i + 4], "little") for i in (0, 4))
        core.reg_write(arm.UC_ARM_REG_MSP, stack)
        core.emu_start(start, 0xFFFFFFFE, count=20_000_000)

    def _read(self, _core: object, offset: int, _size: int, base: int) -> int:
        address = base + offset
        value = self.registers.get(address, 0)
        self._check_clock(address)
        if address == self.rcc:
            on = value & 0x01010100 & ~self.dead
            value |= on << 1 | (on & 0x100) << 2
        elif address == self.rcc + self.switch:
            source = value & (1 << self.status) - 1
            value |= source << self.status
        for register in (0x00, 0x1C):
            if any(address == at + register for at, *_ in self.uarts.values()):
                value |= 0xC0  # all is sent
        return value | _READY[self.family].get(address, 0)

    def _write(self, core: object, offset: int, _size: int, value: int, base: int) -> None:
        address = base + offset
        self._check_clock(address)
        self.registers[address] = value
        self.writes.append(address)
        first = self.uarts[self.board.uarts[0].name][0]
        if address == first + (0x04 if self.family in ("stm32f1", "stm32f2", "stm32f4") else 0x28):
            self.sent += bytes([value & 0xFF])
            if value == ord("\n"):
                self.core.emu_stop()

    def _check_clock(self, address: int) -> None:
        """Notes accesses to a serial port or GPIO port before its clock is on: a chip loses them."""
        for at, register, bit in self.uarts.values():
            if 0 <= address - at < 0x400 and not self.get(register) >> bit & 1:
                self.unclocked.add(address)
        if address & ~0xFFF == _QUADSPI and not self.get(0x38) & 2:
            self.unclocked.add(address)
        at, register, bit = self.gpio
        if 0 <= address - at < 0x400 * 11 and not self.get(register) >> bit + (address - at) // 0x400 & 1:
            self.unclocked.add(address)

    def get(self, register: int) -> int:
        """A register of RCC, as last written."""
        return self.registers.get(self.rcc + register, 0)

    def uart(self, index: int, register: int) -> int:
        return self.registers.get(self.uarts[self.board.uarts[index].name][0] + register, 0)

    def clocks(self) -> Clocks:
        hse = self.board.manifest["shoal"].get("macros", {}).get("HSE_HZ", 0)
        slow = _AFTER_RESET.get(self.family, 16 * MHZ)
        source = self.get(self.switch) & (1 << self.status) - 1
        if not source:
            prescalers = [0x18, 0x1C, 0x20] if self.family == "stm32h7" else [self.switch]
            assert not any(self.get(register) & 0xFFF0 for register in prescalers), "all buses run as after a reset"
            return Clocks(slow, slow, slow)
        return {"stm32f1": self._f1, "stm32l4": self._l4, "stm32h7": self._h7}.get(self.family, self._f2)(hse)

    def _f1(self, hse: int) -> Clocks:
        cfgr = self.get(0x04)
        core = (hse if cfgr >> 16 & 1 else 4 * MHZ) * ((cfgr >> 18 & 15) + 2)
        apb1 = core // _APB[cfgr >> 8 & 7]
        return Clocks(core, apb1, core // _APB[cfgr >> 11 & 7], (("APB1", apb1, 0, 36 * MHZ),))

    def _f2(self, hse: int) -> Clocks:
        pll, cfgr = self.get(0x04), self.get(0x08)
        entry = (hse if pll >> 22 & 1 else 16 * MHZ) / (pll & 63)
        vco = entry * (pll >> 6 & 511)
        core = round(vco / (2, 4, 6, 8)[pll >> 16 & 3]) // _AHB[cfgr >> 4 & 15]
        apb1, apb2 = core // _APB[cfgr >> 10 & 7], core // _APB[cfgr >> 13 & 7]
        most = {"stm32f2": 30, "stm32f4": 45, "stm32f7": 54}[self.family] * MHZ
        return Clocks(
            core,
            apb1,
            apb2,
            (
                ("PLL input", entry, 0.95 * MHZ, 2.1 * MHZ),
                ("PLL oscillator", vco, 192 * MHZ, 432 * MHZ),
                ("PLL divider for 48 MHz", vco / (pll >> 24 & 15), 0, 48 * MHZ),
                ("APB1", apb1, 0, most),
                ("APB2", apb2, 0, 2 * most),
            ),
        )

    def _l4(self, _hse: int) -> Clocks:
        pll, cfgr = self.get(0x0C), self.get(0x08)
        assert pll & 3 == 2 and pll >> 24 & 1, "the internal oscillator feeds the PLL, whose output R is on"
        entry = 16 * MHZ / ((pll >> 4 & 15) + 1)
        vco = entry * (pll >> 8 & 127)
        core = round(vco / (2 + 2 * (pll >> 25 & 3))) // _AHB[cfgr >> 4 & 15]
        assert not self.registers.get(0x40007080, 0x100) & 0x100, "boost, for more than 80 MHz"
        assert self.registers.get(0x40007004, 0) & 0x200, "VddIO2 is there, for PG2 to PG15"
        return Clocks(
            core,
            core // _APB[cfgr >> 8 & 7],
            core // _APB[cfgr >> 11 & 7],
            (("PLL input", entry, 2.66 * MHZ, 16 * MHZ), ("PLL oscillator", vco, 64 * MHZ, 344 * MHZ)),
        )

    def _h7(self, hse: int) -> Clocks:
        select, conf, divide = self.get(0x28), self.get(0x2C), self.get(0x30)
        entry = (hse if select & 3 == 2 else 64 * MHZ) / (select >> 4 & 63)
        vco = entry * ((divide & 511) + 1)
        core = round(vco / ((divide >> 9 & 127) + 1)) // _AHB[self.get(0x18) >> 8 & 15]
        bus = core // _AHB[self.get(0x18) & 15]
        apb1, apb2 = bus // _APB[self.get(0x1C) >> 4 & 7], bus // _APB[self.get(0x1C) >> 8 & 7]
        assert conf >> 16 & 1, "PLL output P is on"
        low, high = ((1, 2), (2, 4), (4, 8), (8, 16))[conf >> 2 & 3]
        limits = (
            ("PLL input", entry, low * MHZ, high * MHZ),
            ("PLL oscillator", vco, 192 * MHZ, 836 * MHZ),
            ("AXI bus", bus, 0, 200 * MHZ),
            *((name, hz, 0, 100 * MHZ) for name, hz in (("APB1", apb1), ("APB2", apb2))),
            *((name, bus // _APB[field], 0, 100 * MHZ) for name, field in self._h7_others()),
        )
        return Clocks(core, apb1, apb2, limits)

    def _h7_others(self) -> tuple[tuple[str, int], ...]:
        return ("APB3", self.get(0x18) >> 4 & 7), ("APB4", self.get(0x20) >> 4 & 7)


@pytest.fixture(scope="module")
def image(tmp_path_factory: pytest.TempPathFactory) -> Callable[[Board], bytes]:
    """Board → the probe's flash image, built once."""
    built: dict[str, Path] = {}

    def get(board: Board) -> bytes:
        if board.id not in built:
            built[board.id] = build(board, tmp_path_factory.mktemp(board.id))[1]
        return built[board.id].read_bytes()

    return get


@pytest.mark.parametrize("broken", ["nothing", "crystal", "pll"])
@pytest.mark.parametrize("board", STM32, ids=[b.id for b in STM32])
def test_clock_tree_and_serial_ports(board: Board, broken: str, image: Callable[[Board], bytes]) -> None:
    chip = Chip(board, image(board), broken)
    assert chip.sent == b"start 00000000 5eed5eed 00000000\n"
    assert not chip.unclocked
    clocks = chip.clocks()
    slow = _AFTER_RESET.get(board.hal, 16 * MHZ)
    without_crystal = min(64 * MHZ, board.clock_hz) if board.hal == "stm32f1" else board.clock_hz
    assert clocks.core == {"nothing": board.clock_hz, "crystal": without_crystal, "pll": slow}[broken]
    for name, value, low, high in clocks.limits:
        assert low <= value <= high, name
    for index, uart in enumerate(board.uarts):
        hz = clocks.apb2 if uart.name in ("usart1", "usart6") else clocks.apb1
        if board.hal in ("stm32f1", "stm32f2", "stm32f4"):
            baud = hz / chip.uart(index, 0x08)
        else:
            baud = hz * (256 if uart.name == "lpuart1" else 1) / chip.uart(index, 0x0C)
        assert baud == pytest.approx(uart.baud, rel=0.02)


@pytest.mark.parametrize("board", STM32, ids=[b.id for b in STM32])
def test_flash_is_slow_enough_before_the_core_is_fast(board: Board, image: Callable[[Board], bytes]) -> None:
    chip = Chip(board, image(board), "nothing")
    assert chip.registers[chip.acr] & 15 == board.region("flash").wait_states
    last_switch = max(i for i, at in enumerate(chip.writes) if at == chip.rcc + chip.switch)
    assert chip.writes.index(chip.acr) < last_switch


@pytest.mark.parametrize("board", STM32, ids=[b.id for b in STM32])
def test_pins_belong_to_the_serial_ports(board: Board, image: Callable[[Board], bytes]) -> None:
    chip = Chip(board, image(board), "nothing")
    for uart, own in zip(board.uarts, board.manifest["shoal"]["uarts"], strict=True):
        for pin in (uart.tx, uart.rx):
            assert pin is not None
            port, number = chip.gpio[0] + 0x400 * (ord(pin[1]) - ord("A")), int(pin[2:])
            if board.hal == "stm32f1":
                mode = chip.registers[port + number // 8 * 4] >> number % 8 * 4 & 15
                assert mode == (0x9 if pin == uart.tx else 0x8)
            else:
                assert chip.registers[port] >> 2 * number & 3 == 2
                assert chip.registers[port + 0x20 + number // 8 * 4] >> number % 8 * 4 & 15 == own["alternate"]


@pytest.mark.parametrize("broken", ["nothing", "pll"])
def test_a_serial_flash_is_mapped(broken: str, image: Callable[[Board], bytes]) -> None:
    """By READ (03) over one line with 24 bits of address, of 16 MB, at 50 MHz at most; as OpenOCD sets them."""
    board = boards.load("disco_f746ng")
    assert board.store is not None and board.store.address == 0x90000000
    chip = Chip(board, image(board), broken)
    control, device, command = (chip.registers[_QUADSPI + register] for register in (0x00, 0x04, 0x14))
    assert control & 1
    hertz = chip.clocks().core / ((control >> 24) + 1)
    assert 10 * MHZ < hertz <= 50 * MHZ
    assert 2 << (device >> 16 & 31) == board.store.bytes
    assert command == 3 << 26 | 1 << 24 | 2 << 12 | 1 << 10 | 1 << 8 | 0x03
    assert chip.writes.index(_QUADSPI + 0x14) > chip.writes.index(_QUADSPI)
    for pin, own in zip(board.store.pins, board.manifest["shoal"]["store"]["pins"], strict=True):
        port, number = chip.gpio[0] + 0x400 * (ord(pin[1]) - ord("A")), int(pin[2:])
        assert chip.registers[port] >> 2 * number & 3 == 2
        assert chip.registers[port + 0x20 + number // 8 * 4] >> number % 8 * 4 & 15 == own["alternate"]
