"""Currents on the command line: a firmware of this computer, or an emulated one, behind a serial port as a board would
be, and a kit that plays its meter."""

from __future__ import annotations

import json
import os
import pty
import select
import shutil
import sys
import threading
import tty
from pathlib import Path

import pytest
from fake_ppk2 import CALIBRATION, MODE, RUNNING, SET_REGULATOR, START, FakeKit, milliamperes
from jsonschema import Draft202012Validator
from test_bench import generated

from shoal import boards, cli
from shoal.bench.meters import ppk2
from shoal.build.builder import build
from shoal.build.cache import project
from shoal.link.emulators import esp32c3
from shoal.link.emulators.process import Emulator
from shoal.link.frames import Receiver
from shoal.link.host import HostProcess
from shoal.link.messages import Type
from shoal.plan.steps import Options

pytest.importorskip("ppk2_api")

IDLE, BUSY = (milliamperes(*value) for value in (FakeKit.idle, FakeKit.busy))
SAMPLES = 300


def metered_board(folder: Path, **more: object) -> Path:
    """This computer as a board with a trigger pin and a supply."""
    described = json.loads(boards.load("host").path.read_text(encoding="utf-8"))
    described["shoal"] |= {"trigger_pin": "PA0", "supply_millivolts": 3000, **more}
    path = folder / "metered.json"
    path.write_text(json.dumps(described), encoding="utf-8")
    return path


class Wired:
    """A firmware behind a serial port, whose runs raise the pin that the kit sees."""

    def __init__(self, firmware: HostProcess | Emulator, kit: FakeKit, pulses: int = 1) -> None:
        self._kit, self._pulses = kit, pulses
        self._device, self._port = pty.openpty()
        tty.setraw(self._port)
        self.port = os.ttyname(self._port)
        self._firmware = firmware
        self._frames = Receiver()
        self._ended = False
        self._threads = [threading.Thread(target=t, daemon=True) for t in (self._forth, self._back)]

    def __enter__(self) -> Wired:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended = True
        for thread in self._threads:
            thread.join()
        self._firmware.close()
        os.close(self._device)
        os.close(self._port)

    def _forth(self) -> None:
        while not self._ended:
            if select.select([self._device], [], [], 0.02)[0]:
                data = os.read(self._device, 65536)
                for frame in self._frames.feed(data):
                    for _ in range(self._pulses if frame.type in (Type.RUN, Type.RUN_STEPS) else 0):
                        self._kit.pulse(SAMPLES)
                self._firmware.write(data)

    def _back(self) -> None:
        while not self._ended:
            data = self._firmware.read(0.02)
            while data:
                data = data[os.write(self._device, data) :]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory, cache: None) -> Path:
    place = tmp_path_factory.mktemp("metered")
    return generated(place, str(metered_board(place)))


def firmware(folder: Path) -> HostProcess:
    return HostProcess(build(folder).elf)


@pytest.fixture
def impatient(monkeypatch):
    """Waits for what never comes, but not for long."""
    monkeypatch.setattr(ppk2, "_PATIENCE", 0.5)
    monkeypatch.setattr(ppk2, "_SILENCE", 0.3)


@pytest.fixture
def shoal(capfd):
    def run(*arguments):
        capfd.readouterr()
        code = cli.execute([*map(str, arguments), "--json"])
        document = json.loads(capfd.readouterr().out)
        schema = Path(cli.__file__).parent / "schemas" / f"{arguments[0]}.schema.json"
        Draft202012Validator(json.loads(schema.read_text(encoding="utf-8"))).validate(document)
        return code, document

    return run


