"""Measures a shoal while it runs as one: the document of `shoal bench` for a shoal's folder.

First an inference whose crossing tensors all come to the host as well, so that each node's are compared with the
reference. Then inputs one after another, pipelined: what each node counts for its chunk, and what the relay sees on the
wires, from which a replay by counted compute and modelled wires says what the whole would take (`bench.replay`). Times
are never an emulator's clock."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from math import inf
from pathlib import Path
from typing import Any

from shoal.bench import replay
from shoal.bench.bench import SOURCES, result
from shoal.bench.crossing import Judge, Verdict
from shoal.bench.exact import in_front_of_saturation
from shoal.bench.inputs import generator
from shoal.bench.latency import Sample, counted
from shoal.boards.board import Board
from shoal.errors import NodeError
from shoal.link import frames, messages
from shoal.link.events import FrameSeen
from shoal.link.node import Answer as NodeAnswer
from shoal.link.node import named
from shoal.link.opened import Opened
from shoal.link.shoal import Answer, Plan, Request
from shoal.link.wiring import Joint
from shoal.network.graph import Graph
from shoal.plan.profiles import ordered, weakest
from shoal.render import manifest as manifests
from shoal.render.shoal import tensor
from shoal.tensors import Array

#: bits of a byte on a serial line: eight, start and stop
_LINE_BITS = 10


@dataclass(frozen=True)
class Folder:
    """A shoal's folder: where it is, its shoal.json, its network."""

    directory: Path
    described: Mapping[str, Any]
    graph: Graph

    def board(self, name: str) -> Board:
        from shoal import boards

        board = next(n["board"] for n in self.described["nodes"] if n["name"] == name)
        return boards.load(str(self.directory / name / "boards" / f"{board}.json"))

    def judge(self, inputs: Sequence[Array]) -> Judge:
        model = self.directory / self.described["model"]["file"]
        return Judge(model, self.described["slices"], self.graph, inputs)

    def made_up(self, seed: int) -> list[Array]:
        """An input, as arrays; another one for each seed."""
        return generator([tensor(self.described, t) for t in self.described["inputs"]], seed)


def bench(
    folder: Folder, made: Opened, plan: Plan, events: list[FrameSeen], runs: int, advance: Callable[[], None]
) -> dict[str, Any]:
    """`made`: the folder's shoal, running, its emulators counting; `plan`: what it runs; `events`: the list that is
    told what the relay sees. Raises what nodes raise, with the node's name."""
    described, graph = folder.described, folder.graph
    first = folder.made_up(1)
    judge = folder.judge(first)
    told, why_untold = _told(made, plan, _request(described, first))
    given = {p.node: dict.fromkeys(o.tensor for o in p.outputs) for p in told.plan.parts}
    verdicts = {n: judge.given(told.tensors, tensors, why_untold) for n, tensors in given.items()}
    advance()
    for ports in made.ports.values():
        ports.regions()
    events.clear()
    answers: list[Answer] = []
    for answer in made.shoal.run(Request(_request(described, folder.made_up(1 + i))) for i in range(runs)):
        answers.append(answer)
        advance()
    used = answers[-1].plan
    names = made.shoal.names
    nodes = []
    for part in used.parts:
        name = names[part.node]
        with named(name):
            document = _node(folder, made, name, answers, verdicts.get(part.node, (None, "it was not asked")))
        sizes = [sum(graph.tensors[t].bytes for t in ts) for ts in (part.inputs, [o.tensor for o in part.outputs])]
        chunks = [{"first": part.first, "last": part.last}]
        nodes.append({"name": name, "chunks": chunks, "bytes_in": sizes[0], "bytes_out": sizes[1], **document})
    links = [_link(folder, made, wire, events, runs) for wire in made.wires]
    figures = _figures(folder, made, used, nodes, events)
    return {
        "model": described["name"],
        "model_sha256": described["model"]["sha256"],
        "topology": described["topology"],
        "plan": used.name,
        "nodes": nodes,
        "links": links,
        **figures,
        "degraded": any(a.degraded for a in answers),
        "lost": [{"name": name, "why": why} for name, why in made.shoal.lost.items()],
        **_verdict(nodes, _wrong(folder, judge, answers)),
    }


