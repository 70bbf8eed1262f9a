"""Reads board files: shipped ones by id, a user's own by path."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from shoal import resources
from shoal.boards.board import Board, Core, Cpi, Emulator, Flasher, Region, Store, Uart
from shoal.errors import BadInput


def names() -> list[str]:
    """The ids of the boards that shoal brings, sorted."""
    return sorted(path.stem for path in resources.boards().glob("*.json"))


def load(board: str | Path) -> Board:
    """The board of this id, or of the board file at this path.

    Raises BadInput where there is no such board or its file is wrong. Shipped files, and copies of them in generated
    folders, are checked by the tests; a user's own is checked here, each time."""
    text = str(board)
    if text.endswith(".json") or "/" in text or "\\" in text:
        path = Path(text)
        if not path.is_file():
            raise BadInput("no such board file", where=text, advice="give a board's id or the path of its JSON file")
        wrong = [] if _shipped(path) else problems(path)
        if wrong:
            more = f" (and {len(wrong) - 1} more)" if len(wrong) > 1 else ""
            raise BadInput(wrong[0] + more, where=text, advice=f"`shoal boards {text}` lists all that is wrong")
    else:
        path = resources.boards() / f"{text}.json"
        if not path.is_file():
            known = ", ".join(names())
            raise BadInput(f"unknown board {text!r}", advice=f"choose one of {known}, or give the path of a board file")
    content = path.read_bytes()
    return _board(path, json.loads(content), hashlib.sha256(content).hexdigest())


def problems(path: str | Path) -> list[str]:
    """What is wrong with a board file, each with the JSON pointer of the place and what is allowed there; empty if
    nothing is."""
    from shoal.boards.check import check

    return check(Path(path))


def _shipped(path: Path) -> bool:
    """Whether a file is one that shoal brings, or a copy."""
    original = resources.boards() / path.name
    return original.is_file() and original.read_bytes() == path.read_bytes()


def _board(path: Path, manifest: Mapping[str, Any], sha256: str) -> Board:
    own = manifest["shoal"]
    core = own["core"]
    emulator, flasher, cpi, store = (own.get(key) for key in ("emulator", "flasher", "assumed_cpi", "store"))
    return Board(
        id=path.stem,
        name=manifest["name"],
        path=path,
        sha256=sha256,
        hal=own["hal"],
        core=Core(
            name=core["name"],
            isa=core["isa"],
            features=frozenset(core.get("features", ())),
            cycle_counter=core.get("cycle_counter"),
            cycle_table=core.get("cycle_table"),
        ),
        clock_hz=own["clock_hz"],
        regions=tuple(_region(region) for region in own["regions"]),
        stack_bytes=own["stack_bytes"],
        uarts=tuple(Uart(u["name"], u["baud"], u.get("tx"), u.get("rx")) for u in own["uarts"]),
        trigger_pin=own.get("trigger_pin"),
        supply_millivolts=own.get("supply_millivolts"),
        currents=own.get("currents"),
        assumed_cpi=Cpi(cpi["value"], cpi["source"]) if cpi else None,
        emulator=Emulator(emulator["kind"], emulator.get("settings", {}), tuple(emulator.get("faults", ())))
        if emulator
        else None,
        flasher=Flasher(flasher["kind"], flasher["settings"], tuple(_usb(pair) for pair in flasher.get("usb", ())))
        if flasher
        else None,
        toolchain=own["toolchain"],
        platform=own.get("platform", "shoal"),
        verified=own["verified"],
        manifest=manifest,
        store=_store(store) if store else None,
        platformio_board=own.get("platformio_board"),
        framework=own.get("framework"),
    )


def _store(store: Mapping[str, Any]) -> Store:
    return Store(
        kind=store["kind"],
        bytes=store["bytes"],
        bytes_per_second=store["bytes_per_second"],
        source=store["source"],
        address=_address(store.get("address")),
        pins=tuple(pin["pin"] for pin in store.get("pins", ())),
    )


def _region(region: Mapping[str, Any]) -> Region:
    return Region(
        name=region["name"],
        kind=region["kind"],
        address=int(region["address"], 16),
        bytes=region["bytes"],
        wait_states=region.get("wait_states", 0),
        line_bytes=region.get("line_bytes", 4),
        cache_bytes=region.get("cache_bytes", 0),
        arena=region.get("arena", False),
        tensors=region.get("tensors", False),
        data_address=_address(region.get("data_address")),
    )


def _address(text: str | None) -> int | None:
    return None if text is None else int(text, 16)


def _usb(pair: str) -> tuple[int, int]:
    vendor, product = pair.split(":")
    return int(vendor, 16), int(product, 16)
