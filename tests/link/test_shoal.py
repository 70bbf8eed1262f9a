"""A shoal of made-up nodes: order, overlap, moved cuts, and what becomes of it when nodes are lost."""

from __future__ import annotations

import random
import socket
from contextlib import ExitStack, contextmanager

import pytest
from fake_node import OPERATORS, SIZE, FakeNode, chain, network, star
from lines import FaultyLine, SocketLine

from shoal.errors import NodeError
from shoal.link.events import Turned
from shoal.link.hub import Timing as Asking
from shoal.link.messages import Output, Part
from shoal.link.relay import End, Relay
from shoal.link.shoal import Crossing, Member, Plan, Request, Shoal, Timing
from shoal.link.topology import Topology

QUICK = Timing(
    Asking(0.1, 0.05, 0.2, 1.0), start=5.0, find=0.7, grace=0.1, state=0.1, full=0.01, still=3.0, running=3.0
)
TENSORS = {t: Crossing(SIZE, "int8") for t in range(OPERATORS + 1)}


def inputs(count, seed=1):
    rng = random.Random(seed)
    return [rng.randbytes(SIZE) for _ in range(count)]


class Wired:
    """Fake nodes on their wires, and a shoal of them."""

    def __init__(self, stack, kind, count, **settings):
        self.events = []
        self.relay = stack.enter_context(Relay(self.events.append))
        self.nodes, self.streams = {}, {}
        numbers = range(1, count + 1)
        if kind == "star":
            own = {n: f"n{n}" for n in numbers}
            for n, name in own.items():
                node, end = socket.socketpair()
                self.streams[name] = self.relay.hub_end(name, End(name, SocketLine(end)))
                self.nodes[n] = FakeNode(n, [node], {0: 0}, **settings)
            self.topology = Topology(own=own)
        else:
            ends = [(socket.socketpair(), socket.socketpair()) for _ in numbers]
            line = [[SocketLine(port[1]) for port in both] for both in ends]
            for n in numbers:
                routes = {d: int(d > n) for d in range(16) if d != n}
                self.nodes[n] = FakeNode(n, [port[0] for port in ends[n - 1]], routes, **settings)
            self.streams["left"] = self.relay.hub_end("left", End("n1", line[0][0]))
            self.streams["right"] = self.relay.hub_end("right", End(f"n{count}", line[-1][1]))
            for n in numbers[:-1]:
                self.relay.join(f"n{n}:1", End(f"n{n}", line[n - 1][1]), End(f"n{n + 1}", line[n][0]))
            self.topology = Topology(list(numbers), "left", "right")
        for node in self.nodes.values():
            stack.callback(node.kill)

    def open(self, plans, **settings):
        members = [Member(f"n{n}", n) for n in self.nodes]
        return Shoal(
            members, self.topology, self.streams, TENSORS, [OPERATORS], OPERATORS, plans,
            watch=self.events.append, timing=QUICK, **settings,
        )  # fmt: skip


@contextmanager
def wired(kind, count, **settings):
    with ExitStack() as stack:
        yield Wired(stack, kind, count, **settings)


def whole(kind, cuts, nodes):
    return Plan("all", (chain if kind == "chain" else star)(cuts, nodes))


@pytest.mark.parametrize("kind", ["star", "chain"])
def test_answers_are_the_networks_in_order(kind):
    with wired(kind, 3) as made, made.open([whole(kind, [2, 3], [1, 2, 3])]) as shoal:
        given = inputs(12)
        answers = list(shoal.run(Request({0: x}) for x in given))
    assert [a.tensors[OPERATORS] for a in answers] == [network(x) for x in given]
    assert all(not a.degraded and set(a.done) == {"n1", "n2", "n3"} for a in answers)


def test_nodes_work_on_several_inputs_at_once_and_no_more_than_allowed():
    taken = []

    def requests():
        for x in inputs(9):
            taken.append(x)
            yield Request({0: x})

    with wired("chain", 2) as made, made.open([whole("chain", [3], [1, 2])], in_flight=3) as shoal:
        first, second = made.nodes.values()
        # the second node does not run an input before the first one has run the next
        second.gate = lambda i: i == 9 or ("RUN", i + 1) in first.log
        answers = shoal.run(requests())
        next(answers)
        assert len(taken) <= 4
        assert sum(1 for _ in answers) == 8


@pytest.mark.parametrize("kind", ["star", "chain"])
def test_the_cut_moves_between_consecutive_inferences(kind):
    plans = [whole(kind, [b], [1, 2]) for b in range(1, OPERATORS)]
    with wired(kind, 2) as made, made.open(plans[:1]) as shoal:
        given = inputs(len(plans))
        answers = list(shoal.run(Request({0: x}, plan) for x, plan in zip(given, plans, strict=True)))
        assert [a.tensors[OPERATORS] for a in answers] == [network(x) for x in given]
        assert [a.plan for a in answers] == plans


def test_another_node_may_take_over_from_one_inference_to_the_next():
    plans = [whole("chain", [2], [1, 2]), whole("chain", [2], [1, 3]), whole("chain", [], [2])] * 3
    with wired("chain", 3) as made, made.open(plans[:1]) as shoal:
        given = inputs(len(plans))
        answers = list(shoal.run(Request({0: x}, plan) for x, plan in zip(given, plans, strict=True)))
    assert [a.tensors[OPERATORS] for a in answers] == [network(x) for x in given]


