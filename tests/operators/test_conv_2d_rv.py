"""Convolution kernels for RISC-V, each alone: every remainder of tiles and quads, weights that are summed by twos, and
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
from shoal.operators import conv_2d, twin
from shoal.operators.base import Call, Operator, Tensors
from shoal.operators.requantization import Requantization
from shoal.operators.window import extent

RV = frozenset({"muldiv"})
TWIN, WINOGRAD = "conv_2d_s8_rv_twin", "conv_2d_s8_rv_winograd"


@pytest.fixture(params=[(TWIN, twin.CACHED), (TWIN, 0), (WINOGRAD, 0)], ids=["twin", "twin_tiles", "winograd"])
def alone(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The kernel as the only candidate, whatever is cheaper; with a cache of so many bytes."""
    function, cached = request.param
    every = conv_2d.calls

    def calls(operator: Operator, tensors: Tensors, features: frozenset[str]) -> list[Call]:
        return [call for call in every(operator, tensors, features) if call.kernel.function == function]

    monkeypatch.setattr(conv_2d, "calls", calls)
    monkeypatch.setattr(twin, "CACHED", cached)
    yield function


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
    """`extreme`: weights and inputs at the ends of their range, all alike or with signs as Winograd's transforms add
    them most; else some channels of small weights."""
    _, height, width, depth = shape
    rng = np.random.default_rng(n.seed)
    filters = weights(rng, (channels, *window, depth))
    values = int8s(n.seed + 2, shape)
    if extreme:
        turns = n.seed % 2
        c, y, x = np.mgrid[:channels, : window[0], : window[1]]
        filters[:] = np.where((c + turns * (y + x)) % 2, 127, -127)[..., None]
        y, x = np.mgrid[:height, :width]
        values[:] = np.where(turns * (y + x) % 2, 127, -128)[..., None]
    else:
        filters //= rng.choice([1, 2, 4, 16], (channels, 1, 1, 1)).astype(np.int8)
    return convolved(filters, values, n, padding, activation, stride, dilation)


numbers = st.builds(
    Numbers,
    seed=st.integers(0, 2**32 - 1),
    input_zero_point=st.sampled_from([-128, 0, 127]) | st.integers(-128, 127),
    output_zero_point=st.sampled_from([-128, -128, 0, 127]) | st.integers(-128, 127),
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
    window, stride, dilation = (3, 3), (1, 1), (1, 1)
    if kernel == TWIN:
        window, stride = (draw(st.tuples(st.integers(1, 4), st.integers(1, 3))) for _ in range(2))
        dilation = draw(st.sampled_from([(1, 1), (1, 1), (2, 1), (1, 3), (2, 2)]))
    least = [1 if padding == "SAME" else extent(w, d) for w, d in zip(window, dilation, strict=True)]
    height, width = (draw(st.integers(n, n + 16)) for n in least)
    example = convolution(
        (draw(st.integers(1, 2)), height, width, draw(st.integers(1, 20))),
        4 * draw(st.integers(1, 3)),
        draw(numbers),
        padding,
        draw(st.sampled_from(ACTIVATIONS)),
        draw(st.integers(0, 3)) == 0,
        window,
        stride,
        dilation,
    )
    assume(kernel in kernels_of(example, RV))
    return example


@given(st.data())
@settings(deadline=None, max_examples=1, phases=[Phase.generate], suppress_health_check=list(HealthCheck))
def test_generated_c_is_the_reference(alone: str, data: st.DataObject) -> None:
    assert_c_is_exact(data.draw(st.lists(examples(alone), min_size=12, max_size=12)), RV)


def test_emulated(alone: str) -> None:
    drawn = [
        convolution((1, h, w, c), 4 + c % 8, NUMBERS) for h, w, c in [(1, 1, 4), (2, 9, 8), (9, 4, 20), (3, 6, 16)]
    ]
    drawn += [convolution((2, 6, 11, 8), 8, NUMBERS, padding="VALID", activation="RELU6")]
    drawn += [convolution((1, 8, 8, 32), 16, NUMBERS, extreme=True)]
    drawn += [convolution((1, 7, 9, 3), 8, NUMBERS, stride=(2, 2))]
    drawn += [convolution((1, 6, 7, 8), 4, NUMBERS, window=(1, 2), dilation=(1, 3))]
    drawn += [convolution((1, 5, 5, 64), 12, replace(NUMBERS, output_zero_point=-128), window=(1, 1))]
    assert_c_is_exact([example for example in drawn if alone in kernels_of(example, RV)], core="rv32imc")


def pairs_of(first: int, second: int) -> dict[str, object]:
    return {"weights": np.tile(np.array([first, second], np.int8), (4, 18))}


@pytest.mark.parametrize(
    ("geometry", "changes", "halving", "taken"),
    [
        ({}, {}, 0, True),
        ({"groups": 2}, {}, 0, False),
        ({"output_c": 6}, {}, 0, False),
        ({}, {"high": np.full(4, (1 << 29) - 1)}, 0, True),
        ({}, {"high": np.full(4, 1 << 29)}, 0, False),
        ({}, {"low": np.full(4, -1 << 29)}, 0, False),
        ({}, {}, 20, True),
        ({}, {}, 22, True),
        ({}, {}, 23, False),
        ({}, pairs_of(-127, -128), 0, True),
        ({}, pairs_of(-128, -128), 0, False),
        ({}, pairs_of(127, 127), 0, True),
        ({}, pairs_of(127, -128), 0, True),
    ],
)
def test_what_twin_takes(geometry: dict[str, int], changes: dict[str, object], halving: int, taken: bool) -> None:
    form = Requantization(np.full(4, halving, np.int8), 255, -128, 127, False)
    shape = {"groups": 1, "output_c": 4, **geometry}
    assert twin.fits(shape, sums(**changes), form) is taken


@pytest.mark.parametrize(
    "quad", [(127, 127, 1, 0), (127, 127, 1, 1), (127, 127, 2, 1), (-128, 127, 1, 0), (-128, -127, -1, 0)]
)
def test_twin_sums_no_more_than_fits_half_a_word(quad: tuple[int, ...]) -> None:
    """Four channels of one quad: a run of it, or a run of none before it."""
    matrix = np.tile(np.array(quad, np.int8), (4, 1))
    form = Requantization(np.zeros(4, np.int8), 1, -128, 127, False)
    stream = twin.stream(sums(weights=matrix), form)
    most = sum(127 * w if w > 0 else -128 * w for w in quad)
    least = sum(-128 * w if w > 0 else 127 * w for w in quad)
    assert bool(stream[4]) == (most < 1 << 15 and least >= -(1 << 15))
