"""Measures a shoal: each node's firmware on the crossing tensors that really come to it, and what the whole makes of
that: the document of `shoal bench` for a shoal's folder.

Nodes run one after another while they are measured: what a node counts does not depend on the others. Times of wires
come from what shoal.json says of them, their line rate unless a profile measured more, and every sum is labelled by the
weakest source in it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from shoal.bench.bench import measure
from shoal.bench.exact import in_front_of_saturation, is_near, nearness
from shoal.bench.inputs import generator
from shoal.bench.reference import Reference
from shoal.link.node import Node
from shoal.link.star import named
from shoal.plan.profiles import ordered, weakest
from shoal.render import manifest as manifests
from shoal.render.shoal import given, tensor
from shoal.tensors import Array


def bench(
    directory: Path,
    described: Mapping[str, Any],
    specs: Mapping[str, str],
    runs: Callable[[str], int],
    steps: bool,
    advance: Callable[[], None],
) -> dict[str, Any]:
    """`described`: the folder's shoal.json; `specs`: node → emulator, host or serial:PORT; `runs`: of a spec. Raises
    what building and nodes raise, with the node's name."""
    start = [tensor(described, t) for t in described["inputs"]]
    values: dict[int, Array] = dict(zip(described["inputs"], generator(start), strict=True))
    known = Judge(directory, described, list(values.values()))
    nodes = []
    for one in described["plans"][0]["assignments"]:
        name = one["node"]
        spec = specs[name]
        own = manifests.load(directory / name)
        inputs = [values[t] for t in one["inputs"]]

        def judge(
            node: Node, outputs: Sequence[bytes], own: dict[str, Any] = own, inputs: Sequence[Array] = inputs
        ) -> tuple[bool | None, str | None]:
            return known.judge(node, own, inputs, outputs)

        with named(name):
            document, outputs = measure(directory / name, spec, inputs, judge, runs(spec), steps, advance)
        made = [manifests.array_of(data, tensor(described, t)) for t, data in zip(given(one), outputs, strict=True)]
        values.update(zip(given(one), made, strict=True))
        sizes = [sum(tensor(described, t)["bytes"] for t in ts) for ts in (one["inputs"], given(one))]
        chunks = [{"first": one["first"], "last": one["last"]}]
        nodes.append({"name": name, "chunks": chunks, "bytes_in": sizes[0], "bytes_out": sizes[1], **document})
    links = [_link(wire, next(n for n in nodes if n["name"] == wire["node"])) for wire in described["wires"]]
    return {
        "model": described["name"],
        "model_sha256": described["model"]["sha256"],
        "topology": described["topology"],
        "nodes": nodes,
        "links": links,
        **_whole(described, nodes, links),
        "degraded": False,
        **_verdict(nodes),
    }


class Judge:
    """Knows every crossing tensor for one input, where there is an oracle."""

    def __init__(self, directory: Path, described: Mapping[str, Any], inputs: Sequence[Array]) -> None:
        from shoal import oracle

        self._described = described
        self.why = oracle.reason()
        if self.why is None:
            self._known = Reference(directory / described["model"]["file"], described["slices"])
            self._known.run(inputs)

    def judge(
        self, node: Node, own: Mapping[str, Any], inputs: Sequence[Array], outputs: Sequence[bytes]
    ) -> tuple[bool | None, str | None]:
        """Whether a chunk's outputs are the reference's crossing tensors, in the channels that are left; and, where the
        chunk ends in a softmax or logistic, the tensor in front of it. How near one in float32 is, as `exact.judge`."""
        if self.why is not None:
            return None, self.why
        hidden, near = in_front_of_saturation(own), None
        for made, data in zip(own["outputs"], outputs, strict=True):
            if self._equal(tensor(self._described, made["tensor"]), data):
                continue
            if hidden is None or not is_near(data, self._known.tensor(made["tensor"])):
                return False, f"tensor {made['name']} differs"
            near = nearness(made["name"])
        if hidden is not None:
            step, before = hidden
            node.load([i.tobytes() for i in inputs])
            node.run_steps(0, step + 1)
            if not self._equal(before, node.read_arena(before["offset"], before["bytes"])):
                return False, f"tensor {before['name']} in front of the final operator differs"
        return True, near

    def _equal(self, described: Mapping[str, Any], data: bytes) -> bool:
        got, want = manifests.array_of(data, described), self._known.tensor(described["tensor"])
        if described["channels"] is not None:
            channels = np.array(described["channels"])
            got, want = got[..., channels >= 0], want[..., channels[channels >= 0]]
        return got.tobytes() == want.tobytes()


