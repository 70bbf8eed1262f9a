"""Plans that took a search, remembered in the user's cache: where they were cut, by which calls, and their addresses.

What is read back is checked: cuts, calls and addresses that do not fit the network are as good as none."""

from __future__ import annotations

import hashlib
import json
import os
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import shoal
from shoal import resources
from shoal.boards.board import Board
from shoal.network.graph import Graph
from shoal.plan.addresses import solver
from shoal.plan.arena import Layout
from shoal.plan.candidates import Option, Work, again, menus
from shoal.plan.lifetimes import Cut, Needs, needs
from shoal.plan.steps import Options

#: a plan that nobody asked for this long goes when another one is remembered, in seconds
_KEPT = 30 * 24 * 3600


@dataclass(frozen=True, eq=False)
class Remembered:
    """A plan as it was found."""

    work: Work
    cuts: tuple[Cut, ...]
    needs: Needs
    layout: Layout
    bound: int


def path(graph: Graph, board: Board, options: Options) -> Path:
    """Where the plan lies: its name changes with everything that it depends on."""
    asked = {name: value for name, value in asdict(options).items() if name != "name"}
    versions = [shoal.__version__, resources.fingerprint(), solver()]
    part = None if graph.chunk is None else [graph.chunk.first, graph.chunk.last]
    key = json.dumps([graph.sha256, graph.slices, part, board.sha256, asked, *versions], sort_keys=True)
    return resources.cache() / "plans" / f"{hashlib.sha256(key.encode()).hexdigest()[:32]}.json"


def write(file: Path, plan: Remembered) -> None:
    """As far as the cache can be written: a plan can be made without."""
    document = {
        "bound": plan.bound,
        "weight": plan.work.weight,
        "cuts": [_cut(cut, plan.work) for cut in plan.cuts],
        "offsets": dict(plan.layout.offsets),
        "top": plan.layout.top,
    }
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        for other in file.parent.iterdir():
            if other.stat().st_mtime < time.time() - _KEPT:
                other.unlink(missing_ok=True)
        part = file.with_suffix(f".{os.getpid()}")
        part.write_text(json.dumps(document), encoding="utf-8")
        part.replace(file)
    except OSError:
        return


def _cut(cut: Cut, work: Work) -> dict[str, Any]:
    candidate = cut.candidate
    return {
        "first": candidate.first,
        "last": candidate.last,
        "rows": bool(candidate.events),
        "direction": candidate.direction,
        "eager": candidate.eager,
        "strips": len(candidate.strips),
        "landed": bool(candidate.landings),
        "estimate": cut.option.estimate,
        "cost": cut.option.cost,
        "calls": [
            None if call is None else next(n for n, c in enumerate(calls) if c is call)
            for call, calls in zip(cut.option.calls, menus(work, candidate), strict=True)
        ],
    }


def read(file: Path, work_of: Callable[[int], Work]) -> Remembered | None:
    """`work_of` a weight of flash: the network as it was searched."""
    try:
        document = json.loads(file.read_text(encoding="utf-8"))
        work = work_of(document["weight"])
        cuts = tuple(_cut_again(c, work) for c in document["cuts"])
        layout = Layout(document["offsets"], document["top"])
        need = needs(work, cuts)
        return Remembered(work, cuts, need, layout, document["bound"]) if _safe(need, layout) else None
    except (OSError, ValueError, KeyError, TypeError, IndexError):
        return None


def _cut_again(said: dict[str, Any], work: Work) -> Cut:
    found = again(work, *(said[n] for n in ("first", "last", "rows", "direction", "eager", "strips", "landed")))
    calls = [None if n is None else menu[n] for n, menu in zip(said["calls"], menus(work, found), strict=True)]
    option = Option(said["estimate"], said["cost"], tuple(calls))
    return Cut(replace(found, bound=option.estimate, options=(option,)), option)


def _safe(needs: Needs, layout: Layout) -> bool:
    inside = all(
        layout.offsets[b.key] >= 0
        and layout.offsets[b.key] % b.align == 0
        and layout.offsets[b.key] + b.bytes <= layout.top
        for b in needs.buffers
    )
    return inside and all(
        not any(low < layout.offsets[x] - layout.offsets[y] < high for low, high in spans)
        for (x, y), spans in needs.conflicts.items()
    )
