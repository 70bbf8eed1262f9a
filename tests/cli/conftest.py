"""Running the command line in this process, as a shell would see it."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from jsonschema import Draft202012Validator

from shoal import cli
from tflite_builder import ModelBuilder

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


def convolution(size: int = 6, channels: int = 3) -> bytes:
    """conv_2d on (1, size, size, 2), add, softmax: (1, size, size, channels)."""
    b = ModelBuilder()
    rng = np.random.default_rng(7)
    x = b.tensor((1, size, size, 2), scale=0.5, zero_point=-3)
    weights = rng.integers(-127, 128, (channels, 3, 3, 2)).astype(np.int8)
    scales = [0.01 + 0.001 * i for i in range(channels)]
    w = b.tensor(data=weights, scale=scales, zero_point=[0] * channels, axis=0)
    values = np.arange(channels, dtype=np.int32)
    bias = b.tensor(data=values, scale=[0.5 * s for s in scales], zero_point=[0] * channels)
    shape = (1, size, size, channels)
    y = b.tensor(shape, scale=0.4, zero_point=2)
    z = b.tensor(shape, scale=0.8, zero_point=1)
    s = b.tensor(shape, scale=1 / 256, zero_point=-128)
    b.operator("CONV_2D", [x, w, bias], [y], padding="SAME")
    b.operator("ADD", [y, y], [z])
    b.operator("SOFTMAX", [z], [s])
    return b.build(inputs=[x], outputs=[s])


@pytest.fixture
def small(tmp_path: Path) -> Path:
    """A small model's file."""
    path = tmp_path / "small.tflite"
    path.write_bytes(convolution())
    return path


@pytest.fixture
def large(tmp_path: Path) -> Path:
    """The file of a model whose activations take 128 KiB and more."""
    path = tmp_path / "large.tflite"
    path.write_bytes(convolution(64, 16))
    return path


@pytest.fixture
def shoal(capfd: pytest.CaptureFixture[str]) -> Callable[..., Ran]:
    """Runs a command line: exit code, stdout and stderr, child processes' output included."""

    def run(*arguments: object) -> Ran:
        capfd.readouterr()
        code = cli.execute([str(a) for a in arguments])
        captured = capfd.readouterr()
        return Ran(str(arguments[0]) if arguments else "", code, captured.out, captured.err)

    return run
