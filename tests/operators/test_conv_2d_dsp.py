"""Convolution kernels for Arm's DSP extension, each alone: every remainder of tiles and channels, extreme values, and
what they do not take."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import HealthCheck, Phase, assume, given, settings
from hypothesis import strategies as st
from products import ACTIVATIONS, NUMBERS, Numbers, convolved, sums, weights

from one_operator import Example, assert_c_is_exact, int8s, kernels_of
from shoal.operators import conv_2d, direct, winograd
from shoal.operators.base import Call, Operator, Tensors
from shoal.operators.requantization import Requantization
from shoal.operators.window import extent

DSP = frozenset({"dsp"})
WINOGRAD, SMALL_WINOGRAD, DIRECT, TRIPLES, EIGHT = (
    f"conv_2d_s8_dsp_{name}" for name in ("winograd", "winograd_2", "direct", "3x2", "eight")
)


@pytest.fixture(params=[WINOGRAD, SMALL_WINOGRAD, DIRECT, TRIPLES])
def alone(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The kernel as the only candidate, whatever is cheaper."""
    keep_alone(request.param, monkeypatch)
    yield request.param


def keep_alone(function: str, monkeypatch: pytest.MonkeyPatch) -> None:
    every = conv_2d.calls

    def calls(operator: Operator, tensors: Tensors, features: frozenset[str]) -> list[Call]:
        return [call for call in every(operator, tensors, features) if call.kernel.function == function]

    monkeypatch.setattr(conv_2d, "calls", calls)


