"""Builds the firmware around a tiny model, without PlatformIO: for the host, or for a board.

tiny_image.c has whole inputs and outputs, those of tiny_rows_image.c travel in rows."""

from __future__ import annotations

import importlib.util
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import ModuleType

from shoal import boards, resources
from shoal.boards.board import Board
from shoal.render import platformio

HERE = Path(__file__).parent
WARNINGS = ("-Wall", "-Wextra", "-Wconversion", "-Werror")
SANITIZERS = ("-g", "-fsanitize=address,undefined", "-fno-sanitize-recover=all", "-fno-omit-frame-pointer")

FIRST, SECOND = 600, 5
ROWS, WIDE, NARROW = 4, 300, 250


def outputs(first: bytes, second: bytes) -> tuple[bytes, bytes]:
    """What the tiny model answers."""
    pairs = bytes((first[2 * i] + first[2 * i + 1] + second[0]) & 0xFF for i in range(300))
    return pairs, (sum((i + 1) * v for i, v in enumerate(pairs)) & 0xFFFFFFFF).to_bytes(4, "little")


def row_outputs(data: bytes) -> bytes:
    """What the tiny model of rows answers."""
    rows = [data[y * WIDE : (y + 1) * WIDE] for y in range(ROWS)]
    return bytes((r[i] + r[i + WIDE - NARROW]) & 0xFF for r in rows for i in range(NARROW))


def build(
    board_id: str,
    folder: Path,
    flags: Sequence[str] = (),
    macros: Mapping[str, str] = {},
    image: str = "tiny_image.c",
    node: bool = False,
) -> Path:
    """The ELF file, in `folder`. Warnings are errors. `macros` replace the board's own. `node`: of a shoal."""
    board = boards.load(board_id)
    own = board.manifest["shoal"]
    firmware = resources.firmware()
    facts = _facts()
    elf = folder / f"{board.id}.elf"
    machine = [*own.get("machine_flags", []), *own.get("link_flags", [])]
    sources = [firmware / "main.c", *(firmware / "link").glob("*.c"), *(firmware / "runtime").glob("*.c")]
    sources += [HERE / image, *_hal(board)]
    link = ["-Wl,--build-id=sha1", "-Wl,--gc-sections"]
    if board.hal != "host":
        script = folder / f"{board.id}.ld"
        script.write_text(platformio.link_script(board))
        link += ["-nostartfiles", "-T", str(script)]
    command = [f"{board.toolchain}gcc", *machine, "-std=c99", *facts.HARNESS_FLAGS, *WARNINGS, *flags]
    command += ["-ffunction-sections", "-fdata-sections", f"-I{firmware}", f"-I{firmware}/hal/{board.hal}"]
    defined = dict([*facts.macros(board.id, own, node), facts.tick(node)]) | macros
    command += [f"-D{name}={value}" for name, value in defined.items()]
    built = subprocess.run(
        [*command, *link, "-o", str(elf), *map(str, sources)], capture_output=True, text=True, check=False
    )
    assert built.returncode == 0, built.stderr[:4000]
    return elf


def _hal(board: Board) -> list[Path]:
    """The family's sources and those of the folders that it includes from, transitively."""
    root = resources.firmware() / "hal"
    folders: list[str] = []
    wanted = [board.hal]
    while wanted:
        folder = wanted.pop()
        if folder in folders:
            continue
        folders.append(folder)
        for path in (root / folder).glob("*.[ch]"):
            for line in path.read_text().splitlines():
                if line.startswith('#include "../') and (root / (name := line.split('"')[1].split("/")[1])).is_dir():
                    wanted.append(name)
    return [path for folder in folders for path in sorted((root / folder).glob("*.c"))]


def _facts() -> ModuleType:
    spec = importlib.util.spec_from_file_location("facts", resources.platform() / "facts.py")
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
