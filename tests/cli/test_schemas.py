"""The published schemas of what `--json` prints."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from jsonschema import Draft202012Validator

from shoal import cli

FILES = sorted((Path(cli.__file__).parent / "schemas").glob("*.schema.json"))


@pytest.mark.parametrize("path", FILES, ids=lambda p: p.stem)
def test_schemas_are_schemas_and_take_failures(path):
    schema = json.loads(path.read_text(encoding="utf-8"))
    Draft202012Validator.check_schema(schema)
    assert schema["$id"] == path.name
    failure = {"error": {"what": "no such board", "where": "x", "advice": "choose another"}}
    assert Draft202012Validator(schema).is_valid(failure)
    assert not Draft202012Validator(schema).is_valid({})
