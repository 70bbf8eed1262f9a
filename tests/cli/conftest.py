"""Running the command line in this process, as a shell would see it."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from shoal import cli

SCHEMAS = Path(cli.__file__).parent / "schemas"


@dataclass(frozen=True)
class Ran:
    command: str
    code: int
    out: str
    err: str

    @property
    def document(self) -> Any:
        """Standard output as the one JSON document that it must be, checked against its published schema."""
        document = json.loads(self.out)
        schema = SCHEMAS / f"{self.command}.schema.json"
        if schema.exists():
            Draft202012Validator(json.loads(schema.read_text(encoding="utf-8"))).validate(document)
        return document


@pytest.fixture
def shoal(capfd: pytest.CaptureFixture[str]) -> Callable[..., Ran]:
    """Runs a command line: exit code, stdout and stderr, child processes' output included."""

    def run(*arguments: object) -> Ran:
        capfd.readouterr()
        code = cli.run([str(a) for a in arguments])
        captured = capfd.readouterr()
        return Ran(str(arguments[0]) if arguments else "", code, captured.out, captured.err)

    return run
