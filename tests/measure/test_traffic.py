"""What travels while a model runs: bytes by the manifest, time by a board's counter or by what its files say."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from shoal import boards
from shoal.bench.traffic import traffic
from shoal.boards.board import Store
from shoal.link.node import Answer

BOARD = boards.load("netduino2")
MAPPED = replace(BOARD, store=Store("qspi", 1 << 20, 4_000_000, "a data sheet", address=0x90000000))


def manifest(*pages: int, rows: tuple[int, int] | None = None, mapped: bool = False) -> dict[str, Any]:
    """With pages of these sizes, and as an input so many rows of so many bytes."""
    count, size = rows or (0, 0)
    return {
        "steps": [{"page": None}, *({"page": {"bytes": size}} for size in pages)],
        "inputs": [{"rows": {"count": count, "passes": 1, "bytes": size} if rows else None}],
        "outputs": [{"rows": None}],
        "store": {"bytes": sum(pages), "mapped": mapped} if pages else None,
    }


def answer(cycles: int = 0, link_cycles: int = 0) -> Answer:
    return Answer((), cycles, 0, 0, 0, link_cycles)


def test_nothing_travels() -> None:
    assert traffic(manifest(), BOARD, [answer()], "emulated", 1) is None


def test_over_an_emulated_line_time_is_bytes_by_baud() -> None:
    ran = [replace(answer(), ahead_bytes=n) for n in (404, 202, 404)]
    found = traffic(manifest(240, 480), BOARD, ran, "emulated", 1)
    assert found is not None and found["ahead_bytes"] == 404
    assert (found["store_bytes"], found["store_pages"], found["mapped"]) == (720, 2, False)
    # five pieces, the first of each page of 202 bytes at most: questions of 29 on the line, answers of 16 beside theirs
    line_bytes = 5 * (29 + 16) + 720
    assert found["milliseconds"] == pytest.approx(10_000 * line_bytes / BOARD.uarts[0].baud, abs=1e-6)
    assert found["source"] == "model" and f"{BOARD.uarts[0].baud:,} baud" in found["assumption"]


def test_rows_travel_as_well() -> None:
    found = traffic(manifest(rows=(96, 288)), BOARD, [answer()], "emulated", 1)
    assert found is not None and found["rows_in_bytes"] == 96 * 288
    assert found["milliseconds"] == pytest.approx(10_000 * 96 * (288 + 2 * 45) / BOARD.uarts[0].baud, abs=1e-6)


def test_a_board_counts_what_the_link_takes() -> None:
    ran = [answer(100, 3_000_000), answer(100, 1_000_000), answer(100, 2_000_000)]
    found = traffic(manifest(240), BOARD, ran, "board", 100_000_000)
    assert found is not None and (found["milliseconds"], found["source"]) == (20.0, "board")
    without = traffic(manifest(240), BOARD, [answer()], "board", 100_000_000)
    assert without is not None and without["milliseconds"] is None and "no cycles" in without["assumption"]


def test_a_mapped_store_is_read_at_its_own_rate() -> None:
    found = traffic(manifest(1000, 3000, mapped=True), MAPPED, [answer()], "emulated", 1)
    assert found is not None and found["milliseconds"] == pytest.approx(1.0)
    assert "a data sheet" in found["assumption"] and "baud" not in found["assumption"]
    on_board = traffic(manifest(1000, mapped=True), MAPPED, [answer(5)], "board", 1)
    assert on_board is not None and on_board["milliseconds"] is None and on_board["assumption"]
