"""The checks themselves: they pass on a node that is right, and see what is wrong with one that is not."""

from __future__ import annotations

from xml.etree import ElementTree

import numpy as np
import pytest
from reference_node import model, session

from shoal import boards, oracle
from shoal.errors import NodeError
from shoal.hil import suite
from shoal.hil.junit import junit
from shoal.hil.steps import first_difference
from shoal.hil.subject import Subject


def subject(**broken):
    if oracle.reason():
        pytest.skip(oracle.reason())
    rng = np.random.default_rng(1)
    inputs = [(rng.integers(-128, 128, (1, 6, 5, 2)).astype(np.int8),) for _ in range(3)]
    opened = session(**broken)
    return Subject(opened, boards.load("netduinoplus2"), opened.built, inputs, oracle.open_oracle(model()), None)


def verdicts(outcomes):
    return {o.name: o.verdict for o in outcomes}


def test_all_pass_on_a_node_that_is_right():
    outcomes = list(suite.run(subject()))
    assert [o.name for o in outcomes] == list(suite.CHECKS)
    assert {o.verdict for o in outcomes} <= {"passed", "skipped"}, outcomes
    assert verdicts(outcomes)["outputs"] == verdicts(outcomes)["before softmax"] == "passed"


@pytest.mark.parametrize("step, checks", [(0, {"outputs", "before softmax"}), (2, {"outputs"})])
def test_a_wrong_value_is_seen_and_found(step, checks):
    broken = subject(break_step=step)
    failed = {o.name for o in suite.run(broken) if o.verdict == "failed"}
    assert failed == checks
    found = first_difference(broken.session, broken.oracle, broken.inputs[0])
    assert (found.step, found.index, found.row, found.channel) == (step, (0, 2, 1, 1), 2, 1)
    assert found.differing == 1 and abs(found.got - found.want) == 1
    assert f"step {step}" in str(found) and "row 2, channel 1" in str(found)


def test_no_difference_where_there_is_none():
    right = subject()
    assert first_difference(right.session, right.oracle, right.inputs[0]) is None


@pytest.mark.parametrize(
    "said", [{"build_id": "00" * 20}, {"model_sha256": "00" * 32}, {"board": "netduino2"}, {"steps": 9}]
)
def test_another_firmware_is_not_believed(said):
    assert verdicts(suite.run(subject(**said)))["identity"] == "failed"


def test_sizes_and_a_used_up_stack_are_seen():
    assert verdicts(suite.run(subject(static_bytes=999)))["memory"] == "failed"
    assert verdicts(suite.run(subject(stack_size=600)))["stack"] == "failed"
    assert verdicts(suite.run(subject(stack_size=0)))["stack"] == "skipped"


def test_a_silent_node_ends_the_suite(monkeypatch):
    silent = subject()

    def no_answer():
        raise NodeError("no answer in 5 s")

    monkeypatch.setattr(silent.session.node, "identify", no_answer)
    with pytest.raises(NodeError):
        list(suite.run(silent))


def test_without_an_oracle_exactness_is_skipped_and_says_why():
    whole = subject()
    blind = Subject(whole.session, whole.board, whole.built, whole.inputs, None, "no wheel for this machine")
    outcomes = {o.name: o for o in suite.run(blind)}
    assert outcomes["outputs"].verdict == "skipped" and "no wheel" in outcomes["outputs"].detail
    assert outcomes["reset"].verdict == "passed"


def test_junit_counts_and_survives_odd_characters():
    checks = [
        {"name": "identity", "verdict": "passed", "detail": "build ab", "seconds": 0.1},
        {"name": "outputs", "verdict": "failed", "detail": "x < y & \x00 \x1b[0m", "seconds": 1.5},
        {"name": "stack", "verdict": "skipped", "detail": "not painted", "seconds": 0.0},
    ]
    root = ElementTree.fromstring(junit({"board": "b", "model": "m", "node": "emulator"}, checks))
    suite_ = root.find("testsuite")
    assert (suite_.get("tests"), suite_.get("failures"), suite_.get("skipped")) == ("3", "1", "1")
    assert [c.get("name") for c in suite_.iter("testcase")] == ["identity", "outputs", "stack"]
    assert "x < y" in suite_.find(".//failure").get("message")
