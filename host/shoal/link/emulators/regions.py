"""Instructions counted per call of the model: what an emulator is told to count, and what it reports (regions.h)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from shoal.errors import BadInput, NodeError

#: sections that may run inside a region and are no part of it: an interrupt handler's, and the link's
_SECTIONS = {".text.isr": "interrupt", ".text.link": "exclude"}


@dataclass(frozen=True)
class Block:
    """Straight-line code [address, address + bytes) and how often it ran; `taken` of the runs went elsewhere than to
    the next address. `instructions` are those of it that count."""

    address: int
    bytes: int
    instructions: int
    runs: int
    taken: int


@dataclass(frozen=True)
class Region:
    """One call of `entry`, from its first instruction to its return, both included."""

    entry: str
    instructions: int
    blocks: tuple[Block, ...]


@dataclass(frozen=True)
class Marks:
    """What to count in an ELF file: `entries` by name, and ranges [begin, end) that are left out."""

    entries: dict[str, int]
    interrupts: tuple[tuple[int, int], ...]
    excluded: tuple[tuple[int, int], ...]

    def arguments(self) -> list[str]:
        """As `KEY=VALUE`, the plugin's arguments."""
        return [
            *(f"entry={address:#x}" for address in self.entries.values()),
            *(f"interrupt={begin:#x}-{end:#x}" for begin, end in self.interrupts),
            *(f"exclude={begin:#x}-{end:#x}" for begin, end in self.excluded),
        ]


def marks(elf: Path, entries: Sequence[str]) -> Marks:
    """The addresses of the functions `entries` and of the sections that do not count, but for one that an entry lies
    in itself. BadInput where a function is missing."""
    from elftools.elf.elffile import ELFFile
    from elftools.elf.sections import SymbolTableSection

    with elf.open("rb") as file:
        image = ELFFile(file)
        addresses: dict[str, int] = {}
        for section in image.iter_sections():
            if isinstance(section, SymbolTableSection):
                # bit 0 of a Thumb function's address says that it is one
                addresses |= {s.name: s["st_value"] & ~1 for s in section.iter_symbols() if s.name}
        ranges: dict[str, list[tuple[int, int]]] = {kind: [] for kind in _SECTIONS.values()}
        for name, kind in _SECTIONS.items():
            found = image.get_section_by_name(name)
            if found is not None and found["sh_size"]:
                ranges[kind].append((found["sh_addr"], found["sh_addr"] + found["sh_size"]))
    missing = [name for name in entries if name not in addresses]
    if missing:
        raise BadInput(
            f"has no function {missing[0]}", where=str(elf), advice="build it again; its symbols must not be stripped"
        )
    starts = {e: addresses[e] for e in entries}
    apart = [r for r in ranges["exclude"] if not any(r[0] <= start < r[1] for start in starts.values())]
    return Marks(starts, tuple(ranges["interrupt"]), tuple(apart))


class RegionReader:
    """Reads the regions that an emulator appends to a file while it runs."""

    def __init__(self, path: Path, marks: Marks) -> None:
        self._path = path
        self._names = {address: name for name, address in marks.entries.items()}
        self._position = 0

    def read(self) -> list[Region]:
        """The regions that ended since the last call, in order."""
        try:
            with self._path.open("rb") as file:
                file.seek(self._position)
                lines = file.read().decode().splitlines()
                self._position = file.tell()
        except FileNotFoundError:
            return []
        regions = []
        rows = iter(lines)
        try:
            for row in rows:
                word, entry, instructions, count = row.split()
                if word != "region":
                    raise ValueError(row)
                blocks = tuple(_block(next(rows)) for _ in range(int(count)))
                regions.append(Region(self._names[int(entry, 16)], int(instructions), blocks))
        except (ValueError, KeyError, StopIteration, RuntimeError) as error:
            raise NodeError("the emulator's counts are garbled", where=str(self._path)) from error
        return regions

    def rewind(self) -> None:
        """The emulator starts again and with it its file."""
        self._position = 0


def _block(row: str) -> Block:
    address, bytes_, instructions, runs, taken = row.split()
    return Block(int(address, 16), int(bytes_), int(instructions), int(runs), int(taken))
