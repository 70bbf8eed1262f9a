"""Operators in float32, by weights in float32 or float16: the reference against TensorFlow Lite Micro, generated C
against the reference, bit for bit; the two that end in an exponential within what they state."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from one_operator import Example, assert_c_is_exact, assert_reference_is_exact, needs_oracle, reference
from shoal.operators.floats import EXP_TOLERANCE
from shoal.operators.window import extent
from shoal.oracle import open_oracle
from shoal.tensors import Array
from tflite_builder import ModelBuilder

_ACTIVATIONS = ("NONE", "RELU", "RELU_N1_TO_1", "RELU6")

#: the least difference that counts
_ABSOLUTE = float(np.finfo(np.float32).tiny)


def values(seed: int, shape: Sequence[int]) -> Array:
    """Random values of all sizes, zeros of both signs among them."""
    rng = np.random.default_rng(seed)
    x = rng.normal(0, 1, shape) * np.exp2(rng.integers(-12, 6, shape))
    return np.asarray(np.where(rng.random(shape) < 0.1, rng.choice([0.0, -0.0, 1.0, -1.0], shape), x), np.float32)


def model(
    name: str,
    inputs: Sequence[Array],
    constants: Sequence[Array],
    output: Sequence[int],
    halves: bool = False,
    **options: object,
) -> Example:
    """One operator whose operands are `inputs`, then `constants`: float32, or widened from `halves` as it runs."""
    builder = ModelBuilder()
    given_ = [builder.tensor(x.shape, "float32") for x in inputs]
    known = []
    for constant in constants:
        known.append(builder.tensor(data=constant.astype(np.float16) if halves else constant))
        if halves:
            known.append(builder.tensor(constant.shape, "float32"))
            builder.operator("DEQUANTIZE", [known.pop(-2)], [known[-1]])
    result = builder.tensor(output, "float32")
    builder.operator(name, [*given_, *known], [result], **options)
    return Example(builder.build(inputs=given_, outputs=[result]), inputs)


def _size(size: int, filter_: int, stride: int, dilation: int, padding: str) -> int:
    reach = 0 if padding == "SAME" else extent(filter_, dilation) - 1
    return -(-(size - reach) // stride)


@st.composite
def convolutions(draw: st.DrawFn) -> Example:
    depthwise, padding = draw(st.booleans()), draw(st.sampled_from(["SAME", "VALID"]))
    filter_ = draw(st.tuples(st.integers(1, 4), st.integers(1, 4)))
    dilation = draw(st.tuples(st.integers(1, 2), st.integers(1, 2)))
    stride = draw(st.tuples(st.integers(1, 3), st.integers(1, 3)))
    least = [1 if padding == "SAME" else extent(f, d) for f, d in zip(filter_, dilation, strict=True)]
    size = tuple(draw(st.integers(n, n + 6)) for n in least)
    groups = 1 if depthwise else draw(st.sampled_from([1, 1, 1, 2]))
    channels, multiplier = groups * draw(st.integers(1, 9)), draw(st.integers(1, 3))
    outputs = channels * multiplier if depthwise else groups * draw(st.integers(1, 9))
    seed, batches = draw(st.integers(0, 2**32 - 1)), draw(st.sampled_from([1, 1, 2]))
    shape = (1, *filter_, outputs) if depthwise else (outputs, *filter_, channels // groups)
    constants = [values(seed, shape)] + ([values(seed + 1, (outputs,))] if draw(st.booleans()) else [])
    sizes = [_size(n, *rest, padding) for n, *rest in zip(size, filter_, stride, dilation, strict=True)]
    return model(
        "DEPTHWISE_CONV_2D" if depthwise else "CONV_2D",
        [values(seed + 2, (batches, *size, channels))],
        constants,
        (batches, *sizes, outputs),
        padding=padding,
        stride_h=stride[0],
        stride_w=stride[1],
        dilation_h=dilation[0],
        dilation_w=dilation[1],
        activation=draw(st.sampled_from(_ACTIVATIONS)),
        halves=draw(st.booleans()),
        **({"depth_multiplier": multiplier} if depthwise else {}),
    )


@st.composite
def matrices(draw: st.DrawFn) -> Example:
    batches, products, outputs = draw(st.tuples(st.integers(1, 3), st.integers(1, 40), st.integers(1, 13)))
    seed = draw(st.integers(0, 2**32 - 1))
    constants = [values(seed, (outputs, products))] + ([values(seed + 1, (outputs,))] if draw(st.booleans()) else [])
    source = values(seed + 2, (batches, products))
    activation = draw(st.sampled_from(_ACTIVATIONS))
    halves = draw(st.booleans())
    return model("FULLY_CONNECTED", [source], constants, (batches, outputs), halves, activation=activation)


@st.composite
def pools(draw: st.DrawFn) -> Example:
    padding = draw(st.sampled_from(["SAME", "VALID"]))
    shape = draw(st.tuples(st.integers(1, 2), st.integers(1, 9), st.integers(1, 9), st.integers(1, 5)))
    filter_ = tuple(draw(st.integers(1, n)) for n in shape[1:3])
    stride = draw(st.tuples(st.integers(1, 3), st.integers(1, 3)))
    size = [_size(n, f, s, 1, padding) for n, f, s in zip(shape[1:3], filter_, stride, strict=True)]
    return model(
        draw(st.sampled_from(["AVERAGE_POOL_2D", "MAX_POOL_2D"])),
        [values(draw(st.integers(0, 2**32 - 1)), shape)],
        [],
        (shape[0], *size, shape[3]),
        filter_height=filter_[0],
        filter_width=filter_[1],
        stride_h=stride[0],
        stride_w=stride[1],
        padding=padding,
        activation=draw(st.sampled_from(_ACTIVATIONS)),
    )


@st.composite
def binaries(draw: st.DrawFn) -> Example:
    shape = draw(st.tuples(*[st.integers(1, 5)] * 4))
    other = tuple(n if draw(st.booleans()) else 1 for n in shape)
    seed = draw(st.integers(0, 2**32 - 1))
    a, b = values(seed, shape), values(seed + 1, other)
    constants = draw(st.booleans())
    return model(
        draw(st.sampled_from(["ADD", "MUL"])),
        [a] if constants else [a, b],
        [b] if constants else [],
        shape,
        activation=draw(st.sampled_from(_ACTIVATIONS)),
    )


@st.composite
def means(draw: st.DrawFn) -> Example:
    shape = draw(st.tuples(st.integers(1, 2), st.integers(1, 6), st.integers(1, 6), st.integers(1, 9)))
    axes = draw(st.sampled_from([(1, 2), (1,), (2,), (3,)]))
    keep = draw(st.booleans())
    output = [1 if i in axes else n for i, n in enumerate(shape) if keep or i not in axes]
    source = values(draw(st.integers(0, 2**32 - 1)), shape)
    return model("MEAN", [source], [np.array(axes, np.int32)], output, keep_dims=keep)


@st.composite
def padded(draw: st.DrawFn) -> Example:
    shape = draw(st.tuples(*[st.integers(1, 4)] * 4))
    amounts = np.array([draw(st.tuples(st.integers(0, 2), st.integers(0, 2))) for _ in shape], np.int32)
    source = values(draw(st.integers(0, 2**32 - 1)), shape)
    return model("PAD", [source], [amounts], shape + amounts.sum(axis=1))


EXACT = {
    "convolutions": convolutions(),
    "matrices": matrices(),
    "pools": pools(),
    "binaries": binaries(),
    "means": means(),
    "padded": padded(),
}


@st.composite
def exponentials(draw: st.DrawFn) -> Example:
    shape = draw(st.tuples(st.integers(1, 4), st.integers(1, 12)))
    source = values(draw(st.integers(0, 2**32 - 1)), shape)
    if draw(st.booleans()):
        return model("LOGISTIC", [source], [], shape)
    return model("SOFTMAX", [source], [], shape, beta=draw(st.sampled_from([1.0, 0.5, 3.0])))


def _c_is_exact(strategy: st.SearchStrategy[Example], core: str | None = None) -> Callable[[], None]:
    @given(st.lists(strategy, min_size=12, max_size=12))
    @settings(max_examples=1, deadline=None, phases=[Phase.generate], suppress_health_check=list(HealthCheck))
    def test(examples: Sequence[Example]) -> None:
        assert_c_is_exact(examples, core=core)

    return test


@needs_oracle
@pytest.mark.parametrize("name", EXACT)
def test_reference(name: str) -> None:
    @given(EXACT[name])
    @settings(max_examples=100, deadline=None, suppress_health_check=list(HealthCheck))
    def test(example: Example) -> None:
        assert_reference_is_exact(example)

    test()


@needs_oracle
@given(exponentials())
@settings(max_examples=200, deadline=None)
def test_exponentials_are_near(example: Example) -> None:
    (wanted,), (found,) = open_oracle(example.model).run(example.inputs), reference(example)
    np.testing.assert_allclose(found, wanted, rtol=EXP_TOLERANCE, atol=_ABSOLUTE)


@pytest.mark.parametrize("name", [*EXACT, "exponentials"])
def test_c(name: str) -> None:
    _c_is_exact(EXACT.get(name, exponentials()))()


@pytest.mark.parametrize("core", ["cortex-m4", "cortex-m3"])
def test_c_emulated(core: str) -> None:
    _c_is_exact(st.one_of(*EXACT.values(), exponentials()), core)()
