"""Splits that are more than a line of chunks, run to the end on processes of the host."""

from __future__ import annotations

import json
import shutil

import pytest

from shoal import oracle
from wide_network import wide_network

EXACT = None if oracle.reason() else True


@pytest.fixture(scope="module")
def wide(tmp_path_factory):
    path = tmp_path_factory.mktemp("wide") / "wide.tflite"
    path.write_bytes(wide_network())
    return path


def hosts(count):
    return [a for _ in range(count) for a in ("--board", "host")]


def test_two_nodes_share_a_layer_and_a_third_adds_up(shoal, wide, tmp_path, cache):
    folder = tmp_path / "four"
    split = shoal("split", wide, *hosts(4), "--share", "4", "--output", folder, "--json").document
    [main, *_] = split["plans"]
    one, other = main["assignments"][1:3]
    assert one["inputs"] == other["inputs"]
    described = json.loads((folder / "shoal.json").read_text())
    assert described["slices"] == [{"operator": 4, "parts": 2}]
    document = shoal("bench", folder, "--json").document
    assert document["exact"] is EXACT, document["exact_reason"]


def test_in_a_chain_a_tensor_goes_to_two_boards_whose_sums_a_third_adds(shoal, wide, tmp_path, cache):
    if shutil.which("arm-none-eabi-gcc") is None:
        pytest.skip("needs arm-none-eabi-gcc")
    folder, boards = tmp_path / "four", ["--board", "mps2_an386"] * 4
    asked = ["split", wide, *boards, "--share", "4", "--topology", "chain", "--output", folder, "--json"]
    assert shoal(*asked).code == 0
    described = json.loads((folder / "shoal.json").read_text())
    first, one, other, last = described["plans"][0]["assignments"]
    assert [o["to"] for o in first["outputs"]] == [one["node"], other["node"]]
    assert [o["to"] for o in (*one["outputs"], *other["outputs"])] == [last["node"]] * 2
    document = shoal("bench", folder, "--node", "host", "--runs", 4, "--json").document
    assert document["exact"] is EXACT, document["exact_reason"]


def test_half_a_megabyte_of_weights_runs_on_three_nodes_of_200_kb(shoal, wide, tmp_path, cache):
    folder = tmp_path / "three"
    split = shoal("split", wide, *hosts(3), "--flash-budget", "200000", "--output", folder, "--json").document
    assert split["planned"] == "slices"
    assert all(n["weights_bytes"] + n["code_bytes"] <= 200_000 for n in split["nodes"])
    assert [w["answers"] for w in split["without"]] == [False] * 3
    assert all("short of memory" in w["why"] for w in split["without"])
    document = shoal("bench", folder, "--json").document
    assert document["exact"] is EXACT, document["exact_reason"]


def test_a_chain_is_closed_through_the_hub(shoal, small, tmp_path):
    boards = [a for b in ("esp32c3", "netduinoplus2", "esp32c3") for a in ("--board", b)]
    split = shoal("split", small, *boards, "--topology", "chain", "--output", tmp_path / "made", "--json").document
    assert [(w["node"], w["uart"], w["to"], w["to_uart"]) for w in split["links"]] == [
        ("esp32c3", "uart0", "hub", None),
        ("esp32c3", "uart1", "netduinoplus2", "usart1"),
        ("netduinoplus2", "usart2", "esp32c3-2", "uart0"),
        ("esp32c3-2", "uart1", "hub", None),
        ("host", "stdio", "hub", None),
    ]
    assert [w["answers"] for w in split["without"]] == [True] * 3
    assert [p["lost"] for p in split["plans"]] == [[], ["esp32c3"], ["netduinoplus2"], ["esp32c3-2"]]


def test_nothing_waits_where_tensors_come_and_go_in_place(shoal, small, tmp_path):
    asked = ["split", small, *hosts(2), "--output", tmp_path / "made", "--json"]
    waiting, bare = (shoal(*asked, *more).document["nodes"][0] for more in ([], ["--in-place"]))
    assert (bare["receive_bytes"], bare["retain_bytes"]) == (0, 0)
    assert waiting["arena_bytes"] >= bare["arena_bytes"] + waiting["receive_bytes"] + waiting["retain_bytes"]


def test_nodes_may_hold_only_what_they_may_have_to_run(shoal, small, tmp_path):
    asked = ["split", small, *hosts(2), "--residents", "own", "--output", tmp_path / "made", "--json"]
    nodes = shoal(*asked).document["nodes"]
    for node in nodes:
        own, *others = [(r["first"], r["last"]) for r in node["residents"]]
        assert own == (node["first"], node["last"])
        assert others == [(0, 3)]  # what it runs when the other node is lost


@pytest.mark.parametrize(
    "arguments, said",
    [
        (["--share", "0"], "conv_2d"),
        (["--share", "4=1"], "'1' parts"),
        (["--share", "4=3"], "4 nodes, not 3"),
        (["--share", "99"], "no operator"),
    ],
)
def test_what_cannot_be_shared_is_said(shoal, wide, tmp_path, arguments, said):
    ran = shoal("split", wide, *hosts(3), *arguments, "--output", tmp_path / "made", "--json")
    assert ran.code == 2
    assert said in ran.document["error"]["what"]


def test_the_host_is_at_an_end_of_a_chain(shoal, small, tmp_path):
    boards = [a for b in ("esp32c3", "host", "esp32c3") for a in ("--board", b)]
    ran = shoal("split", small, *boards, "--topology", "chain", "--output", tmp_path / "made", "--json")
    assert ran.code == 2
    assert "ends of a chain" in ran.document["error"]["what"]
