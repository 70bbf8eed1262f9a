"""Every hal builds for its boards without a warning; where there is an emulator, a probe shows what it does."""

from __future__ import annotations

import shutil
import socket
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from elftools.elf.elffile import ELFFile
from probe_image import build

from shoal import boards, resources
from shoal.boards.board import Board
from shoal.link.emulators.process import Emulator

BARE = [b for b in map(boards.load, boards.names()) if b.platform == "shoal" and b.hal != "host"]
EMULATED = [b for b in BARE if b.emulator is not None]
FAULTS = {"hard_fault": 1, "bus_fault": 2, "stack_overflow": 3}
SECONDS = 20.0


@pytest.fixture(scope="module")
def image(tmp_path_factory: pytest.TempPathFactory) -> Callable[[Board], tuple[Path, Path]]:
    """Board → (ELF, flash image) of the probe, built once."""
    built: dict[str, tuple[Path, Path]] = {}

    def get(board: Board) -> tuple[Path, Path]:
        if board.id not in built:
            built[board.id] = build(board, tmp_path_factory.mktemp(board.id))
        return built[board.id]

    return get


def ids(boards_: list[Board]) -> list[str]:
    return [b.id for b in boards_]


class Probe:
    """probe.c on an emulated board: a command in, the words of the answering line out."""

    def __init__(self, emulator: Emulator) -> None:
        self._emulator = emulator
        self._pending = b""

    def ask(self, command: bytes) -> list[int]:
        """The numbers of the answering line."""
        self.send(command)
        return self.line()[1]

    def send(self, command: bytes) -> None:
        self._emulator.write(command)

    def line(self, seconds: float = SECONDS) -> tuple[str, list[int]]:
        """The word and the numbers of the next line; ("", []) where none comes in time."""
        deadline = time.monotonic() + seconds
        while b"\n" not in self._pending:
            left = deadline - time.monotonic()
            if left <= 0:
                return "", []
            self._pending += self._emulator.read(left)
        line, self._pending = self._pending.split(b"\n", 1)
        word, *numbers = line.decode().split() or ["?"]  # who connects late may find no more than a line's end
        return word, [int(n, 16) for n in numbers]

    def restart(self) -> list[int]:
        """Resets the board and returns what it says of its start. A board that has just been switched on is deaf until
        its serial port is set up, so it is asked until it answers."""
        for _ in range(100):
            self.send(b"c")
            if self.line(SECONDS / 100)[0]:
                break
        self.send(b"r")
        word, numbers = self.line()
        while word and (word != "start" or not numbers[0]):
            word, numbers = self.line()
        assert word, "the board does not answer"
        return numbers

    def second(self) -> Path:
        return self._emulator.second


@pytest.fixture(params=EMULATED, ids=ids(EMULATED))
def board(request: pytest.FixtureRequest) -> Board:
    found: Board = request.param
    return found


@pytest.fixture
def probe(board: Board, image: Callable[[Board], tuple[Path, Path]]) -> Iterator[Probe]:
    assert board.emulator is not None
    elf, flash = image(board)
    if board.emulator.kind == "qemu":
        from shoal.link.emulators import qemu

        if shutil.which(board.emulator.settings.get("binary", "qemu-system-arm")) is None:
            pytest.skip("needs QEMU")
        emulator = qemu.start(elf, board.emulator.settings)
    else:
        from shoal.link.emulators import esp32c3

        emulator = esp32c3.start(flash, elf)
    with emulator:
        yield Probe(emulator)


@pytest.mark.parametrize("board", BARE, ids=ids(BARE))
def test_builds_without_warnings_and_starts_where_the_chip_looks(
    board: Board, image: Callable[[Board], tuple[Path, Path]]
) -> None:
    elf, flash = image(board)
    with elf.open("rb") as file:
        symbols = {s.name: s["st_value"] for s in ELFFile(file).get_section_by_name(".symtab").iter_symbols() if s.name}
    start = flash.read_bytes()[:8]
    stack_top, reset = int.from_bytes(start[:4], "little"), int.from_bytes(start[4:], "little")
    if board.hal == "esp32c3":
        assert start == bytes.fromhex("1d04dbae") * 2
        assert symbols["_start"] == board.region("flash").address + len(start)
    else:
        assert stack_top == symbols["_handler_stack_top"]
        assert reset == symbols["_start"] | 1
    assert symbols["_stack_bottom"] == board.region("ram").address
    assert symbols["_stack_top"] - symbols["_stack_bottom"] == board.stack_bytes


