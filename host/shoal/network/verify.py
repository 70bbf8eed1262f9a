"""Bounds of a .tflite file: every table, vector and string that anyone reads lies inside of it.

The accessors of a FlatBuffer follow offsets without looking; here they are all followed once, by the schema below,
before the first accessor runs. What is reachable may not add up to much more than the file, so that vectors which
share their bytes cannot make a small file look huge."""

from __future__ import annotations

from dataclasses import dataclass
from struct import Struct
from typing import NoReturn, TypeAlias

from shoal.errors import BadInput

IDENTIFIER = b"TFL3"

#: bytes reachable (counted once per reference) for each byte of the file: well-made files share next to nothing
_SHARING = 4

#: more than any network for a microcontroller has, few enough to follow in a second
_MOST_TABLES = 1 << 18

_U16, _I32, _U32 = Struct("<H"), Struct("<i"), Struct("<I")


@dataclass(frozen=True)
class Vector:
    """A vector of scalars of `item` bytes."""

    item: int


@dataclass(frozen=True)
class Text:
    """A string, with the zero byte behind it."""


@dataclass(frozen=True)
class Table:
    """A table by its fields in slot order; fields that the schema grew later are ignored."""

    fields: tuple[Field, ...] = ()


@dataclass(frozen=True)
class Tables:
    """A vector of tables."""

    table: Table


@dataclass(frozen=True)
class Union:
    """A table whose type is in the slot before; types that are not listed are only known to lie inside of the file."""

    types: dict[int, Table]


#: an int is an inline scalar of that many bytes
Field: TypeAlias = "int | Vector | Text | Table | Tables | Union"

_TEXT = Text()
_CONV_2D = Table((1, 4, 4, 1, 4, 4, 1))
_DEPTHWISE_CONV_2D = Table((1, 4, 4, 4, 1, 4, 4))
_POOL_2D = Table((1, 4, 4, 4, 4, 1))

#: by TFLite's BuiltinOptions
_OPTIONS = {
    1: _CONV_2D,
    2: _DEPTHWISE_CONV_2D,
    5: _POOL_2D,
    8: Table((1, 1, 1, 1, 1)),  # FullyConnectedOptions
    9: Table((4,)),  # SoftmaxOptions
    11: Table((1, 1)),  # AddOptions
    17: Table((Vector(4),)),  # ReshapeOptions
    21: Table((1,)),  # MulOptions
    22: Table(),  # PadOptions
    27: Table((1,)),  # ReducerOptions
    38: Table(),  # DequantizeOptions
    89: Table(),  # QuantizeOptions
}

_QUANTIZATION = Table(
    (Vector(4), Vector(4), Vector(4), Vector(8), 1, Union({1: Table((Vector(1),))}), 4),
)
_TENSOR = Table(
    (Vector(4), 1, 4, _TEXT, _QUANTIZATION, 1, Table(), Vector(4), 1, Tables(Table((Vector(4), 1, 1)))),
)
_OPERATOR = Table(
    (4, Vector(4), Vector(4), 1, Union(_OPTIONS), Vector(1), 1, Vector(1), Vector(4), 8, 8, 1, Union({}), 4),
)
_SUBGRAPH = Table((Tables(_TENSOR), Vector(4), Vector(4), Tables(_OPERATOR), _TEXT, 4))
_OPERATOR_CODE = Table((1, _TEXT, 4, 4))
_BUFFER = Table((Vector(1), 8, 8))
_METADATA = Table((_TEXT, 4))
_TENSOR_MAP = Table((_TEXT, 4))
_SIGNATURE = Table((Tables(_TENSOR_MAP), Tables(_TENSOR_MAP), _TEXT, 0, 4))
_MODEL = Table(
    (
        4,
        Tables(_OPERATOR_CODE),
        Tables(_SUBGRAPH),
        _TEXT,
        Tables(_BUFFER),
        Vector(4),
        Tables(_METADATA),
        Tables(_SIGNATURE),
    )
)


