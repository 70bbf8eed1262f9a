"""ADD against TensorFlow Lite Micro and in generated C."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from broadcasts import binary, examples, rare, squared
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from one_operator import Example, assert_c_is_exact, assert_reference_is_exact, needs_oracle
from shoal.errors import BadInput, Unsupported
from shoal.network.read_tflite import parse
from shoal.operators.binary import Level, levels

#: any that TFLM takes, so that sums are shifted by anything from 0 to 31
OUTPUT_SCALES = st.floats(-17.9, 11.0).map(lambda e: 2.0**e)


def edges() -> list[Example]:
    """Sums that are shifted by 0, 1, 22, 23 and 31 bits, and operands whose scales are far apart."""
    shape = (64,)
    found = [
        binary("ADD", [shape, shape], [(1.0, -3), (0.7, 9), (2.0 ** (shift - 19) * 1.1, 4)], activation)
        for shift, activation in ((0, "NONE"), (1, "RELU"), (1, "NONE"), (22, "NONE"), (23, "RELU"), (31, "NONE"))
    ]
    far = [binary("ADD", [shape, shape], [(1.0, 5), (2.0**-e, -5), (1.0, 5)]) for e in (8, 30, 31, 40)]
    return found + far


@needs_oracle
@given(examples("ADD", OUTPUT_SCALES))
@settings(max_examples=200, deadline=None)
def test_reference(example: Example) -> None:
    assert_reference_is_exact(example)


@needs_oracle
def test_reference_at_the_edges() -> None:
    for example in [*edges(), *rare("ADD"), squared("ADD")]:
        assert_reference_is_exact(example)


@given(st.lists(examples("ADD"), min_size=8, max_size=8))
@settings(max_examples=1, deadline=None, phases=[Phase.generate], suppress_health_check=list(HealthCheck))
def test_c(examples: Sequence[Example]) -> None:
    assert_c_is_exact([*edges(), *rare("ADD"), squared("ADD"), *examples])


@pytest.mark.parametrize(
    ("example", "error", "what"),
    [
        (binary("ADD", [(2, 3), (2, 3)], output=(6,)), BadInput, r"\[6\] where \[2, 3\] is due"),
        (binary("ADD", [(2, 3), (2, 3)], activation="TANH"), Unsupported, "tanh"),
        (binary("ADD", [(2,), (2,)], [(1.0, 0), (1.0, 0), (1e-6, 0)]), Unsupported, "output scale 1e-06"),
        (binary("ADD", [(2, 1) * 3, (1, 2) * 3]), Unsupported, "too many separate dimensions"),
        (binary("ADD", [(2, 3), (2,)], output=(2, 3)), BadInput, "do not broadcast"),
    ],
)
def test_refused(example: Example, error: type[Exception], what: str) -> None:
    with pytest.raises(error, match=what):
        parse(example.model, "model", "model")


@pytest.mark.parametrize(
    ("a", "b", "expected"),
    [
        ((1, 32, 32, 16), (1, 32, 32, 16), [Level(16384, 1, 1)]),
        ((1, 32, 32, 16), (16,), [Level(1024, 16, 0), Level(16, 1, 1)]),
        ((1, 32, 32, 16), (1, 32, 32, 1), [Level(1024, 16, 1), Level(16, 1, 0)]),
        ((4, 1), (1, 5), [Level(4, 1, 0), Level(5, 0, 1)]),
        ((), (), [Level(1, 1, 1)]),
    ],
)
def test_levels(a: tuple[int, ...], b: tuple[int, ...], expected: list[Level]) -> None:
    assert levels(a, b) == expected
