"""The cycle table against the examples that the Technical Reference Manual gives."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from shoal.bench.cortex_m4 import DIVISION, REFILL, cycles, estimate, parse
from shoal.link.emulators.regions import Block

CASES = [
    ("ldr r0, [r1]; ldr r1, [r2]", 3),
    ("ldr r0, [r1, r2]; str r0, [r3, #20]", 3),
    ("ldr r0, [r1, r2]; str r1, [r3, r2]", 3),
    ("ldr r0, [r1, r5]; ldr r1, [r2]; ldr r2, [r3, #4]", 4),
    ("ldr r0, [r1]; ldr r2, [r0]", 4),
    ("ldr r0, [r1]; add r0, r0, #1; ldr r2, [r1]", 5),
    ("str r0, [r1, #4]", 1),
    ("str r0, [r1, r2]", 2),
    ("str r0, [r1, #4]; ldr r0, [r1]", 3),
    ("ldrb r0, [r1], #1; ldrsh r2, [r3, #2]!", 3),
    ("ldrd r0, r1, [r2]", 3),
    ("ldmia r0!, {r1, r2, r3}", 4),
    ("stmdb sp!, {r0-r7}", 9),
    ("push {r4-r11, lr}", 10),
    ("mul r0, r1, r2; smlad r0, r1, r2, r0; smull r0, r1, r2, r3; smlabb r0, r1, r2, r3", 4),
    ("sxtb16 r0, r1; ssat r0, #8, r1; add r0, r1, r2, lsl #3; pkhbt r0, r1, r2", 4),
    ("sdiv r0, r1, r2", DIVISION),
    ("vldr s0, [r0]", 2),
    ("vldr d0, [r0]", 3),
    ("vadd.f32 s0, s1, s2; vmul.f32 s0, s1, s2; vmla.f32 s0, s1, s2; vdiv.f32 s0, s1, s2", 19),
    ("vpush {d8-d9}", 5),
    ("vstmia r0!, {s0-s3}", 5),
    ("bl .; b .; bx lr; cbz r0, .+4", 4),
    ("tbb [pc, r0]", 2),
]


def assembled(source: str, folder: Path) -> Path:
    if shutil.which("arm-none-eabi-as") is None:
        pytest.skip("needs arm-none-eabi-as")
    file = folder / "code.s"
    file.write_text(f".syntax unified\n.thumb\n{source.replace(';', chr(10))}\n")
    made = folder / "code.o"
    subprocess.run(["arm-none-eabi-as", "-mcpu=cortex-m4", "-mfpu=fpv4-sp-d16", str(file), "-o", str(made)], check=True)
    return made


@pytest.mark.parametrize(("source", "expected"), CASES)
def test_timings(source: str, expected: int, tmp_path: Path) -> None:
    text = subprocess.run(
        ["arm-none-eabi-objdump", "-d", "--no-show-raw-insn", assembled(source, tmp_path)],
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    block = [i for _, i in sorted(parse(text).items())]
    assert len(block) == source.count(";") + 1
    assert cycles(block) == expected


def test_blocks_are_weighed_by_runs_and_taken_branches(tmp_path: Path) -> None:
    elf = assembled("1: subs r0, #1; bne 1b; bx lr", tmp_path)
    blocks = [Block(0, 4, 2, 1000, 999), Block(4, 2, 1, 1, 1)]
    assert estimate(elf, blocks) == 2000 + 999 * REFILL + 1 + REFILL


@pytest.mark.parametrize("cut", [0, 2, 4, 6, 8, 12])
def test_does_not_depend_on_where_the_emulator_cuts_blocks(cut: int, tmp_path: Path) -> None:
    elf = assembled("ldr r0, [r1]; ldr r2, [r3]; str r4, [r5]; ldr.w r6, [r7]; ldr.w r8, [r7]; bx lr", tmp_path)
    whole = [Block(0, 16, 6, 10, 10)]
    parts = [Block(0, cut, 1, 10, 0), Block(cut, 16 - cut, 1, 10, 10)] if cut else whole
    assert estimate(elf, parts) == estimate(elf, whole) == 10 * (2 + 1 + 1 + 2 + 1 + 1 + REFILL)
