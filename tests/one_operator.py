"""Models of one operator: the reference against the oracle, generated C against the reference."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pytest
from hypothesis import strategies as st

from shoal.network.read_tflite import parse
from shoal.operators import kind
from shoal.oracle import open_oracle, reason
from shoal.tensors import Array

needs_oracle = pytest.mark.skipif(reason() is not None, reason=str(reason()))


@dataclass(frozen=True)
class Example:
    """A model file's bytes and one array per model input."""

    model: bytes
    inputs: Sequence[Array]


#: a seed that fills arrays: shrinking single bytes of activations teaches nothing
seeds = st.integers(0, 2**32 - 1)
scales = st.floats(2.0**-10, 2.0, width=32)
zero_points = st.integers(-128, 127)


def int8s(seed: int, shape: Sequence[int]) -> Array:
    """Random int8, with more of the extremes than chance gives."""
    rng = np.random.default_rng(seed)
    values = rng.integers(-128, 128, shape)
    extremes = rng.choice([-128, -127, 0, 126, 127], shape)
    return np.asarray(np.where(rng.random(shape) < 0.1, extremes, values), np.int8)


def reference(example: Example) -> list[Array]:
    """What the operator's reference makes of the inputs."""
    graph = parse(example.model, "model", "model")
    (operator,) = graph.operators
    values = dict(zip(graph.inputs, example.inputs, strict=True))
    arrays = [values.get(i, graph.tensors[i].data) for i in operator.inputs if i is not None]
    outputs = kind(operator.kind).reference(operator, graph.tensors, arrays)  # type: ignore[arg-type]  # constants have data
    for index, output in zip(operator.outputs, outputs, strict=True):
        assert output.shape == graph.tensors[index].shape
        assert output.dtype == graph.tensors[index].dtype
    return outputs


def assert_same(expected: Sequence[Array], found: Sequence[Array]) -> None:
    """Byte for byte."""
    for wanted, array in zip(expected, found, strict=True):
        np.testing.assert_array_equal(array.reshape(wanted.shape).view(np.uint8), wanted.view(np.uint8))


def assert_reference_is_exact(example: Example) -> None:
    assert_same(open_oracle(example.model).run(example.inputs), reference(example))


def assert_c_is_exact(
    examples: Sequence[Example], features: frozenset[str] = frozenset(), core: str | None = None
) -> None:
    """The fastest kernel of each example, and the smallest where that is another one, in one program: sanitized on the
    host, or on an emulated `core`."""
    from emulated_build import MACHINES, run_emulated
    from host_build import Case, run_models

    features = features if core is None else MACHINES[core].features
    cases, expected = [], []
    for example in examples:
        kernels = kernels_of(example, features)
        for prefer in ("speed", "size") if len(kernels) > 1 else ("speed",):
            cases.append(Case(example.model, [example.inputs], prefer, features))
            expected.append(reference(example))
    results = run_models(cases) if core is None else run_emulated(cases, core)
    for wanted, (found,) in zip(expected, results, strict=True):
        assert_same(wanted, found)


def kernels_of(example: Example, features: frozenset[str]) -> list[str]:
    """The candidates' functions, the fastest first."""
    graph = parse(example.model, "model", "model")
    (operator,) = graph.operators
    return [call.kernel.function for call in kind(operator.kind).calls(operator, graph.tensors, features)]
