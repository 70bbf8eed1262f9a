"""How deep the stacks of a firmware can become: a bound from the compiler's own figures, not a measurement.

GCC writes a function's frame and its calls beside each object (`-fcallgraph-info=su`); functions without such figures,
written in assembly or taken from a library, are read from the disassembly. A call through a pointer may reach every
function whose address the objects take: a model's runner those of its own tables, what brings rows and pages the
callbacks that it is given, the rest of the firmware any."""

from __future__ import annotations

import graphlib
import re
import subprocess
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from shoal.boards.board import Board
from shoal.errors import ToolError

#: what an interrupt leaves on the stack that it comes upon: eight words and one of alignment on Armv7-M and Armv8-M, 18
#: more with the FPU's registers (Arm DDI 0403, exception entry)
_EXCEPTION_FRAME, _FLOAT_FRAME = 36, 72

_NODE = re.compile(r'node: \{ title: "([^"]+)" label: "([^"\\]+)\\n[^"]*?\\n(\d+) bytes \((\w+)')
_EDGE = re.compile(r'edge: \{ sourcename: "([^"]+)" targetname: "([^"]+)"')
_INDIRECT = "__indirect_call"

#: what calls the callbacks that a model is given (templates/model.c.j2)
_ASKING = frozenset({"read_row", "read_columns", "write_row", "bring_page", "tell_ahead"})

_FUNCTION = re.compile(r"[0-9a-f]+ <([^>]+)>:")
_PUSHED = re.compile(r"(?:push|stmdb|vpush)(?:\.w)?\s+(?:sp!, )?\{([^}]*)\}")
_LOWERED = re.compile(
    r"(?:subw?(?:\.w)?\s+sp, (?:sp, )?#|(?:c\.)?add(?:i|i16sp)?\s+sp,sp,-|str(?:\.w)?\s+\w+, \[sp, #-)(\d+)"
)
_CALLED = re.compile(r"(?:b|bl|blx|b\.n|b\.w|j|jal|tail|call|c\.j|c\.jal)\s+(?:\w+,\s*)?[0-9a-f]+ <([^>+]+)>")
_REGISTER_RANGE = re.compile(r"([rsd])(\d+)-[rsd](\d+)")

#: relocations of words and of the halves of addresses, not of branches: R_ARM_ABS32, TARGET1, THM_MOVW_ABS_NC;
#: R_RISCV_32, PCREL_HI20, HI20
_ALLOC = 2
_ADDRESSES = {"EM_ARM": frozenset({2, 38, 47}), "EM_RISCV": frozenset({1, 23, 26})}


@dataclass(frozen=True)
class Bound:
    """`bytes` of main's stack at most, with the frame of an interrupt that comes at the worst moment; `path`: the calls
    that lead there; `model_bytes`: of the model's own calls; `handler_bytes` of the handlers' stack."""

    bytes: int
    path: tuple[str, ...]
    model_bytes: int
    handler_bytes: int


@dataclass
class _Graph:
    frames: dict[str, int] = field(default_factory=dict)
    calls: dict[str, set[str]] = field(default_factory=lambda: defaultdict(set))


def bound(elf: Path, objects: Path, board: Board) -> Bound | None:
    """The bound of a firmware from its ELF file and the folder of its objects; None where the build left no figures (a
    platform of the registry, or the host). Raises ToolError where functions call each other in a circle."""
    figures = sorted(objects.rglob("*.ci"))
    if not figures or board.hal == "host":
        return None
    present = _functions(elf)
    read = _Graph()
    pointed = _pointed_to(objects, figures)
    for file in figures:
        _read_figures(file, _is_model(file), read, present, pointed)
    _read_disassembly(elf, f"{board.toolchain}objdump", read, present)
    depth, deepest = _depths(read, elf)
    starts = {name for name in read.frames if "main" in _reached(name, read)} | {"main"}
    start = max(sorted(starts), key=lambda name: depth[name])
    entered = read.frames.keys() - starts - _reached(start, read)  # by the hardware alone
    return Bound(
        bytes=depth[start] + _interrupted(board),
        path=tuple(_path(start, deepest)),
        model_bytes=max((depth[name] for name in pointed.defined & depth.keys()), default=0),
        handler_bytes=max((depth[name] for name in entered), default=0),
    )


