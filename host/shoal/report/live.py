"""A shoal while it runs: who computes, who waits, what lies in queues and goes over wires, and what goes wrong."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from shoal.link.events import Answered, Event, FrameSeen, NodeSeen, Ran, Turned, Watch
from shoal.link.messages import HOST_NODE, Type

if TYPE_CHECKING:
    from rich.console import Console, RenderableType

#: how a node's state is shown: sign, colour, word
_STATES = {
    "idle": ("○", "dim", "idle"),
    "receiving": ("◐", "cyan", "receiving"),
    "running": ("●", "green", "computing"),
    "sending": ("◑", "cyan", "sending"),
    "waiting": ("○", "yellow", "waiting"),
    "silent": ("?", "yellow", "silent"),
    "lost": ("✕", "red bold", "lost"),
}
_PER_SECOND = 8


@dataclass
class _Node:
    state: str = "idle"
    waits_for: str | None = None
    inference: int | None = None
    queue: int = 0
    ran: int = 0
    bytes_in: int = 0
    bytes_out: int = 0
    retries: int = 0


@dataclass
class _Wire:
    carried: int = 0
    lost: int = 0


class Live:
    """A `Watch` that remembers what there is to show, from whatever thread it is told. `names`: of the nodes, by their
    numbers; `total`: inputs that there will be."""

    def __init__(self, model: str, names: Mapping[int, str], total: int) -> None:
        self._model = model
        self._names = names
        self._total = total
        self._lock = threading.Lock()
        self._nodes = {name: _Node() for name in names.values()}
        self._wires: dict[str, _Wire] = {}
        self._begun: set[int] = set()
        self._answered: set[int] = set()
        self._plan = ""
        self._turns = 0
        self._why = ""

    def __call__(self, event: Event) -> None:
        with self._lock:
            match event:
                case FrameSeen():
                    self._frame(event)
                case NodeSeen():
                    self._node(event)
                case Ran():
                    node = self._nodes.setdefault(event.name, _Node())
                    node.ran += 1
                    node.queue = event.queue
                    node.bytes_in += event.bytes_in
                    node.bytes_out += event.bytes_out
                    # told last of an inference: what it gave is with whoever reads it
                    node.state = "receiving" if event.queue else "idle"
                case Answered():
                    self._answered.add(event.inference)
                case Turned():
                    self._plan, self._turns, self._why = event.plan, self._turns + 1, event.why
                    self._begun &= self._answered

    def _frame(self, frame: FrameSeen) -> None:
        wire = self._wires.setdefault(frame.wire, _Wire())
        wire.carried += frame.wire_bytes
        wire.lost += frame.lost
        if frame.type == Type.BEGIN and frame.source == HOST_NODE and frame.inference is not None:
            self._begun.add(frame.inference)
        # only where a frame is sent, not where it is carried on
        if frame.type != Type.DELIVER or frame.lost or frame.sender not in (self._names.get(frame.source), "hub"):
            return
        sender, taker = self._nodes.get(self._names.get(frame.source, "")), self._names.get(frame.destination)
        if sender is not None and sender.state not in ("running", "lost"):
            sender.state, sender.inference = "sending", frame.inference
        node = self._nodes.get(taker or "")
        if node is not None and node.state in ("idle", "waiting", "silent"):
            node.state, node.inference = "receiving", frame.inference

    def _node(self, seen: NodeSeen) -> None:
        node = self._nodes.setdefault(seen.name, _Node())
        node.state, node.waits_for = seen.state, seen.waits_for
        if seen.state in ("silent", "lost"):
            return
        node.inference, node.queue, node.retries = seen.inference, seen.queue, seen.retries

    def __rich__(self) -> RenderableType:
        from rich import box
        from rich.console import Group
        from rich.markup import escape
        from rich.table import Table
        from rich.text import Text

        with self._lock:
            table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
            table.add_column("node")
            table.add_column("does", min_width=24)
            for column in ("input", "queue", "ran", "in B", "out B", "again"):
                table.add_column(column, justify="right")
            for name, node in self._nodes.items():
                sign, style, word = _STATES.get(node.state, ("?", "", node.state))
                waits = f" for {escape(node.waits_for)}" if node.state == "waiting" and node.waits_for else ""
                busy = node.state in ("receiving", "running", "sending") and node.inference is not None
                table.add_row(
                    escape(name),
                    f"[{style}]{sign} {word}{waits}[/]",
                    f"{node.inference}" if busy else "",
                    f"{node.queue}",
                    f"{node.ran}",
                    f"{node.bytes_in:,}",
                    f"{node.bytes_out:,}",
                    f"[yellow]{node.retries}[/]" if node.retries else "0",
                )
            wires = Table(box=box.SIMPLE_HEAD, pad_edge=False)
            wires.add_column("wire")
            wires.add_column("bytes", justify="right")
            wires.add_column("frames lost", justify="right")
            for name, wire in self._wires.items():
                wires.add_row(escape(name), f"{wire.carried:,}", f"[red]{wire.lost}[/]" if wire.lost else "0")
            under_way = len(self._begun - self._answered)
            head = f"{self._model}: {len(self._answered)} of {self._total} answered, {under_way} under way"
            if self._turns > 1:
                head += f", plan “{self._plan}” after: {self._why}"
            return Group(Text(head, style="bold"), table, *([wires] if self._wires else []))


@contextmanager
def shown(live: Live, console: Console) -> Iterator[Watch]:
    """Shows `live` on a terminal as long as `with` lasts, and leaves nothing behind."""
    from rich.live import Live as Display

    with Display(get_renderable=live.__rich__, console=console, refresh_per_second=_PER_SECOND, transient=True):
        yield live
