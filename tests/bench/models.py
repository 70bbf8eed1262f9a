"""Benchmarks real models on emulated boards and prints docs/benchmarks.md's table of them.

    SHOAL_TEST_DATA=… python tests/bench/models.py [--board B …] [--prefer speed|size] [MODEL …]

A MODEL is the stem of a file in SHOAL_TEST_DATA/models; by default the five of MLPerf Tiny and its streaming wake word.
"""

from __future__ import annotations

import argparse
import os
from pathlib import Path
from typing import Any

from shoal import boards
from shoal.bench.bench import bench
from shoal.build.cache import project
from shoal.plan.steps import Options

MODELS = [f"mlperf_{name}_int8" for name in ("kws", "ic", "vww", "ad", "sww")]
BOARDS = ["mps2_an386", "esp32c3"]
COLUMNS = ("model", "board", "instructions", "per MAC", "estimated cycles", "arena B", "RAM B", "flash B", "exact")


def measure(model: Path, board: str, options: Options) -> dict[str, Any]:
    return bench(project(model, boards.load(board), options), "emulator", 1, True)


def row(result: dict[str, Any]) -> list[str]:
    latency, ram = result["latency"], result["ram"]
    macs = sum(s["macs"] for s in latency["steps"])
    estimated = latency["cycles_estimated"]
    return [
        result["model"],
        result["board"],
        f"{latency['instructions']:,}",
        f"{latency['instructions'] / macs:.2f}" if macs else "–",
        "–" if estimated is None else f"{estimated:,}",
        f"{ram['arena_bytes']:,}",
        f"{ram['total_bytes']:,}",
        f"{result['flash']['total_bytes']:,}",
        {True: "yes", False: "NO", None: "unknown"}[result["exact"]],
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("models", nargs="*", default=MODELS)
    parser.add_argument("--board", action="append", dest="boards")
    parser.add_argument("--prefer", choices=("speed", "size"), default="speed")
    arguments = parser.parse_args()
    folder = Path(os.environ["SHOAL_TEST_DATA"]) / "models"
    print(f"| {' | '.join(COLUMNS)} |\n|{'---|' * 2}{'--:|' * (len(COLUMNS) - 3)}---|", flush=True)
    for board in arguments.boards or BOARDS:
        for model in arguments.models:
            result = measure(folder / f"{model}.tflite", board, Options(prefer=arguments.prefer))
            print(f"| {' | '.join(row(result))} |", flush=True)


if __name__ == "__main__":
    main()