def _interrupted(board: Board) -> int:
    if not board.core.isa.startswith("armv"):
        return 0  # no interrupt is enabled there
    return _EXCEPTION_FRAME + (_FLOAT_FRAME if "fpu" in board.core.features else 0)


def _is_model(file: Path) -> bool:
    return file.parent.name == "model"


@dataclass(frozen=True)
class _Pointed:
    """Functions that a pointer in a model's objects, or in others, may lead to; `defined`: all that a model's
    define; `callers`: of others, what calls one of these."""

    model: frozenset[str]
    others: frozenset[str]
    defined: frozenset[str]
    callers: frozenset[str]

    @property
    def callbacks(self) -> frozenset[str]:
        """What a model may be given to call: not what runs the model."""
        return self.others - self.defined - self.callers


def _read_figures(file: Path, model: bool, read: _Graph, present: frozenset[str], pointed: _Pointed) -> None:
    text = file.read_text(encoding="utf-8", errors="replace")
    for title, label, size, kind in _NODE.findall(text):
        if _name(title) in present:
            if kind.startswith("dynamic"):
                raise ToolError(f"{label} takes stack by the amount of its data", where=file.name)
            read.frames[_name(title)] = max(int(size), read.frames.get(_name(title), 0))
    for source, target in _EDGE.findall(text):
        name = _name(source)
        if name in present:
            own = pointed.callbacks if name in _ASKING else pointed.model
            reachable = own if model else pointed.others
            read.calls[name] |= reachable if target == _INDIRECT else {_name(target)}


def _name(title: str) -> str:
    """A static function's title is "file:function"."""
    return title.rpartition(":")[2]


def _read_disassembly(elf: Path, objdump: str, read: _Graph, present: frozenset[str]) -> None:
    """Frames and calls of the functions that the compiler gave no figures of, or 0 bytes: assembly among them."""
    command = [objdump, "-d", "--no-show-raw-insn", str(elf)]
    run = subprocess.run(command, capture_output=True, text=True, check=False)
    if run.returncode != 0:
        raise ToolError(f"{objdump} cannot read it: {run.stderr.strip()}", where=elf.name)
    current, known = "", True
    for line in run.stdout.splitlines():
        if (found := _FUNCTION.match(line)) is not None:
            current = found[1]
            known = current not in present or read.frames.get(current, 0) > 0
            if not known:
                read.frames.setdefault(current, 0)
            continue
        if known:
            continue
        instruction = line.partition("\t")[2].strip()
        read.frames[current] += _lowers(instruction)
        if (call := _CALLED.match(instruction)) is not None and call[1] != current:
            read.calls[current].add(call[1])


def _lowers(instruction: str) -> int:
    """By how many bytes an instruction lowers the stack pointer."""
    if (pushed := _PUSHED.match(instruction)) is not None:
        names = pushed[1]
        count = sum(int(last) - int(first) for _, first, last in _REGISTER_RANGE.findall(names))
        return (8 if names.lstrip().startswith("d") else 4) * (count + names.count(",") + 1)
    lowered = _LOWERED.match(instruction)
    return int(lowered[1]) if lowered is not None else 0


