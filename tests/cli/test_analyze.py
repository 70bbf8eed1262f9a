"""`shoal analyze`."""

from __future__ import annotations

import re

import pytest

from random_networks import RandomNetwork
from tflite_builder import ModelBuilder
from wide_network import wide_network


def test_steps_boards_and_totals(shoal, small):
    ran = shoal("analyze", small, "--board", "netduinoplus2", "--board", "nucleo_f103rb", "--json")
    assert ran.code == 0
    document = ran.document
    assert [b["board"] for b in document["boards"]] == ["netduinoplus2", "nucleo_f103rb"]
    for board in document["boards"]:
        assert board["fits"] and board["shortfall"] is None
        assert [s["kind"] for s in board["steps"]] == ["conv_2d", "add", "softmax"]
        assert board["ram"]["arena_bytes"] == max(s["arena_bytes"] for s in board["steps"])
        assert document["macs"] == sum(s["macs"] for s in board["steps"]) == 6 * 6 * 3 * 3 * 3 * 2
        for kind in ("ram", "flash"):
            assert board[kind]["total_bytes"] <= board[kind]["reserved_bytes"] <= board[kind]["region_bytes"]
    text = shoal("analyze", small, "--board", "netduinoplus2").out
    for words in ("conv_2d", "1×6×6×3", "1,944", "netduinoplus2", "yes", "█"):
        assert words in text


def test_candidates_show_what_was_not_chosen(shoal, small):
    ran = shoal("analyze", small, "--board", "netduinoplus2", "--candidates", "--json")
    convolution = ran.document["boards"][0]["steps"][0]
    kernels = convolution["candidates"]
    assert len(kernels) > 1 and [c["chosen"] for c in kernels].count(True) == 1
    assert kernels[0]["instructions"] == min(c["instructions"] for c in kernels) > 0
    (chosen,) = (c for c in kernels if c["chosen"])
    assert chosen["kernel"] == convolution["kernel"] and chosen["weights_bytes"] == convolution["weights_bytes"]
    assert all(c["operator"] == "conv_2d" and c["code_bytes"] > 0 for c in kernels)
    text = shoal("analyze", small, "--board", "netduinoplus2", "--candidates").out
    assert f"● {chosen['kernel']}" in text and "scratch B" in text
    assert "candidates" not in shoal("analyze", small, "--board", "netduinoplus2", "--json").out


def test_ram_is_preferred_to_speed(shoal, large):
    arena, instructions = {}, {}
    for prefer in ("speed", "size", "ram"):
        ran = shoal("analyze", large, "--board", "mps2_an386", "--prefer", prefer, "--json")
        board = ran.document["boards"][0]
        arena[prefer], instructions[prefer] = board["ram"]["arena_bytes"], board["instructions"]
    assert arena["ram"] == min(arena.values()) < arena["speed"]
    assert instructions["ram"] >= instructions["speed"]


def test_without_a_board_all_boards_are_looked_at_and_none_is_an_error(shoal, large):
    ran = shoal("analyze", large, "--json")
    assert ran.code == 0
    fits = {b["board"]: b["fits"] for b in ran.document["boards"]}
    assert not fits["nucleo_f103rb"] and fits["mps2_an386"]
    assert not any(b["named"] for b in ran.document["boards"])


def test_too_small_a_board_is_exit_1_after_the_whole_table(shoal, large):
    ran = shoal("analyze", large, "--board", "nucleo_f103rb", "--board", "mps2_an386", "--json")
    assert ran.code == 1
    small_board, big_board = ran.document["boards"]
    assert not small_board["fits"] and big_board["fits"]
    missing = small_board["ram"]["reserved_bytes"] - small_board["ram"]["region_bytes"]
    assert f"{missing:,} B short" in small_board["shortfall"] and "step 0 conv_2d" in small_board["shortfall"]
    error = ran.document["error"]
    assert "nucleo_f103rb" in error["where"] and small_board["shortfall"] in error["what"]
    text = shoal("analyze", large, "--board", "nucleo_f103rb", "--board", "mps2_an386")
    assert text.code == 1 and "short" in text.out and "mps2_an386" in text.out and "short" in text.err


def test_a_budget_that_cannot_be_met_is_a_shortfall(shoal, small):
    ran = shoal("analyze", small, "--board", "netduinoplus2", "--ram-budget", "100", "--json")
    assert ran.code == 1
    assert "100" in ran.document["boards"][0]["shortfall"]


