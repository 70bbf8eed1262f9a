"""Models of one ADD or MUL: shapes that broadcast, scales, activations, constants."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from hypothesis import strategies as st

from one_operator import Example, int8s, scales, seeds, zero_points
from tflite_builder import ModelBuilder

Quantization = tuple[float, int]

ACTIVATIONS = ("NONE", "RELU", "RELU_N1_TO_1", "RELU6")


def binary(
    name: str,
    shapes: Sequence[Sequence[int]],
    quantizations: Sequence[Quantization] = ((0.5, 3), (0.25, -4), (0.4, 5)),
    activation: str = "NONE",
    constant: int | None = None,
    seed: int = 0,
    output: Sequence[int] | None = None,
) -> Example:
    """One operator; `quantizations` of both operands and the output; `constant`: the operand that lies in the file."""
    builder = ModelBuilder()
    values = [int8s(seed + i, shape) for i, shape in enumerate(shapes)]
    tensors = [
        builder.tensor(x.shape, scale=scale, zero_point=zero, **({"data": x} if i == constant else {}))
        for i, (x, (scale, zero)) in enumerate(zip(values, quantizations, strict=False))
    ]
    scale, zero_point = quantizations[2]
    y = builder.tensor(output or np.broadcast_shapes(*shapes), scale=scale, zero_point=zero_point)
    builder.operator(name, tensors, [y], activation=activation)
    inputs = [i for i in (0, 1) if i != constant]
    model = builder.build(inputs=[tensors[i] for i in inputs], outputs=[y])
    return Example(model, [values[i] for i in inputs])


@st.composite
def shapes(draw: st.DrawFn) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Two shapes of up to five dimensions that broadcast against each other."""
    output = draw(st.lists(st.integers(1, 5), min_size=1, max_size=5))
    if draw(st.booleans()):
        return tuple(output), tuple(output)

    def operand() -> tuple[int, ...]:
        shape = [n if draw(st.booleans()) else 1 for n in output]
        return tuple(shape[draw(st.integers(0, len(shape) - 1)) :])

    return operand(), operand()


def examples(name: str, output_scales: st.SearchStrategy[float] = scales) -> st.SearchStrategy[Example]:
    return st.builds(
        binary,
        st.just(name),
        shapes(),
        st.tuples(*(st.tuples(s, zero_points) for s in (scales, scales, output_scales))),
        st.sampled_from(ACTIVATIONS),
        st.sampled_from([None, None, 0, 1]),
        seeds,
    )


def rare(name: str) -> list[Example]:
    """What the strategy seldom draws: constants of one element, and shapes that need every loop."""
    return [
        binary(name, [(2, 3), ()], constant=1),
        binary(name, [(), (2, 3)], constant=0),
        binary(name, [(1, 1, 1), (4,)], constant=0),
        binary(name, [(2, 1, 3, 1, 2), (1, 4, 1, 5, 2)]),
        binary(name, [(2, 1, 3, 1, 2), (1, 4, 1, 5, 1)], constant=1),
    ]


def squared(name: str) -> Example:
    """Both operands are one tensor."""
    builder = ModelBuilder()
    x = int8s(0, (3, 5))
    a = builder.tensor(x.shape, scale=0.5, zero_point=3)
    y = builder.tensor(x.shape, scale=0.7, zero_point=-8)
    builder.operator(name, [a, a], [y])
    return Example(builder.build(inputs=[a], outputs=[y]), [x])
