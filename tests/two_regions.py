"""Boards with two regions of RAM for the arena, made of shipped ones."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

from shoal import boards
from shoal.boards.board import Board, Region


def divided(board: Board, fast: int, rest: int = 1 << 20, flash_waits: int = 0) -> Board:
    """A board whose RAM has a fast region of so many bytes, and a slow one with so many left for the arena: no figure
    of stack and static data is larger than 32 KiB. Its flash waits for each word."""
    flash = replace(board.region("flash"), wait_states=flash_waits)
    near = Region("near", "ram", 0x20000000, fast, tensors=True)
    far = Region("far", "ram", 0x21000000, rest + 0x8000, wait_states=3, arena=True)
    return replace(board, regions=(flash, far, near))


def board_file(folder: Path, fast: int, flash_waits: int = 0) -> Path:
    """MPS2 with its Cortex-M4, which has two memories for data: so many bytes of the SSRAM, 64 KiB of the slower PSRAM,
    which holds stack and static data, too. What holds its code is said to wait for each word."""
    described = json.loads(boards.load("mps2_an386").path.read_text(encoding="utf-8"))
    flash = described["shoal"]["regions"][0] | {"wait_states": flash_waits}
    ssram = {"name": "ssram2", "kind": "ram", "address": "0x20000000", "bytes": fast, "tensors": True}
    psram = {"name": "psram", "kind": "ram", "address": "0x21000000", "bytes": 65536, "wait_states": 3, "arena": True}
    described["shoal"]["regions"] = [flash, psram, ssram]
    path = folder / "mps2_two.json"
    path.write_text(json.dumps(described), encoding="utf-8")
    return path
