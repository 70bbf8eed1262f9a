"""Frames, in Python and in the firmware's C: what one sends the other reads, and damage never passes for a frame."""

from __future__ import annotations

import ctypes
import itertools
import struct
import subprocess
import zlib
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shoal import resources
from shoal.link.frames import MAX_BODY, MAX_PAYLOAD, OVERHEAD, Frame, Receiver, encode

byte = st.integers(0, 255)
word = st.integers(0, 0xFFFF)
# zeros and long runs without one are where COBS has its corners
payload = st.binary(max_size=MAX_PAYLOAD) | st.integers(0, MAX_PAYLOAD).flatmap(
    lambda n: st.sampled_from([bytes(n), b"\x01" * n, b"\xff" * n])
)
frame = st.builds(Frame, byte, byte, byte, word, word, payload, st.sampled_from([1, 2, 255]))


def read(data: bytes) -> list[Frame]:
    return Receiver().feed(data)


@given(st.lists(frame, max_size=5), st.data())
def test_frames_come_out_as_they_went_in_however_they_are_cut(sent: list[Frame], data: st.DataObject) -> None:
    wire = b"".join(map(encode, sent))
    receiver = Receiver()
    got: list[Frame] = []
    cuts = sorted(data.draw(st.lists(st.integers(0, len(wire)), max_size=8)))
    for start, stop in itertools.pairwise([0, *cuts, len(wire)]):
        got += receiver.feed(wire[start:stop])
    assert got == sent


@given(frame)
def test_a_frame_takes_what_it_is_said_to_take(sent: Frame) -> None:
    assert len(encode(sent)) == OVERHEAD + len(sent.payload)


def test_a_longer_payload_is_refused() -> None:
    with pytest.raises(ValueError):
        encode(Frame(0, 0, 0, 0, 0, bytes(MAX_PAYLOAD + 1)))


@given(frame, frame, st.data())
def test_damage_loses_that_frame_only(hurt: Frame, whole: Frame, data: st.DataObject) -> None:
    wire = bytearray(encode(hurt))
    at = data.draw(st.integers(0, len(wire) - 1))
    match data.draw(st.sampled_from(["flip", "cut", "drop", "insert"])):
        case "flip":
            wire[at] ^= data.draw(st.integers(1, 255))
        case "cut":
            del wire[at:]
        case "drop":
            del wire[at]
        case "insert":
            wire.insert(at, data.draw(byte))
    got = read(bytes(wire) + encode(whole))
    assert got[-1] == whole
    assert got[:-1] in ([], [hurt])


@given(st.binary(max_size=2000))
def test_noise_is_no_frame(noise: bytes) -> None:
    assert read(noise) == []


def test_an_endless_frame_takes_no_memory() -> None:
    receiver = Receiver()
    for _ in range(1000):
        assert receiver.feed(b"\x01" * 1000) == []
    assert len(receiver._pending) <= MAX_BODY + 1
    assert receiver.feed(encode(Frame(1, 0, 2, 3, 4, b"after"))) == [Frame(1, 0, 2, 3, 4, b"after")]


class Firmware:
    """firmware/link/frames.c."""

    def __init__(self, library: Path) -> None:
        self._library = ctypes.CDLL(str(library))

    def encode(self, content: bytes) -> bytes:
        wire = ctypes.create_string_buffer(1024)
        length = self._library.shim_encode(content, len(content), wire)
        return wire.raw[:length]

    def decode(self, wire: bytes) -> list[bytes]:
        found = ctypes.create_string_buffer(len(wire) + 1)
        length = self._library.shim_decode(wire, len(wire), found)
        left = found.raw[:length]
        contents = []
        while left:
            contents.append(left[1 : 1 + left[0]])
            left = left[1 + left[0] :]
        return contents


@pytest.fixture(scope="module")
def firmware(tmp_path_factory: pytest.TempPathFactory) -> Firmware:
    library = tmp_path_factory.mktemp("frames") / "frames.so"
    root = resources.firmware()
    flags = ["-std=c99", "-O1", "-Wall", "-Wextra", "-Wconversion", "-Werror", "-shared", "-fPIC", f"-I{root}"]
    flags += ["-fsanitize=undefined", "-fno-sanitize-recover=all"]
    sources = [root / "link" / "frames.c", Path(__file__).with_name("frames_shim.c")]
    subprocess.run(["gcc", *flags, "-o", str(library), *map(str, sources)], check=True)
    return Firmware(library)


def content_of(sent: Frame) -> bytes:
    return (
        struct.pack("<BBBBHH", sent.version, sent.source, sent.destination, sent.type, sent.session, sent.sequence)
        + sent.payload
    )


@settings(max_examples=300)
@given(sent=frame)
def test_the_firmware_sends_the_same_bytes(firmware: Firmware, sent: Frame) -> None:
    assert firmware.encode(content_of(sent)) == encode(sent)


@settings(max_examples=300)
@given(sent=st.lists(frame, max_size=4), noise=st.binary(max_size=300))
def test_the_firmware_reads_frames_after_noise(firmware: Firmware, sent: list[Frame], noise: bytes) -> None:
    assert firmware.decode(noise + b"".join(map(encode, sent))) == list(map(content_of, sent))


@settings(max_examples=500)
@given(sent=frame, data=st.data())
def test_both_take_damage_alike(firmware: Firmware, sent: Frame, data: st.DataObject) -> None:
    wire = bytearray(encode(sent) + encode(sent))
    for at in data.draw(st.lists(st.integers(0, len(wire) - 1), min_size=1, max_size=4)):
        wire[at] = data.draw(byte)
    assert firmware.decode(bytes(wire)) == list(map(content_of, read(bytes(wire))))


@given(body=st.binary(max_size=MAX_BODY + 20))
def test_both_take_any_body_alike(firmware: Firmware, body: bytes) -> None:
    """Bodies whose CRC holds, of any length: too short, too long, and in a longer COBS form than need be."""
    from cobs import cobs

    whole = body + struct.pack("<I", zlib.crc32(body))
    wire = b"\0" + cobs.encode(whole) + b"\0"
    assert firmware.decode(wire) == list(map(content_of, read(wire)))
