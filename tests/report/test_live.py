"""The view of a shoal that runs: what it says after what was seen."""

from __future__ import annotations

import io

import pytest
from rich.console import Console

from shoal.cli.console import watching
from shoal.link.events import Answered, FrameSeen, NodeSeen, Ran, Turned
from shoal.link.messages import Type
from shoal.report.live import Live, shown

NAMES = {1: "left", 2: "right"}


def text(live):
    console = Console(file=io.StringIO(), width=140)
    console.print(live)
    return console.file.getvalue()


def line(live, name):
    return next(row for row in text(live).splitlines() if row.strip().startswith(name))


@pytest.fixture
def live():
    return Live("kws", NAMES, 10)


def frame(kind, source, destination, inference=None, sender=None, lost=False, wire="w"):
    name = sender or {0: "hub", **NAMES}[source]
    return FrameSeen(1, wire, name, source, destination, kind, 0, 100, inference=inference, lost=lost)


def test_what_is_answered_and_under_way(live):
    for i in range(3):
        live(frame(Type.BEGIN, 0, 1, i))
    live(Answered(0))
    assert "kws: 1 of 10 answered, 2 under way" in text(live)


def test_who_does_what(live):
    assert "idle" in line(live, "left")
    live(frame(Type.DELIVER, 0, 1, 4))
    assert "receiving" in line(live, "left")
    live(NodeSeen("left", "running", 4, 1, None, 10, 20, 3))
    assert "computing" in line(live, "left")
    live(frame(Type.DELIVER, 0, 1, 5))  # the next input comes in meanwhile
    assert "computing" in line(live, "left")
    live(Ran("left", 4, 1000, 1, 3072, 4096, 0))
    assert "receiving" in line(live, "left") and "3,072" in line(live, "left") and "4,096" in line(live, "left")
    live(frame(Type.DELIVER, 1, 2, 5))
    assert "sending" in line(live, "left") and "receiving" in line(live, "right")
    live(Ran("left", 5, 1000, 0, 3072, 4096, 0))
    assert "idle" in line(live, "left")
    live(NodeSeen("left", "waiting", 4, 1, "right"))
    assert "waiting for right" in line(live, "left")
    live(NodeSeen("right", "lost"))
    assert "lost" in line(live, "right")


def test_a_frame_that_is_carried_on_says_nothing_of_who_carries_it(live):
    live(frame(Type.DELIVER, 2, 0, 1, sender="left"))
    assert "idle" in line(live, "left") and "idle" in line(live, "right")


def test_bytes_and_losses_of_wires(live):
    for lost in (False, True, False):
        live(frame(Type.DELIVER, 1, 2, 1, wire="left:uart1", lost=lost))
    assert line(live, "left:uart1").split() == ["left:uart1", "300", "1"]


def test_a_new_epoch_is_told_with_its_reason(live):
    live(Turned(1, "all", "it begins"))
    assert "after" not in text(live)
    live(frame(Type.BEGIN, 0, 1, 0))
    live(Turned(2, "without right", "right does not answer"))
    assert "0 under way, plan “without right” after: right does not answer" in text(live)


def test_a_terminal_shows_it_and_is_left_clean(live):
    terminal = Console(file=io.StringIO(), force_terminal=True, width=120)
    with shown(live, terminal) as watch:
        watch(Answered(0))
    assert "1 of 10" in terminal.file.getvalue()


def test_without_a_terminal_it_is_quiet_and_others_are_told(capsys):
    told = []
    with watching("kws", NAMES, 1, [told.append]) as watch:
        watch(Answered(0))
    assert told == [Answered(0)]
    assert capsys.readouterr() == ("", "")
