"""docs/performance.md, which tests/bench/performance.py writes: README.md has its figures, stacks are small."""

from __future__ import annotations

import re

import models
import performance


def documented() -> dict[tuple[str, str, str], dict[str, int]]:
    """(model, board, preference) → figures, from the table of all figures."""
    table = performance.DOCUMENT.read_text(encoding="utf-8").split("## All figures")[1]
    rows = [[cell.strip() for cell in line.split("|")[1:-1]] for line in table.splitlines() if line.startswith("|")]
    head = rows[0]
    return {
        (row[0], row[1], row[2]): {
            name: int(cell.replace(",", ""))
            for name, cell in zip(head, row, strict=True)
            if re.fullmatch(r"[\d,]+", cell)
        }
        for row in rows[2:]
    }


def test_readme_has_the_documented_figures() -> None:
    found = documented()
    text = performance.README.read_text(encoding="utf-8")
    for model in performance.PEERS["tflm_cmsis_nn"]:
        ours = found[model, "mps2_an386", "speed"]["instructions"]
        theirs = performance.PEERS["tflm_cmsis_nn"][model]["instructions"]
        assert f"| {models.MODELS[model]} | {ours:,} | {theirs:,} | {theirs / ours:.1f} times fewer |" in text


def test_stacks_are_small_on_every_core() -> None:
    assert all(row["stack B"] <= 600 for row in documented().values())