def _request(described: Mapping[str, Any], inputs: Sequence[Array]) -> dict[int, bytes]:
    return dict(zip(described["inputs"], (i.tobytes() for i in inputs), strict=True))


def _told(made: Opened, plan: Plan, given: Mapping[int, bytes]) -> tuple[Answer, str]:
    """An answer with all crossing tensors, or with those that come to the host anyway; and why some may be missing."""
    try:
        return next(made.shoal.run([Request(given, plan.telling())])), "its tensors did not come to the host"
    except ValueError as error:
        return next(made.shoal.run([Request(given, plan)])), str(error)


def _wrong(folder: Folder, judge: Judge, answers: Sequence[Answer]) -> str | None:
    """Which of the answers is not the reference's; None where all are, or nobody knows."""
    for number, answer in enumerate(answers):
        judge.take(folder.made_up(1 + number))
        same, why = judge.given(answer.tensors, folder.graph.outputs, "")
        if same is False:
            return f"input {number}: {why}"
    return None


def hidden(folder: Folder, name: str, spec: str) -> Verdict:
    """Whether the tensor in front of a final softmax or logistic is the reference's on the node that ends in it, opened
    by itself."""
    from shoal.link.connect import open_node

    own, first = manifests.load(folder.directory / name), folder.made_up(1)
    judge = folder.judge(first)
    if judge.why is not None or in_front_of_saturation(own) is None:
        return (None, judge.why) if judge.why else (True, None)
    network = dict(zip(folder.described["inputs"], first, strict=True))
    given = [network[t["tensor"]] if t["tensor"] in network else judge.known(t["tensor"]) for t in own["inputs"]]
    with named(name), open_node(folder.directory / name, spec) as node:
        return judge.hidden(node, own, given)


def _node(folder: Folder, made: Opened, name: str, answers: Sequence[Answer], exact: Verdict) -> dict[str, Any]:
    """What `shoal bench` says of one board, of its chunk."""
    board, manifest = folder.board(name), manifests.load(folder.directory / name)
    ports, spec = made.ports[name], made.specs[name]
    source = SOURCES[spec.partition(":")[0]]
    described = made.shoal.described[name]
    done = [a.done[name] for a in answers if name in a.done]
    ran = [NodeAnswer((), d.cycles, d.stack_bytes, d.stack_total_bytes, d.retries, d.link_cycles) for d in done]
    if source == "emulated":
        regions = ports.regions()
        if len(regions) < len(ran):
            raise NodeError("the emulator counted fewer calls of the model than it ran", where=board.id)
        samples = [counted(a, r, board, ports.built) for a, r in zip(ran, regions[-len(ran) :], strict=True)]
    else:
        cycles = source == "board" and described.counts == "cycles"
        samples = [Sample(a, cycles=a.cycles if cycles else None) for a in ran]
    return result(manifest, board, ports.built, spec, described.clock_hz, samples, [], exact)


def _link(folder: Folder, made: Opened, wire: Joint, events: Sequence[FrameSeen], runs: int) -> dict[str, Any]:
    """A wire, by its line rate; of a real board's, goodput and round trip by its own clock."""
    seen = [e for e in events if e.wire == wire.name]
    line, delay, baud = _line(folder, wire)
    piece = frames.MAX_PAYLOAD + frames.OVERHEAD + frames.OVERHEAD + 1
    trip = piece / line + 2 * delay
    goodput, source = messages.MAX_DELIVER / trip if trip else None, "model"
    name = wire.ends[0]
    if made.specs.get(name, "").startswith("serial") and name in made.shoal.described:
        port = made.shoal.states[name].ports[wire.port]
        clock = made.shoal.described[name].clock_hz
        if port.cycles and clock:
            goodput, trip, source = port.goodput(clock), port.round_trip / clock, "board"
    wire_bytes = sum(e.wire_bytes for e in seen)
    return {
        "wire": wire.name,
        "node": name,
        "to": wire.ends[1],
        "baud": baud,
        "goodput": None if goodput is None else round(goodput, 3),
        "round_trip_milliseconds": round(1000 * trip, 6),
        "bytes": sum(e.data_bytes for e in seen) // runs,
        "wire_bytes": wire_bytes // runs,
        "frames": len(seen) // runs,
        "lost_frames": sum(e.lost for e in seen),
        "milliseconds": round(1000 * wire_bytes / runs / line, 6),
        "source": source,
    }


