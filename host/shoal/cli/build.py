"""`shoal build`: a generated folder becomes firmware."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from shoal.boards.board import Board
from shoal.build.builder import Built
from shoal.cli.command import Result, command


@command(
    examples=[
        ("build a generated folder", "shoal build build/kws"),
        ("the same plan for this computer", "shoal build build/kws --env host"),
        ("every node of a shoal", "shoal build trio"),
        ("see what PlatformIO says", "shoal build build/kws -v"),
    ]
)
@click.argument("directory", metavar="DIR", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option("--env", metavar="ENV", help="An environment of DIR's platformio.ini; default the board's.")
@click.option("-v", "--verbose", is_flag=True, help="Show PlatformIO's output, on stderr.")
def build(directory: Path, env: str | None, verbose: bool) -> Result:
    """Build a generated folder with PlatformIO; what is up to date is left alone.

    Prints how full flash and RAM are. `pio run` in DIR does the same. Of a shoal's DIR, every node's folder is built.
    """
    from shoal.cli import shoals

    if shoals.is_shoal(directory):
        return shoals.build(shoals.open_shoal(directory), lambda folder: _build(folder, env, verbose))
    return _build(directory, env, verbose)


def _build(directory: Path, env: str | None, verbose: bool) -> Result:
    """One board's folder."""
    from shoal.build.builder import build as build_directory
    from shoal.build.builder import open_project
    from shoal.cli.console import working

    project = open_project(directory.resolve(), env)
    with working(f"building {directory.name}", quiet=verbose) as report:
        built = build_directory(directory, env, verbose, report)
    board = project.board
    ram = built.static_bytes + built.arena_bytes + (board.stack_bytes if board.hal != "host" else 0)
    room = sum(r.bytes for r in board.arenas())
    document: dict[str, Any] = {
        "board": board.id,
        "env": project.env,
        "elf": str(built.elf),
        "image": str(built.image),
        "build_id": built.build_id,
        "firmware_sha256": built.firmware_sha256,
        "compiler": built.compiler,
        "flags": built.flags,
        "flash": {
            "code_bytes": built.code_bytes,
            "weights_bytes": built.weights_bytes,
            "total_bytes": built.flash_bytes,
            "region_bytes": board.region("flash").bytes,
        },
        "ram": {
            "arena_bytes": built.arena_bytes,
            "static_bytes": built.static_bytes,
            "stack_bytes": board.stack_bytes,
            "stack_bound_bytes": built.stack_bound_bytes,
            "total_bytes": ram,
            "region_bytes": room,
        },
        "store": _store(built, board),
    }

    def show() -> None:
        model = f"model {built.weights_bytes:,} B weights"
        if built.code_bytes is not None:
            model += f" + {built.code_bytes:,} B code"
        memory = f"arena {built.arena_bytes:,} B + static {built.static_bytes:,} B + stack {board.stack_bytes:,} B"
        if built.stack_bound_bytes is not None:
            memory += f" (can come to {built.stack_bound_bytes:,} B)"
        click.echo(f"{built.image}")
        click.echo(f"flash {_bar(built.flash_bytes, board.region('flash').bytes)}  {model}")
        click.echo(f"RAM   {_bar(ram, room)}  {memory}")
        if built.store_image is not None and board.store is not None:
            click.echo(f"store {_bar(built.store_bytes, board.store.bytes)}  {built.store_image}")

    return Result(document, show)


def _store(built: Built, board: Board) -> dict[str, Any] | None:
    """The member `store`: constants that are linked to where the board maps a second store."""
    if built.store_image is None or board.store is None or board.store.address is None:
        return None
    return {
        "image": str(built.store_image),
        "address": f"0x{board.store.address:08x}",
        "bytes": built.store_bytes,
        "region_bytes": board.store.bytes,
    }


def _bar(used: int, size: int) -> str:
    """How full a region is: a bar of twenty cells, percent and bytes."""
    cells = min(20, -(-20 * used // size))
    return f"{'█' * cells}{'░' * (20 - cells)} {100 * used / size:5.1f} %  {used:>9,} of {size:,} B"
