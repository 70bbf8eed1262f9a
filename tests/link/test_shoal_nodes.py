"""Nodes of a shoal as host processes: what goes through them comes out right, or not at all and in bounded time."""

from __future__ import annotations

from pathlib import Path
from random import Random

import pytest
import tiny_shoal
from tiny_shoal import Shoal, chain_plan, chain_routes, made


@pytest.fixture(scope="module")
def chain(tmp_path_factory: pytest.TempPathFactory) -> dict[int, Path]:
    folder = tmp_path_factory.mktemp("chain")
    return {n: tiny_shoal.build(folder, n, chain_routes(n, 3)) for n in (1, 2, 3)}


def chained(elfs: dict[int, Path], count: int) -> Shoal:
    """Port 0 of node 1 and port 1 of the last end here."""
    nodes = range(1, count + 1)
    return Shoal({n: elfs[n] for n in nodes}, {n: (1, 0) for n in nodes}, [(n, n + 1) for n in nodes[:-1]])


def sample(random: Random) -> dict[int, bytes]:
    return {10: random.randbytes(300)}


@pytest.mark.parametrize("cut", [1, 2])
def test_a_chain_of_two_answers(chain: dict[int, Path], cut: int) -> None:
    with chained(chain, 2) as shoal:
        shoal.start_epoch(77)
        x = sample(Random(cut))
        shoal.give(1, 1, chain_plan(cut), x)
        shoal.until(lambda: len(shoal.done[1]) == 2)
        assert shoal.tensors[1] == {13: made(x)[13]}
