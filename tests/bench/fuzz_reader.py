"""Damages model files many times over and reads them: no traceback, no hang, little memory.

    PYTHONPATH=host nice python tests/bench/fuzz_reader.py --count 100000 MODEL.tflite …

Without models it damages random networks. Prints what happened and exits with 1 if anything but a ShoalError was raised
or a file took longer than a second; the offending file is kept in --keep."""

from __future__ import annotations

import argparse
import os
import random
import resource
import sys
import time
import traceback
from collections import Counter
from pathlib import Path

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # as the command line does, before anything imports NumPy
sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from mutations import mutate
from random_networks import RandomNetwork
from shoal import boards
from shoal.boards.board import Board
from shoal.errors import ShoalError
from shoal.network.read_tflite import parse
from shoal.network.simplify import simplify
from shoal.plan.planner import plan
from shoal.plan.steps import Options


def read(data: bytes, board: Board) -> str:
    """Everything that `analyze` does with a model: read, simplify, plan; the kind of outcome."""
    try:
        plan(simplify(parse(data, "net", "net.tflite")), board, Options())
    except ShoalError as error:
        return type(error).__name__
    return "accepted"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("models", nargs="*", type=Path)
    parser.add_argument("--count", type=int, default=100_000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--keep", type=Path, default=Path("fuzz_reader_failure.tflite"))
    options = parser.parse_args()
    sources = [p.read_bytes() for p in options.models] or [RandomNetwork(s, 8).model for s in range(20)]
    board = boards.load("netduinoplus2")
    r = random.Random(options.seed)
    outcomes: Counter[str] = Counter()
    slowest = 0.0
    started = time.monotonic()
    for i in range(options.count):
        damaged = mutate(r.choice(sources), r)
        before = time.monotonic()
        try:
            outcomes[read(damaged, board)] += 1
        except BaseException as error:
            options.keep.write_bytes(damaged)
            traceback.print_exc()
            print(f"mutation {i}: {type(error).__name__}; the file is {options.keep}")
            return 1
        took = time.monotonic() - before
        slowest = max(slowest, took)
        if took > 1:
            options.keep.write_bytes(damaged)
            print(f"mutation {i} took {took:.1f} s; the file is {options.keep}")
            return 1
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1000
    print(
        f"{options.count:,} mutations of {len(sources)} models in {time.monotonic() - started:.0f} s: {dict(outcomes)}"
        f"; slowest {slowest * 1000:.0f} ms, peak {peak:.0f} MB"
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
