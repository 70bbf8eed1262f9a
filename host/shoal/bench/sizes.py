"""RAM and flash of a result: what the build, the link and the painted stack say."""

from __future__ import annotations

import struct
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from shoal.build.builder import Built
from shoal.link.node import Answer

_POINTER = 4
_RECORD = 2 * _POINTER  # of the model's table of steps: function, arguments


def ram(built: Built, answers: Sequence[Answer], own: bool) -> dict[str, int | None]:
    """The member `ram`. `own`: the firmware ran as built for its board, so that its stack and static data are the
    board's."""
    stack = max((a.stack_bytes for a in answers), default=0) if own else None
    stack_total = max((a.stack_total_bytes for a in answers), default=0) if own else None
    static = built.static_bytes if own else None
    return {
        "arena_bytes": built.arena_bytes,
        "static_bytes": static,
        "stack_bytes": stack,
        "stack_total_bytes": stack_total,
        "stack_bound_bytes": built.stack_bound_bytes if own else None,
        "total_bytes": None if static is None or stack_total is None else static + built.arena_bytes + stack_total,
    }


def flash(built: Built, own: bool) -> dict[str, int | None]:
    """The member `flash`."""
    return {
        "code_bytes": built.code_bytes if own else None,
        "weights_bytes": built.weights_bytes,
        "total_bytes": built.flash_bytes if own else None,
    }


def step_code_bytes(elf: Path, steps: int) -> list[int | None]:
    """The size of each step's function, which steps with the same signature share; None where the image does not say
    (a 64-bit one, or one without symbols)."""
    from elftools.elf.elffile import ELFFile
    from elftools.elf.sections import SymbolTableSection

    unknown: list[int | None] = [None] * steps
    with elf.open("rb") as file:
        image = ELFFile(file)
        if image.elfclass != 8 * _POINTER:
            return unknown
        tables = [s for s in image.iter_sections() if isinstance(s, SymbolTableSection)]
        symbols = [s for table in tables for s in table.iter_symbols()]
        functions = {s["st_value"] & ~1: s["st_size"] for s in symbols if s["st_info"]["type"] == "STT_FUNC"}
        table = next((s for s in symbols if _is_step_table(s, steps)), None)
        if table is None:
            return unknown
        records = _bytes_at(image, table["st_value"], table["st_size"])
    addresses = [run & ~1 for run, _ in struct.iter_unpack("<II", records)]
    return [functions.get(a) for a in addresses] if len(addresses) == steps else unknown


def _is_step_table(symbol: Any, steps: int) -> bool:
    return bool(
        symbol.name == "steps" and symbol["st_info"]["type"] == "STT_OBJECT" and symbol["st_size"] == steps * _RECORD
    )


def _bytes_at(image: Any, address: int, size: int) -> bytes:
    """What lies at an address when the image is loaded; empty where nothing does."""
    for section in image.iter_sections():
        begin: Mapping[str, int] = section.header
        offset = address - begin["sh_addr"]
        if begin["sh_addr"] and offset >= 0 and offset + size <= begin["sh_size"]:
            return bytes(section.data()[offset : offset + size])
    return b""
