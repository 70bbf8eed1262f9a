"""Profiles: what was measured of a model's operators and crossing tensors on boards, read as data.

`shoal profile` makes them (bench/profile.py); their published schema is cli/schemas/profile.schema.json."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

from shoal.boards.board import Board
from shoal.errors import BadInput
from shoal.network.graph import Graph
from shoal.plan.chunks import Work

SCHEMA = 1
_SCHEMA_FILE = Path(__file__).parents[1] / "cli" / "schemas" / "profile.schema.json"

#: where a figure can come from, the strongest first
SOURCES = ("board", "emulated", "host", "model")

_ADVICE = "make one: shoal profile MODEL --board BOARD --output FILE"


def weakest(sources: Iterable[str]) -> str:
    """What a total derived from these is labelled by."""
    return max(sources, key=SOURCES.index)


def ordered(sources: Iterable[str]) -> list[str]:
    """Each once, the strongest first."""
    return sorted(set(sources), key=SOURCES.index)


@dataclass(frozen=True)
class Figure:
    """A time and what it was derived from."""

    nanoseconds: int
    sources: tuple[str, ...]


@dataclass(frozen=True)
class Wire:
    """`goodput`: payload bytes per second; `source`: board where that was measured, else model."""

    goodput: float
    source: str


@dataclass(frozen=True)
class Ran:
    """One operator as it was measured: by this kernel's function, with its shape literal or not. `instructions` where
    an emulator counted them."""

    function: str
    literal: bool
    instructions: int | None
    time: Figure


@dataclass(frozen=True)
class Measured:
    """One board's part of a profile. `operators`: by the tensor that each writes, which stays where a layer was cut
    and numbers behind it moved. `entries` and `exits`: of crossing tensors, what it takes the board to take them in and
    to give them out. `wire`, and `milliamperes` while it runs, where a board's were measured. `assumption`: what its
    times assume beside what was measured; None where that is nothing."""

    board: str
    operators: Mapping[int, Ran]
    entries: Mapping[int, Figure]
    exits: Mapping[int, Figure]
    wire: Wire | None
    milliamperes: float | None
    assumption: str | None

    def ran(self, work: Work) -> Ran | None:
        """The operator's measurement, if it was by the kernel that is asked for."""
        found = self.operators.get(work.output)
        return found if found is not None and (found.function, found.literal) == (work.function, work.literal) else None


@dataclass(frozen=True)
class Profile:
    """A profile's file, checked against its schema."""

    path: Path
    described: Mapping[str, Any]


def load(path: Path) -> Profile:
    """BadInput where the file is no profile."""
    from jsonschema import Draft202012Validator

    def refuse(constant: str) -> NoReturn:
        raise ValueError(f"{constant} is no number")

    try:
        described = json.loads(path.read_text(encoding="utf-8"), parse_constant=refuse)
    except (OSError, ValueError, RecursionError) as error:
        raise BadInput(f"cannot be read as a profile: {error}", where=str(path), advice=_ADVICE) from None
    schema = json.loads(_SCHEMA_FILE.read_text(encoding="utf-8"))
    validator = Draft202012Validator({"$ref": "#/$defs/result", "$defs": schema["$defs"]})
    problem = next(iter(validator.iter_errors(described)), None)
    if problem is not None:
        raise BadInput(f"is no profile: {problem.json_path}: {problem.message[:200]}", where=str(path), advice=_ADVICE)
    return Profile(path, described)


def measured(profiles: Sequence[Profile], graph: Graph, boards: Sequence[Board], prefer: str) -> list[Measured | None]:
    """For each board its part of the profiles, None where they have none. BadInput where a profile is of another model,
    was made with another `prefer`, or has none of these boards, one whose file differs, or one that another has."""
    found: dict[str, Measured] = {}
    for profile in profiles:
        _check_model(profile, graph, prefer)
        mine = {b.id: b for b in boards}
        parts = [p for p in profile.described["boards"] if p["board"] in mine]
        if not parts:
            theirs = ", ".join(p["board"] for p in profile.described["boards"])
            raise BadInput(
                f"is a profile of {theirs}, and of no board that is asked for",
                where=str(profile.path),
                advice=f"leave it out, or profile {', '.join(mine)}",
            )
        for part in parts:
            if part["board_sha256"] != mine[part["board"]].sha256:
                raise BadInput(
                    f"is of board {part['board']} by another board file", where=str(profile.path),
                    advice="profile the board again",
                )  # fmt: skip
            if part["board"] in found:
                raise BadInput(
                    f"has board {part['board']} once more",
                    where=str(profile.path),
                    advice="name one profile of a board",
                )
            found[part["board"]] = _measured(profile, part, graph)
    return [found.get(b.id) for b in boards]


def _check_model(profile: Profile, graph: Graph, prefer: str) -> None:
    described, where = profile.described, str(profile.path)
    if described["model_sha256"] != graph.sha256:
        raise BadInput(
            f"is a profile of another model, {described['model']}", where=where, advice=f"profile {graph.name}"
        )
    made_with = described["options"]["prefer"]
    if made_with != prefer:
        raise BadInput(
            f"was made with --prefer {made_with}, asked for {prefer}",
            where=where,
            advice=f"say --prefer {made_with}, or profile again",
        )
    if [o["kind"] for o in described["operators"]] != [o.kind for o in graph.operators]:
        raise BadInput(
            f"was made by shoal {described['tool_version']}, which simplified the model otherwise",
            where=where,
            advice="profile it again",
        )


def _measured(profile: Profile, part: Mapping[str, Any], graph: Graph) -> Measured:
    numbers = range(len(graph.operators))
    operators = {
        graph.operators[o["operator"]].outputs[0]: Ran(o["function"], o["literal"], o["instructions"], _figure(o))
        for o in part["operators"]
        if o["operator"] in numbers
    }
    entries, exits = ({t["tensor"]: _figure(t[way]) for t in part["tensors"]} for way in ("entry", "exit"))
    missing = {t for o in graph.operators for t in o.outputs}.union(graph.inputs).difference(entries)
    if missing or len(operators) < len(part["operators"]):
        raise BadInput(
            f"speaks of other operators or tensors than the model has, at {part['board']}", where=str(profile.path),
            advice="profile it again",
        )  # fmt: skip
    link, energy = part["link"], part["energy"]
    return Measured(
        part["board"],
        operators,
        entries,
        exits,
        Wire(link["goodput"], "board") if link["source"] == "board" else None,
        energy["current_milliamperes"] if energy["source"] == "board" else None,
        part["assumption"],
    )


def _figure(described: Mapping[str, Any]) -> Figure:
    return Figure(described["nanoseconds"], tuple(described["sources"]))
