"""The replay of a shoal's log: closed forms, and what no replay may do."""

from __future__ import annotations

import dataclasses
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from shoal_log import ANSWER, FRAME, Chain

from shoal.bench.replay import FULL_PAUSE, RETRY, Member, Wire, figures, replay
from shoal.errors import BadInput
from shoal.link.conditions import Conditions, Line
from shoal.link.events import FrameSeen
from shoal.link.messages import Type

INPUTS = 30

HOW = [
    {"receives": receives, "retains": retains, "overlaps": overlaps}
    for receives in (True, False)
    for retains in (True, False)
    for overlaps in (True, False)
]


def replayed(chain, in_flight, count=INPUTS):
    return replay(chain.run(count, in_flight), chain.members, chain.wires)


def stages(chain, overlaps=False):
    """Seconds of the hub's feeding and of each node, by what the chain was made of."""
    sends = [chain.transfer(k) for k in range(len(chain.sizes))]
    computes = [m.compute for m in chain.members]
    if overlaps:
        return [sends[0], *computes, *sends[1:]]
    return [sends[0], *(c + s for c, s in zip(computes, sends[1:], strict=True))]


CHAINS = {
    "one node": ([0.5], [3000, 100]),
    "the first takes longest": ([2.0, 0.5, 0.3], [3000, 4000, 2000, 10]),
    "the last takes longest": ([0.2, 0.5, 1.8], [3000, 4000, 2000, 10]),
    "feeding takes longest": ([0.2, 0.3], [27000, 2000, 10]),
    "a wire takes longest": ([0.4, 0.3, 0.2, 0.1], [3000, 16000, 4000, 2000, 10]),
    "all alike": ([1.0, 1.0, 1.0], [5000, 5000, 5000, 5000]),
}


@pytest.mark.parametrize("name", CHAINS)
@pytest.mark.parametrize("overlaps", [False, True])
def test_a_full_pipeline_takes_its_longest_stage(name, overlaps):
    compute, sizes = CHAINS[name]
    chain = Chain(compute, sizes, bandwidth=11520, delay=0.0002, overlaps=overlaps)
    result = replayed(chain, in_flight=len(compute) + 2)
    assert result.in_flight == len(compute) + 2
    assert INPUTS - result.filling >= 20
    assert result.throughput() == pytest.approx(1 / max(stages(chain, overlaps)), rel=0.1)
    assert result.longest.seconds == pytest.approx(max(stages(chain, overlaps)), rel=0.1)


@pytest.mark.parametrize("name", CHAINS)
def test_one_input_at_a_time_takes_all_stages(name):
    compute, sizes = CHAINS[name]
    chain = Chain(compute, sizes, bandwidth=11520, delay=0.0002)
    result = replayed(chain, in_flight=1)
    assert result.in_flight == 1
    assert result.throughput() == pytest.approx(1 / sum(stages(chain)), rel=0.1)
    assert result.latency() == pytest.approx(sum(stages(chain)), rel=0.1)
    assert result.sum == pytest.approx(sum(stages(chain)), rel=0.01)


def test_a_pipelined_log_can_be_replayed_with_one_in_flight():
    chain = Chain([0.5, 0.5], [3000, 3000, 10], bandwidth=11520)
    events = chain.run(INPUTS, in_flight=4)
    alone = replay(events, chain.members, chain.wires, in_flight=1)
    assert alone.throughput() == pytest.approx(1 / sum(stages(chain)), rel=0.1)


@pytest.mark.parametrize("how", HOW, ids=str)
def test_a_node_without_slots_waits_for_what_is_in_its_arena(how):
    chain = Chain([0.5, 0.5], [3000, 4000, 10], bandwidth=11520, **how)
    result = replayed(chain, in_flight=5)
    fed, passed = chain.transfer(0), chain.transfer(1)
    match how["receives"], how["retains"], how["overlaps"]:
        case False, False, _:
            period = fed + 0.5 + passed
        case False, True, False:
            period = 0.5 + max(fed, passed)
        case False, True, True:
            period = max(fed + 0.5, passed + 0.5)
        case True, True, True:
            period = 0.5
        case _:
            period = 0.5 + passed
    assert result.throughput() == pytest.approx(1 / period, rel=0.1)
    assert result.longest.seconds == pytest.approx(period, rel=0.1)


