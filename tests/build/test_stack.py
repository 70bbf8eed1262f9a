"""The bound of a firmware's stacks: frames and calls of compiled code, of assembly, and through pointers."""

from __future__ import annotations

from pathlib import Path

import pytest
import tiny

from shoal.build import tools
from shoal.build.builder import build
from shoal.errors import DoesNotFit, ToolError

pytestmark = pytest.mark.skipif(
    any(tools.find(tools.COMPILERS[prefix]) is None for prefix in ("arm-none-eabi-", "riscv64-unknown-elf-")),
    reason="needs the cross compilers",
)

#: a function that keeps `bytes` of stack alive while it calls another
_DEEP = """
void use(volatile char *, int);
__attribute__((noinline)) static int deep_%(n)d(int seed) {
    volatile char room[%(bytes)d];
    for (int i = 0; i < %(bytes)d; i++) {
        room[i] = (char)(seed + i);
    }
    return %(call)s + room[seed & 7];
}
"""


def _main(functions: str, call: str) -> dict[str, str]:
    hal = '#include "tiny.h"\nvoid hal_tick(void);\nvoid hal_tick(void) {}\n'
    main = f"static volatile int counter = 7;\nint main(void) {{\n    return counter = tiny_run() + {call};\n}}\n"
    return {"firmware/main.c": hal + functions + main}


def _deep(n: int, size: int, call: str = "seed") -> str:
    return _DEEP % {"n": n, "bytes": size, "call": call}


@pytest.mark.parametrize("board", ["netduinoplus2", "esp32c3"])
def test_the_bound_is_the_deepest_chain_of_calls(tmp_path: Path, board: str) -> None:
    plain = build(tiny.write(tmp_path / "plain", board)).stack_bound_bytes
    chain = _deep(0, 300) + _deep(1, 500, "deep_0(seed)") + _deep(2, 600)
    changes = _main(chain, "deep_1(counter) + deep_2(counter)")
    deep = build(tiny.write(tmp_path / "deep", board, changes=changes)).stack_bound_bytes
    assert plain is not None and deep is not None
    assert plain < 200 and 800 <= deep - plain < 900


@pytest.mark.parametrize("board", ["netduinoplus2", "esp32c3"])
def test_calls_through_pointers_count(tmp_path: Path, board: str) -> None:
    table = _deep(0, 900) + "static int (*const volatile table[1])(int) = {deep_0};\n"
    built = build(tiny.write(tmp_path / "table", board, changes=_main(table, "table[0](counter)")))
    assert built.stack_bound_bytes is not None and 900 < built.stack_bound_bytes < 1100


def test_what_assembly_pushes_counts(tmp_path: Path) -> None:
    naked = """
__attribute__((naked, noinline)) static int pushes(int seed) {
    __asm__("push {r4-r7, lr}\\n sub sp, sp, #400\\n add sp, sp, #400\\n pop {r4-r7, pc}\\n");
}
"""
    plain = build(tiny.write(tmp_path / "plain", "netduinoplus2")).stack_bound_bytes
    built = build(tiny.write(tmp_path / "naked", "netduinoplus2", changes=_main(naked, "pushes(counter)")))
    assert plain is not None and built.stack_bound_bytes is not None
    assert 420 - 32 <= built.stack_bound_bytes - plain <= 420 + 16  # the model's own call, and what main saves


def test_a_stack_that_can_outgrow_its_place_fails_the_build(tmp_path: Path) -> None:
    folder = tiny.write(tmp_path / "deep", "netduinoplus2", changes=_main(_deep(0, 4200), "deep_0(counter)"))
    with pytest.raises(DoesNotFit, match=r"main > deep_0.*4,096 B are set aside \(\d+ B short\)"):
        build(folder)


def test_recursion_has_no_bound(tmp_path: Path) -> None:
    recursive = """
int down(int seed);
int up(int seed);
__attribute__((noinline)) int up(int seed) { return seed ? 2 * down(seed - 1) + 1 : 0; }
__attribute__((noinline)) int down(int seed) { return seed ? 3 * up(seed - 1) + 1 : 0; }
"""
    folder = tiny.write(tmp_path / "recursive", "netduinoplus2", changes=_main(recursive, "up(counter)"))
    with pytest.raises(ToolError, match=r"the stack has no bound: .*(up > down|down > up)"):
        build(folder)


def test_the_host_has_no_bound(tmp_path: Path) -> None:
    assert build(tiny.write(tmp_path / "tiny", "host")).stack_bound_bytes is None
