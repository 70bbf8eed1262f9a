"""The gate on speed and size: counted instructions and flash of real models may not get worse unnoticed.

    SHOAL_TEST_DATA=… python tests/bench/gate.py           compares with gate.json, exit 1 if anything is worse
    SHOAL_TEST_DATA=… python tests/bench/gate.py --record  writes what is measured now to gate.json

Counts hold for one version of a compiler; gate.json keeps a record for each that somebody recorded. tests/measure's
test_gate.py runs the comparison with all other tests."""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from models import Figures, measure

from shoal import boards
from shoal.build import tools

FILE = Path(__file__).with_name("gate.json")

#: how much worse than recorded a figure may be, in percent
TOLERANCE = 1

#: (model, board, preference)
GATED = (
    *((f"mlperf_{m}_int8", "mps2_an386", p) for m in ("kws", "ic", "vww", "ad", "sww") for p in ("speed", "size")),
    ("mlperf_ic_int8", "esp32c3", "speed"),
    ("tflm_person_detect_int8", "esp32c3", "speed"),
)

#: compiler → "MODEL on BOARD for PREFERENCE" → figure → recorded
Record = dict[str, dict[str, dict[str, int]]]


def recorded() -> Record:
    record: Record = json.loads(FILE.read_text(encoding="utf-8"))
    return record


def key(model: str, board: str, prefer: str) -> str:
    return f"{model} on {board} for {prefer}"


def compiler(board: str) -> str:
    """The board's compiler and its version. Raises ToolError where it is missing."""
    path = tools.require(tools.COMPILERS[boards.load(board).toolchain])
    return f"{path.name} {tools.version(path)}"


def held(figures: Figures) -> dict[str, int]:
    """What the gate holds of a measurement."""
    return {"instructions": figures.instructions, "flash_bytes": figures.model_bytes}


def worse(found: Mapping[str, int], before: Mapping[str, int]) -> Iterator[str]:
    """What got worse than recorded by more than the tolerance, in words."""
    for name, was in before.items():
        more = found[name] - was
        if 100 * more > TOLERANCE * was:
            yield f"{name} {found[name]:,}, recorded {was:,}: {more / was:.2%} more"


def write(measured: Iterable[Figures]) -> None:
    """Records what of these is gated; records of other compilers stay."""
    record = recorded()
    for figures in measured:
        if (figures.model, figures.board, figures.prefer) in GATED:
            known = record.setdefault(figures.compiler, {})
            known[key(figures.model, figures.board, figures.prefer)] = held(figures)
    FILE.write_text(json.dumps(record, indent=1, sort_keys=True) + "\n", encoding="utf-8")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--record", action="store_true")
    arguments = parser.parse_args()
    folder = Path(os.environ["SHOAL_TEST_DATA"]) / "models"
    record, measured, failed = recorded(), [], False
    for model, board, prefer in GATED:
        figures = measure(folder / f"{model}.tflite", board, prefer, steps=False)
        measured.append(figures)
        found = held(figures)
        before = record.get(figures.compiler, {}).get(key(model, board, prefer), {})
        complaints = list(worse(found, before))
        failed = failed or bool(complaints)
        changes = [f"{k} {v:,} ({v / before[k] - 1:+.2%})" if k in before else f"{k} {v:,}" for k, v in found.items()]
        print(f"{'WORSE ' if complaints else ''}{key(model, board, prefer)}: {', '.join(changes)}", flush=True)
    if arguments.record:
        write(measured)
        return 0
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
