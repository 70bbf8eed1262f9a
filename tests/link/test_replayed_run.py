"""Replays of what hub and nodes really said to each other over the relay, pipelined and one input at a time."""

from __future__ import annotations

import pytest
from test_shoal import inputs, whole, wired

from shoal.bench.replay import Member, Wire, replay
from shoal.link.shoal import Request

INPUTS = 25

#: seconds that each chunk shall have taken
COMPUTE = {
    "the first takes longest": (0.9, 0.2, 0.3),
    "the last takes longest": (0.1, 0.2, 0.8),
    "wires take longest": (0.05, 0.02, 0.05),
}


@pytest.fixture(scope="module", params=["chain", "star"])
def logs(request):
    """What was seen of a run with inputs to spare, and of one with one input at a time; the wires of both."""
    seen = []
    for in_flight in (None, 1):
        with wired(request.param, 3) as made:
            with made.open([whole(request.param, [2, 3], [1, 2, 3])], in_flight=in_flight) as shoal:
                assert len(list(shoal.run(Request({0: x}) for x in inputs(INPUTS)))) == INPUTS
            seen.append(list(made.events))
    ends = {"left": ("n1", "hub"), "right": ("n3", "hub"), "n1:1": ("n1", "n2"), "n2:1": ("n2", "n3")}
    if request.param == "star":
        ends = {f"n{k}": (f"n{k}", "hub") for k in (1, 2, 3)}
    return *seen, [Wire(name, both, bandwidth=11520, delay=0.0001) for name, both in ends.items()]


@pytest.mark.parametrize("name", COMPUTE)
def test_pipelined_it_takes_its_longest_stage_and_alone_all_of_them(logs, name):
    pipelined, alone, wires = logs
    members = [Member(f"n{k}", k, seconds) for k, seconds in enumerate(COMPUTE[name], 1)]
    full, single = replay(pipelined, members, wires), replay(alone, members, wires)
    assert full.in_flight > 1 and single.in_flight == 1
    assert len(full.answered) - full.filling >= 20
    assert full.throughput() == pytest.approx(1 / full.longest.seconds, rel=0.1)
    assert single.throughput() == pytest.approx(1 / single.sum, rel=0.1)
    # the pipelined log, played with one input under way, tells the same
    assert replay(pipelined, members, wires, in_flight=1).throughput() == pytest.approx(single.throughput(), rel=0.02)
