"""Running the command line in this process, as a shell would see it."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest

from shoal import cli


@dataclass(frozen=True)
class Ran:
    code: int
    out: str
    err: str

    @property
    def document(self) -> Any:
        """Standard output as the one JSON document that it must be."""
        return json.loads(self.out)


@pytest.fixture
def shoal(capfd: pytest.CaptureFixture[str]) -> Callable[..., Ran]:
    """Runs a command line: exit code, stdout and stderr, child processes' output included."""

    def run(*arguments: object) -> Ran:
        capfd.readouterr()
        code = cli.run([str(a) for a in arguments])
        captured = capfd.readouterr()
        return Ran(code, captured.out, captured.err)

    return run
