"""Serial ports: the firmware behind a pseudo-terminal, and ports that are missing, silent or pulled out."""

from __future__ import annotations

import contextlib
import os
import pty
import subprocess
import tty
from collections.abc import Iterator
from pathlib import Path
from random import Random

import pytest
import tiny_firmware

from shoal.errors import NodeError
from shoal.link.client import StreamNode, Timing
from shoal.link.serial import SerialPort


@pytest.fixture
def terminal() -> Iterator[tuple[int, str]]:
    """The device's end, and the name of the other."""
    device, port = pty.openpty()
    tty.setraw(port)
    yield device, os.ttyname(port)
    os.close(port)
    with contextlib.suppress(OSError):  # a test may have pulled it out
        os.close(device)


def test_a_node_behind_a_port(terminal: tuple[int, str], tmp_path: Path) -> None:
    device, port = terminal
    firmware = subprocess.Popen([tiny_firmware.build("host", tmp_path)], stdin=device, stdout=device)
    try:
        with StreamNode(SerialPort(port, 115200), name=port) as node:
            random = Random(1)
            for _ in range(3):
                sample = random.randbytes(tiny_firmware.FIRST), random.randbytes(tiny_firmware.SECOND)
                assert node.run(sample).outputs == tiny_firmware.outputs(*sample)
    finally:
        firmware.kill()
        firmware.wait()


def test_a_missing_port_is_named() -> None:
    with pytest.raises(NodeError, match=r"/dev/nonexistent: the port cannot be opened: .*No such file"):
        SerialPort("/dev/nonexistent", 115200)
    with pytest.raises(NodeError, match="cannot be opened"):
        SerialPort("nonsense://there", 115200)


def test_a_silent_board_ends_in_an_error(terminal: tuple[int, str]) -> None:
    timing = Timing(retry=0.05, patience=0.2)
    node = StreamNode(SerialPort(terminal[1], 115200), name="silent", timing=timing)
    with pytest.raises(NodeError, match="silent: the node does not answer"), node:
        pass


def test_an_unplugged_board_ends_in_an_error(terminal: tuple[int, str]) -> None:
    device, port = terminal
    stream = SerialPort(port, 115200)
    os.close(device)
    with pytest.raises(NodeError, match="the port failed"):
        for _ in range(3):
            stream.write(b"anybody?")
            stream.read(0.1)
    stream.close()
