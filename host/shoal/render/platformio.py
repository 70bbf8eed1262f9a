"""platformio.ini and the linker script of a generated folder."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import shoal
from shoal.boards.board import Board, Region
from shoal.plan.steps import Options
from shoal.render.text import environment

#: the optimization of what lies under model/, by --prefer
MODEL_FLAGS = {"speed": "-O3", "size": "-Os", "ram": "-O3"}

#: handlers' own stack, in bytes: a fault report fits twice
HANDLER_STACK_BYTES = 1024

#: the linker's name of a second store that the board maps
STORE = "store"

#: what the ESP32-C3's ROM wants at the start of a flash that it runs directly
_DIRECT_BOOT = ("0xaedb041d", "0xaedb041d")


def files(board: Board, host: Board, options: Options, *, node: bool = False) -> dict[str, bytes]:
    """Path → content: `platformio.ini`, with an environment for the board and one for the host, and, for a board that
    the in-tree platform builds, `firmware/link.ld`. `node`: of a shoal."""
    boards = [board] if board.id == host.id else [board, host]
    found = {"platformio.ini": _ini(boards, options, node)}
    if board.platform == "shoal" and board.hal != "host":
        found["firmware/link.ld"] = link_script(board).encode()
    return found


def _ini(boards: Sequence[Board], options: Options, node: bool) -> bytes:
    template = environment().get_template("platformio.ini.j2")
    return template.render(
        tool_version=shoal.__version__,
        board=boards[0].id,
        model_flags=MODEL_FLAGS[options.prefer],
        envs=[_env(board) for board in boards],
        node=node,
    ).encode()


def _env(board: Board) -> dict[str, Any]:
    if board.platform == "shoal":
        return {
            "name": board.id,
            "platform": "symlink://platform",
            "board": board.id,
            "options": [("lib_ldf_mode", "off")],
        }
    options = [
        ("framework", board.framework),
        ("custom_shoal_board", board.id),
        ("extra_scripts", "pre:platform/online.py"),
        ("build_src_filter", "+<model/> +<firmware/> -<firmware/size_*.c> -<firmware/hal/host/>"),
    ]
    return {
        "name": board.id,
        "platform": board.platform,
        "board": board.platformio_board or board.id,
        "options": options,
    }


def link_script(board: Board) -> str:
    """The linker script of a board that the in-tree platform builds: its regions bound what goes where."""
    flash, ram = board.region("flash"), board.region("ram")
    regions = [_memory(region) for region in board.regions]
    store = board.store if board.store is not None and board.store.address is not None else None
    if store is not None:
        regions.append({"name": STORE, "access": "r", "address": f"0x{store.address:08x}", "bytes": store.bytes})
    code = constants = load = flash.name
    rodata_address = ""
    if flash.data_address is not None:
        # one flash behind two windows: code runs in one, constants are read in the other, at the same offset
        constants, load = f"{flash.name}_data", f"{flash.name}_load"
        regions += [
            {"name": constants, "access": "r", "address": f"0x{flash.data_address:08x}", "bytes": flash.bytes},
            {"name": load, "access": "r", "address": "0x00000000", "bytes": flash.bytes},
        ]
        rodata_address = f"ORIGIN({constants}) + _text_end - ORIGIN({code}) "
    return (
        environment()
        .get_template("link.ld.j2")
        .render(
            board=board.id,
            regions=regions,
            header=_DIRECT_BOOT if board.hal == "esp32c3" else (),
            code=code,
            constants=constants,
            load=load,
            rodata_address=rodata_address,
            ram=ram.name,
            parts=[r.name for r in board.arenas() if r != ram],
            store=STORE if store is not None else None,
            stack_bytes=board.stack_bytes,
            handler_stack_bytes=HANDLER_STACK_BYTES,
        )
    )


def _memory(region: Region) -> dict[str, Any]:
    return {
        "name": region.name,
        "access": "rx" if region.kind == "flash" else "rwx",
        "address": f"0x{region.address:08x}",
        "bytes": region.bytes,
    }
