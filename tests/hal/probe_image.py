"""Builds probe.c with a board's hal, linker script and macros: a generated folder's build without a model."""

from __future__ import annotations

import importlib.util
import shutil
import subprocess
from pathlib import Path
from types import ModuleType

import pytest

from shoal import resources
from shoal.boards.board import Board
from shoal.render.platformio import link_script
from shoal.render.project import shared_hals

_PROBE = Path(__file__).with_name("probe.c")
WARNINGS = ("-std=c99", "-Wall", "-Wextra", "-Wconversion", "-Werror")


def platform_facts() -> ModuleType:
    """firmware/platform/facts.py, which lies in no package."""
    spec = importlib.util.spec_from_file_location("facts", resources.platform() / "facts.py")
    assert spec is not None and spec.loader is not None
    facts = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(facts)
    return facts


def macros(board: Board) -> list[str]:
    """The compiler flags that tell a firmware of its board."""
    return [f"-D{name}={value}" for name, value in platform_facts().macros(board.id, board.manifest["shoal"])]


def sources(board: Board) -> list[Path]:
    """The C files of a board's hal, those that it shares with other families included."""
    folder = resources.firmware() / "hal"
    return [
        file for name in sorted({board.hal, *shared_hals({board.hal})}) for file in sorted((folder / name).glob("*.c"))
    ]


def build(board: Board, folder: Path) -> tuple[Path, Path]:
    """(ELF, flash image) of the probe for a board. Any warning fails."""
    compiler = f"{board.toolchain}gcc"
    if shutil.which(compiler) is None:
        pytest.skip(f"needs {compiler}")
    script = folder / "link.ld"
    script.write_text(link_script(board))
    elf, image = folder / "probe.elf", folder / "probe.bin"
    own = board.manifest["shoal"]
    firmware = resources.firmware()
    command = [
        *(
            compiler,
            *own["machine_flags"],
            *own["link_flags"],
            *WARNINGS,
            "-Os",
            "-ffunction-sections",
            "-fdata-sections",
        ),
        *macros(board),
        *(f"-I{firmware}", f"-I{firmware / 'hal' / board.hal}"),
        *map(str, [_PROBE, *sources(board)]),
        *("-nostartfiles", "-Wl,--gc-sections", "-Wl,--build-id=sha1", "-Wl,--fatal-warnings", "-T", str(script)),
        *("-o", str(elf)),
    ]
    subprocess.run(command, check=True)
    subprocess.run([f"{board.toolchain}objcopy", "-O", "binary", str(elf), str(image)], check=True)
    return elf, image
