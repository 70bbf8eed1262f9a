"""From a generated folder and the words of --node to a node."""

from __future__ import annotations

import importlib
from pathlib import Path

from shoal.errors import BadInput, NodeError
from shoal.link.node import Node


def open_node(directory: Path, spec: str, *, count: bool = False, serving: bool = False) -> Node:
    """The node that `spec` names, `emulator`, `host` or `serial:PORT`, with this folder's firmware, built if need be.

    PORT is a device, a probe's serial number or a URL of pyserial's.

    Enter the node before use: it must then say that it runs this very build. `count`: the emulator counts instructions,
    of the model's calls or, with `serving`, of each look at the link and what it makes the node do.
    Raises BadInput for any other spec, NodeError for a node that cannot be opened, ToolError where a build fails."""
    from shoal import boards
    from shoal.build.builder import build
    from shoal.link.client import Expected, StreamNode
    from shoal.link.emulators.node import SERVING, counted
    from shoal.render import manifest

    described = manifest.load(directory)
    kind, _, port = spec.partition(":")
    if kind not in ("emulator", "host", "serial") or (kind == "serial") != bool(port):
        raise BadInput(f"there is no node {spec!r}", where="--node", advice="name one of emulator, host, serial:PORT")
    board = boards.load(str(directory / "boards" / f"{described['board']}.json"))
    if kind == "emulator":
        if board.emulator is None:
            raise NodeError(
                "this board has no emulator",
                where=board.id,
                advice="name another node: --node host, or --node serial:PORT with the board plugged in",
            )
        emulator = importlib.import_module(f"shoal.link.emulators.{board.emulator.kind}")
        entries = (SERVING if serving else counted(described)) if count else ()
        emulated: StreamNode = emulator.open(directory, board, build(directory), entries)
        emulated.store = manifest.store(directory, described)
        return emulated
    sha256 = described["model"]["sha256"]
    if kind == "host":
        from shoal.link.host import HostProcess

        built = build(directory, "host")
        node = StreamNode(HostProcess(built.elf), name="host", expected=Expected(built.build_id, sha256))
        node.store = manifest.store(directory, described)
        return node
    from shoal.build.ports import find
    from shoal.link.serial import SerialPort

    device = find(board, port).device if board.flasher else port
    built = build(directory)
    expected = Expected(built.build_id, sha256, f"flash it first: shoal flash {directory}")
    node = StreamNode(SerialPort(device, board.uarts[0].baud), name=port, expected=expected)
    node.store = manifest.store(directory, described)
    return node
