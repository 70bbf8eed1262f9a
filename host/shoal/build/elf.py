"""What ELF files say: identity and sizes."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from pathlib import Path
from typing import Any

_WRITE, _ALLOC = 1, 2


def build_id(elf: Path) -> str:
    """The linker's build id in hex; of a file without one its SHA-256, which is what an image of ESP-IDF carries."""
    with elf.open("rb") as file:
        for section in _open(file).iter_sections():
            if section["sh_type"] == "SHT_NOTE" and section.name == ".note.gnu.build-id":
                for note in section.iter_notes():
                    return str(note["n_desc"])
    return hashlib.sha256(elf.read_bytes()).hexdigest()


def loaded_bytes(elf: Path) -> int:
    """Bytes that must lie in flash: code, constants, and what initial data is copied from; not those of a second
    store."""
    return sum(size for name, size, _, loaded in _memory(elf) if loaded and name != ".store")


def static_bytes(elf: Path) -> int:
    """Bytes of RAM that are neither main's stack nor the arena: data, zeroed data, what outlives a reset, the handlers'
    stack."""
    return sum(
        size
        for name, size, writable, _ in _memory(elf)
        if writable and name not in (".stack", ".arena") and not name.startswith(".arena.")
    )


def section_bytes(files: Iterable[Path], *prefixes: str) -> int:
    """The size of all sections of this name, or of a name that goes on after a dot."""
    return sum(
        size
        for file in files
        for name, size, _, _ in _memory(file)
        if any(name == prefix or name.startswith(f"{prefix}.") for prefix in prefixes)
    )


def written(file: Path) -> list[tuple[str, int]]:
    """Name and size of an object's sections that a program may write to: not those that only wait for relocation."""
    return [
        (name, size)
        for name, size, writable, _ in _memory(file)
        if writable and size and not name.startswith(".data.rel.ro")
    ]


def symbol_bytes(file: Path) -> int:
    """The size of all data symbols that a file defines."""
    with file.open("rb") as opened:
        symbols = _open(opened).get_section_by_name(".symtab")
        return sum(
            symbol["st_size"]
            for symbol in (symbols.iter_symbols() if symbols else ())
            if symbol["st_info"]["type"] == "STT_OBJECT" and symbol["st_shndx"] != "SHN_UNDEF"
        )


def _memory(elf: Path) -> list[tuple[str, int, bool, bool]]:
    """(name, size, writable, loaded) of the sections that take memory."""
    with elf.open("rb") as file:
        return [
            (s.name, s["sh_size"], bool(s["sh_flags"] & _WRITE), s["sh_type"] != "SHT_NOBITS")
            for s in _open(file).iter_sections()
            if s["sh_flags"] & _ALLOC
        ]


def _open(file: Any) -> Any:
    from elftools.elf.elffile import ELFFile

    return ELFFile(file)
