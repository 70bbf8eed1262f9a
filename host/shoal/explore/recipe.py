"""Recipes: which components change a network, in which order, with which settings."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

from shoal.errors import BadInput

GOALS = ("size", "latency", "ram", "energy", "accuracy")

_SCHEMA_FILE = Path(__file__).with_name("recipe.schema.json")

#: shares of the network's cost that the stages of the default recipe leave
_SHARES = (0.7, 0.5, 0.35, 0.25, 0.18, 0.12, 0.08)


@dataclass(frozen=True)
class Stage:
    """One component at work. prune: takes channels out until `share` of the unchanged network's cost is left, then fits
    for `epochs`; fit: fits for `epochs`. A teacher, the unchanged network, has `distil` of the loss."""

    component: str
    share: float = 1.0
    unit: Literal["bytes", "macs"] = "bytes"
    epochs: int = 6
    rate: float = 1e-3
    distil: float = 0.5

    @property
    def name(self) -> str:
        return f"prune to {self.share:.0%} of {self.unit}" if self.component == "prune" else f"fit {self.epochs} epochs"


@dataclass(frozen=True)
class Recipe:
    """`stages` in their order, each on what the one before made. `until_lost`: stop behind the second stage in a row
    that loses more accuracy than is allowed."""

    stages: tuple[Stage, ...]
    seed: int = 0
    until_lost: bool = False

    def described(self) -> dict[str, Any]:
        """As its file."""
        return {
            "schema": 1,
            "seed": self.seed,
            "until_lost": self.until_lost,
            "stages": [asdict(s) for s in self.stages],
        }


def default(goal: str) -> Recipe:
    """Less and less of what the goal counts, until too much is lost."""
    if goal == "accuracy":
        return Recipe((Stage("fit", epochs=10),))
    unit: Literal["bytes", "macs"] = "bytes" if goal == "size" else "macs"
    return Recipe(tuple(Stage("prune", share=share, unit=unit) for share in _SHARES), until_lost=True)


def load(path: Path) -> Recipe:
    """A recipe from its file. BadInput where it is not one."""
    from jsonschema import Draft202012Validator

    advice = "see the schema, explore/recipe.schema.json, or start from OUTPUT/recipe.json of a run"
    try:
        described: Mapping[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise BadInput(f"cannot be read: {error}", where=str(path), advice=advice) from None
    schema = json.loads(_SCHEMA_FILE.read_text(encoding="utf-8"))
    problem = next(iter(Draft202012Validator(schema).iter_errors(described)), None)
    if problem is not None:
        raise BadInput(f"{problem.json_path}: {problem.message[:200]}", where=str(path), advice=advice)
    stages = tuple(Stage(**stage) for stage in described["stages"])
    return Recipe(stages, described.get("seed", 0), described.get("until_lost", False))
