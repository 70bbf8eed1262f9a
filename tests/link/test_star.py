"""A star of nodes: order, overlap in time, and what a lost node comes to."""

from __future__ import annotations

import threading

import pytest

from shoal.errors import NodeError
from shoal.link.node import Answer
from shoal.link.star import Stage, run


class Fake:
    """Answers with its input and a letter; `before` is called with the input first."""

    def __init__(self, letter, before=lambda x: None):
        self.letter, self.before = letter, before

    def run(self, inputs):
        self.before(inputs[0])
        return Answer((b"".join(inputs) + self.letter,), 0, 0, 0, 1)


def stages(*nodes):
    return [Stage(f"node{i}", node, (i,), (i + 1,)) for i, node in enumerate(nodes)]


def test_answers_come_in_order_through_all_stages():
    inputs = [{0: bytes([i])} for i in range(20)]
    passed = list(run(stages(Fake(b"a"), Fake(b"b"), Fake(b"c")), inputs))
    assert [p.tensors[3] for p in passed] == [bytes([i]) + b"abc" for i in range(20)]
    assert all(p.tensors[1] == p.tensors[0] + b"a" and p.retries == 3 for p in passed)


def test_a_tensor_skips_the_stages_that_do_not_read_it():
    first, last = Stage("first", Fake(b"a"), (0,), (1,)), Stage("last", Fake(b"c"), (1, 2), (3,))
    middle = Stage("middle", Fake(b"b"), (0,), (2,))
    (passed,) = run([first, middle, last], [{0: b"x"}])
    assert passed.tensors[3] == b"xaxbc"


def test_nodes_work_at_the_same_time():
    second_is_at_the_first = threading.Event()

    def wait(x):
        if x == b"1":
            second_is_at_the_first.set()

    def until(x):
        if x.startswith(b"0"):
            assert second_is_at_the_first.wait(30)

    passed = list(run(stages(Fake(b"a", wait), Fake(b"b", until)), [{0: b"0"}, {0: b"1"}]))
    assert [p.tensors[2] for p in passed] == [b"0ab", b"1ab"]


def test_no_more_inputs_are_taken_than_nodes_have_work_for():
    taken = []

    def inputs():
        for i in range(50):
            taken.append(i)
            yield {0: bytes([i])}

    answers = run(stages(Fake(b"a"), Fake(b"b")), inputs())
    next(answers)
    assert len(taken) == 3
    answers.close()


def test_a_lost_node_is_named_after_the_answers_that_were_whole():
    def die(x):
        if x.startswith(b"2"):
            raise NodeError("the firmware ended", where="host process")

    got = []
    with pytest.raises(NodeError, match="the firmware ended") as lost:
        for passed in run(stages(Fake(b"a"), Fake(b"b", die), Fake(b"c")), [{0: b"%d" % i} for i in range(9)]):
            got.append(passed.tensors[3])
    assert lost.value.where == "node node1, host process"
    assert got == [b"0abc", b"1abc"]