def _link(wire: Mapping[str, Any], node: Mapping[str, Any]) -> dict[str, Any]:
    per_byte = 1000 / wire["bandwidth"]
    return {
        "node": wire["node"],
        "to": wire["to"],
        "baud": wire["baud"],
        "bandwidth": wire["bandwidth"],
        "bytes_in": node["bytes_in"],
        "bytes_out": node["bytes_out"],
        "milliseconds": round((node["bytes_in"] + node["bytes_out"]) * per_byte, 6),
        "source": wire["source"],
    }


def _compute(node: Mapping[str, Any], planned: Mapping[str, Any]) -> tuple[float, str, str]:
    """(milliseconds, source, what they assume) of a node's own part."""
    latency = node["latency"]
    if latency["milliseconds"] is not None:
        return latency["milliseconds"], node["source"], "measured"
    if latency["milliseconds_estimated"] is not None:
        return latency["milliseconds_estimated"], node["source"], latency["assumption"]
    if latency["instructions"] is not None and node["clock_hz"]:
        return latency["instructions"] / node["clock_hz"] * 1000, node["source"], "1 cycle per instruction, assumed"
    return planned["nanoseconds"]["compute"] / 1e6, "model", "predicted instructions at the plan's assumption"


def _whole(
    described: Mapping[str, Any], nodes: Sequence[Mapping[str, Any]], links: Sequence[Mapping[str, Any]]
) -> dict[str, Any]:
    """The members `latency` and `throughput`."""
    found = [_compute(n, p) for n, p in zip(nodes, described["plans"][0]["assignments"], strict=True)]
    computing = [ms for ms, _, _ in found]
    wires = {link["node"]: link["milliseconds"] for link in links}
    stages = [ms + wires[n["name"]] for n, ms in zip(nodes, computing, strict=True)]
    longest = max(range(len(stages)), key=stages.__getitem__)
    sources = ordered([*(link["source"] for link in links), *(source for _, source, _ in found)])
    said = dict.fromkeys(f"{n['name']}: {why}" for n, (_, _, why) in zip(nodes, found, strict=True))
    rate = "goodput as measured" if all(link["source"] == "board" for link in links) else "line rate"
    assumption = "; ".join([*said, f"wires at their {rate}, nothing repeated, the host takes no time"])
    return {
        "latency": {
            "milliseconds_estimated": round(sum(stages), 6),
            "compute_milliseconds": round(sum(computing), 6),
            "link_milliseconds": round(sum(wires.values()), 6),
            "source": weakest(sources),
            "sources": sources,
            "assumption": assumption,
        },
        "throughput": {
            "per_second_estimated": round(1000 / max(stages[longest], 1e-6), 6),
            "longest_stage": nodes[longest]["name"],
            "source": weakest(sources),
            "sources": sources,
            "assumption": assumption,
        },
    }


def _verdict(nodes: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """`exact` of the whole: false where a node's is, else unknown where one's is."""
    worst = min(nodes, key=lambda n: {False: 0, None: 1, True: 2}[n["exact"]])
    reason = worst["exact_reason"]
    return {"exact": worst["exact"], "exact_reason": reason and f"{worst['name']}: {reason}"}
