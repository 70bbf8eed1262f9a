"""The picture of who does what when."""

from __future__ import annotations

import re

import pytest

from shoal.bench.replay import Member, Wire, replay, timeline
from shoal.link.events import FrameSeen
from shoal.link.messages import Type
from shoal.report import gantt, plots


def frames(count):
    for i in range(count):
        for kind, source, destination, wire, sender in (
            (Type.BEGIN, 0, 1, "a", "hub"),
            (Type.DELIVER, 0, 1, "a", "hub"),
            (Type.BEGIN, 1, 2, "b", "left"),
            (Type.DELIVER, 1, 2, "b", "left"),
            (Type.DELIVER, 2, 0, "c", "right"),
        ):
            yield FrameSeen(
                0, wire, sender, source, destination, kind, 0, 200, epoch=1, inference=i, tensor=0, offset=0
            )


@pytest.fixture
def shown():
    members = [Member("left", 1, 0.5), Member("right", 2, 0.2)]
    wires = [Wire("b", ("left", "right"), 11520), Wire("a", ("left", "hub"), 11520), Wire("c", ("right", "hub"), 11520)]
    return timeline(replay(frames(30), members, wires), members, wires)


def document(shown):
    return {
        "model": "kws",
        "topology": "chain",
        "nodes": [{}, {}],
        "timeline": shown,
        "latency": {"milliseconds_estimated": 800.0},
        "throughput": {"per_second_estimated": 1.9},
    }


def test_lanes_follow_the_network(shown):
    names = re.findall(r"<text[^>]*>([^<]+)</text>", plots.timeline(shown))
    wanted = ["hub – left", "left", "left – right", "right", "right – hub"]
    assert [n for n in names if n in wanted] == wanted
    assert "1" in names and "answers" in names and any(n.endswith(" %") for n in names)


def test_a_star_shows_each_node_below_its_wire(shown):
    star = {"lanes": [{"name": n, "kind": "node", "ends": None} for n in ("a", "b")]
            + [{"name": f"w{n}", "kind": "wire", "ends": [n, "hub"]} for n in ("a", "b")],
            "answered": [10.0, 20.0], "filling": 1, "in_flight": 1, "spans": []}  # fmt: skip
    text = plots.timeline(star)
    assert text.index("hub – a") < text.index("hub – b")


@pytest.mark.parametrize("ending", [".png", ".svg", ".pdf"])
def test_the_same_figures_give_the_same_file(tmp_path, shown, ending):
    one, two = tmp_path / f"one{ending}", tmp_path / f"two{ending}"
    gantt.save(document(shown), one)
    gantt.save(document(shown), two)
    assert one.read_bytes() == two.read_bytes() != b""


def test_spans_join_the_frames_of_an_input(shown):
    carried = [s for s in shown["spans"] if s["lane"] == "a" and s["kind"] == "transfer"]
    # what was refused at first is a span of its own
    assert {s["input"] for s in carried} == set(range(30)) and len(carried) < 2 * 60
    assert all(s["end"] >= s["start"] >= 0 for s in shown["spans"])