def verify(data: bytes, where: str) -> None:
    """Raises BadInput, with `where` and the byte's offset, unless every part of the model lies inside of `data`."""
    if data[4:8] != IDENTIFIER:
        raise BadInput(
            "not a TensorFlow Lite model (no TFL3 at byte 4)",
            where=where,
            advice="export it with TFLiteConverter, fully quantized to int8",
        )
    _Walk(data, where).root(_MODEL)


class _Walk:
    """Follows the offsets of one file."""

    def __init__(self, data: bytes, where: str) -> None:
        self.data = data
        self.size = len(data)
        self.where = where
        self.budget = _SHARING * self.size
        self.tables = 0

    def root(self, table: Table) -> None:
        self.table(self.target(0, "root"), table)

    def table(self, position: int, table: Table) -> None:
        self.inside(position, 4, "table")
        vtable: int = position - _I32.unpack_from(self.data, position)[0]
        if vtable % 2 or not 0 <= vtable <= self.size - 4:
            self.bad("vtable reaches outside of the file", position)
        slots: int = _U16.unpack_from(self.data, vtable)[0]
        size: int = _U16.unpack_from(self.data, vtable + 2)[0]
        if slots < 4 or slots % 2 or size < 4:
            self.bad("vtable of impossible size", vtable)
        self.inside(vtable, slots, "vtable")
        self.inside(position, size, "table")
        self.spend(size, position)
        self.tables += 1
        if self.tables > _MOST_TABLES:
            self.bad("too many tables", position)
        kind = 0  # the value of the slot before: the type of a union
        for slot, field in enumerate(table.fields[: (slots - 4) // 2]):
            offset: int = _U16.unpack_from(self.data, vtable + 4 + 2 * slot)[0]
            if offset == 0:
                kind = 0
                continue
            at = position + offset
            width = field if isinstance(field, int) else 4
            if offset + width > size or (width and at % width):
                self.bad("field outside of its table", at)
            if isinstance(field, int):
                kind = self.data[at] if width == 1 else 0
            else:
                self.follow(self.target(at, "offset"), field, kind)

    def follow(self, position: int, field: Vector | Text | Table | Tables | Union, kind: int) -> None:
        if isinstance(field, Table):
            self.table(position, field)
        elif isinstance(field, Union):
            self.table(position, field.types.get(kind, Table()))
        elif isinstance(field, Tables):
            for i in range(self.vector(position, 4)):
                self.table(self.target(position + 4 + 4 * i, "offset"), field.table)
        elif isinstance(field, Text):
            end = position + 4 + self.vector(position, 1)
            self.inside(end, 1, "string")
            if self.data[end]:
                self.bad("string without an end", position)
        else:
            self.vector(position, field.item)

    def vector(self, position: int, item: int) -> int:
        """The number of items of the vector at `position`."""
        self.inside(position, 4, "vector")
        count: int = _U32.unpack_from(self.data, position)[0]
        self.inside(position + 4, count * item, "vector")
        if count and (position + 4) % item:
            self.bad("vector is not aligned", position)
        self.spend(4 + count * item, position)
        return count

    def target(self, at: int, what: str) -> int:
        """Where the offset at `at` points."""
        self.inside(at, 4, what)
        distance: int = _U32.unpack_from(self.data, at)[0]
        if distance == 0 or (at + distance) % 4:
            self.bad(f"{what} points nowhere", at)
        return at + distance

    def inside(self, position: int, count: int, what: str) -> None:
        if position + count > self.size:
            self.bad(f"{what} reaches outside of the file", position)

    def spend(self, count: int, position: int) -> None:
        self.budget -= count
        if self.budget < 0:
            self.bad("more data than the file can hold", position)

    def bad(self, what: str, position: int) -> NoReturn:
        raise BadInput(f"damaged: {what} (byte {position})", where=self.where, advice="export or download it again")
