"""How good an emulated wire is: the same all the time, or as a trace has it."""

from __future__ import annotations

import bisect
import csv
import io
import itertools
import json
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from shoal.errors import BadInput

_UNITS = {
    "bandwidth": {"": 1.0, "B": 1.0, "KB": 1e3, "MB": 1e6},
    "delay": {"": 1.0, "s": 1.0, "ms": 1e-3, "us": 1e-6},
    "loss": {"": 1.0, "%": 0.01},
    "garble": {"": 1.0, "%": 0.01},
}

_HELP = "say bandwidth=11520,delay=5ms,loss=1%,garble=0.5%, some of them, or a .csv or .json file of such over time"


@dataclass(frozen=True)
class Line:
    """`bandwidth`: bytes per second on the line, each way, infinite for as fast as they come; `delay` in seconds;
    shares of frames that are lost, or damaged (`garble`)."""

    bandwidth: float = math.inf
    delay: float = 0.0
    loss: float = 0.0
    garble: float = 0.0


@dataclass(frozen=True)
class Conditions:
    """A line over time: each from its second on, the first one also before that."""

    times: tuple[float, ...] = (0.0,)
    lines: tuple[Line, ...] = (Line(),)

    def at(self, seconds: float) -> Line:
        return self.lines[max(bisect.bisect_right(self.times, seconds) - 1, 0)]


def parse(text: str) -> Conditions:
    """What `--link` says: `bandwidth=…,delay=…,loss=…,garble=…`, or the name of a trace.

    A trace has lines of `time` in seconds and those four, as CSV with a header, or as JSON: a list of objects. BadInput
    for anything else."""
    if text.lower().endswith((".csv", ".json")):
        return _trace(Path(text))
    return Conditions(lines=(_line(dict(_pair(part) for part in text.split(",")), f"--link {text}"),))


def _pair(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not equals:
        raise BadInput(f"`{text}` is no NAME=VALUE", where="--link", advice=_HELP)
    return name.strip(), value


def _line(values: Mapping[str, Any], where: str) -> Line:
    names = [f.name for f in fields(Line)]
    for name in values:
        if name not in names:
            raise BadInput(f"a link has no {name!r}", where=where, advice=_HELP)
    line = Line(**{name: _number(name, str(value).strip(), where) for name, value in values.items()})
    if line.bandwidth <= 0:
        raise BadInput("a link's bandwidth is more than 0", where=where, advice=_HELP)
    if not (0 <= line.loss <= 1 and 0 <= line.garble <= 1):
        raise BadInput("shares of frames lie between 0 and 1", where=where, advice=_HELP)
    return line


def _number(name: str, text: str, where: str) -> float:
    found = re.fullmatch(r"(\d+(?:\.\d*)?(?:e[+-]?\d+)?)\s*([a-zA-Z%]*)", text)
    if not found or found[2] not in _UNITS[name]:
        raise BadInput(f"{name}={text} cannot be read", where=where, advice=_HELP)
    return float(found[1]) * _UNITS[name][found[2]]


def _trace(path: Path) -> Conditions:
    try:
        text = path.read_text(encoding="utf-8")
        rows = json.loads(text) if path.suffix.lower() == ".json" else list(csv.DictReader(io.StringIO(text)))
        points = [(float(row["time"]), {k: v for k, v in row.items() if k != "time"}) for row in rows]
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise BadInput(f"the trace cannot be read: {error!r}", where=str(path), advice=_HELP) from None
    times = tuple(time for time, _ in points)
    if not times or any(not a < b for a, b in itertools.pairwise(times)):
        raise BadInput("a trace has at least one line, and its times go up", where=str(path), advice=_HELP)
    return Conditions(times, tuple(_line(values, str(path)) for _, values in points))


#: as fast as bytes come, all of them, at once
PERFECT = Conditions()
