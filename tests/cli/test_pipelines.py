"""Emulated boards of three kinds as a chain: pipelined over real frames, and what their log says of the time."""

from __future__ import annotations

from pathlib import Path

import pytest

from shoal import demo, oracle
from shoal.bench.replay import Member, Wire, replay
from shoal.link.log import read_log

DIGITS = Path(demo.__file__).with_name("digits.tflite")
BOARDS = ("netduinoplus2", "esp32c3", "mps2_an386")


@pytest.fixture(scope="module")
def logs(tmp_path_factory):
    return tmp_path_factory.mktemp("logs")


@pytest.fixture
def trio(shoal, cache, logs):
    folder = logs / "trio"
    if not folder.exists():
        boards = [a for b in BOARDS for a in ("--board", b)]
        ran = shoal("split", DIGITS, *boards, "--topology", "chain", "--output", folder, "--json")
        assert ran.code == 0, ran.out
    return folder


def measured(shoal, trio, log, *arguments):
    ran = shoal("bench", trio, "--log", log, "--json", *arguments)
    assert ran.code == 0, ran.out
    document = ran.document
    assert document["exact"] is (None if oracle.reason() else True)
    assert document["degraded"] is False
    members = [
        Member(n["name"], k, n["latency"]["instructions"] / n["clock_hz"]) for k, n in enumerate(document["nodes"], 1)
    ]
    wires = [Wire(w["wire"], (w["node"], w["to"]), w["baud"] / 10) for w in document["links"]]
    return document, replay(read_log(log), members, wires)


def test_a_full_pipeline_takes_its_longest_stage(shoal, trio, logs):
    document, result = measured(shoal, trio, logs / "full", "--plot", logs / "a.png", "--html", logs / "a.html")
    throughput = document["throughput"]
    assert throughput["seen_in_flight"] >= 2 and throughput["inputs"] >= 20
    assert throughput["per_second_estimated"] == pytest.approx(1000 / throughput["longest_stage_milliseconds"], rel=0.1)
    assert throughput["source"] == "model"
    assert result.throughput() == pytest.approx(1 / result.longest.seconds, rel=0.1)
    assert (logs / "a.png").read_bytes().startswith(b"\x89PNG")
    assert "Who does what when" in (logs / "a.html").read_text()


def test_one_input_at_a_time_takes_all_stages(shoal, trio, logs):
    document, result = measured(shoal, trio, logs / "alone", "--in-flight", "1", "--runs", "22")
    assert document["throughput"]["seen_in_flight"] == 1
    assert result.throughput() == pytest.approx(1 / result.sum, rel=0.1)
    assert document["throughput"]["per_second_estimated"] == pytest.approx(
        1000 / document["latency"]["milliseconds_estimated"], rel=0.1
    )


def test_a_worse_wire_is_modelled_as_it_is_emulated(shoal, trio, logs):
    usual, _ = measured(shoal, trio, logs / "usual", "--runs", "1")
    late, _ = measured(shoal, trio, logs / "late", "--runs", "1", "--link", "delay=20ms")
    frames = sum(link["frames"] for link in usual["links"])
    more = late["latency"]["milliseconds_estimated"] - usual["latency"]["milliseconds_estimated"]
    assert 0 < more <= 20 * frames


def test_a_page_of_one_board_is_refused(shoal, tmp_path):
    ran = shoal("bench", DIGITS, "--board", "host", "--html", tmp_path / "a.html", "--json")
    assert ran.code == 2
    assert "shoal compare" in ran.document["error"]["advice"]