def convolution(
    shape: tuple[int, int, int, int],
    channels: int,
    n: Numbers,
    padding: str = "SAME",
    activation: str = "NONE",
    extreme: bool = False,
    window: tuple[int, int] = (3, 3),
    stride: tuple[int, int] = (1, 1),
    dilation: tuple[int, int] = (1, 1),
) -> Example:
    """`extreme`: weights and inputs at the ends of their range, signs as the transforms add them most."""
    _, height, width, depth = shape
    filters = weights(np.random.default_rng(n.seed), (channels, *window, depth))
    values = int8s(n.seed + 2, shape)
    if extreme:
        c, y, x = np.mgrid[:channels, : window[0], : window[1]]
        filters[:] = np.where((c + y + x + n.seed) % 2, 127, -127)[..., None]
        y, x = np.mgrid[:height, :width]
        values[:] = np.where((y * (n.seed % 2) + x) % 2, 127, -128)[..., None]
    return convolved(filters, values, n, padding, activation, stride, dilation)


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
def examples(draw: st.DrawFn, kernel: str) -> Example:
    """What the kernel takes."""
    padding = draw(st.sampled_from(["SAME", "SAME", "VALID"]))
    window = stride = dilation = (1, 1)
    if kernel == DIRECT:
        window, stride = (draw(st.tuples(st.integers(1, 3), st.integers(1, 3))) for _ in range(2))
        dilation = draw(st.sampled_from([(1, 1), (1, 1), (2, 1), (1, 3)]))
    elif kernel == TRIPLES:
        window, stride = (draw(st.tuples(st.integers(1, 4), st.integers(1, 3))) for _ in range(2))
        dilation = draw(st.sampled_from([(1, 1), (1, 1), (2, 1)]))
    else:
        window = (3, 3)
    depth, channels = draw(st.integers(1, 20)), draw(st.integers(1, 6))
    least = [1 if padding == "SAME" else extent(w, d) for w, d in zip(window, dilation, strict=True)]
    height, width = (draw(st.integers(n, n + 14)) for n in least)
    example = convolution(
        (draw(st.integers(1, 2)), height, width, depth if kernel == TRIPLES else 4 * -(-depth // 4)),
        2 * channels if kernel == TRIPLES else 4 * -(-channels // 2),
        draw(numbers),
        padding,
        draw(st.sampled_from(ACTIVATIONS)),
        draw(st.integers(0, 3)) == 0,
        window,
        stride,
        dilation,
    )
    assume(kernel in kernels_of(example, DSP))
    return example


@given(st.data())
@settings(deadline=None, max_examples=1, phases=[Phase.generate], suppress_health_check=list(HealthCheck))
def test_generated_c_is_the_reference(alone: str, data: st.DataObject) -> None:
    assert_c_is_exact(data.draw(st.lists(examples(alone), min_size=8, max_size=8)), DSP)


def test_emulated(alone: str) -> None:
    shapes = [(1, h, w, c) for h, w, c in [(1, 1, 4), (2, 9, 8), (3, 4, 16), (4, 8, 20), (5, 7, 32), (9, 17, 12)]]
    drawn = [convolution(shape, 4 + 4 * (i % 3), NUMBERS) for i, shape in enumerate(shapes)]
    drawn += [convolution((2, 6, 11, 36), 8, NUMBERS, padding="VALID", activation="RELU6")]
    drawn += [convolution((1, 8, 8, 32), 32, NUMBERS, extreme=True)]
    if alone == DIRECT:
        drawn += [convolution((1, 7, 9, 16), 8, NUMBERS, stride=(2, 2))]
        drawn += [convolution((1, 6, 7, 8), 4, NUMBERS, window=(1, 2), dilation=(1, 3))]
        drawn += [convolution((1, 2, 5, depth), 4, NUMBERS, window=(1, 2)) for depth in (48, 64, 128)]
    if alone == TRIPLES:
        relu = replace(NUMBERS, output_zero_point=-128)
        drawn += [convolution((1, 5, 8, 3), 6, relu, "SAME", "RELU", window=(4, 2), stride=(2, 2), dilation=(2, 1))]
        drawn += [convolution((1, 2, 3, depth), 2, relu, window=(1, 1)) for depth in (3, 5, 11, 30)]
    assert_c_is_exact(drawn, core="cortex-m4")


@pytest.mark.parametrize("core", [None, "cortex-m4"])
def test_eight_inputs(core: str | None, monkeypatch: pytest.MonkeyPatch) -> None:
    keep_alone(EIGHT, monkeypatch)
    known = replace(NUMBERS, output_zero_point=-128)
    shapes = [(1, 1, 2, 8), (1, 3, 5, 8), (2, 4, 3, 8), (1, 9, 1, 8)]
    drawn = [
        convolution(shape, channels, replace(known, seed=i), "VALID", activation, extreme, (1, 1))
        for i, (shape, channels) in enumerate(zip(shapes, (4, 8, 12, 28), strict=True))
        for activation, extreme in (("RELU", False), ("NONE", True))
    ]
    assert all(EIGHT in kernels_of(example, DSP) for example in drawn)
    assert_c_is_exact(drawn, DSP, core)


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
def test_what_winograd_takes(geometry: dict[str, int], changes: dict[str, object], general: bool, taken: bool) -> None:
    form = Requantization(np.zeros(4, np.int8), 1, -128, 127, general)
    assert winograd.fits(winograd.LARGE, {**GEOMETRY, **geometry}, sums(**changes), form) is taken


@pytest.mark.parametrize(
    ("geometry", "changes", "general", "taken"),
    [
        ({}, {}, False, True),
        ({}, {}, True, False),
        ({}, {"high": np.full(4, 1 << 23)}, False, False),
        ({}, {"low": np.full(4, -(1 << 23) + 1)}, False, True),
        ({}, {"weights": np.tile(np.array([[1], [-128]], np.int8), (2, 36))}, False, False),
        ({}, {"weights": np.tile(np.array([[-128], [1]], np.int8), (2, 36))}, False, True),
        ({"filter_h": 4}, {}, False, False),
        ({"groups": 2}, {}, False, False),
        ({"input_c": 6}, {}, False, False),
        ({"output_c": 2}, {}, False, False),
    ],
)
def test_what_direct_takes(geometry: dict[str, int], changes: dict[str, object], general: bool, taken: bool) -> None:
    form = Requantization(np.zeros(4, np.int8), 1, -128, 127, general)
    assert direct.fits({**GEOMETRY, **geometry}, sums(**changes), form) is taken
