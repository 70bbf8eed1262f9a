"""Made-up inputs for the checks."""

from __future__ import annotations

import numpy as np
import pytest

from shoal.hil.inputs import made_up

INT8 = {"dtype": "int8", "shape": [1, 3, 2], "zero_point": -7}
FLOAT = {"dtype": "float32", "shape": [4], "zero_point": None}


@pytest.mark.parametrize("count", [1, 2, 3, 4, 9])
def test_as_many_as_asked_for_all_different(count):
    rows = made_up([INT8, FLOAT], count)
    assert len(rows) == count
    assert all(a.shape == (1, 3, 2) and a.dtype == np.int8 for a, _ in rows)
    assert all(b.shape == (4,) and b.dtype == np.float32 for _, b in rows)
    assert len({a.tobytes() for a, _ in rows}) == count


def test_ends_of_the_range_are_among_them():
    values = {int(row[0].flat[0]) for row in made_up([INT8], 5) if len(np.unique(row[0])) == 1}
    assert values == {-128, 127, -7}