def test_every_hal_has_a_board() -> None:
    folders = {path.name for path in (resources.firmware() / "hal").iterdir() if path.is_dir()}
    assert {b.hal for b in map(boards.load, boards.names())} <= folders
    assert folders - {b.hal for b in map(boards.load, boards.names())} == {"bare", "cortexm", "stm32"}


def test_start_fills_data_and_keeps_noinit_over_a_reset(probe: Probe) -> None:
    for resets in (1, 2):
        assert probe.restart() == [resets, 0x5EED5EED, 0]


def test_serial_port_returns_every_byte(probe: Probe) -> None:
    probe.restart()
    assert [probe.ask(bytes([ord("e"), byte])) for byte in (0, 0x0A, 0x80, 0xFF)] == [[0], [0x0A], [0x80], [0xFF]]


def test_bytes_that_come_at_once_wait_in_the_ring(probe: Probe) -> None:
    probe.restart()
    text = bytes(range(64))
    probe.send(b"".join(bytes([ord("e"), byte]) for byte in text))
    assert [probe.line() for _ in text] == [("echo", [byte]) for byte in text]


def test_second_serial_port(board: Board, probe: Probe) -> None:
    assert len(board.uarts) == 2
    probe.restart()
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as wire:
        wire.settimeout(SECONDS)
        wire.connect(str(probe.second()))
        wire.sendall(b"\x41")
        assert probe.ask(b"2") == [0x42]
        assert wire.recv(1) == b"\x41"


def test_clock_is_the_board_files(board: Board, probe: Probe) -> None:
    probe.restart()
    assert probe.ask(b"c") == [board.clock_hz]


def test_sleep_ends_by_itself(probe: Probe) -> None:
    probe.restart()
    (calls,) = probe.ask(b"s")
    assert 1 <= calls <= 50000


def test_cycle_counter_says_whether_it_counts(board: Board, probe: Probe) -> None:
    probe.restart()
    counts, cycles = probe.ask(b"y")
    assert bool(cycles) == bool(counts)


def test_memory_map_is_the_linkers(board: Board, probe: Probe) -> None:
    probe.restart()
    bottom, top, static, stack_pointer = probe.ask(b"m")
    assert (bottom, top) == (board.region("ram").address, board.region("ram").address + board.stack_bytes)
    assert bottom < stack_pointer < top
    assert 0 < static < board.region("ram").bytes - board.stack_bytes


def test_build_id_is_the_linkers(board: Board, probe: Probe, image: Callable[[Board], tuple[Path, Path]]) -> None:
    with image(board)[0].open("rb") as file:
        note = ELFFile(file).get_section_by_name(".note.gnu.build-id").data()
    probe.restart()
    assert bytes(probe.ask(b"i")) == note[-20:]


@pytest.mark.parametrize("fault", FAULTS)
def test_faults_are_reported_and_end_in_a_restart(board: Board, probe: Probe, fault: str) -> None:
    assert board.emulator is not None
    (resets, *_) = probe.restart()
    probe.send(b"f" + bytes([FAULTS[fault]]))
    word, numbers = probe.line()
    if fault not in board.emulator.faults:
        assert word == "nothing"
        return
    kind, address, pc, stack = numbers
    assert (word, kind) == ("fault", FAULTS[fault])
    assert probe.line() == ("start", [resets + 1, 0x5EED5EED, 0])
    bottom = board.region("ram").address
    if fault == "stack_overflow":
        assert bottom - 64 <= stack <= bottom
        assert bottom - 4096 <= address <= bottom
    else:
        flash = board.region("flash")
        assert flash.address < pc < flash.address + flash.bytes
        assert bottom < stack < bottom + board.stack_bytes
