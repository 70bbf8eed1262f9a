"""Damaged model files: what a reader must survive."""

from __future__ import annotations

import random
import struct
from collections.abc import Callable

#: words that offsets, lengths, indices and shapes break on
WORDS = (0, 1, 2, 3, 4, 8, 127, 128, 255, 256, 0x7FFF, 0x8000, 0xFFFF, 0x10000)
WORDS += (0x3FFFFFFF, 0x40000000, 0x7FFFFFFC, 0x7FFFFFFF, 0x80000000, 0xFFFFFFF0, 0xFFFFFFFC, 0xFFFFFFFF)


def truncate(data: bytes, r: random.Random) -> bytes:
    return data[: r.randrange(len(data))]


def flip_bits(data: bytes, r: random.Random) -> bytes:
    out = bytearray(data)
    for _ in range(r.randrange(1, 8)):
        out[r.randrange(len(out))] ^= 1 << r.randrange(8)
    return bytes(out)


def overwrite_bytes(data: bytes, r: random.Random) -> bytes:
    out = bytearray(data)
    for _ in range(r.randrange(1, 20)):
        out[r.randrange(len(out))] = r.randrange(256)
    return bytes(out)


def overwrite_structure(data: bytes, r: random.Random) -> bytes:
    """Bytes of the first and the last 4,000, where converters put the tables."""
    out = bytearray(data)
    for _ in range(r.randrange(1, 8)):
        at = r.randrange(min(4000, len(out)))
        out[at if r.random() < 0.5 else len(out) - 1 - at] = r.randrange(256)
    return bytes(out)


def overwrite_words(data: bytes, r: random.Random) -> bytes:
    """Aligned words, mostly those that look like an offset, a length or an index."""
    out = bytearray(data)
    for _ in range(r.randrange(1, 4)):
        for _ in range(50):
            at = 4 * r.randrange(len(out) // 4)
            if struct.unpack_from("<I", out, at)[0] < len(out):
                break
        word = r.choice(WORDS) if r.random() < 0.7 else r.randrange(len(out))
        struct.pack_into("<I", out, at, word)
    return bytes(out)


def move_block(data: bytes, r: random.Random) -> bytes:
    """A block of the file copied over another, inserted or cut out."""
    length = r.randrange(1, 200)
    source, target = r.randrange(len(data)), r.randrange(len(data))
    block = data[source : source + length]
    kind = r.randrange(3)
    if kind == 0:
        return data[:target] + block + data[target + len(block) :]
    if kind == 1:
        return data[:target] + block + data[target:]
    return data[:source] + data[source + length :]


def noise(data: bytes, r: random.Random) -> bytes:
    """Nothing but chance, half of the time behind a header that looks right."""
    body = r.randbytes(r.randrange(400))
    return struct.pack("<I4s", r.randrange(8, 64), b"TFL3") + body if r.random() < 0.5 else body


MUTATIONS: tuple[Callable[[bytes, random.Random], bytes], ...] = (
    truncate,
    flip_bits,
    overwrite_bytes,
    overwrite_structure,
    overwrite_words,
    overwrite_words,
    move_block,
    noise,
)


def mutate(data: bytes, r: random.Random) -> bytes:
    """One damaged version of a file."""
    return r.choice(MUTATIONS)(data, r)
