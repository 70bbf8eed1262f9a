"""Models of one pool, and what their tests share."""

from __future__ import annotations

from collections.abc import Sequence

from hypothesis import assume
from hypothesis import strategies as st

from one_operator import (
    Example,
    int8s,
    scales,
    seeds,
    zero_points,
)
from shoal.errors import BadInput, Unsupported
from tflite_builder import ModelBuilder


def pool(
    name: str,
    shape: Sequence[int],
    filter_: tuple[int, int],
    stride: tuple[int, int] = (1, 1),
    padding: str = "VALID",
    activation: str = "NONE",
    quantization: tuple[float, int] = (0.5, 3),
    output: tuple[float, int] | None = None,
    seed: int = 0,
    size: tuple[int, int] | None = None,
) -> Example:
    if size is None:
        size = tuple(
            -(-n // s) if padding == "SAME" else (n - f) // s + 1
            for n, f, s in zip(shape[1:3], filter_, stride, strict=True)
        )
    builder = ModelBuilder()
    a = builder.tensor(shape, scale=quantization[0], zero_point=quantization[1])
    scale, zero_point = output or quantization
    y = builder.tensor((shape[0], *size, shape[3]), scale=scale, zero_point=zero_point)
    builder.operator(
        name,
        [a],
        [y],
        filter_height=filter_[0],
        filter_width=filter_[1],
        stride_h=stride[0],
        stride_w=stride[1],
        padding=padding,
        activation=activation,
    )
    return Example(builder.build(inputs=[a], outputs=[y]), [int8s(seed, shape)])


@st.composite
def examples(draw: st.DrawFn, name: str) -> Example:
    shape = (
        draw(st.integers(1, 2)),
        draw(st.integers(1, 9)),
        draw(st.integers(1, 9)),
        draw(st.sampled_from([1, 3, 4, 5, 8])),
    )
    filter_ = draw(st.tuples(st.integers(1, 6), st.integers(1, 6)))
    padding = draw(st.sampled_from(["SAME", "VALID"]))
    if padding == "VALID":
        assume(filter_[0] <= shape[1] and filter_[1] <= shape[2])
    return pool(
        name,
        shape,
        filter_,
        draw(st.tuples(st.integers(1, 4), st.integers(1, 4))),
        padding,
        draw(st.sampled_from(["NONE", "NONE", "RELU", "RELU_N1_TO_1", "RELU6"])),
        draw(st.tuples(scales, zero_points)),
        seed=draw(seeds),
    )


def whole(name: str) -> list[Example]:
    """Windows over the whole input, among them more values than 16 bits can sum up."""
    return [
        pool(name, (1, 25, 5, 8), (25, 5)),
        pool(name, (2, 40, 20, 4), (40, 20), quantization=(0.5, -7)),
        pool(name, (1, 3, 3, 5), (5, 5), (2, 2), "SAME"),
        pool(name, (1, 1, 600, 4), (1, 599), (1, 1)),
    ]


def refused(name: str) -> list[tuple[Example, type[Exception], str]]:
    """(model, error, part of its text)."""
    return [
        (pool(name, (1, 4, 4, 2), (2, 2), size=(2, 2)), BadInput, "is due"),
        (pool(name, (1, 4, 4, 2), (2, 2), output=(0.5, 4)), Unsupported, "quantized differently"),
        (pool(name, (1, 4, 4, 2), (2, 2), output=(0.51, 3)), Unsupported, "quantized differently"),
        (pool(name, (1, 40, 4, 2), (33, 2)), Unsupported, "33 rows"),
        (pool(name, (1, 4, 4, 2), (2, 2), (0, 1), size=(1, 1)), BadInput, "at least 1"),
        (pool(name, (1, 4, 4, 2), (0, 2), size=(1, 1)), BadInput, "at least 1"),
        (pool(name, (1, 4, 4, 2), (2, 2), activation="TANH"), Unsupported, "tanh"),
    ]
