"""`shoal flash`: a firmware onto a board."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from shoal.cli.command import Result, command
from shoal.errors import BadInput


@command(
    examples=[
        ("the only board that is plugged in", "shoal flash build/kws"),
        ("of several, this port", "shoal flash build/kws --port /dev/ttyACM1"),
        ("of several probes, the one with this serial number", "shoal flash build/kws --port 066EFF3"),
        ("two boards of a shoal", "shoal flash duo --port netduinoplus2=066EFF3 --port esp32c3=/dev/ttyUSB0"),
        ("then measure on it", "shoal bench build/kws --node serial:/dev/ttyACM0"),
    ]
)
@click.argument("directory", metavar="DIR", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option(
    "--port",
    "ports",
    metavar="PORT",
    multiple=True,
    help="A serial port's name, or a probe's serial number. NAME=PORT for a node of a shoal, repeatable.",
)
@click.option("-v", "--verbose", is_flag=True, help="Show the flasher's output, on stderr.")
def flash(directory: Path, ports: tuple[str, ...], verbose: bool) -> Result:
    """Write a generated folder's firmware to a board; builds it first if that is due.

    OpenOCD flashes STM32 boards, esptool ESP32. The port is found by the USB ids in the board's file; if several boards
    could be meant, the error lists them. A flash that fails is tried once more. Of a shoal's DIR, all nodes are
    flashed, or those whose ports are named.
    """
    from shoal.cli import shoals

    if shoals.is_shoal(directory):
        return shoals.flash(shoals.open_shoal(directory), ports, lambda folder, port: _flash(folder, port, verbose))
    if len(ports) > 1:
        raise BadInput("one board has one port", where=f"--port {ports[-1]}", advice="say --port once")
    return _flash(directory, ports[0] if ports else None, verbose)


def _flash(directory: Path, port: str | None, verbose: bool) -> Result:
    """One board's folder."""
    from shoal.build.flash import flash as flash_directory
    from shoal.cli.console import working

    with working(f"flashing {directory.name}", quiet=verbose) as report:
        flashed = flash_directory(directory, port, None, verbose, report)
    document: dict[str, Any] = {
        "board": flashed.board,
        "by": flashed.by,
        "port": flashed.port.device or None,
        "serial_number": flashed.port.serial_number or None,
        "image": str(flashed.built.image),
        "firmware_sha256": flashed.built.firmware_sha256,
        "build_id": flashed.built.build_id,
    }

    def show() -> None:
        where = flashed.port.device or flashed.port.serial_number or "its probe"
        store = f", and its store holds {flashed.built.store_bytes:,} B" if flashed.built.store_image else ""
        click.echo(f"{flashed.board} on {where} runs build {flashed.built.build_id[:12]}{store}")

    return Result(document, show)
