"""Flashing: the real esptool against a ROM of our own, OpenOCD's call as it is made, ports found or refused."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator
from pathlib import Path

import pytest
import tiny
from fake_rom import FakeRom

from shoal import boards, resources
from shoal.build import ports, tools
from shoal.build.flash import flash
from shoal.build.ports import Port
from shoal.errors import NodeError, ToolError

#: a ROM behind a socket has no reset lines, and runs no stub
_ROM_FLAGS = "--before=no-reset\n--after=no-reset\n--no-stub"

riscv = pytest.mark.skipif(tools.find(tools.COMPILERS["riscv64-unknown-elf-"]) is None, reason="needs the compiler")
arm = pytest.mark.skipif(tools.find(tools.COMPILERS["arm-none-eabi-"]) is None, reason="needs the compiler")


def _stlink(device: str, serial: str) -> Port:
    return Port(device, serial, (0x0483, 0x374B), "STM32 STLink")


@pytest.fixture
def plugged(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[Port]]:
    """The list of what is plugged in."""
    present: list[Port] = []
    monkeypatch.setattr(ports, "ports", lambda: present)
    yield present


@pytest.fixture
def openocd(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An openocd that writes its arguments to a file, one call a line, and fails as often as the file `fail` says."""
    folder = tmp_path / "bin"
    folder.mkdir()
    program = folder / "openocd"
    program.write_text(
        "#!/usr/bin/env python3\n"
        "import json, pathlib, sys\n"
        "here = pathlib.Path(__file__).parent\n"
        "with open(here / 'calls', 'a') as calls:\n"
        "    calls.write(json.dumps(sys.argv[1:]) + '\\n')\n"
        "fail = here / 'fail'\n"
        "left = int(fail.read_text()) if fail.exists() else 0\n"
        "if left:\n"
        "    fail.write_text(str(left - 1))\n"
        "    print('Error: init mode failed (unable to connect to the target)', file=sys.stderr)\n"
        "    sys.exit(1)\n"
    )
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(folder), prepend=os.pathsep)
    return folder


def _calls(openocd: Path) -> list[list[str]]:
    return [json.loads(line) for line in (openocd / "calls").read_text().splitlines()]


@riscv
def test_esptool_writes_what_the_rom_then_holds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PLATFORMIO_UPLOAD_FLAGS", _ROM_FLAGS)
    folder = tiny.write(tmp_path / "tiny", "esp32c3")
    with FakeRom() as rom:
        flashed = flash(folder, rom.port)
        image = flashed.built.image.read_bytes()
        assert bytes(rom.flash[: len(image)]) == image
        assert hashlib.sha256(image).hexdigest() == flashed.built.firmware_sha256
        assert set(rom.flash[len(image) + 4096 :]) == {0xFF}
        assert rom.flash[:8] == bytes.fromhex("1d04dbae") * 2


