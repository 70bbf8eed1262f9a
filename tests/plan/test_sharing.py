"""What is literal in a function of several steps, and what their records hold."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from shoal.plan.sharing import common, multiple, scalar_type

int32 = st.integers(-(1 << 31), (1 << 31) - 1)


@given(st.lists(st.lists(int32, min_size=3, max_size=3), min_size=1, max_size=5))
def test_a_member_is_common_where_every_call_has_its_value(rows: list[list[int]]) -> None:
    found = common([[(f"m{i}", v) for i, v in enumerate(row)] for row in rows])
    assert [name for name, _ in found] == ["m0", "m1", "m2"]
    for (_, value), column in zip(found, zip(*rows, strict=True), strict=True):
        assert value == (column[0] if len(set(column)) == 1 else None)


@given(st.lists(int32, min_size=1, max_size=6), st.sampled_from([1, 2, 4, 8]))
def test_a_record_holds_the_quotients(values: list[int], unit: int) -> None:
    members = [v // 8 * unit for v in values]
    divisor = multiple(members)
    assert divisor % unit == 0 and all(m % divisor == 0 for m in members)
    stored = np.array([m // divisor for m in members], scalar_type(m // divisor for m in members))
    assert [int(s) * divisor for s in stored] == members


def test_types_are_the_narrowest() -> None:
    assert scalar_type([0, 255]) == "uint8"
    assert scalar_type([-1, 127]) == "int8"
    assert scalar_type([0, 256]) == "uint16"
    assert scalar_type([-129]) == "int16"
    assert scalar_type([1 << 16]) == "int32"
    assert scalar_type([1 << 16], "uint32") == "uint32"
    assert scalar_type([0.5, 1.0]) == "float32"
