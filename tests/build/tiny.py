"""A generated folder in miniature: a model of one table, a firmware that does nothing, every file where it belongs."""

from __future__ import annotations

from pathlib import Path

from shoal import boards, resources
from shoal.plan.steps import Options
from shoal.render import platformio

WEIGHTS_BYTES = 64

_MODEL_H = "#include <stdint.h>\nint tiny_run(void);\nuint8_t *tiny_arena(void);\n"
_MODEL_C = """#include "tiny.h"
extern const int8_t tiny_weights[64];
void SHOAL_TICK(void);
__attribute__((section(".bss.arena"))) static uint8_t arena[%d];
uint8_t *tiny_arena(void) { return arena; }
int tiny_run(void) {
    int sum = 0;
    for (int i = 0; i < 64; i++) {
        sum += tiny_weights[i] * arena[i %% 8];
        SHOAL_TICK();
    }
    return sum;
}
"""
_WEIGHTS_C = "#include <stdint.h>\nconst int8_t tiny_weights[64] = {1, 2, 3};\n"
_MAIN_C = """#include "tiny.h"
void hal_tick(void);
void hal_tick(void) {}
static volatile int counter = 7;
int main(void) {
    counter = tiny_run();
    return counter;
}
"""
_WITH_C = '#include "tiny.h"\nvolatile int result;\nint main(void) {\n    result = tiny_run();\n    return 0;\n}\n'
_WITHOUT_C = "volatile int result;\nint main(void) {\n    result = 0;\n    return 0;\n}\n"
_START = {
    "host": "int host_only(void);\nint host_only(void) { return SHOAL_CLOCK_HZ > 0; }\n",
    "arm": """extern unsigned _handler_stack_top[];
int main(void);
static void reset(void) { main(); }
__attribute__((section(".vectors"), used)) static void (*const vectors[])(void) = {
    (void (*)(void))_handler_stack_top, reset};
""",
    "riscv": """int main(void);
__attribute__((section(".text.entry"), used)) static void entry(void) { main(); }
""",
}


def write(folder: Path, board_id: str, *, arena: int = 1024, changes: dict[str, str] | None = None) -> Path:
    """Writes it for a board; `changes` replaces or adds files, path → content."""
    board, host = boards.load(board_id), boards.load("host")
    start = _START["arm" if board.toolchain.startswith("arm") else "riscv" if board.toolchain else "host"]
    texts = {
        "model/tiny.h": _MODEL_H,
        "model/tiny.c": _MODEL_C % arena,
        "model/tiny_weights.c": _WEIGHTS_C,
        "firmware/main.c": _MAIN_C,
        "firmware/size_with.c": _WITH_C,
        "firmware/size_without.c": _WITHOUT_C,
        "firmware/hal/host/host.c": _START["host"],
        f"firmware/hal/{board.hal}/{'host' if board.hal == 'host' else 'start'}.c": start,
    }
    files = {path: text.encode() for path, text in (texts | (changes or {})).items()}
    files |= {f"boards/{b.id}.json": b.path.read_bytes() for b in (board, host)}
    files |= platformio.files(board, host, Options())
    platform = resources.platform()
    for path in platform.rglob("*"):
        if path.is_file() and "__pycache__" not in path.parts:
            files[f"platform/{path.relative_to(platform).as_posix()}"] = path.read_bytes()
    for path_, content in files.items():
        target = folder / path_
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(content)
    return folder
