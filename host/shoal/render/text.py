"""Jinja environment and the few filters that turn decided values into C text."""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import cache

import jinja2
import numpy as np

from shoal import resources
from shoal.tensors import Array

#: reserved in C99 or C++20
_KEYWORDS = frozenset(
    """
    alignas alignof and asm auto bool break case catch char class const constexpr continue default delete do double else
    enum explicit export extern false float for friend goto if inline int long mutable namespace new not operator or
    private protected public register restrict return short signed sizeof static struct switch template this throw true
    try typedef typename union unsigned using virtual void volatile while xor
    """.split()  # noqa: SIM905 - a list of words reads better as words
)

#: C type of a NumPy dtype
C_TYPES = {
    "int8": "int8_t",
    "uint8": "uint8_t",
    "int16": "int16_t",
    "uint16": "uint16_t",
    "int32": "int32_t",
    "uint32": "uint32_t",
    "int64": "int64_t",
    "float32": "float",
}

#: headers that kernels and firmware include by these names: a model's own header must not stand in their place
_HEADERS = frozenset(
    """
    assert complex ctype errno fenv inttypes limits locale math setjmp signal stdarg stdbool stddef stdint stdio stdlib
    string tgmath time wchar wctype
    """.split()  # noqa: SIM905 - a list of words reads better as words
)


def c_ident(text: str) -> str:
    """A C and C++ identifier made of `text`, which names a header, too: lower case, other characters become
    underscores."""
    name = re.sub(r"\W+", "_", text, flags=re.ASCII).strip("_").lower() or "model"
    if name[0].isdigit() or name in _KEYWORDS | _HEADERS:
        name = f"m_{name}"
    return name


def c_literal(value: int | float) -> str:
    """An int32 or float32 constant. Floats are exact; INT32_MIN is spelled as C wants it."""
    if isinstance(value, int | np.integer):
        return "INT32_MIN" if value == -(1 << 31) else str(int(value))
    return np.format_float_scientific(np.float32(value), unique=True, trim="0", exp_digits=1) + "f"


def c_string(text: str) -> str:
    """A C string literal, quoted; anything but plain ASCII as octal bytes."""
    out = []
    for byte in text.encode():
        char = chr(byte)
        out.append(f"\\{char}" if char in '"\\?' else char if 32 <= byte < 127 else f"\\{byte:03o}")
    return '"' + "".join(out) + '"'


def c_comment(text: str) -> str:
    """Text that is safe inside a C comment."""
    return re.sub(r"[^ -~]", "?", text).replace("*/", "* /").replace("/*", "/ *").replace("??", "?")


#: members of a struct's initializer: of each its name and its value, a number, the name of an array, or the members of
#: a struct inside
Members = Sequence[tuple[str, "int | float | str | Members"]]


def c_members(members: Members, indent: int = 0) -> str:
    """What stands between the braces of a struct's designated initializer: on the line while it is short, else rows at
    most 120 columns wide below a line that is indented by `indent`; a struct inside that is not short has rows of its
    own."""
    items = [f".{name} = {_value(value, indent + 4)}" for name, value in members]
    line = ", ".join(items)
    if len(line) <= _INLINE and "\n" not in line:
        return line
    rows = [""]
    for item in items:
        if rows[-1] and ("\n" in rows[-1] + item or indent + 4 + len(rows[-1]) + len(item) + 3 > _WIDTH):
            rows.append("")
        rows[-1] += f"{' ' if rows[-1] else ''}{item},"
    inner = "\n" + " " * (indent + 4)
    return inner + inner.join(rows) + "\n" + " " * indent


def _value(value: int | float | str | Members, indent: int) -> str:
    if isinstance(value, str):
        return value
    return c_literal(value) if isinstance(value, int | float | np.number) else "{" + c_members(value, indent) + "}"


def c_fields(fields: Sequence[tuple[str, str]]) -> str:
    """The members of a struct's declaration, (type, name) each, on lines of their own."""
    lines = (f"{type_}{'' if type_.endswith('*') else ' '}{name};" for type_, name in fields)
    return "\n    ".join(lines)


def c_array(values: Array) -> str:
    """The initializer's rows of a one-dimensional array, indented and at most 120 columns wide."""
    return c_row([c_literal(v) for v in values.tolist()])


def c_row(values: Sequence[int | str]) -> str:
    """The same of words."""
    words = [str(v) for v in values]
    width = max(map(len, words), default=1)
    per_row = max(1, min(116 // (width + 2), 32))
    rows = [", ".join(words[i : i + per_row]) for i in range(0, len(words), per_row)]
    return ",\n    ".join(rows)


#: columns of a line, and of a struct's members that still stand on the line of its name
_WIDTH = 120
_INLINE = 50


@cache
def environment() -> jinja2.Environment:
    """Undefined names are errors; the same input renders to the same bytes."""
    env = jinja2.Environment(
        loader=jinja2.FileSystemLoader(resources.templates()),
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        autoescape=False,
    )
    env.filters.update(
        c_ident=c_ident,
        c_literal=c_literal,
        c_array=c_array,
        c_row=c_row,
        c_string=c_string,
        c_comment=c_comment,
        c_members=c_members,
        c_fields=c_fields,
    )
    return env
