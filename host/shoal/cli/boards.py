"""`shoal boards`: the boards shoal knows, one of them in full, or what is wrong with a board file."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from shoal.boards.board import Board
from shoal.cli.command import Result, command
from shoal.errors import BadInput


@command(
    examples=[
        ("which boards are there?", "shoal boards"),
        ("all about one", "shoal boards nucleo_f746zg"),
        ("a board of your own: copy a file, change it, check it", "shoal boards my_board.json"),
        ("then use it", "shoal analyze model.tflite --board my_board.json"),
    ]
)
@click.argument("board", metavar="[BOARD]", required=False)
def boards(board: str | None) -> Result:
    """List the boards shoal knows, show one, or check a board file.

    BOARD is an id or the path of a board file. `verified` is the most that was shown of a board: that its firmware
    builds, that it runs in an emulator of the board, that it ran on the hardware.
    """
    return _list() if board is None else _one(board)


def _list() -> Result:
    from shoal import boards

    found = [boards.load(name) for name in boards.names()]

    def show() -> None:
        from rich.table import Table

        from shoal.cli.console import console

        table = Table(box=None, pad_edge=False)
        table.add_column("board")
        table.add_column("core")
        for title in ("MHz", "RAM", "flash"):
            table.add_column(title, justify="right")
        for title in ("emulator", "flashed by", "builds", "verified"):
            table.add_column(title)
        for b in found:
            table.add_row(
                b.id,
                b.core.name,
                f"{b.clock_hz / 1e6:g}",
                _size(b.region("ram").bytes),
                _size(b.region("flash").bytes),
                b.emulator.kind if b.emulator else "–",
                b.flasher.kind if b.flasher else "–",
                "offline" if b.platform == "shoal" else f"with {b.platform}",
                b.verified or "–",
            )
        console().print(table)

    return Result({"boards": [_brief(b) for b in found]}, show)


def _one(name: str) -> Result:
    from shoal import boards, resources
    from shoal.boards.check import SCHEMA

    path = Path(name) if name.endswith(".json") or "/" in name else resources.boards() / f"{name}.json"
    if path.is_file():
        wrong = boards.problems(path)
        if wrong:
            advice = f"the files in {resources.boards()} are examples, {SCHEMA} says what is allowed"
            raise BadInput("\n".join(wrong), where=str(path), advice=advice)
    board = boards.load(name)
    document = {**_brief(board), "manifest": board.manifest}

    def show() -> None:
        from shoal.cli.console import console

        width = max(len(label) for label, _ in _facts(board))
        out = console()
        for label, value in _facts(board):
            out.print(f"{label.ljust(width)}  {value}", soft_wrap=True, markup=False)

    return Result(document, show)


def _brief(board: Board) -> dict[str, Any]:
    return {
        "id": board.id,
        "name": board.name,
        "sha256": board.sha256,
        "core": board.core.name,
        "clock_hz": board.clock_hz,
        "ram_bytes": board.region("ram").bytes,
        "flash_bytes": board.region("flash").bytes,
        "emulator": board.emulator.kind if board.emulator else None,
        "flasher": board.flasher.kind if board.flasher else None,
        "platform": board.platform,
        "verified": board.verified,
    }


def _facts(board: Board) -> list[tuple[str, str]]:
    core = board.core
    facts = [
        ("board", f"{board.id}: {board.name}"),
        ("core", f"{core.name} ({core.isa}), {', '.join(sorted(core.features)) or 'no extensions'}"),
        ("clock", f"{board.clock_hz / 1e6:g} MHz; counts cycles by {core.cycle_counter or 'nothing'}"),
    ]
    for region in board.regions:
        holds = ", holds data and arena" if region.arena else ", holds tensors" if region.tensors else ""
        text = f"{region.bytes:,} B at 0x{region.address:08x}, wait states {region.wait_states}{holds}"
        facts.append((region.name if region.name == region.kind else f"{region.kind} {region.name}", text))
    if board.store:
        facts.append(
            ("second store", f"{board.store.kind}, {board.store.bytes:,} B, {board.store.bytes_per_second:,} B/s")
        )
    facts.append(("stack", f"{board.stack_bytes:,} B"))
    for uart, use in zip(board.uarts, ("to the host", "to another board"), strict=False):
        pins = f", tx {uart.tx}, rx {uart.rx}" if uart.tx else ""
        facts.append((f"serial {use}", f"{uart.name} at {uart.baud:,} baud{pins}"))
    facts.append(("trigger pin", board.trigger_pin or "none"))
    if board.currents:
        draw = board.currents
        condition = f" ({draw['condition']})" if "condition" in draw else ""
        supply = f" at {board.supply_millivolts / 1000:g} V" if board.supply_millivolts else ""
        facts.append(("current", f"{draw['run_milliamperes']:g} mA{supply}{condition}; {draw['source']}"))
    if board.assumed_cpi:
        facts.append(("assumed", f"{board.assumed_cpi.value:g} cycles per instruction; {board.assumed_cpi.source}"))
    if board.emulator:
        machine = board.emulator.settings.get("machine")
        faults = ", ".join(board.emulator.faults) or "no faults"
        facts.append(("emulator", f"{board.emulator.kind}{f' ({machine})' if machine else ''}, raises {faults}"))
    else:
        facts.append(("emulator", "none"))
    facts.append(("flashed by", board.flasher.kind if board.flasher else "nothing"))
    facts.append(("builds", "offline" if board.platform == "shoal" else f"with PlatformIO's platform {board.platform}"))
    facts.append(("verified", board.verified or "nothing yet"))
    return facts


def _size(amount: int) -> str:
    """Memory as vendors write it, in binary units."""
    for unit, size in (("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10)):
        if amount >= size:
            return f"{amount / size:g} {unit}"
    return f"{amount} B"
