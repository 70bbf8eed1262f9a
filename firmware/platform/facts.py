"""What the firmware is told of its board: macros from the section `shoal` of a board file (firmware/hal/hal.h says
which), and which sources belong to a build."""

import re
from pathlib import Path

#: the link is timed by these too: they must stay plain loops, never calls of memcpy or memset
HARNESS_FLAGS = ["-Os", "-fno-tree-loop-distribute-patterns"]
WARNINGS = ["-Wall", "-Wextra", "-Wconversion"]

#: what the model calls between its steps: of a single board, and of a shoal's node
TICKS = ("hal_tick", "node_tick")


def is_node(env):
    """Whether the folder is that of a shoal's node."""
    return env.GetProjectOption("custom_shoal_node", "no") == "yes"


def tick(node):
    return "SHOAL_TICK", TICKS[node]


def macros(board_id, own, node=False):
    """(name, value) pairs; a value is a string of C, strings quoted."""
    found = [
        ("SHOAL_BOARD", f'"{board_id}"'),
        ("SHOAL_CLOCK_HZ", str(own["clock_hz"])),
        ("SHOAL_STACK_BYTES", str(own["stack_bytes"])),
        ("SHOAL_FLASH_WAIT_STATES", str(next(r.get("wait_states", 0) for r in own["regions"] if r["kind"] == "flash"))),
        ("SHOAL_UARTS", str(len(own["uarts"]))),
    ]
    for i, uart in enumerate(own["uarts"]):
        found += _uart(f"SHOAL_UART{i}", uart)
    store = own.get("store") or {}
    for i, pin in enumerate(store.get("pins", ())):
        prefix = f"SHOAL_STORE{i}"
        found += [*_pin(prefix, pin["pin"]), (f"{prefix}_ALTERNATE", str(pin["alternate"]))]
    if "pins" in store:
        found.append(("SHOAL_STORE_BYTES", str(store["bytes"])))
    found += _pin("SHOAL_TRIGGER", own.get("trigger_pin"))
    found += [(f"SHOAL_{name}", str(value)) for name, value in own.get("macros", {}).items()]
    if node:
        found.append(("SHOAL_NODE", "1"))
    return found


def _uart(prefix, uart):
    kind, number = re.fullmatch(r"([a-z]+)([0-9]*)", uart["name"]).groups()
    found = [(f"{prefix}_NUMBER", number or "0"), (f"{prefix}_BAUD", str(uart["baud"]))]
    if kind == "lpuart":
        found.append((f"{prefix}_LOW_POWER", "1"))
    if "alternate" in uart:
        found.append((f"{prefix}_ALTERNATE", str(uart["alternate"])))
    return found + _pin(f"{prefix}_TX", uart.get("tx")) + _pin(f"{prefix}_RX", uart.get("rx"))


def _pin(prefix, pin):
    """PB7 is port 1, pin 7; GPIO21 is port 0, pin 21; no pin, no macros."""
    if pin is None:
        return []
    port, number = re.fullmatch(r"(?:P([A-K])|GPIO)([0-9]+)", pin).groups()
    return [(f"{prefix}_PORT", str(ord(port) - ord("A") if port else 0)), (f"{prefix}_PIN", number)]


def definitions(env, board_id, own):
    """The macros as SCons takes them."""
    found = macros(board_id, own, is_node(env))
    return [(n, env.StringifyMacro(v[1:-1]) if v.startswith('"') else v) for n, v in found]


def include_folders(hal):
    return ["firmware", f"firmware/hal/{hal}", "model"]


def model_flags(env, own_flags):
    """The flags of all, but with the model's own instead of the harness's and of any other optimization."""
    others = [flag for flag in env["CCFLAGS"] if flag not in HARNESS_FLAGS and not str(flag).startswith("-O")]
    return others + own_flags


def is_within(folder, node):
    """Whether a source lies in a folder; False for what another script made an object of already."""
    return hasattr(node, "srcnode") and folder in Path(node.srcnode().get_abspath()).parents


def source_filter(hal):
    """PlatformIO's filter over a generated folder, which carries the board's hal and the host's."""
    common = ["+<model/>", "+<firmware/>", "-<firmware/size_*.c>"]
    if hal == "host":
        return [*common, "-<firmware/hal/*/>", "+<firmware/hal/host/>"]
    return [*common, "-<firmware/hal/host/>"]
