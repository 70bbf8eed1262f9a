"""QUANTIZE against TensorFlow Lite Micro and in generated C."""

from __future__ import annotations

import numpy as np
import pytest
from byte_functions import one_input, quantized, whole_range
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from one_operator import Example, assert_c_is_exact, assert_reference_is_exact, needs_oracle, reference, seeds
from shoal.errors import Unsupported
from shoal.network.read_tflite import parse

OFFSET = {"int8": 0, "uint8": 128}


@st.composite
def bytes_to_bytes(draw: st.DrawFn, source: str, target: str) -> Example:
    """Among them those that change nothing but the sign."""
    q, r = draw(quantized(source)), draw(quantized(target))
    if draw(st.booleans()):
        r["scale"] = q["scale"]
        if draw(st.booleans()):
            r["zero_point"] = q["zero_point"] + OFFSET[target] - OFFSET[source]
    return one_input("QUANTIZE", whole_range(source), q, target, r)


@st.composite
def floats(draw: st.DrawFn) -> Example:
    """Values around every boundary between two results, one float apart, and anything else that float32 holds."""
    r = draw(quantized("int8"))
    rng = np.random.default_rng(draw(seeds))
    scale = np.float32(r["scale"])
    halves = (np.arange(-520, 521, dtype=np.float32) / np.float32(2)) * scale
    near = np.concatenate([halves, np.nextafter(halves, np.float32(-np.inf)), np.nextafter(halves, np.float32(np.inf))])
    wild = rng.integers(0, 2**32, 400, dtype=np.uint32).view(np.float32)
    defined = wild[np.isfinite(wild) & (np.abs(wild) < np.float32(2**30) * scale)]
    return one_input("QUANTIZE", np.concatenate([near, defined]).astype(np.float32), {}, "int8", r)


STRATEGIES = {
    "int8 to int8": bytes_to_bytes("int8", "int8"),
    "int8 to uint8": bytes_to_bytes("int8", "uint8"),
    "uint8 to int8": bytes_to_bytes("uint8", "int8"),
    "float32 to int8": floats(),
}


@needs_oracle
@pytest.mark.parametrize("pair", STRATEGIES)
@given(data=st.data())
@settings(max_examples=60, deadline=None)
def test_reference(pair: str, data: st.DataObject) -> None:
    assert_reference_is_exact(data.draw(STRATEGIES[pair]))


@pytest.mark.parametrize("features", [frozenset(), frozenset({"fpu"})], ids=["no fpu", "fpu"])
@given(data=st.data())
@settings(max_examples=1, deadline=None, phases=[Phase.generate], suppress_health_check=list(HealthCheck))
def test_c(features: frozenset[str], data: st.DataObject) -> None:
    assert_c_is_exact([data.draw(s) for s in STRATEGIES.values() for _ in range(3)], features)


def test_floats_beyond_int32_saturate() -> None:
    """TensorFlow Lite Micro's conversion is undefined there."""
    x = np.array([3e9, -3e9, np.inf, -np.inf, 3.4e38, -3.4e38, np.nan, -np.nan, -0.0, 1e-45], np.float32)
    points = [-128, -1, 0, 127]
    examples = [one_input("QUANTIZE", x, {}, "int8", {"scale": 0.5, "zero_point": z}) for z in points]
    for z, example in zip(points, examples, strict=True):
        np.testing.assert_array_equal(reference(example)[0], [127, -128, 127, -128, 127, -128, z, z, z, z])
    for features in (frozenset[str](), frozenset({"fpu"})):
        assert_c_is_exact(examples, features)


@pytest.mark.parametrize(("source", "target"), [("uint8", "uint8"), ("int8", "int16"), ("int16", "int8")])
def test_refused(source: str, target: str) -> None:
    q = {"scale": 0.5, "zero_point": 0}
    with pytest.raises(Unsupported, match=f"{source} to {target}"):
        parse(one_input("QUANTIZE", np.zeros(4, source), q, target, q).model, "model", "model")