chains = st.integers(1, 4).flatmap(
    lambda n: st.tuples(
        st.lists(st.floats(0, 2), min_size=n, max_size=n),
        st.lists(st.integers(1, 5000), min_size=n + 1, max_size=n + 1),
        st.integers(1, 6),
        st.sampled_from(HOW),
        st.sampled_from([0.0, 0.01]),
    )
)


@settings(max_examples=25)
@given(chains)
def test_nothing_is_in_two_places_at_once(drawn):
    compute, sizes, in_flight, how, delay = drawn
    chain = Chain(compute, sizes, 11520, delay, **how)
    result = replayed(chain, in_flight, count=6)
    assert sorted(result.answered) == list(result.answered)
    for member in chain.members:
        runs = sorted((c.start, c.end) for c in result.computed if c.node == member.name)
        assert len(runs) == 6
        assert all(before[1] <= after[0] for before, after in pairwise(runs))
    for way in {(c.wire, c.sender) for c in result.carried}:
        sent = sorted((c.start, c.end) for c in result.carried if (c.wire, c.sender) == way)
        assert all(before[1] <= after[0] for before, after in pairwise(sent))
    under_way = sorted([(t, 1) for t in result.begun] + [(t, -1) for t in result.answered])
    count = 0
    for _, step in under_way:
        count += step
        assert count <= result.in_flight
    # a chunk runs when its tensor is there, and sends when it has run
    for k, member in enumerate(chain.members, 1):
        for inference in range(6):
            (run,) = [c for c in result.computed if (c.node, c.inference) == (member.name, inference)]
            into = [
                c.end
                for c in result.carried
                if (c.inference, c.type, c.answer) == (inference, Type.DELIVER, False)
                and (c.wire, c.sender) == (f"w{k - 1}", chain.names[k - 1])
            ]
            assert max(into) <= run.start + 1e-9
    assert result.throughput() <= (1 / max(stages(chain, how["retains"] and how["overlaps"]))) * 1.001


def test_a_lost_frame_costs_the_wait_until_it_is_asked_again():
    def log(*lost):
        chain = Chain([0.1], [100, 100], 11520)
        chain.ask(0, 1, Type.BEGIN, 0, 90)
        chain.ask(0, 1, Type.DELIVER, 0, 130, 0, 0, lost=lost)
        chain.ask(1, 0, Type.DELIVER, 0, 130, 1, 0)
        chain.ask(1, 0, Type.DONE, 0, 66)
        return replay(chain.events, chain.members, chain.wires).latency()

    assert log(0) == pytest.approx(log() + RETRY)
    assert log(1) == pytest.approx(log() + RETRY)
    assert log(0, 1) == pytest.approx(log() + RETRY + 2 * RETRY)


def test_an_inference_that_finds_no_room_is_offered_again():
    """The first node is quick, the second slow: it refuses meanwhile, and is asked again now and then."""
    chain = Chain([0.01, 1.0], [100, 100, 10], bandwidth=11520)
    result = replayed(chain, in_flight=4, count=5)
    begins = [c.start for c in result.carried if c.type == Type.BEGIN and c.wire == "w1" and not c.answer]
    runs = [c for c in result.computed if c.node == "n2"]
    during = [b for b in begins if runs[1].start < b < runs[1].end]
    assert 1 / (FULL_PAUSE + 0.02) - 2 < len(during) <= 1 / FULL_PAUSE
    assert result.throughput() == pytest.approx(1, rel=0.1)


def test_a_wire_may_get_worse_on_the_way():
    chain = Chain([0.0], [3000, 10], bandwidth=11520)
    slower = Conditions((0.0, 5.0), (Line(), Line(bandwidth=1152, delay=0.01)))
    wires = [dataclasses.replace(w, link=slower) for w in chain.wires]
    result = replay(chain.run(INPUTS, 1), chain.members, wires)
    times = [after - before for before, after in zip(result.begun, result.answered, strict=True)]
    assert times[0] == pytest.approx(sum(stages(chain)), rel=0.05)
    frames = 2 * (2 + len(chain.pieces(0)))
    assert times[-1] == pytest.approx(10 * sum(stages(chain)) + frames * 0.01, rel=0.05)