def test_bench_measures_current_and_energy(shoal, folder):
    with FakeKit() as kit, Wired(firmware(folder), kit) as wired:
        code, document = shoal("bench", folder, "--node", f"serial:{wired.port}", "--meter", f"ppk2:{kit.port}",
                               "--runs", 4)  # fmt: skip
    assert code == 0, document
    energy = document["energy"]
    assert (energy["meter"], energy["source"], energy["sources"]) == ("ppk2", "board", ["board"])
    assert energy["current_milliamperes"] == pytest.approx(BUSY, rel=1e-3)
    assert energy["idle_milliamperes"] == pytest.approx(IDLE, rel=1e-3)
    assert energy["window_milliseconds"] == pytest.approx(SAMPLES / 100)
    # above idle, at 3 V, for 3 ms
    assert energy["microjoules"] == pytest.approx((BUSY - IDLE) * 3 * SAMPLES / 100, rel=1e-3)
    # an ampere meter at the board's voltage, 3000 mV, its supply switched through before the first sample
    before = kit.commands[: kit.commands.index((START,))]
    assert {(MODE, 1), (SET_REGULATOR, 3 + (3000 - 768) // 256, (3000 - 768) % 256), (RUNNING, 1)} <= set(before)


def test_a_few_lost_samples_cost_their_window_only(shoal, folder):
    lost = []

    def once(lump: bytes) -> bytes:
        if len(lump) <= 4 * 150 or lost:
            return lump
        lost.append(lump)
        return lump[: 4 * 200] + lump[4 * 210 :]

    with FakeKit(spoil=once) as kit, Wired(firmware(folder), kit) as wired:
        code, document = shoal("bench", folder, "--node", f"serial:{wired.port}", "--meter", f"ppk2:{kit.port}",
                               "--runs", 2)  # fmt: skip
    assert code == 0 and lost
    assert document["energy"]["window_milliseconds"] == pytest.approx(SAMPLES / 100)


@pytest.mark.parametrize(
    "spoil, said",
    [
        (lambda lump: lump[:-1], "torn or lost"),
        (lambda lump: lump[::-1], "torn or lost"),
        (lambda lump: lump[4:], "torn or lost"),
        (lambda lump: lump[:3] + b"\x01" + lump[4:], "trigger pin up"),
    ],
    ids=["torn", "garbled", "lossy", "wrong pin"],
)
def test_samples_that_make_no_sense_are_one_error(shoal, folder, spoil, said):
    with FakeKit(spoil=spoil) as kit, Wired(firmware(folder), kit) as wired:
        code, document = shoal("bench", folder, "--node", f"serial:{wired.port}", "--meter", f"ppk2:{kit.port}")
    assert code == 3
    assert said in document["error"]["what"] and document["error"]["advice"]


@pytest.mark.parametrize(
    "spoil, said", [(lambda lump: b"", "no samples"), (lambda lump: lump[:1], "too slowly")], ids=["none", "few"]
)
def test_samples_that_do_not_come_are_one_error(shoal, folder, impatient, spoil, said):
    with FakeKit(spoil=spoil) as kit, Wired(firmware(folder), kit) as wired:
        code, document = shoal("bench", folder, "--node", f"serial:{wired.port}", "--meter", f"ppk2:{kit.port}")
    assert code == 3
    assert said in document["error"]["what"]


@pytest.mark.parametrize(
    "calibration, said", [(b"", "does not answer"), (CALIBRATION.encode()[:100], "does not tell")], ids=["none", "half"]
)
def test_a_calibration_that_does_not_come_is_one_error(shoal, folder, impatient, calibration, said):
    with FakeKit(calibration) as kit, Wired(firmware(folder), kit) as wired:
        code, document = shoal("bench", folder, "--node", f"serial:{wired.port}", "--meter", f"ppk2:{kit.port}")
    assert code == 3
    assert said in document["error"]["what"]


@pytest.mark.parametrize(
    "calibration, said",
    [
        (b"\xff" * 60 + b"END", "garbled"),
        (CALIBRATION.replace("R2: 10.15", "R2: nan").encode(), "garbled"),
        (CALIBRATION.replace("GI1: 1", "GI1: one").encode(), "garbled"),
        (b"END", "garbled"),
        (b"x" * 5000, "does not tell"),
    ],
    ids=["bytes", "nan", "word", "empty", "endless"],
)
def test_a_calibration_that_makes_no_sense_is_one_error(shoal, folder, calibration, said):
    with FakeKit(calibration) as kit, Wired(firmware(folder), kit) as wired:
        code, document = shoal("bench", folder, "--node", f"serial:{wired.port}", "--meter", f"ppk2:{kit.port}")
    assert code == 3
    assert said in document["error"]["what"]
    assert document["error"]["where"] == f"ppk2:{kit.port}"


@pytest.mark.parametrize("pulses", [0, 2])
def test_a_pin_that_is_not_the_boards_is_said(shoal, folder, pulses):
    with FakeKit() as kit, Wired(firmware(folder), kit, pulses) as wired:
        code, document = shoal("bench", folder, "--node", f"serial:{wired.port}", "--meter", f"ppk2:{kit.port}",
                               "--runs", 3)  # fmt: skip
    assert code == 3
    assert f"{3 * pulses} times in 3 runs" in document["error"]["what"]
    assert "PA0" in document["error"]["advice"]


def test_a_meter_that_is_not_there_is_said(shoal, folder):
    code, document = shoal("bench", folder, "--node", "serial:/dev/none", "--meter", "ppk2:/dev/nothing")
    assert (code, document["error"]["where"]) == (3, "ppk2:/dev/nothing")


def test_a_package_that_is_missing_is_said(shoal, folder, monkeypatch):
    monkeypatch.setitem(sys.modules, "ppk2_api.ppk2_api", None)
    code, document = shoal("bench", folder, "--node", "serial:/dev/none", "--meter", "ppk2:/dev/nothing")
    assert code == 4
    assert "pip install" in document["error"]["advice"]


@pytest.mark.parametrize(
    "arguments, said",
    [
        (["--node", "host", "--meter", "ppk2:/dev/x"], "real board"),
        (["--node", "serial:/dev/x", "--meter", "ruler:/dev/x"], "no meter"),
        (["--node", "serial:/dev/x", "--meter", "ppk2:"], "no meter"),
    ],
)
def test_what_cannot_be_metered_is_said(shoal, folder, arguments, said):
    code, document = shoal("bench", folder, *arguments)
    assert code == 2
    assert said in document["error"]["what"]


def test_a_board_without_a_trigger_pin_cannot_be_metered(shoal, tmp_path, cache):
    board = metered_board(tmp_path, trigger_pin=None)
    folder = generated(tmp_path, str(board))
    code, document = shoal("bench", folder, "--node", "serial:/dev/x", "--meter", "ppk2:/dev/x")
    assert code == 2
    assert "no trigger pin" in document["error"]["what"]


def test_a_profile_of_a_board_has_its_cycles_its_line_and_its_current(shoal, folder, tmp_path):
    if shutil.which("riscv64-unknown-elf-gcc") is None:
        pytest.skip("needs riscv64-unknown-elf-gcc")
    model = folder.parent / "tiny.tflite"
    board = boards.load("esp32c3")
    made = project(model, board, Options())
    built = build(made)
    arguments = ["profile", model, "--board", "esp32c3", "--runs", "3", "--output", tmp_path / "p.json"]
    with FakeKit() as kit, Wired(esp32c3.start(built.image, built.elf), kit) as wired:
        code, document = shoal(*arguments, "--node", f"serial:{wired.port}", "--meter", f"ppk2:{kit.port}")
    assert code == 0, document
    [part] = document["boards"]
    assert (part["source"], part["assumption"], part["runs"]) == ("board", None, 3)
    for operator in part["operators"]:
        assert operator["sources"] == ["board"]
        assert operator["nanoseconds"] == pytest.approx(operator["cycles"] * 1e9 / part["clock_hz"], abs=1)
    assert sum(o["cycles"] for o in part["operators"]) == pytest.approx(part["images"][0]["cycles"], rel=0.2)
    link = part["link"]
    assert link["source"] == "board" and link["round_trip_milliseconds"] > 0
    assert (
        0
        < min(link["goodput_in"], link["goodput_out"])
        <= link["goodput"]
        <= max(link["goodput_in"], link["goodput_out"])
    )
    assert all(t[way]["sources"] == ["board"] for t in part["tensors"] for way in ("entry", "exit"))
    energy = part["energy"]
    assert (energy["source"], energy["meter"]) == ("board", "ppk2")
    assert energy["current_milliamperes"] == pytest.approx(BUSY, rel=1e-3)

    asked = [
        "--board",
        "esp32c3",
        "--objective",
        "energy",
        "--profile",
        tmp_path / "p.json",
        "--output",
        tmp_path / "one",
    ]
    code, split = shoal("split", model, *asked)
    assert code == 0, split
    assert (split["source"], split["sources"], split["energy_source"]) == ("board", ["board"], "board")
    milliseconds = split["latency_milliseconds"]
    volts = board.supply_millivolts / 1000
    assert split["energy_microjoules"] == pytest.approx(BUSY * volts * milliseconds, rel=1e-3)