def test_a_curve_trades_memory_for_instructions(shoal, tmp_path):
    model = tmp_path / "net.tflite"
    model.write_bytes(RandomNetwork(11, operators=6).model)
    ran = shoal("analyze", model, "--board", "mps2_an386", "--ram-curve", "--html", tmp_path / "curve.html", "--json")
    curve = ran.document["curve"]
    assert ran.code == 0 and curve["board"] == "mps2_an386"
    arenas = [p["arena_bytes"] for p in curve["points"]]
    instructions = [p["instructions"] for p in curve["points"]]
    assert arenas == sorted(set(arenas)) and instructions == sorted(set(instructions), reverse=True)
    assert curve["bound_bytes"] <= arenas[0]
    page = (tmp_path / "curve.html").read_text()
    assert "RAM against instructions" in page and f"{arenas[0]:,}" in page and "<svg" in page
    text = shoal("analyze", model, "--board", "mps2_an386", "--ram-curve").out
    assert f"{instructions[0]:,}" in text and f"{curve['bound_bytes']:,} B of live bytes" in text


def test_a_curve_is_of_one_board(shoal, small, tmp_path):
    for given, wrong in ((["--ram-curve"], "--ram-curve"), (["--html", tmp_path / "c.html"], "--html")):
        ran = shoal("analyze", small, *given, "--json")
        assert ran.code == 2 and ran.document["error"]["where"] == wrong


def test_unsupported_operators_are_named_by_index_and_tensor(shoal, tmp_path):
    b = ModelBuilder()
    x = b.tensor((1, 4, 4, 2), scale=0.5)
    y = b.tensor((1, 4, 4, 4), scale=0.5)
    b.operator("CONCATENATION", [x, x], [y])
    path = tmp_path / "model.tflite"
    path.write_bytes(b.build(inputs=[x], outputs=[y]))
    ran = shoal("analyze", path, "--json")
    assert ran.code == 2
    what = ran.document["error"]["what"]
    assert "operator 0 CONCATENATION" in what and "tensor_1" in what


@pytest.mark.parametrize("content", [b"", b"TFL3", b"\x1c\x00\x00\x00TFL3" + bytes(100), b"\xff" * 1000])
def test_garbage_is_one_clear_error(shoal, tmp_path, content):
    path = tmp_path / "model.tflite"
    path.write_bytes(content)
    ran = shoal("analyze", path)
    assert ran.code == 2 and ran.out == "" and "Traceback" not in ran.err and str(path) in ran.err


@pytest.mark.parametrize("arguments", [["missing.tflite"], [], ["--board", "no_such_board"]])
def test_what_is_not_there_is_exit_2(shoal, small, arguments):
    given = [small, *arguments] if arguments and arguments[0] == "--board" else arguments
    ran = shoal("analyze", *given, "--json")
    assert ran.code == 2 and ran.document["error"]["what"]


@pytest.fixture
def wide(tmp_path):
    """Half a megabyte of weights."""
    model = tmp_path / "wide.tflite"
    model.write_bytes(wide_network())
    return model


def test_what_goes_to_a_second_store(shoal, wide):
    budgets = ("--board", "netduino2", "--flash-budget", 120_000, "--ram-budget", 15_000)
    [board] = shoal("analyze", wide, *budgets, "--json").document["boards"]
    pages = [step["store_bytes"] for step in board["steps"] if step["store_bytes"]]
    assert board["store"] == {"bytes": sum(pages), "pages": len(pages), "mapped": False}
    assert all(not step["weights_bytes"] for step in board["steps"] if step["store_bytes"])
    assert sum(pages) + board["flash"]["weights_bytes"] >= 502_080
    text = shoal("analyze", wide, *budgets).out
    assert "store B" in text and f"{sum(pages):,}" in text
    assert "store B" not in shoal("analyze", wide, "--board", "netduino2").out


def test_why_no_store_helps(shoal, wide):
    def refusal(flash: int, ram: int) -> str:
        budgets = ("--board", "netduino2", "--flash-budget", flash, "--ram-budget", ram)
        ran = shoal("analyze", wide, *budgets, "--json")
        assert ran.code == 1
        return str(ran.document["boards"][0]["shortfall"])

    code = refusal(3_000, 15_000)
    assert "code alone needs" in code and "budget 3,000 B" in code
    arena = refusal(60_000, 9_000)
    assert "fully_connected" in arena and "a page of 4 of its output channels needs" in arena
    found = re.search(r"--ram-budget (\d+)", arena)
    assert found
    budgets = ("--board", "netduino2", "--flash-budget", 60_000, "--ram-budget", found[1])
    assert shoal("analyze", wide, *budgets).code == 0
