"""The page of a shoal's bench."""

from __future__ import annotations

from html.parser import HTMLParser

import pytest

from shoal.report.page import shoal_page

TIMELINE = {
    "source": "model",
    "in_flight": 2,
    "filling": 2,
    "answered": [10.0, 20.0, 30.0, 40.0],
    "lanes": [
        {"name": "left", "kind": "node", "ends": None},
        {"name": "left:uart0", "kind": "wire", "ends": ["hub", "left"]},
    ],
    "spans": [
        {"lane": "left", "from": None, "kind": "compute", "input": i, "start": 10.0 * i, "end": 10.0 * i + 7}
        for i in range(4)
    ],
}


@pytest.fixture
def document():
    node = {
        "name": "left<1>",
        "board": "netduinoplus2",
        "source": "emulated",
        "chunks": [{"first": 0, "last": 3}],
        "latency": {"instructions": 1234567, "milliseconds": None, "milliseconds_estimated": 7.25},
        "ram": {"arena_bytes": 30000},
        "flash": {"total_bytes": None},
        "bytes_in": 3072,
        "bytes_out": 10,
        "exact": True,
    }
    return {
        "model": "ic",
        "model_sha256": "ab" * 32,
        "topology": "chain",
        "nodes": [node],
        "latency": {"milliseconds_estimated": 12.5, "assumption": "wires as they say"},
        "throughput": {
            "per_second_estimated": 100.0,
            "one_at_a_time_per_second": 80.0,
            "longest_stage_milliseconds": 10.0,
            "in_flight": 2,
            "assumption": "wires as they say",
        },
        "stages": [
            {"name": "left<1>", "kind": "computes, sends", "milliseconds": 10.0},
            {"name": "left:uart0 from hub", "kind": "carries", "milliseconds": 0.5},
        ],
        "timeline": TIMELINE,
        "degraded": False,
        "exact": True,
        "exact_reason": None,
    }


class Words(HTMLParser):
    def __init__(self):
        super().__init__()
        self.text = ""

    def handle_data(self, data):
        self.text += data + " "


def words(document):
    parser = Words()
    parser.feed(shoal_page(document, "1.0"))
    return " ".join(parser.text.split())


def test_it_says_what_was_counted_and_what_is_a_model(document):
    text = words(document)
    for said in (
        "ic over 1 node",
        "100 answers a second pipelined, 80 one at a time; 12.5 ms to an answer: by a model. Chain.",
        "0 to 2",
        "1,234,567",
        "7.25 ms",
        "Who does what when",
        "2 inputs may be under way at once",
        "left<1>: computes, sends",
        "assumed: wires as they say",
    ):
        assert said in text
    assert text.count("wires as they say") == 1
    assert "degraded" not in text and "wire left:uart0" not in text


def test_names_are_escaped_and_faults_are_told(document):
    text = shoal_page({**document, "degraded": True, "exact_reason": "no oracle here"}, "1.0")
    assert "left<1>" not in text and "left&lt;1&gt;" in text
    assert "degraded: answered by a plan without a node" in text and "no oracle here" in text
