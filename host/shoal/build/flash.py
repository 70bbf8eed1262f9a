"""Writes a built firmware to a board: OpenOCD for STM32, esptool for ESP32, both called by PlatformIO."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from shoal.build import tools
from shoal.build.builder import Built, Report, build, open_project, run
from shoal.build.ports import Port, find
from shoal.errors import NodeError, ToolError

#: a bus that was busy, or a chip that missed its reset, is worth one more try
_TRIES = 2


@dataclass(frozen=True)
class Flashed:
    """What was written, and where."""

    board: str
    by: str
    port: Port
    built: Built


def flash(
    directory: Path,
    port: str | None = None,
    env: str | None = None,
    verbose: bool = False,
    report: Report | None = None,
) -> Flashed:
    """Builds a generated folder if it is not up to date, finds the board's port and flashes it.

    Raises what `build` raises; NodeError where the board cannot be flashed or found, or several could be it; ToolError
    where the flasher is missing or failed twice."""
    directory = directory.resolve()
    project = open_project(directory, env)
    board = project.board
    if board.flasher is None:
        raise NodeError(
            "has no flasher", where=f"board {board.id}", advice="it is emulated or this computer: `shoal run`"
        )
    if board.flasher.kind == "openocd":
        tools.require(tools.OPENOCD)
    found = find(board, port)
    built = build(directory, env, verbose, report)
    if built.store_image is not None and "board" not in board.flasher.settings:
        raise NodeError(
            f"{board.flasher.kind} cannot write the store as the board file calls it",
            where=f"board {board.id}",
            advice=f"write {built.store_image} to it, and {built.image} to flash, by tools of the board's vendor",
        )
    # OpenOCD goes by the probe's serial number, esptool by the port's name
    name = found.serial_number if board.flasher.kind == "openocd" else found.device
    targets = ["--target", "upload", *(["--upload-port", name] if name else [])]

    def failed(lines: list[str]) -> ToolError:
        return _failure(lines, str(found) or board.id)

    for tries_left in reversed(range(_TRIES)):
        try:
            run(project, targets, verbose=verbose, report=report, failure=failed)
            break
        except ToolError:
            if not tries_left:
                raise
    return Flashed(board.id, board.flasher.kind, found, built)


def _failure(lines: Sequence[str], where: str) -> ToolError:
    """The error that a failed upload's output tells of: the flasher's own words."""
    text = "\n".join(lines)
    said = re.search(r"^(?:A fatal error occurred|Error): *(.+)$", text, re.MULTILINE)
    what = f"the build is fine, flashing failed{': ' + said[1].strip() if said else ''}"
    if re.search(r"permission denied|insufficient permissions|LIBUSB_ERROR_ACCESS", text, re.IGNORECASE):
        advice = "you may not use the device: `shoal doctor` says how to get permission"
    else:
        advice = "check cable and power, hold BOOT while it resets if it has that button; `shoal flash -v` shows all"
    return ToolError(what, where=where, advice=advice)
