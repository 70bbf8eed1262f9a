"""The log of a shoal: written and read again."""

from __future__ import annotations

import json

import pytest

from shoal.errors import BadInput
from shoal.link.events import Answered, FrameSeen, NodeSeen, Ran, Turned
from shoal.link.log import Log, read_log

EVENTS = [
    Turned(5, "all", "it begins"),
    FrameSeen(1, "a:uart1", "a", 1, 2, 0x48, 3, 231, 216, None, 5, 6, 7, 0),
    FrameSeen(2, "a:uart1", "b", 2, 1, 0xC8, 3, 16, status=0, lost=True),
    FrameSeen(3, "a:uart1", "b", 2, 1, 0x6F, 4, 16),
    NodeSeen("a", "sending", 6, 1, "b"),
    Ran("a", 6, 1000, 1, 10, 20, 0),
    Answered(6),
]


def test_what_is_written_is_read_again(tmp_path):
    with Log(tmp_path / "log") as log:
        for event in EVENTS:
            log(event)
    log(Answered(7))  # a thread that comes late
    assert list(read_log(tmp_path / "log")) == EVENTS
    lines = [json.loads(line) for line in (tmp_path / "log").read_text().splitlines()]
    assert [(line["type"], line["answer"]) for line in lines if line["event"] == "frame"] == [
        ("DELIVER", False),
        ("DELIVER", True),
        (0x6F, False),
    ]


@pytest.mark.parametrize("text", ["{", "[]", "{}", '{"event": "frame"}', '{"event": "answered", "more": 1}'])
def test_a_file_that_is_no_log_is_refused(tmp_path, text):
    (tmp_path / "log").write_text(text + "\n")
    with pytest.raises(BadInput):
        list(read_log(tmp_path / "log"))


def test_a_log_that_is_not_there(tmp_path):
    with pytest.raises(BadInput):
        list(read_log(tmp_path / "log"))
