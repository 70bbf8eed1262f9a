"""Boards of a shoal harmed at random moments: twenty of the trials of tests/bench/faults.py."""

from __future__ import annotations

import shutil

import faults
import pytest

from shoal import oracle


@pytest.fixture(scope="module")
def folders():
    """By topology; each is split, and so built, once."""
    return {}


@pytest.fixture
def bench(shoal, small, folders, tmp_path_factory, cache):
    """`bench(topology, node, timing)`: three boards, inputs, and what must come of them."""
    if oracle.reason():
        pytest.skip(oracle.reason())
    if shutil.which("arm-none-eabi-gcc") is None or shutil.which("qemu-system-arm") is None:
        pytest.skip("needs arm-none-eabi-gcc and qemu-system-arm")

    def opened(topology, node, timing):
        if topology not in folders:
            folder = tmp_path_factory.mktemp("faults") / topology
            boards = [a for b in ("mps2_an386", "netduinoplus2", "mps2_an386") for a in ("--board", b)]
            assert shoal("split", small, *boards, "--topology", topology, "--output", folder).code == 0
            folders[topology] = folder
        described = faults.load(folders[topology])
        specs = {n["name"]: "host" if n["board"] == "host" else node for n in described["nodes"]}
        return faults.Bench(folders[topology], specs, 5, timing)

    return opened


@pytest.mark.parametrize("topology", ["star", "chain"])
@pytest.mark.parametrize("node, count", [("host", 8), ("emulator", 2)])
def test_whatever_happens_to_a_board_no_answer_is_wrong_and_the_others_answer(bench, topology, node, count):
    made = bench(topology, node, faults.QUICK if node == "host" else None)
    for trial in faults.trials(made.described, count, 7, made.frames()):
        outcome = made.run(trial)
        assert not outcome.wrong, outcome
        assert outcome.ended != "lost", outcome  # there is a plan without any one of them


def test_trials_are_told_when_an_answer_is_wrong(bench):
    made = bench("star", "host", faults.QUICK)
    made.wanted[-1] = [bytes(len(o)) for o in made.wanted[-1]]
    assert made.run(faults.Trial("cut", "netduinoplus2", 1, 0.05)).wrong == "a wrong answer"