def _depths(read: _Graph, elf: Path) -> tuple[dict[str, int], dict[str, str | None]]:
    """By function: its frame with the deepest of its calls, and which call that is."""
    graph: Mapping[str, Iterable[str]] = {n: read.calls.get(n, set()) & read.frames.keys() for n in read.frames}
    try:
        order = list(graphlib.TopologicalSorter(graph).static_order())
    except graphlib.CycleError as error:
        circle = " > ".join(reversed(error.args[1]))
        raise ToolError(f"the stack has no bound: {circle}", where=elf.name, advice="remove the recursion") from None
    depth: dict[str, int] = {}
    deepest: dict[str, str | None] = {}
    for name in order:
        below = max(sorted(graph[name]), key=lambda n: depth[n], default=None)
        depth[name] = read.frames[name] + (depth[below] if below is not None else 0)
        deepest[name] = below
    return depth, deepest


def _path(name: str, deepest: Mapping[str, str | None]) -> Iterator[str]:
    step: str | None = name
    while step is not None:
        yield step
        step = deepest[step]


def _reached(name: str, read: _Graph) -> set[str]:
    reached, waiting = set(), [name]
    while waiting:
        for target in read.calls.get(waiting.pop(), ()):
            if target not in reached:
                reached.add(target)
                waiting.append(target)
    return reached


def _functions(elf: Path) -> frozenset[str]:
    """What the linker kept."""
    from elftools.elf.elffile import ELFFile

    with elf.open("rb") as file:
        table: Any = ELFFile(file).get_section_by_name(".symtab")
        symbols = table.iter_symbols() if table else ()
        return frozenset(s.name for s in symbols if s["st_info"]["type"] in ("STT_FUNC", "STT_NOTYPE") and s.name)


def _pointed_to(objects: Path, figures: Iterable[Path]) -> _Pointed:
    from elftools.elf.elffile import ELFFile

    model: set[str] = set()
    others: set[str] = set()
    defined: set[str] = set()
    for path in sorted(objects.rglob("*.o")):
        with path.open("rb") as file:
            image = ELFFile(file)
            (model if _is_model(path) else others).update(_addresses(image))
            if _is_model(path):
                defined.update(name for _, name in _functions_of(image))
    edges = (_EDGE.findall(f.read_text(encoding="utf-8", errors="replace")) for f in figures if not _is_model(f))
    callers = {_name(source) for found in edges for source, target in found if _name(target) in defined}
    return _Pointed(frozenset(model), frozenset(others), frozenset(defined), frozenset(callers))


def _functions_of(image: Any) -> Iterator[tuple[tuple[Any, int], str]]:
    """((section, address), name) of the functions that an object defines."""
    table = image.get_section_by_name(".symtab")
    for symbol in table.iter_symbols() if table else ():
        if symbol["st_info"]["type"] == "STT_FUNC" and symbol["st_shndx"] != "SHN_UNDEF":
            yield (symbol["st_shndx"], symbol["st_value"] & ~1), symbol.name


def _addresses(image: Any) -> Iterator[str]:
    """The functions whose address an object holds or makes, but for its table of vectors."""
    from elftools.elf.relocation import RelocationSection

    wanted = _ADDRESSES.get(image["e_machine"], frozenset())
    symbols = image.get_section_by_name(".symtab")
    if symbols is None:
        return
    at = dict(_functions_of(image))
    for relocations in image.iter_sections():
        if not isinstance(relocations, RelocationSection):
            continue
        target = image.get_section(relocations["sh_info"])
        if not target["sh_flags"] & _ALLOC or target.name == ".vectors" or target.name.startswith(".ARM"):
            continue
        content = target.data()
        for entry in relocations.iter_relocations():
            if entry["r_info_type"] not in wanted:
                continue
            symbol = symbols.get_symbol(entry["r_info_sym"])
            if symbol["st_info"]["type"] == "STT_SECTION":
                offset = entry["r_offset"]
                addend = (
                    entry["r_addend"]
                    if relocations.is_RELA()
                    else int.from_bytes(content[offset : offset + 4], "little")
                )
                name = at.get((symbol["st_shndx"], addend & ~1))
            elif symbol["st_info"]["type"] == "STT_FUNC" or symbol["st_shndx"] == "SHN_UNDEF":
                name = symbol.name
            else:
                name = None
            if name:
                yield name