def _line(folder: Folder, wire: Joint) -> tuple[float, float, int | None]:
    """Bytes per second on the line, delay in seconds, and baud of a wire; a process of the host has none of these."""
    known = next((w for w in folder.described["wires"] if f"{w['node']}:{w['uart']}" == wire.name), None)
    if known is None:
        return inf, 0.0, None
    return known["baud"] / _LINE_BITS, known.get("delay") or 0.0, known["baud"]


def _figures(
    folder: Folder, made: Opened, plan: Plan, nodes: Sequence[Mapping[str, Any]], events: Sequence[FrameSeen]
) -> dict[str, Any]:
    """The members `latency`, `throughput`, `stages` and `timeline`."""
    members, found = [], []
    parts = {p.node: p for p in plan.parts}
    for number, name in made.shoal.names.items():
        compute = 0.0
        receives = retains = True
        if number in parts:
            milliseconds, source, why = _compute(next(n for n in nodes if n["name"] == name))
            found.append((name, source, why))
            compute = milliseconds / 1000
            receives, retains = _slots(folder, name, parts[number])
        members.append(replay.Member(name, number, compute, receives, retains))
    wires = [replay.Wire(w.name, w.ends, *_line(folder, w)[:2], made.link) for w in made.wires]
    figures = replay.figures(events, members, wires, made.shoal.in_flight)
    sources = ordered(["model", *(source for _, source, _ in found)])
    said = "; ".join(dict.fromkeys(f"{name}: {why}" for name, _, why in found))
    for part in ("latency", "throughput"):
        own = figures[part]
        own |= {"source": weakest(sources), "sources": sources, "assumption": f"{said}; {own['assumption']}"}
    throughput = figures["throughput"]
    throughput["inputs"] = max(throughput["inputs"], 0)
    if not throughput["per_second_estimated"] and throughput["longest_stage_milliseconds"]:
        throughput["per_second_estimated"] = round(1000 / throughput["longest_stage_milliseconds"], 6)
        throughput["assumption"] += "; too few inputs to tell a pipeline's rate: one over its longest stage"
    return figures


def _slots(folder: Folder, name: str, part: messages.Part) -> tuple[bool, bool]:
    """Whether a node has room for the next input while its chunk runs, and for outputs while the next one runs."""
    sizes = folder.graph.tensors
    manifest = manifests.load(folder.directory / name)
    held = next(r for r in manifest["residents"] if r["first"] <= part.first and part.last <= r["last"])
    takes = sum(sizes[t].bytes for t in part.inputs)
    gives = sum(sizes[t].bytes for t in {o.tensor for o in part.outputs})
    return held["receive_bytes"] >= takes, held["retain_bytes"] >= gives


def _compute(node: Mapping[str, Any]) -> tuple[float, str, str]:
    """(milliseconds, source, what they assume) of a node's own part."""
    latency = node["latency"]
    if latency["milliseconds"] is not None:
        return latency["milliseconds"], node["source"], "measured"
    if latency["milliseconds_estimated"] is not None:
        return latency["milliseconds_estimated"], node["source"], latency["assumption"]
    if latency["instructions"] is not None and node["clock_hz"]:
        return latency["instructions"] / node["clock_hz"] * 1000, node["source"], "1 cycle per instruction, assumed"
    return 0.0, node["source"], "nothing is counted here, and it takes no time"


def _verdict(nodes: Sequence[Mapping[str, Any]], whole: str | None) -> dict[str, Any]:
    """`exact` of the whole: false where an answer or a node's is, else unknown where one's is."""
    worst = min(nodes, key=lambda n: {False: 0, None: 1, True: 2}[n["exact"]])
    if whole is not None:
        return {"exact": False, "exact_reason": whole}
    reason = worst["exact_reason"]
    return {"exact": worst["exact"], "exact_reason": reason and f"{worst['name']}: {reason}"}
