"""From a generated folder and the words of --node to a node, or to its ports."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from shoal.errors import BadInput, NodeError
from shoal.link.client import Expected, StreamNode
from shoal.link.node import Node

if TYPE_CHECKING:
    from shoal.boards.board import Board
    from shoal.build.builder import Built
    from shoal.link.emulators.process import Emulator
    from shoal.link.ports import Ports
    from shoal.link.serial import SerialPort


def open_node(directory: Path, spec: str, *, count: bool = False, serving: bool = False) -> Node:
    """The node that `spec` names, `emulator`, `host` or `serial:PORT`, with this folder's firmware, built if need be.

    PORT is a device, a probe's serial number or a URL of pyserial's; of PORT,PORT the first one.

    Enter the node before use: it must then say that it runs this very build. `count`: the emulator counts instructions,
    of the model's calls or, with `serving`, of each look at the link and what it makes the node do.
    Raises BadInput for any other spec, NodeError for a node that cannot be opened, ToolError where a build fails."""
    asked = _asked(directory, spec, count, serving)
    node: StreamNode
    if asked.emulator is not None:
        from shoal.link.emulators.node import EmulatedNode

        node = EmulatedNode(asked.emulator(), asked.expected)
    elif asked.kind == "host":
        from shoal.link.host import HostProcess

        node = StreamNode(HostProcess(asked.built.elf), name="host", expected=asked.expected)
    else:
        port = asked.port.partition(",")[0]
        if not port:
            raise NodeError("its first port is another board's", where=spec, advice="wire it to this computer alone")
        node = StreamNode(asked.serial(port), name=port, expected=asked.expected)
    node.store = asked.store
    return node


def open_ports(directory: Path, spec: str, name: str, *, count: bool = False) -> Ports:
    """The serial ports of such a node among others, `name` there; a board's second one is at hand where the spec says
    it: `serial:PORT,PORT`, or `serial:,PORT` where the first one is wired to another board. Raises what `open_node`
    raises."""
    from shoal.link.ports import Emulated, Ports, Process, RunPorts

    asked = _asked(directory, spec, count)
    start = asked.emulator
    if start is not None:
        return RunPorts(name, lambda: Emulated(start()), asked.built, asked.expected, asked.store)
    if asked.kind == "host":
        return RunPorts(name, lambda: Process(asked.built.elf), asked.built, asked.expected, asked.store)
    first, _, second = asked.port.partition(",")
    ports = [asked.serial(p) if p else None for p in (first, second)]
    return Ports(name, ports[0], ports[1], asked.built, asked.expected, asked.store)


@dataclass(frozen=True)
class _Asked:
    """What a spec asks for; `port` is serial's."""

    kind: str
    port: str
    board: Board
    built: Built
    expected: Expected
    store: bytes
    emulator: Callable[[], Emulator] | None

    def serial(self, port: str) -> SerialPort:
        from shoal.build.ports import find
        from shoal.link.serial import SerialPort

        device = find(self.board, port).device if self.board.flasher else port
        return SerialPort(device, self.board.uarts[0].baud)


def _asked(directory: Path, spec: str, count: bool, serving: bool = False) -> _Asked:
    from shoal import boards
    from shoal.build.builder import build
    from shoal.render import manifest

    described = manifest.load(directory)
    kind, _, port = spec.partition(":")
    if kind not in ("emulator", "host", "serial") or (kind == "serial") != bool(port):
        raise BadInput(f"there is no node {spec!r}", where="--node", advice="name one of emulator, host, serial:PORT")
    board = boards.load(str(directory / "boards" / f"{described['board']}.json"))
    if kind == "emulator" and board.emulator is None:
        raise NodeError(
            "this board has no emulator",
            where=board.id,
            advice="name another node: --node host, or --node serial:PORT with the board plugged in",
        )
    built = build(directory, "host" if kind == "host" else None)
    advice = f"flash it first: shoal flash {directory}" if kind == "serial" else ""
    expected = Expected(built.build_id, described["model"]["sha256"], advice)
    emulator = None
    if kind == "emulator" and board.emulator is not None:
        from shoal.link.emulators.node import SERVING, counted

        module = importlib.import_module(f"shoal.link.emulators.{board.emulator.kind}")
        entries = (SERVING if serving else counted(described)) if count else ()

        def emulator() -> Emulator:
            started: Emulator = module.open(board, built, entries)
            return started

    return _Asked(kind, port, board, built, expected, manifest.store(directory, described), emulator)
