"""From a shoal's folder to a shoal that runs: nodes started, wires joined, each checked to be what it must be."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from shoal.link.conditions import PERFECT, Conditions
from shoal.link.connect import open_ports
from shoal.link.events import Watch, unwatched
from shoal.link.node import named
from shoal.link.plans import crossing
from shoal.link.ports import Ports
from shoal.link.relay import Relay
from shoal.link.shoal import Member, Plan, Shoal, Timing
from shoal.link.wiring import Joint, Seat, joined
from shoal.network.graph import Graph


@dataclass(frozen=True)
class Opened:
    """`ports` of the nodes that were started, and what --node said of them, by name; `wires` that `relay` carries, as
    well as `link` says."""

    shoal: Shoal
    ports: Mapping[str, Ports]
    specs: Mapping[str, str]
    relay: Relay
    wires: Sequence[Joint]
    link: Conditions


def _quietly(what: str) -> AbstractContextManager[object]:
    return nullcontext()


@contextmanager
def open_shoal(
    directory: Path,
    described: Mapping[str, Any],
    graph: Graph,
    specs: Mapping[str, str],
    plans: Sequence[Plan],
    *,
    in_flight: int | None = None,
    hold: bool = False,
    count: bool = False,
    watch: Watch = unwatched,
    link: Conditions = PERFECT,
    seed: int = 0,
    timing: Timing | None = None,
    working: Callable[[str], AbstractContextManager[object]] = _quietly,
) -> Iterator[Opened]:
    """`described`: the folder's shoal.json; `graph`: its network; `specs`: node → emulator, host or serial:PORT;
    `plans`: what may run, the first one first. `link`: of emulated wires. `working(what)` is entered while something
    may take its time. What is missing is built. Raises what building and opening raise, with the node's name."""
    from shoal import boards

    seats, ports = [], {}
    used = {n for p in plans for n in p.nodes}
    with ExitStack() as stack:
        for node in described["nodes"]:
            name, process = node["name"], node["board"] == "host" and described["topology"] == "chain"
            if node["board"] == "host" and node["number"] not in used:
                continue
            board = boards.load(str(directory / name / "boards" / f"{node['board']}.json"))
            with named(name), working(f"starting {name}"):
                ports[name] = open_ports(directory / name, specs[name], name, count=count)
            stack.callback(ports[name].close)
            seats.append(Seat(name, node["number"], [u.name for u in board.uarts], process))
        relay = stack.enter_context(Relay(watch, seed, link))
        wired = joined(described["topology"], seats, ports, relay)
        members = [Member(s.name, s.number, ports[s.name].expected, ports[s.name].store) for s in seats]
        with working("looking who answers"):
            shoal = stack.enter_context(
                Shoal(
                    members,
                    wired.topology,
                    wired.streams,
                    crossing(graph),
                    graph.outputs,
                    len(graph.operators),
                    plans,
                    in_flight=in_flight,
                    hold=hold,
                    watch=watch,
                    timing=timing or Timing(),
                )
            )
        yield Opened(shoal, ports, specs, relay, wired.wires, link)
