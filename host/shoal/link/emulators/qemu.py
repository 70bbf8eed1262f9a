"""Boards that QEMU emulates.

Settings of a board file's emulator: `machine` (QEMU's name of the board), `binary` (default qemu-system-arm),
`options` (further arguments)."""

from __future__ import annotations

import functools
import re
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from shoal.errors import ToolError
from shoal.link.emulators.compiled import shared_library
from shoal.link.emulators.process import Emulator, require
from shoal.link.emulators.regions import RegionReader, marks

if TYPE_CHECKING:
    from shoal.boards.board import Board
    from shoal.build.builder import Built

#: QEMU's first major version with each plugin API that a plugin for it may declare; the calls used are in all of them
_PLUGIN_API = ((9, 2), (6, 1))


def open(board: Board, built: Built, count: Sequence[str]) -> Emulator:
    """The board of a generated folder with its built firmware; see `start` for what is counted and for errors."""
    assert board.emulator is not None
    return start(
        built.elf,
        board.emulator.settings,
        name=f"{board.id} in QEMU",
        count=count,
        blocks=board.core.cycle_table is not None,
    )


def start(
    elf: Path, settings: Mapping[str, Any], *, name: str = "qemu", count: Sequence[str] = (), blocks: bool = False
) -> Emulator:
    """Boots `elf`; counts the calls of the functions `count`, with `blocks` by the block. Raises ToolError where QEMU
    is missing or too old, NodeError where it does not start."""
    program = str(settings.get("binary", "qemu-system-arm"))
    machine = ["-M", str(settings["machine"]), "-kernel", str(elf), *map(str, settings.get("options", ()))]
    what = marks(elf, count) if count else None
    plugin = _plugin(program) if what else None

    def command(folder: Path) -> list[str]:
        line = [program, *machine, "-display", "none", "-monitor", "none"]
        for port in ("second", "console"):  # the console last: who can connect to it finds the other, too
            line += ["-chardev", f"socket,id={port},path={_escaped(folder / port)},server=on,wait=off"]
        line += ["-serial", "chardev:console", "-serial", "chardev:second"]
        if what and plugin:
            options = [_escaped(plugin), f"out={_escaped(folder / 'counts')}", *what.arguments()]
            line += ["-plugin", ",".join([*options, *(["blocks=on"] if blocks else [])])]
        return line

    return Emulator(name, command, (lambda folder: RegionReader(folder / "counts", what)) if what else None)


def _escaped(path: Path) -> str:
    """In QEMU's option lists a comma is written twice."""
    return str(path).replace(",", ",,")


@functools.cache
def _plugin(program: str) -> Path:
    """The counting plugin for this QEMU."""
    require(program)
    text = subprocess.run([program, "--version"], capture_output=True, text=True, check=False).stdout
    found = re.search(r"version (\d+)\.", text)
    major = int(found[1]) if found else 0
    for first, api in _PLUGIN_API:
        if major >= first:
            return shared_library(
                "qemu_plugin.c", ("qemu_plugin.h", "regions.h"), (f"SHOAL_QEMU_PLUGIN_VERSION={api}",)
            )
    raise ToolError(f"{program} is too old to count instructions", advice="install QEMU 6 or newer")
