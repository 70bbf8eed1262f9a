"""Bounds: each way to point outside of a file is named, with the byte."""

from __future__ import annotations

import re
import struct

import pytest

from random_networks import RandomNetwork
from shoal.errors import BadInput
from shoal.network.verify import verify


def patched(data: bytes, at: int, format_: str, value: int) -> bytes:
    out = bytearray(data)
    struct.pack_into(format_, out, at, value)
    return bytes(out)


MODEL = RandomNetwork(3).model
SIZE = len(MODEL)
ROOT = struct.unpack_from("<I", MODEL)[0]
VTABLE = ROOT - struct.unpack_from("<i", MODEL, ROOT)[0]
CODES, SUBGRAPHS = (ROOT + struct.unpack_from("<H", MODEL, VTABLE + 4 + 2 * slot)[0] for slot in (1, 2))
CODES_VECTOR = CODES + struct.unpack_from("<I", MODEL, CODES)[0]
NAME = MODEL.index(b"main\0")


def test_a_whole_file_passes() -> None:
    verify(MODEL, "f")


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "not a TensorFlow Lite model"),
        (MODEL[:7], "not a TensorFlow Lite model"),
        (MODEL[:8], "table reaches outside of the file"),
        (patched(MODEL, 4, "<4s", b"TFL2"), "not a TensorFlow Lite model"),  # type: ignore[arg-type]  # struct takes any
        (patched(MODEL, 0, "<I", 0), "root points nowhere"),
        (patched(MODEL, 0, "<I", ROOT + 1), "root points nowhere"),
        (patched(MODEL, 0, "<I", 0xFFFFFFFC), "table reaches outside of the file"),
        (patched(MODEL, ROOT, "<i", 0x7FFFFFF0), "vtable reaches outside of the file"),
        (patched(MODEL, ROOT, "<i", -0x7FFFFFF0), "vtable reaches outside of the file"),
        (patched(MODEL, ROOT, "<i", ROOT - VTABLE + 1), "vtable reaches outside of the file"),
        (patched(MODEL, VTABLE, "<H", 3), "vtable of impossible size"),
        (patched(MODEL, VTABLE, "<H", 0xFFFE), "vtable reaches outside of the file"),
        (patched(MODEL, VTABLE + 2, "<H", 2), "vtable of impossible size"),
        (patched(MODEL, VTABLE + 2, "<H", 0xFFFF), "table reaches outside of the file"),
        (patched(MODEL, VTABLE + 4 + 2 * 2, "<H", 0xFFFC), "field outside of its table"),
        (patched(MODEL, SUBGRAPHS, "<I", 0), "offset points nowhere"),
        (patched(MODEL, SUBGRAPHS, "<I", 0xFFFFFFF0 - SUBGRAPHS % 4), "vector reaches outside of the file"),
        (patched(MODEL, SUBGRAPHS, "<I", 2), "offset points nowhere"),
        (patched(MODEL, CODES_VECTOR, "<I", SIZE), "vector reaches outside of the file"),
        (patched(MODEL, CODES_VECTOR, "<I", 0x40000000), "vector reaches outside of the file"),
        (patched(MODEL, CODES_VECTOR, "<I", 0xFFFFFFFF), "vector reaches outside of the file"),
        (patched(MODEL, NAME - 4, "<I", SIZE - NAME), "string reaches outside of the file"),
        (patched(MODEL, NAME + 4, "<B", 33), "string without an end"),
    ],
)
def test_what_points_outside_is_refused(data: bytes, words: str) -> None:
    with pytest.raises(BadInput) as caught:
        verify(data, "net.tflite")
    assert words in caught.value.what and caught.value.where == "net.tflite" and caught.value.advice
    assert words.startswith("not a") or re.search(r"\(byte \d+\)", caught.value.what)
