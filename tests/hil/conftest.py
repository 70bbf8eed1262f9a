"""The hardware-in-the-loop suite under pytest: `pytest tests/hil --node serial:/dev/ttyACM0 --board nucleo_f446re`.

Without options the node is the emulator of an STM32F405, the model the demo's."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from shoal import cli


def pytest_addoption(parser):
    group = parser.getgroup("hardware in the loop")
    group.addoption("--node", default=None, help="emulator, host or serial:PORT; default the board's emulator")
    group.addoption("--board", default="netduinoplus2", help="id or file of the board")
    group.addoption("--model", default=None, help="a .tflite file; default the demo's")


@pytest.fixture(scope="session")
def subject(request, tmp_path_factory):
    """The node under test, opened once."""
    from shoal.cli.target import node_spec, open_target
    from shoal.hil.inputs import made_up
    from shoal.hil.subject import open_subject

    demo = Path(cli.__file__).parent.parent / "demo" / "digits.tflite"
    model = Path(request.config.getoption("--model", None) or demo)
    board = request.config.getoption("--board", "netduinoplus2")
    made = open_target(model, board, {})
    node = request.config.getoption("--node", None)
    spec = node_spec([node] if node else [], made.board)
    for tool in _tools(made.board, spec):
        if shutil.which(tool) is None:
            pytest.skip(f"needs {tool}: `shoal doctor` says how to get it")
    rows = made_up(made.manifest["inputs"], 8)
    with open_subject(made.directory, made.manifest, made.board, spec, rows) as opened:
        yield opened


def _tools(board, spec):
    compiler = "cc" if spec == "host" else f"{board.toolchain}gcc"
    emulator = ["qemu-system-arm"] if spec == "emulator" and board.emulator.kind == "qemu" else []
    return [compiler, *emulator]
