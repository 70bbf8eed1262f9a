"""`shoal doctor`, `boards`, `build` and `flash` as a shell sees them."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from shoal import boards, resources
from shoal.build import checks, tools

MODEL = resources.root() / "host" / "shoal" / "demo" / "digits.tflite"


@pytest.fixture
def no_registry(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tools, "registry_answers", lambda: False)


@pytest.mark.usefixtures("no_registry")
def test_doctor_is_content_without_the_registry(shoal: Callable, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tools, "find", lambda tool: Path("/usr/bin") / tool.program)
    ran = shoal("doctor", "--json")
    assert ran.code == 0 and ran.document["ok"]
    registry = ran.document["checks"][-1]
    assert (registry["ok"], registry["needed"]) == (False, False)


@pytest.mark.usefixtures("no_registry")
def test_doctor_names_what_is_missing_and_the_command(shoal: Callable, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tools, "find", lambda tool: None if tool.program == "arm-none-eabi-gcc" else Path("/bin/true"))
    ran = shoal("doctor", "--json")
    assert ran.code == 4 and not ran.document["ok"]
    assert "arm-none-eabi-gcc" in ran.document["error"]["what"]
    text = shoal("doctor")
    assert text.code == 4
    assert "apt-get install gcc-arm-none-eabi libnewlib-arm-none-eabi" in text.out


@pytest.mark.usefixtures("no_registry")
def test_doctor_sees_a_package_of_another_version(shoal: Callable, monkeypatch: pytest.MonkeyPatch) -> None:
    installed = checks._installed
    monkeypatch.setattr(checks, "_installed", lambda name: "6.0.0" if name == "platformio" else installed(name))
    ran = shoal("doctor", "--json")
    packages = next(check for check in ran.document["checks"] if check["name"] == "python packages")
    assert not packages["ok"] and packages["mend"].endswith("-m pip install platformio==6.2.0")


def test_boards_lists_all(shoal: Callable) -> None:
    ran = shoal("boards", "--json")
    assert [board["id"] for board in ran.document["boards"]] == boards.names()
    text = shoal("boards")
    assert all(name in text.out for name in boards.names())


@pytest.mark.parametrize("board", boards.names())
def test_boards_shows_one(shoal: Callable, board: str) -> None:
    ran = shoal("boards", board, "--json")
    assert ran.document["manifest"] == json.loads((resources.boards() / f"{board}.json").read_text())
    assert boards.load(board).name in shoal("boards", board).out


def test_boards_says_all_that_is_wrong_with_a_file(shoal: Callable, tmp_path: Path) -> None:
    bad = tmp_path / "bad.json"
    bad.write_text('{"name": 1, "shoal": {}}')
    ran = shoal("boards", bad)
    assert ran.code == 2
    for part in ("/name: 1 must be string", "vendor is missing", "url is missing", "/shoal: clock_hz is missing"):
        assert part in ran.err
    assert set(shoal("boards", bad, "--json").document) == {"error"}


def test_boards_of_an_unknown_name(shoal: Callable) -> None:
    ran = shoal("boards", "arduino_uno")
    assert ran.code == 2 and "netduinoplus2" in ran.err


@pytest.mark.skipif(tools.find(tools.COMPILERS["arm-none-eabi-"]) is None, reason="needs the compiler")
def test_build_prints_bars_and_json(shoal: Callable, tmp_path: Path) -> None:
    folder = tmp_path / "digits"
    assert shoal("generate", MODEL, "--board", "netduinoplus2", "--output", folder).code == 0
    ran = shoal("build", folder, "--json")
    assert ran.code == 0
    manifest = json.loads((folder / "manifest.json").read_text())
    assert ran.document["flash"]["weights_bytes"] == manifest["weights_bytes"]
    assert ran.document["ram"]["arena_bytes"] == manifest["arena_bytes"]
    text = shoal("build", folder)
    assert "flash █" in text.out and "RAM   █" in text.out
    verbose = shoal("build", folder, "--env", "host", "-v", "--json")
    assert verbose.document["env"] == "host" and "Compiling" in verbose.err


def test_build_of_any_folder_is_bad_input(shoal: Callable, tmp_path: Path) -> None:
    ran = shoal("build", tmp_path, "--json")
    assert ran.code == 2 and "shoal generate" in ran.document["error"]["advice"]


def test_flash_of_a_board_that_is_only_emulated(shoal: Callable, tmp_path: Path) -> None:
    folder = tmp_path / "digits"
    shoal("generate", MODEL, "--board", "mps2_an386", "--output", folder)
    ran = shoal("flash", folder, "--json")
    assert ran.code == 3 and "no flasher" in ran.document["error"]["what"]


@pytest.mark.parametrize("name", ["model", "image"])
def test_no_name_of_a_model_is_one_of_the_harness(small: Path, name: str, shoal: Callable) -> None:
    named = small.with_name(f"{name}.tflite")
    named.write_bytes(small.read_bytes())
    assert shoal("generate", named, "--board", "host", "--output", small.parent / name).code == 0
    ran = shoal("build", small.parent / name)
    assert ran.code == 0, ran.err
