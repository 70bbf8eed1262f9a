"""Board files: the shipped ones are right, wrong ones are told apart clearly."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from shoal import boards, resources
from shoal.boards.check import SCHEMA
from shoal.errors import BadInput

Change = Callable[[dict[str, Any]], Any]


@pytest.mark.parametrize("board", boards.names())
def test_shipped_board_has_no_problems(board: str) -> None:
    assert boards.problems(resources.boards() / f"{board}.json") == []


@pytest.mark.parametrize("board", boards.names())
def test_shipped_board_loads(board: str) -> None:
    loaded = boards.load(board)
    assert loaded.id == board
    assert loaded.region("ram").arena
    assert loaded.region("flash").kind == "flash"
    assert loaded.stack_bytes < loaded.region("ram").bytes


def test_schema_is_a_schema() -> None:
    from jsonschema import Draft202012Validator

    Draft202012Validator.check_schema(json.loads(SCHEMA.read_text()))


def test_a_path_loads_as_well_as_an_id(tmp_path: Path) -> None:
    mine = tmp_path / "mine.json"
    mine.write_bytes((resources.boards() / "netduinoplus2.json").read_bytes())
    board = boards.load(str(mine))
    assert board.id == "mine"
    assert board.sha256 == boards.load("netduinoplus2").sha256
    assert board.regions == boards.load("netduinoplus2").regions


def test_unknown_board_lists_the_known_ones() -> None:
    with pytest.raises(BadInput, match="netduinoplus2") as caught:
        boards.load("netduino_plus_3")
    assert caught.value.exit_code == 2


def test_missing_file_is_bad_input(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="no such board file"):
        boards.load(tmp_path / "none.json")


def _set(*path: str | int, to: Any) -> Change:
    def change(manifest: dict[str, Any]) -> None:
        place: Any = manifest
        for part in path[:-1]:
            place = place[part]
        place[path[-1]] = to

    return change


def _drop(*path: str | int) -> Change:
    def change(manifest: dict[str, Any]) -> None:
        place: Any = manifest
        for part in path[:-1]:
            place = place[part]
        del place[path[-1]]

    return change


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (_drop("shoal"), "/: shoal is missing"),
        (_drop("shoal", "clock_hz"), "/shoal: clock_hz is missing"),
        (_set("shoal", "clock_hz", to="fast"), '/shoal/clock_hz: "fast" must be integer'),
        (_set("shoal", "clok_hz", to=1), "/shoal: unknown: clok_hz; allowed are"),
        (_set("shoal", "regions", 1, "address", to=536870912), "/shoal/regions/1/address: 536870912 must be string"),
        (_set("shoal", "regions", 1, "address", to="0x20"), "does not match"),
        (_set("shoal", "regions", 1, "address", to="0x08000000"), "sram1 overlaps flash"),
        (_set("shoal", "regions", 1, "address", to="0x20000004"), "multiple of 32"),
        (_set("shoal", "regions", 1, "arena", to=False), "exactly one"),
        (_set("shoal", "regions", 0, "arena", to=True), "exactly one"),
        (_set("shoal", "regions", 0, "tensors", to=True), "only RAM beside the arena's"),
        (_set("shoal", "regions", 1, "tensors", to=True), "only RAM beside the arena's"),
        (_set("shoal", "regions", 0, "kind", to="ram"), "no region of kind flash"),
        (_set("shoal", "regions", 1, "name", to="flash"), "flash is there twice"),
        (_set("shoal", "regions", 1, "bytes", to=1 << 32), "32-bit"),
        (_set("shoal", "stack_bytes", to=1 << 20), "leave nothing of sram1"),
        (_set("shoal", "uarts", 1, "name", to="usart1"), "usart1 is there twice"),
        (_set("shoal", "uarts", 0, "tx", to="P6"), "/shoal/uarts/0/tx: "),
        (_set("shoal", "hal", to="avr"), "no hal 'avr'; there are"),
        (_set("shoal", "toolchain", to="avr-"), '"avr-" is none of'),
        (_set("shoal", "core", "features", to=["dsp", "sse"]), '"sse" is none of'),
        (_set("shoal", "emulator", "kind", to="renode"), '"renode" is none of "qemu"'),
        (_set("shoal", "emulator", "settings", to={}), "machine is missing"),
        (_set("shoal", "emulator", to=7), "7 must be an object or null"),
        (_set("shoal", "flasher", "usb", to=["483:3748"]), "/shoal/flasher/usb/0"),
        (_set("shoal", "flasher", "settings", to={"interface": "stlink"}), "target is missing"),
        (_set("shoal", "verified", to="surely"), '"surely" is none of null, "built"'),
        (_set("shoal", "toolchain", to="xtensa-esp32-elf-"), "no Xtensa compiler"),
        (_set("shoal", "platform", to="espressif32@^6"), "/shoal/framework"),
        (_set("shoal", "framework", to="arduino"), "for registry platforms"),
        (_set("build", "f_cpu", to="1L"), "/build/f_cpu: 1L differs"),
    ],
)
def test_a_bad_file_says_where_and_what(tmp_path: Path, change: Change, expected: str) -> None:
    manifest = json.loads((resources.boards() / "netduinoplus2.json").read_text())
    change(manifest)
    path = tmp_path / "mine.json"
    path.write_text(json.dumps(manifest))
    found = boards.problems(path)
    assert any(expected in problem for problem in found), found
    with pytest.raises(BadInput) as caught:
        boards.load(path)
    assert caught.value.where == str(path)


@pytest.mark.parametrize("content", [b"", b"{", b"\xff\xfe", b"[]", b"null", b"[" * 100_000, b'{"shoal": 1}'])
def test_what_is_no_board_file_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "mine.json"
    path.write_bytes(content)
    assert boards.problems(path)


def test_the_stem_must_do_as_an_id(tmp_path: Path) -> None:
    path = tmp_path / "My board.json"
    path.write_bytes((resources.boards() / "host.json").read_bytes())
    assert "board's id" in boards.problems(path)[0]


def test_what_a_board_file_leaves_out_is_none(tmp_path: Path) -> None:
    manifest = json.loads((resources.boards() / "netduinoplus2.json").read_text())
    own = manifest["shoal"]
    for optional in set(own) - {"hal", "toolchain", "core", "clock_hz", "regions", "stack_bytes", "uarts", "verified"}:
        del own[optional]
    path = tmp_path / "least.json"
    path.write_text(json.dumps(manifest))
    board = boards.load(path)
    assert (board.emulator, board.flasher, board.assumed_cpi, board.store, board.trigger_pin) == (None,) * 5
    assert board.platform == "shoal"
