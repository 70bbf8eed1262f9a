"""The firmware as a stranger meets it: random bytes and well-framed nonsense, under sanitizers."""

from __future__ import annotations

from pathlib import Path
from random import Random

import pytest
import tiny_firmware
from tiny_firmware import FIRST, SANITIZERS, SECOND

from shoal.link import frames
from shoal.link.client import StreamNode, Timing
from shoal.link.frames import Frame
from shoal.link.host import HostProcess
from shoal.link.messages import Type


@pytest.fixture(scope="module")
def elf(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_firmware.build("host", tmp_path_factory.mktemp("sanitized"), SANITIZERS)


def works(node: StreamNode, random: Random) -> None:
    sample = random.randbytes(FIRST), random.randbytes(SECOND)
    assert node.run(sample).outputs == tiny_firmware.outputs(*sample)


def test_random_bytes_are_survived(elf: Path) -> None:
    random = Random(1)
    with StreamNode(HostProcess(elf), name="sanitized") as node:
        for _ in range(30):
            node._stream.write(random.randbytes(random.randrange(2000)) + b"\0")
        for _ in range(30):
            node._stream.write(bytes(random.choice([0, 0, 1, 2, 255]) for _ in range(random.randrange(600))) + b"\0")
        works(node, random)


def nonsense(random: Random, session: int, sequence: int) -> Frame:
    """A frame of any type with any payload; small numbers, for they get further."""
    kind = random.choice([*Type, random.randrange(256)])
    payload = bytes(
        random.choice([0, 1, 2, 255, random.randrange(256)]) for _ in range(random.choice([0, 1, 4, 14, 60]))
    )
    if kind == Type.PROVOKE and len(payload) == 1:
        payload = b""  # a fault on purpose is what a sanitizer must not see
    return Frame(random.randrange(3), random.choice([1, 255]), kind, session, sequence, payload)


def test_nonsense_in_good_frames_is_survived(elf: Path) -> None:
    random = Random(2)
    with StreamNode(HostProcess(elf), name="sanitized", timing=Timing(retry=0.05)) as node:
        for _ in range(300):
            session = random.choice([0, node._session, node._session, random.randrange(1 << 16)])
            ahead = random.choice([0, 1, 1, 1, 2, 0xFFFF, random.randrange(1 << 16)])
            frame = nonsense(random, session, (node._sequence + ahead) & 0xFFFF)
            node._stream.write(frames.encode(frame))
            if frame.type in (Type.ASK, Type.RESET):
                node._stream.read(0.0)
        node._forget()  # what is left of the session after that is anybody's guess
        works(node, random)
