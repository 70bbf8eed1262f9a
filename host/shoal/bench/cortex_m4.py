"""An estimate of Cortex-M4 cycles: each instruction's time by the core's Technical Reference Manual (ARM DDI 0439,
instruction timings, load/store timings, FPU instruction set), times how often it ran.

What the manual leaves open is assumed: a refill of the pipeline (1 to 3 cycles) takes `REFILL`, a division (2 to 12)
`DIVISION`; an instruction that its condition skips costs what it would cost; memory never makes the core wait. The
figure is the core's, not a board's, and no silicon was asked."""

from __future__ import annotations

import functools
import re
import subprocess
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from shoal.errors import ToolError
from shoal.link.emulators.regions import Block

REFILL = 2
DIVISION = 7
ASSUMPTION = (
    f"Cortex-M4 Technical Reference Manual's timings, taken branch 1 + {REFILL}, division {DIVISION}, "
    "memory without wait states"
)

_CONDITION = "(?:eq|ne|cs|hs|cc|lo|mi|pl|vs|vc|hi|ls|ge|lt|gt|le|al)?"
_SINGLE = re.compile(rf"(ldr|str)(?:ex)?(?:s?[bh])?t?{_CONDITION}")
_DOUBLE = re.compile(rf"(?:ldr|str)(?:ex)?d{_CONDITION}")
_MULTIPLE = re.compile(rf"(?:v?ldm|v?stm)(?:ia|db|fd|ea)?{_CONDITION}|v?(?:push|pop){_CONDITION}")
_DIVIDE = re.compile(rf"[su]div{_CONDITION}")
_FLOAT_SINGLE = re.compile(rf"v(?:ldr|str){_CONDITION}")
_FLOAT_LONG = re.compile(rf"v(?:div|sqrt){_CONDITION}")
_FLOAT_FUSED = re.compile(rf"v(?:n?ml[as]|fn?m[as]){_CONDITION}")
_TABLE_BRANCH = re.compile(r"tb[bh]")
_REGISTER = re.compile(r"\b(?:r\d+|sp|lr|pc|sl|fp|ip|sb)\b")
_LIST = re.compile(r"\{(.*)\}")
_RANGE = re.compile(r"([rsd])(\d+)-[rsd](\d+)")


@dataclass(frozen=True)
class Instruction:
    """One line of a disassembly: mnemonic without width (`.w`) and type (`.f32`), operands as written."""

    mnemonic: str
    operands: str

    @property
    def address_registers(self) -> set[str]:
        """The registers in brackets."""
        inside = re.search(r"\[(.*?)\]", self.operands)
        return set(_REGISTER.findall(inside[1])) if inside else set()

    @property
    def is_load(self) -> bool:
        single = _SINGLE.fullmatch(self.mnemonic)
        return single is not None and single[1] == "ldr"


def cycles(block: Sequence[Instruction], before: Instruction | None = None) -> int:
    """One run of straight-line code, which `before` runs into, whose last branch, if any, is not taken."""
    return sum(_cycles(i, b) for i, b in zip(block, [before, *block], strict=False))


def _cycles(instruction: Instruction, before: Instruction | None) -> int:
    name, operands = instruction.mnemonic, instruction.operands
    single = _SINGLE.fullmatch(name)
    if single is not None:
        # a load's data phase overlaps the address phase of a load or store behind it, if that needs no result of it
        pipelined = before is not None and before.is_load and _target(before) not in instruction.address_registers
        immediate_store = single[1] == "str" and len(instruction.address_registers) == 1
        return 1 if pipelined or immediate_store else 2
    if _DOUBLE.fullmatch(name):
        return 3
    if _MULTIPLE.fullmatch(name):
        return 1 + _listed(operands)
    if _DIVIDE.fullmatch(name):
        return DIVISION
    if _TABLE_BRANCH.fullmatch(name):
        return 2
    if _FLOAT_SINGLE.fullmatch(name):
        return 3 if operands.startswith("d") else 2
    if _FLOAT_LONG.fullmatch(name):
        return 14
    if _FLOAT_FUSED.fullmatch(name):
        return 3
    return 1


def _target(load: Instruction) -> str:
    return load.operands.split(",")[0].strip()


def _listed(operands: str) -> int:
    """Words in a register list as `{r4-r7, lr}`; doubles count twice."""
    listed = _LIST.search(operands)
    words = 0
    for entry in listed[1].split(",") if listed else ():
        several = _RANGE.fullmatch(entry.strip())
        count = int(several[3]) - int(several[2]) + 1 if several else 1
        words += 2 * count if entry.strip().startswith("d") else count
    return words


def estimate(elf: Path, blocks: Iterable[Block], objdump: str = "arm-none-eabi-objdump") -> int:
    """Cycles of the blocks that a region ran. Raises ToolError where the disassembler is missing or fails."""
    lines = _disassembly(elf, elf.stat().st_mtime_ns, objdump)
    inside = {
        b: [lines[a] for a in range(b.address, b.address + b.bytes, 2) if a in lines] for b in blocks if b.instructions
    }
    total = 0
    for block, code in inside.items():
        total += block.runs * cycles(code) + block.taken * REFILL
    # where one block runs on into another, the emulator cut in two what the core pipelines
    following = {b.address: code for b, code in inside.items()}
    for block, code in inside.items():
        after = following.get(block.address + block.bytes, [])[:1]
        total -= (block.runs - block.taken) * (cycles(after) - cycles(after, code[-1]))
    return total


@functools.lru_cache(maxsize=4)
def _disassembly(elf: Path, _changed: int, objdump: str) -> dict[int, Instruction]:
    """Every instruction of an ELF file by its address."""
    command = [objdump, "--disassemble", "--disassemble-zeroes", "--no-show-raw-insn", str(elf)]
    try:
        text = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    except FileNotFoundError:
        raise ToolError(f"{objdump} is missing", advice="install the board's toolchain: shoal doctor") from None
    except subprocess.CalledProcessError as error:
        raise ToolError(f"{objdump} failed: {error.stderr.strip()[-200:]}", where=str(elf)) from error
    return parse(text)


def parse(text: str) -> dict[int, Instruction]:
    """The instructions in what objdump prints."""
    lines = {}
    for line in text.splitlines():
        # address, mnemonic, operands, and perhaps a comment
        fields = line.split("\t")
        if len(fields) < 2 or not fields[0].strip().endswith(":"):
            continue
        operands = fields[2].split("@")[0].split(";")[0].strip() if len(fields) > 2 else ""
        lines[int(fields[0].strip()[:-1], 16)] = Instruction(fields[1].split(".")[0], operands)
    return lines