def test_what_is_held_until_the_answer_keeps_its_slot():
    chain = Chain([0.2, 0.3, 0.4], [100, 100, 100, 10], bandwidth=11520)
    result = replay(chain.run(10, 4, hold=True), chain.members, chain.wires)
    for member in chain.members:
        runs = sorted(c.start for c in result.computed if c.node == member.name)
        assert all(after > answer for after, answer in zip(runs[1:], result.answered, strict=False))


def join(count):
    """A star: each input goes to two nodes, whose halves the host adds up."""
    members = [Member("a", 1, 0.3), Member("b", 2, 0.7)]
    wires = [Wire("wa", ("hub", "a"), 11520), Wire("wb", ("hub", "b"), 11520)]
    events = []

    def seen(wire, sender, source, destination, kind, inference, tensor=None, status=None):
        events.append(
            FrameSeen(len(events), wire, sender, source, destination, kind, len(events) // 2, 100, status=status,
                      epoch=1 if status is None else None, inference=inference, tensor=tensor, offset=0)
        )  # fmt: skip

    def ask(node, up, kind, inference, tensor=None):
        number, wire, name = (1, "wa", "a") if node == "a" else (2, "wb", "b")
        ends = (number, 0) if up else (0, number)
        seen(wire, name if up else "hub", *ends, kind, inference, tensor)
        seen(wire, "hub" if up else name, *ends[::-1], kind | 0x80, None, status=0)

    for i in range(count):
        for node in "ab":
            ask(node, False, Type.BEGIN, i)
            ask(node, False, Type.DELIVER, i, 0)
        for node, tensor in (("a", 1), ("b", 2)):
            ask(node, True, Type.DELIVER, i, tensor)
    return replay(events, members, wires)


def test_two_nodes_at_once_take_as_long_as_the_slower():
    result = join(10)
    frame = 100 / 11520
    assert result.in_flight == 1
    # one's way there, its run, its way back; the last acknowledgement is nobody's wait
    assert result.latency() == pytest.approx(3 * frame + 0.7 + frame + frame, rel=0.1)


def test_a_log_that_tells_no_whole_inference_is_refused():
    chain = Chain([0.1, 0.1], [100, 100, 10], 11520)
    with pytest.raises(BadInput, match="nothing was begun"):
        replay([], chain.members, chain.wires)
    events = chain.run(2, 1)
    with pytest.raises(BadInput, match="w2"):
        replay(events, chain.members, chain.wires[:2])
    with pytest.raises(BadInput, match="nothing was answered"):
        replay([e for e in events if e.source != 2 or e.destination != 0], chain.members, chain.wires)


def test_frames_have_the_sizes_that_the_closed_forms_assume():
    chain = Chain([0.1], [500, 10], 1000)
    assert [size for _, size in chain.pieces(0)] == [227, 227, 46]
    assert chain.transfer(1) == pytest.approx((FRAME + 15 + 10 + ANSWER) / 1000)


def test_the_figures_of_a_bench():
    chain = Chain([0.5, 0.5], [3000, 3000, 10], bandwidth=11520)
    document = figures(iter(chain.run(INPUTS, in_flight=4)), chain.members, chain.wires)
    latency, throughput = document["latency"], document["throughput"]
    assert latency["milliseconds_estimated"] == pytest.approx(1000 * sum(stages(chain)), rel=0.1)
    assert latency["compute_milliseconds"] == 1000
    assert throughput["one_at_a_time_per_second"] < throughput["per_second_estimated"]
    assert (throughput["longest_stage"], throughput["in_flight"], throughput["inputs"]) == ("n1", 4, 26)
    assert max(s["milliseconds"] for s in document["stages"]) == throughput["longest_stage_milliseconds"]
    assert len(document["timeline"]["answered"]) == INPUTS
    assert {latency["source"], throughput["source"], document["timeline"]["source"]} == {"model"}
