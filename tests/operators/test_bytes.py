"""Functions of single elements: QUANTIZE, DEQUANTIZE, LOGISTIC, RESHAPE."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from one_operator import (
    Example,
    assert_c_is_exact,
    assert_reference_is_exact,
    needs_oracle,
    reference,
    scales,
    seeds,
    zero_points,
)
from shoal.tensors import Array
from tflite_builder import ModelBuilder


def whole_range(dtype: str) -> Array:
    """Every value of an 8-bit type, and three more so that words have a remainder."""
    return np.append(np.arange(256, dtype=np.uint8), [0, 128, 255]).astype(np.uint8).view(dtype)


def one_input(name: str, x: Array, q: dict[str, float], dtype: str, r: dict[str, float], shape=None) -> Example:
    builder = ModelBuilder()
    a = builder.tensor(x.shape, x.dtype.name, **q)
    y = builder.tensor(x.shape if shape is None else shape, dtype, **r)
    builder.operator(name, [a], [y])
    return Example(builder.build(inputs=[a], outputs=[y]), [x])


def quantized(dtype: str) -> st.SearchStrategy[dict[str, float]]:
    points = zero_points.map(lambda z: z + 128) if dtype == "uint8" else zero_points
    return st.fixed_dictionaries({"scale": scales, "zero_point": points})


PAIRS = [("int8", "int8"), ("int8", "uint8"), ("uint8", "int8")]


@st.composite
def requantized(draw: st.DrawFn, source: str, target: str) -> Example:
    q, r = draw(quantized(source)), draw(quantized(target))
    if draw(st.booleans()):
        r["scale"] = q["scale"]
        if draw(st.booleans()):
            r["zero_point"] = q["zero_point"] + {"int8": 0, "uint8": 128}[target] - {"int8": 0, "uint8": 128}[source]
    return one_input("QUANTIZE", whole_range(source), q, target, r)


@st.composite
def quantized_floats(draw: st.DrawFn) -> Example:
    """Values around every boundary between two results, one float apart, and anything else that float32 holds."""
    r = draw(quantized("int8"))
    rng = np.random.default_rng(draw(seeds))
    scale = np.float32(r["scale"])
    halves = (np.arange(-520, 521, dtype=np.float32) / np.float32(2)) * scale
    near = np.concatenate([halves, np.nextafter(halves, np.float32(-np.inf)), np.nextafter(halves, np.float32(np.inf))])
    wild = rng.integers(0, 2**32, 400, dtype=np.uint32).view(np.float32)
    defined = wild[np.isfinite(wild) & (np.abs(wild) < np.float32(2**30) * scale)]
    return one_input("QUANTIZE", np.concatenate([near, defined]).astype(np.float32), {}, "int8", r)


@st.composite
def dequantized(draw: st.DrawFn, source: str) -> Example:
    return one_input("DEQUANTIZE", whole_range(source), draw(quantized(source)), "float32", {})


@st.composite
def logistics(draw: st.DrawFn) -> Example:
    q = {"scale": 2.0 ** draw(st.floats(-24.0, 6.0)), "zero_point": draw(zero_points)}
    return one_input("LOGISTIC", whole_range("int8"), q, "int8", {"scale": 1 / 256, "zero_point": -128})


STRATEGIES = {
    **{f"quantize {a} to {b}": requantized(a, b) for a, b in PAIRS},
    "quantize floats": quantized_floats(),
    "dequantize int8": dequantized("int8"),
    "dequantize uint8": dequantized("uint8"),
    "logistic": logistics(),
}


@needs_oracle
@pytest.mark.parametrize("strategy", STRATEGIES)
@given(data=st.data())
@settings(max_examples=60, deadline=None)
def test_reference(strategy: str, data: st.DataObject) -> None:
    assert_reference_is_exact(data.draw(STRATEGIES[strategy]))


@pytest.mark.parametrize("features", [frozenset(), frozenset({"fpu"})], ids=["no fpu", "fpu"])
@given(data=st.data())
@settings(max_examples=1, deadline=None, phases=[Phase.generate], suppress_health_check=list(HealthCheck))
def test_c(features: frozenset[str], data: st.DataObject) -> None:
    examples = [data.draw(s) for s in STRATEGIES.values() for _ in range(2)]
    assert_c_is_exact(examples, features)


@pytest.mark.parametrize("zero_point", [-128, -1, 0, 127])
def test_floats_beyond_int32_saturate(zero_point: int) -> None:
    """TensorFlow Lite Micro's conversion is undefined there."""
    x = np.array([3e9, -3e9, np.inf, -np.inf, 3.4e38, -3.4e38, np.nan, -np.nan, -0.0, 1e-45], np.float32)
    example = one_input("QUANTIZE", x, {}, "int8", {"scale": 0.5, "zero_point": zero_point})
    z = zero_point
    np.testing.assert_array_equal(reference(example)[0], [127, -128, 127, -128, 127, -128, z, z, z, z])
    for features in (frozenset[str](), frozenset({"fpu"})):
        assert_c_is_exact([example], features)
