"""Recipes: written and read again, refused by their schema."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from shoal.errors import BadInput
from shoal.explore.recipe import GOALS, default, load


@pytest.mark.parametrize("goal", GOALS)
def test_a_described_recipe_reads_back(tmp_path: Path, goal: str) -> None:
    path = tmp_path / "recipe.json"
    path.write_text(json.dumps(default(goal).described()))
    assert load(path) == default(goal)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("{", "cannot be read"),
        ('{"schema": 1, "stages": []}', "$.stages"),
        ('{"schema": 2, "stages": [{"component": "fit"}]}', "$.schema"),
        ('{"schema": 1, "stages": [{"component": "magic"}]}', "$.stages[0].component"),
        ('{"schema": 1, "stages": [{"component": "prune", "share": 0}]}', "$.stages[0].share"),
    ],
)
def test_refuses(tmp_path: Path, text: str, words: str) -> None:
    path = tmp_path / "recipe.json"
    path.write_text(text)
    with pytest.raises(BadInput) as caught:
        load(path)
    assert words in str(caught.value)