def test_a_plan_that_a_node_does_not_hold_is_refused_by_name_before_anything_runs():
    with (
        wired("chain", 2, cuts=(0, 3, OPERATORS)) as made,
        pytest.raises(NodeError, match="ends at boundary 2") as refused,
        made.open([whole("chain", [2], [1, 2])]),
    ):
        raise AssertionError
    assert refused.value.where == "node n1"
    assert not any(n.log for n in made.nodes.values())


def test_every_crossing_tensor_comes_to_the_host_where_it_is_asked_for():
    plan = whole("chain", [2, 3], [1, 2, 3]).telling()
    with wired("chain", 3) as made, made.open([plan]) as shoal:
        (answer,) = shoal.run([Request({0: inputs(1)[0]})])
    assert set(answer.tensors) == {0, 1, 2, 3, OPERATORS}


def test_what_is_held_is_released_once_the_answer_is_there():
    with wired("chain", 2) as made, made.open([whole("chain", [3], [1, 2])], hold=True) as shoal:
        assert len(list(shoal.run(Request({0: x}) for x in inputs(3)))) == 3
    for node in made.nodes.values():
        assert [e[1] for e in node.log if e[0] == "RELEASE"] == [1, 2, 3]


PLANS = {
    kind: [
        whole(kind, [2, 3], [1, 2, 3]),
        *(Plan(f"without n{n}", whole(kind, [3], [m for m in (1, 2, 3) if m != n]).parts) for n in (1, 2, 3)),
    ]
    for kind in ("star", "chain")
}


@pytest.mark.parametrize("kind", ["star", "chain"])
@pytest.mark.parametrize("node", [1, 2, 3])
@pytest.mark.parametrize("when", [0, 2])
def test_when_a_node_dies_the_others_answer(kind, node, when):
    with wired(kind, 3, seconds=0.005) as made, made.open(PLANS[kind]) as shoal:
        given = inputs(6)
        answers = []
        for answer in shoal.run(Request({0: x}) for x in given):
            if len(answers) == when:
                made.nodes[node].kill()
            answers.append(answer)
        assert set(shoal.lost) == {f"n{node}"}
    assert [a.tensors[OPERATORS] for a in answers] == [network(x) for x in given]
    assert answers[-1].degraded and answers[-1].plan.name == f"without n{node}"


def test_without_a_plan_for_the_loss_the_node_is_named():
    with wired("chain", 3) as made, made.open(PLANS["chain"][:1]) as shoal:
        answers = shoal.run(Request({0: x}) for x in inputs(9))
        next(answers)
        made.nodes[2].kill()
        with pytest.raises(NodeError) as lost:
            list(answers)
    assert lost.value.where == "node n2"


@pytest.mark.parametrize("kind", ["star", "chain"])
def test_a_node_that_starts_anew_costs_an_epoch_and_nothing_else(kind):
    with wired(kind, 3, seconds=0.005) as made, made.open(PLANS[kind]) as shoal:
        given = inputs(8)
        answers = []
        for answer in shoal.run(Request({0: x}) for x in given):
            if len(answers) in (1, 4):
                made.nodes[2].restart()
            answers.append(answer)
        assert not shoal.lost
    assert [a.tensors[OPERATORS] for a in answers] == [network(x) for x in given]
    assert not any(a.degraded for a in answers)
    assert sum(isinstance(e, Turned) for e in made.events) > 1


def test_a_chain_that_is_cut_between_two_nodes_runs_whole_through_the_hub():
    with wired("chain", 3) as made, made.open(PLANS["chain"]) as shoal:
        given = inputs(6)
        answers = []
        for answer in shoal.run(Request({0: x}) for x in given):
            if not answers:
                made.relay.cut("n1:1")
            answers.append(answer)
        assert not shoal.lost
    assert [a.tensors[OPERATORS] for a in answers] == [network(x) for x in given]
    assert not answers[-1].degraded


@pytest.mark.parametrize("kind", ["star", "chain"])
def test_on_bad_lines_every_answer_is_right(kind):
    with wired(kind, 2) as made:
        rng = random.Random(5)
        made.streams = {name: FaultyLine(s, rng, 0.2) for name, s in made.streams.items()}
        with made.open([whole(kind, [3], [1, 2])]) as shoal:
            given = inputs(12)
            answers = list(shoal.run(Request({0: x}) for x in given))
            assert shoal.repeats > 0
    assert [a.tensors[OPERATORS] for a in answers] == [network(x) for x in given]


def test_a_join_runs_with_its_quorum_where_one_sender_is_late():
    # two nodes give tensor 1 and 3 to a third, which needs both or, after the deadline, one
    with wired("star", 3) as made:
        made.nodes[1].seconds = 0.5
        parts = (
            Part(1, 0, 1, (0,), (Output(1, 0),)),
            Part(2, 0, 3, (0,), (Output(3, 0),)),
            Part(3, 3, OPERATORS, (3, 1), (Output(OPERATORS, 0),), quorum=1, deadline=50),
        )
        with made.open([Plan("join", parts)]) as shoal:
            (answer,) = shoal.run([Request({0: inputs(1)[0]})])
    assert 1 not in answer.tensors and answer.tensors[OPERATORS] != network(inputs(1)[0])