@riscv
def test_what_was_flashed_boots(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """From the ROM's flash, not from the file: the emulated chip says which build it runs."""
    from shoal.link.client import Expected
    from shoal.link.emulators.esp32c3 import start
    from shoal.link.emulators.node import EmulatedNode
    from shoal.network.read_tflite import read
    from shoal.network.simplify import simplify
    from shoal.plan.planner import plan
    from shoal.plan.steps import Options
    from shoal.render.project import write

    monkeypatch.setenv("PLATFORMIO_UPLOAD_FLAGS", _ROM_FLAGS)
    model = resources.root() / "host" / "shoal" / "demo" / "digits.tflite"
    graph = simplify(read(model))
    folder = tmp_path / "digits"
    write(plan(graph, boards.load("esp32c3"), Options()), model.read_bytes(), folder)
    with FakeRom() as rom:
        built = flash(folder, rom.port).built
        held = tmp_path / "flash.bin"
        held.write_bytes(rom.flash)
    with EmulatedNode(start(held, built.elf), Expected(built.build_id, graph.sha256)) as node:
        assert node.identify().build_id == built.build_id


@riscv
def test_a_deaf_rom_is_a_flash_failure_after_two_tries(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PLATFORMIO_UPLOAD_FLAGS", f"{_ROM_FLAGS}\n--connect-attempts=1")
    folder = tiny.write(tmp_path / "tiny", "esp32c3")
    with FakeRom(deaf=2) as rom, pytest.raises(ToolError, match=r"the build is fine, flashing failed: .+") as caught:
        flash(folder, rom.port)
    assert caught.value.exit_code == 4


@arm
def test_openocd_is_called_with_the_boards_files_and_probe(tmp_path: Path, openocd: Path, plugged: list[Port]) -> None:
    plugged += [_stlink("/dev/ttyACM0", "066EFF3"), Port("/dev/ttyS0", "", None, "")]
    folder = tiny.write(tmp_path / "tiny", "nucleo_f446re")
    flashed = flash(folder)
    assert flashed.port.device == "/dev/ttyACM0"
    elf = ".pio/build/nucleo_f446re/firmware.elf"
    assert _calls(openocd) == [
        [
            *("-f", "interface/stlink.cfg"),
            *("-c", "adapter serial 066EFF3"),
            *("-f", "target/stm32f4x.cfg"),
            *("-c", f"program {{{elf}}} verify reset exit"),
        ]
    ]


@arm
def test_openocd_is_called_with_a_boards_own_script(tmp_path: Path, openocd: Path, plugged: list[Port]) -> None:
    """It knows the serial flash that holds a model's store; the ELF file has both."""
    plugged.append(_stlink("/dev/ttyACM0", "066EFF3"))
    flash(tiny.write(tmp_path / "tiny", "disco_f746ng"))
    assert _calls(openocd) == [
        [
            *("-f", "board/stm32f746g-disco.cfg"),
            *("-c", "adapter serial 066EFF3"),
            *("-c", "program {.pio/build/disco_f746ng/firmware.elf} verify reset exit"),
        ]
    ]


@arm
def test_a_flash_that_fails_once_is_tried_again(tmp_path: Path, openocd: Path, plugged: list[Port]) -> None:
    plugged.append(_stlink("/dev/ttyACM0", "066EFF3"))
    (openocd / "fail").write_text("1")
    flash(tiny.write(tmp_path / "tiny", "netduinoplus2"))
    assert len(_calls(openocd)) == 2


@arm
def test_a_flash_that_fails_twice_says_what_openocd_said(tmp_path: Path, openocd: Path, plugged: list[Port]) -> None:
    plugged.append(_stlink("/dev/ttyACM0", "066EFF3"))
    (openocd / "fail").write_text("2")
    with pytest.raises(ToolError, match="the build is fine, flashing failed: init mode failed"):
        flash(tiny.write(tmp_path / "tiny", "netduinoplus2"))
    assert len(_calls(openocd)) == 2


@arm
def test_a_build_that_fails_is_no_flash_failure(tmp_path: Path, openocd: Path, plugged: list[Port]) -> None:
    plugged.append(_stlink("/dev/ttyACM0", "066EFF3"))
    folder = tiny.write(
        tmp_path / "tiny", "netduinoplus2", changes={"firmware/main.c": "int main(void) { return nothing; }"}
    )
    with pytest.raises(ToolError, match=r"the build failed: .*nothing"):
        flash(folder)
    assert not (openocd / "calls").exists()


def test_several_probes_are_an_error_that_lists_them(plugged: list[Port]) -> None:
    plugged += [_stlink("/dev/ttyACM0", "066EFF3"), _stlink("", "49FF6D0")]
    with pytest.raises(NodeError, match=r"2 devices could be it.*/dev/ttyACM0.*066EFF3.*49FF6D0") as caught:
        ports.find(boards.load("netduinoplus2"), None)
    assert "--port" in caught.value.advice


@pytest.mark.parametrize("name", ["/dev/ttyACM1", "49FF6D0"])
def test_a_port_is_named_by_device_or_serial_number(plugged: list[Port], name: str) -> None:
    plugged += [_stlink("/dev/ttyACM0", "066EFF3"), _stlink("/dev/ttyACM1", "49FF6D0")]
    assert ports.find(boards.load("netduinoplus2"), name).serial_number == "49FF6D0"


def test_nothing_plugged_in_lists_what_there_is(plugged: list[Port]) -> None:
    plugged.append(Port("/dev/ttyUSB7", "A1", (0x0403, 0x6001), "FT232R"))
    with pytest.raises(NodeError, match=r"no device with its USB ids.*/dev/ttyUSB7") as caught:
        ports.find(boards.load("netduinoplus2"), None)
    assert caught.value.exit_code == 3


def test_a_port_that_is_not_there(plugged: list[Port]) -> None:
    with pytest.raises(NodeError, match="no such port"):
        ports.find(boards.load("netduinoplus2"), "/dev/ttyACM99")


def test_a_probe_without_a_serial_port_is_found_by_what_linux_lists(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    device = tmp_path / "1-2"
    device.mkdir()
    for name, text in (
        ("idVendor", "0483\n"),
        ("idProduct", "3748\n"),
        ("serial", "0670FF\n"),
        ("product", "STLINK\n"),
    ):
        (device / name).write_text(text)
    (tmp_path / "usb1").mkdir()
    monkeypatch.setattr(ports, "USB", tmp_path)
    monkeypatch.setattr("serial.tools.list_ports.comports", lambda: [])
    assert ports.find(boards.load("netduinoplus2"), None) == Port("", "0670FF", (0x0483, 0x3748), "STLINK")


def test_an_emulated_board_cannot_be_flashed(tmp_path: Path) -> None:
    with pytest.raises(NodeError, match="no flasher"):
        flash(tiny.write(tmp_path / "tiny", "mps2_an386"))
