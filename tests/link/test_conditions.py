"""What --link says of a wire."""

from __future__ import annotations

import math

import pytest

from shoal.errors import BadInput
from shoal.link.conditions import Line, parse


def test_words_and_units():
    assert parse("bandwidth=11.52KB,delay=5ms,loss=1%,garble=0.005").at(0) == Line(11520, 0.005, 0.01, 0.005)
    assert parse("delay=20us").at(1e9) == Line(math.inf, pytest.approx(20e-6))


@pytest.mark.parametrize(
    "text", ["", "loss", "loss=2", "loss=x", "speed=3", "bandwidth=0", "delay=-1", "delay=1kg", "nowhere.csv"]
)
def test_what_cannot_be_read_is_refused(text):
    with pytest.raises(BadInput):
        parse(text)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("trace.csv", "time,bandwidth,loss\n1,1000,0\n2,500,50%\n"),
        ("trace.json", '[{"time": 1, "bandwidth": 1000}, {"time": 2, "bandwidth": 500, "loss": 0.5}]'),
    ],
)
def test_a_trace_holds_each_line_until_the_next(tmp_path, name, text):
    (tmp_path / name).write_text(text)
    trace = parse(str(tmp_path / name))
    assert [trace.at(t).bandwidth for t in (0, 1, 1.9, 2, 100)] == [1000, 1000, 1000, 500, 500]
    assert trace.at(2).loss == 0.5


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("a.csv", "bandwidth\n1\n"),
        ("a.csv", "time,bandwidth\n2,1\n1,1\n"),
        ("a.csv", "time,speed\n1,1\n"),
        ("a.json", "3"),
        ("a.json", "[]"),
        ("a.json", '[{"time": null}]'),
    ],
)
def test_a_trace_that_is_none_is_refused(tmp_path, name, text):
    (tmp_path / name).write_text(text)
    with pytest.raises(BadInput):
        parse(str(tmp_path / name))
