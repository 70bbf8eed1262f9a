"""The filters that turn values into C text."""

from __future__ import annotations

import ast
import re

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from shoal.render import text


@given(st.text())
def test_any_name_becomes_an_identifier(name: str) -> None:
    assert re.fullmatch(r"[a-z_][a-z0-9_]*", text.c_ident(name))


def test_names_that_c_or_cpp_reserve_are_changed() -> None:
    assert text.c_ident("class") == "m_class"
    assert text.c_ident("stdint") == "m_stdint"
    assert text.c_ident("2nd try") == "m_2nd_try"
    assert text.c_ident("Keyword-Spotting.v1") == "keyword_spotting_v1"


@given(st.text())
def test_a_string_literal_holds_the_bytes(value: str) -> None:
    literal = text.c_string(value)
    assert literal.isascii() and "\n" not in literal and "??" not in literal
    assert ast.literal_eval("b" + literal.replace("\\?", "?")) == value.encode()


@given(st.text())
def test_a_comment_stays_a_comment(value: str) -> None:
    comment = text.c_comment(value)
    assert comment.isascii() and comment.isprintable()
    assert "*/" not in comment and "/*" not in comment


@given(st.floats(width=32, allow_nan=False, allow_infinity=False))
def test_a_float_literal_is_exact(value: float) -> None:
    literal = text.c_literal(value)
    assert literal.endswith("f") and ("." in literal or "e" in literal)
    assert np.float32(literal[:-1]) == np.float32(value)


@given(st.integers(-(1 << 31), (1 << 31) - 1))
def test_an_integer_literal_is_the_value(value: int) -> None:
    literal = text.c_literal(value)
    assert literal == "INT32_MIN" if value == -(1 << 31) else int(literal) == value


@given(hnp.arrays(np.int8, st.integers(1, 300)))
def test_an_array_keeps_its_values_in_short_lines(values: np.ndarray) -> None:
    rows = text.c_array(values)
    assert [int(word) for word in rows.replace(",", " ").split()] == values.tolist()
    assert all(len(line) <= 120 for line in rows.splitlines())


@given(
    st.lists(
        st.tuples(st.from_regex(r"[a-z_]{1,20}", fullmatch=True), st.integers(-(1 << 31), (1 << 31) - 1)), min_size=1
    )
)
def test_members_stay_in_order_on_short_lines(members: list[tuple[str, int]]) -> None:
    written = "    static const x_shape shape = {" + text.c_members(members, 4) + "};"
    assert all(len(line) <= 120 for line in written.splitlines())
    inside = written[written.index("{") + 1 : written.rindex("}")]
    found = [tuple(item.strip().split(" = ")) for item in inside.split(",") if item.strip()]
    assert found == [(f".{name}", text.c_literal(value)) for name, value in members]
