"""The kernels' forms of the rescale are gemmlowp's two roundings, for every shift, over all sums that are proved."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path

import numpy as np
import pytest

from emulated_build import toolchain
from shoal import resources
from shoal.operators import quadrupled
from shoal.operators.requantization import Requantization, Sums, is_short
from shoal.tensors import Array

_SOURCE = Path(__file__).parent / "requantize.c"
_HOST = ("-std=c99", "-O2", "-fsanitize=undefined", "-fno-sanitize-recover=all", "-Wall", "-Wextra", "-Wconversion")

#: as the C program numbers them
GENERAL, SHORT, QUADRUPLED = range(3)

#: both ends of what TFLite's multipliers are, and between; powers of two and their neighbours round the most
_ENDS = [(1 << 30) + n for n in range(4)] + [(1 << 31) - 1 - n for n in range(4)]
_BETWEEN = [3 << 29, (3 << 29) + 1, 0x55555555, 0x6AAAAAAB, 0x7FFF0000, 0x40008000, 0x5A827999]
MULTIPLIERS = np.array(_ENDS + _BETWEEN + np.geomspace(1 << 30, (1 << 31) - 1, 30).astype(int).tolist(), np.int64)
ZERO_POINTS = (-128, -127, -1, 0, 5, 127)


#: per form, whether the generator takes it for a channel that reaches these sums, by its right shift and zero point
Proof = Callable[[Sums, int, int], Array]


def _short(sums: Sums, right: int, zero_point: int) -> Array:
    return is_short(sums, zero_point)


def _quadrupled(sums: Sums, right: int, zero_point: int) -> Array:
    form = Requantization(np.full(len(MULTIPLIERS), right - 1), 2 * zero_point + 1, -128, 127, False)
    return quadrupled.is_exact(sums, form) & is_short(sums, zero_point)


def reaches(proof: Proof, right: int, zero_point: int) -> Array:
    """Per multiplier, the greatest magnitude of a sum for which the form is proved; -1 where there is none."""
    zeros = np.zeros_like(MULTIPLIERS)
    best = zeros - 1
    for bit in reversed(range(31)):
        tried = best + (1 << bit)
        sums = Sums(zeros.reshape(-1, 1), zeros, MULTIPLIERS, zeros - right, -tried, tried)
        best = np.where(proof(sums, right, zero_point), tried, best)
    return best


def records(multipliers: Sequence[int] = range(len(MULTIPLIERS)), every: int = 1) -> Iterator[str]:
    """Lines for the program: for the multipliers of these indices and every so many zero points, all shifts."""
    for zero_point in ZERO_POINTS[::every]:
        for right in range(1, 32):
            for form, proof in ((SHORT, _short), (QUADRUPLED, _quadrupled)):
                proved = reaches(proof, right, zero_point)
                for i in multipliers:
                    if proved[i] >= 0:
                        yield f"{form} {MULTIPLIERS[i]} {-right} {zero_point} {proved[i]}"
        for shift in range(-31, 31):
            for i in multipliers:
                yield f"{GENERAL} {MULTIPLIERS[i]} {shift} {zero_point} {((1 << 31) - 1) >> max(shift, 0)}"


def compared(command: list[str], lines: Iterable[str]) -> int:
    """Sums that were compared and equal."""
    ran = subprocess.run(command, input="\n".join(lines), capture_output=True, text=True, check=False, timeout=300)
    assert ran.returncode == 0, f"differs: {ran.stdout}{ran.stderr[:3000]}"
    return int(ran.stdout)


def built(folder: Path, compiler: str, flags: Iterable[str], extra: Iterable[str] = ()) -> str:
    program = str(folder / "program")
    includes = ["-I", str(resources.firmware() / "kernels")]
    command = [compiler, *flags, "-Werror", *includes, "-o", program, str(_SOURCE), *extra, "-lm"]
    made = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    assert made.returncode == 0, made.stderr[:6000]
    return program


def test_in_portable_c(tmp_path: Path) -> None:
    assert compared([built(tmp_path, "gcc", _HOST)], records()) > 50_000_000


@pytest.mark.parametrize("core", ["cortex-m4", "rv32imc"])
def test_as_compiled_for_a_core(tmp_path: Path, core: str) -> None:
    """A sample: where the core has an instruction for it, the form is that instruction."""
    used = toolchain(core)
    for name, text in used.files.items():
        (tmp_path / name).write_text(text)
    program = built(tmp_path, used.compiler, used.flags, [n for n in used.files if n.endswith(".c")])
    sample = list(records((0, 1, 7, 11, 25), every=5))
    assert compared([*used.launcher, program], sample) > 500_000
