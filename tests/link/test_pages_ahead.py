"""Pages of constants that are asked for before the model waits for them: what came meanwhile, and on a bad line."""

from __future__ import annotations

from pathlib import Path
from random import Random

import pytest
import tiny_firmware
from lines import FaultyLine
from tiny_firmware import SANITIZERS

from shoal.link.client import StreamNode, Timing
from shoal.link.host import HostProcess

QUICK = Timing(retry=0.05, slowest=0.2, patience=10.0, run=20.0)

#: bytes of both pages; of the first piece of one that is asked for ahead
STORE, AHEAD = 800, 202


@pytest.fixture(scope="module")
def elf(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_firmware.build("host", tmp_path_factory.mktemp("pages"), SANITIZERS, image="tiny_pages_image.c")


def expected(store: bytes, given: int) -> bytes:
    return bytes((b + given) % 256 for b in store)


def test_what_was_asked_for_ahead_is_there_when_it_is_waited_for(elf: Path) -> None:
    """A piece of the first page, which has no place yet, and two of the second, which has."""
    with StreamNode(HostProcess(elf), name="pages", timing=QUICK) as node:
        for seed in range(3):
            node.store = Random(seed).randbytes(STORE)
            ran = node.run([bytes([seed])])
            assert ran.outputs == (expected(node.store, seed),)
            assert (ran.ahead_bytes, ran.retries) == (3 * AHEAD, 0)


def test_a_page_that_is_told_of_and_not_fetched(elf: Path) -> None:
    """By the first step alone; then the whole run, with another store."""
    with StreamNode(HostProcess(elf), name="pages", timing=QUICK) as node:
        for seed in range(3):
            node.store = Random(seed).randbytes(STORE)
            node.load([b"\1"])
            node.run_steps(0, 1)
            node.store = Random(seed + 10).randbytes(STORE)
            assert node.run([b"\2"]).outputs == (expected(node.store, 2),)


@pytest.mark.parametrize("seed", range(4))
def test_a_bad_line_costs_retries_and_never_a_wrong_page(elf: Path, seed: int) -> None:
    random = Random(seed)
    with (
        StreamNode(HostProcess(elf), name="pages", timing=QUICK) as node,
        node.through(lambda line: FaultyLine(line, random, 0.12)),
    ):
        for given in range(3):
            node.store = random.randbytes(STORE)
            assert node.run([bytes([given])]).outputs == (expected(node.store, given),)
