"""Winograd convolutions: every remainder of tiles and channels, extreme values, and what the kernel does not take."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from products import ACTIVATIONS, Numbers, model, weights

from one_operator import Example, assert_c_is_exact, int8s, kernels_of
from shoal.operators import conv_2d, winograd
from shoal.operators.base import Call, Operator, Tensors
from shoal.operators.requantization import Requantization, Sums

KERNEL = "conv_2d_s8_dsp_winograd"
DSP = frozenset({"dsp"})


@pytest.fixture
def alone(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The kernel as the only candidate, whatever is cheaper."""
    every = conv_2d.calls

    def calls(operator: Operator, tensors: Tensors, features: frozenset[str]) -> list[Call]:
        return [call for call in every(operator, tensors, features) if call.kernel.function == KERNEL]

    monkeypatch.setattr(conv_2d, "calls", calls)
    yield


def convolution(
    shape: tuple[int, int, int, int],
    channels: int,
    n: Numbers,
    padding: str = "SAME",
    activation: str = "NONE",
    extreme: bool = False,
) -> Example:
    """`extreme`: weights and inputs at the ends of their range, signs as the transforms add them most."""
    batches, height, width, depth = shape
    filters = weights(np.random.default_rng(n.seed), (channels, 3, 3, depth))
    values = int8s(n.seed + 2, shape)
    if extreme:
        c, y, x = np.mgrid[:channels, :3, :3]
        filters[:] = np.where((c + y + x + n.seed) % 2, 127, -128 + n.seed % 2)[..., None]
        y, x = np.mgrid[:height, :width]
        values[:] = np.where((y * (n.seed % 2) + x) % 2, 127, -128)[..., None]
    size = (height, width) if padding == "SAME" else (height - 2, width - 2)
    output = (batches, *size, channels)
    return Example(model("CONV_2D", shape, filters, output, 0, n, padding=padding, activation=activation), [values])


numbers = st.builds(
    Numbers,
    seed=st.integers(0, 2**32 - 1),
    input_zero_point=st.sampled_from([-128, 0, 127]) | st.integers(-128, 127),
    output_zero_point=st.sampled_from([-128, 0, 127]) | st.integers(-128, 127),
    output_scale=st.just(0.1),
    gain=st.sampled_from([40.0, 5.0, 200.0]),
    bias=st.sampled_from([None, 8, 12]),
    per_channel=st.booleans(),
    spread=st.sampled_from([1.0, 4.0]),
)


@st.composite
def examples(draw: st.DrawFn, sides: int = 17, depths: int = 5) -> Example:
    padding = draw(st.sampled_from(["SAME", "SAME", "VALID"]))
    least = 1 if padding == "SAME" else 3
    side = st.integers(least, sides)
    shape = (draw(st.integers(1, 2)), draw(side), draw(side), 4 * draw(st.integers(1, depths)))
    return convolution(
        shape,
        4 * draw(st.integers(1, 3)),
        draw(numbers),
        padding=padding,
        activation=draw(st.sampled_from(ACTIVATIONS)),
        extreme=draw(st.integers(0, 3)) == 0,
    )


@pytest.mark.usefixtures("alone")
@given(st.lists(examples().filter(lambda e: KERNEL in kernels_of(e, DSP)), min_size=8, max_size=8))
@settings(deadline=None, max_examples=1, phases=[Phase.generate], suppress_health_check=list(HealthCheck))
def test_generated_c_is_the_reference(drawn: list[Example]) -> None:
    assert_c_is_exact(drawn, DSP)


NUMBERS = Numbers(5, -17, 9, 0.1, 40.0, 12, True, 4.0)


@pytest.mark.usefixtures("alone")
def test_emulated() -> None:
    shapes = [(1, h, w, c) for h, w, c in [(1, 1, 4), (2, 9, 8), (3, 4, 16), (4, 8, 20), (5, 7, 32), (9, 17, 12)]]
    drawn = [convolution(shape, 4 + 4 * (i % 3), NUMBERS) for i, shape in enumerate(shapes)]
    drawn += [convolution((2, 6, 11, 36), 8, NUMBERS, padding="VALID", activation="RELU6")]
    drawn += [convolution((1, 8, 8, 64), 64, NUMBERS, extreme=True)]
    assert_c_is_exact(drawn, core="cortex-m4")


def sums(**changes: object) -> Sums:
    members = {
        "weights": np.ones((4, 36), np.int8),
        "bias": np.zeros(4, np.int32),
        "multipliers": np.full(4, 1 << 30),
        "shifts": np.full(4, -3),
        "low": np.full(4, -36 * 128),
        "high": np.full(4, 36 * 127),
    }
    return Sums(**{**members, **changes})  # type: ignore[arg-type]


GEOMETRY = {
    **dict.fromkeys(("batches", "stride_h", "stride_w", "dilation_h", "dilation_w", "groups"), 1),
    **dict.fromkeys(("filter_h", "filter_w"), 3),
    **dict.fromkeys(("input_c", "output_c"), 4),
}


@pytest.mark.parametrize(
    ("geometry", "changes", "general", "taken"),
    [
        ({}, {}, False, True),
        ({}, {}, True, False),
        ({}, {"high": np.full(4, 1 << 25)}, False, False),
        ({}, {"low": np.full(4, -(1 << 25) + 1)}, False, True),
        ({}, {"weights": np.full((4, 36), 128)}, False, False),
        ({"stride_w": 2}, {}, False, False),
        ({"dilation_h": 2}, {}, False, False),
        ({"groups": 2}, {}, False, False),
        ({"filter_w": 1}, {}, False, False),
        ({"input_c": 6}, {}, False, False),
        ({"output_c": 2}, {}, False, False),
    ],
)
def test_what_it_takes(geometry: dict[str, int], changes: dict[str, object], general: bool, taken: bool) -> None:
    form = Requantization(np.zeros(4, np.int8), 1, -128, 127, general)
    assert winograd.fits({**GEOMETRY, **geometry}, sums(**changes), form) is taken
