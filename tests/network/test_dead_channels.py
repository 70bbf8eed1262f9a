"""Dead channels: what is left computes the same bytes, and every kept channel holds what the model's holds."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shoal.network.dead_channels import bounds, drop_dead_channels
from shoal.network.execute import run
from shoal.network.graph import Graph
from shoal.network.read_tflite import read
from shoal.network.simplify import skip_reshapes
from shoal.operators import kind
from shoal.tensors import Array
from tflite_builder import ModelBuilder


def values(graph: Graph, inputs: list[Array]) -> dict[int, Array]:
    found = dict(zip(graph.inputs, inputs, strict=True))
    for o in graph.operators:
        found.update(zip(o.outputs, run(o, graph.tensors, found), strict=True))
    return found


def macs(graph: Graph) -> int:
    return sum(kind(o.kind).macs(o, graph.tensors) for o in graph.operators)


def random_inputs(graph: Graph, seed: int) -> list[Array]:
    random = np.random.default_rng(seed)
    return [random.integers(-128, 128, graph.tensors[t].shape).astype(np.int8) for t in graph.inputs]


def check_same(graph: Graph, less: Graph, seed: int) -> None:
    inputs = random_inputs(graph, seed)
    before, after = values(graph, inputs), values(less, inputs)
    for o in less.operators:
        for t in o.outputs:
            assert np.array_equal(*less.alike(t, after[t], before[t])), (o.kind, t)


@st.composite
def sparse_networks(draw: st.DrawFn) -> bytes:
    """Convolution, depthwise, pointwise, a residual addition, pooling and a classifier, with many channels silent: zero
    weights, biases that saturate, and ReLU."""
    random = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    channels = draw(st.sampled_from([4, 6, 8, 12]))
    size = draw(st.integers(3, 6))
    padding = draw(st.sampled_from(["SAME", "VALID"]))
    dead = draw(st.floats(0, 1))
    zero_point = draw(st.sampled_from([-128, -128, -100, 5]))
    b = ModelBuilder()

    def parameters(shape: tuple[int, ...], axis: int) -> list[int]:
        outputs = shape[axis]
        weights = random.integers(-60, 61, shape) * (random.random(shape) > 0.5)
        bias = random.integers(-2000, 2000, outputs)
        silent = random.random(outputs) < dead
        mover = np.moveaxis(weights, axis, 0)
        mover[silent] *= random.random((silent.sum(), *mover.shape[1:])) > 0.8
        bias[silent] = random.choice([-(1 << 26), 0, 1 << 26, 700], silent.sum())
        scales = (0.002 + random.random(outputs) * 0.02).tolist()
        w = b.tensor(shape, scale=scales, zero_point=[0] * outputs, axis=axis, data=weights.astype(np.int8))
        return [w, b.tensor((outputs,), "int32", scale=[s * 0.05 for s in scales], data=bias.astype(np.int32))]

    def activations(shape: tuple[int, ...]) -> int:
        return b.tensor(shape, scale=0.05, zero_point=zero_point)

    relu = {"activation": "RELU"}
    x = b.tensor((1, size, size, 3), scale=0.05, zero_point=-1)
    a = activations((1, size, size, channels))
    same = {"padding": "SAME", "stride_h": 1, "stride_w": 1, **relu}
    b.operator("CONV_2D", [x, *parameters((channels, 3, 3, 3), 0)], [a], **same)
    d = activations((1, size, size, channels))
    b.operator("DEPTHWISE_CONV_2D", [a, *parameters((1, 3, 3, channels), 3)], [d], depth_multiplier=1, **same)
    p = activations((1, size, size, channels))
    b.operator("CONV_2D", [d, *parameters((channels, 1, 1, channels), 0)], [p], **same)
    s = activations((1, size, size, channels))
    b.operator("ADD", [a, p], [s], **relu)
    left = size if padding == "SAME" else size - 2
    q = activations((1, left, left, 8))
    b.operator("CONV_2D", [s, *parameters((8, 3, 3, channels), 0)], [q], **{**same, "padding": padding})
    y = b.tensor((1, 4), scale=0.1, zero_point=3)
    b.operator("FULLY_CONNECTED", [q, *parameters((4, left * left * 8), 0)], [y])
    return b.build(inputs=[x], outputs=[y])


@settings(deadline=None, max_examples=40)
@given(sparse_networks(), st.integers(0, 100))
def test_any_network_keeps_its_values(tmp_path_factory: pytest.TempPathFactory, model: bytes, seed: int) -> None:
    path = tmp_path_factory.mktemp("model") / "m.tflite"
    path.write_bytes(model)
    graph = read(path)
    less = drop_dead_channels(graph)
    for o in less.operators:
        kind(o.kind).check(o, less.tensors)
    check_same(graph, less, seed)
    assert all(graph.tensors[t].shape == less.tensors[t].shape for t in (*graph.inputs, *graph.outputs))
    assert all(less.tensors[t].shape[-1] % 4 == 0 for t in less.channels)


@settings(deadline=None, max_examples=20)
@given(sparse_networks(), st.integers(0, 100))
def test_values_lie_within_their_bounds(tmp_path_factory: pytest.TempPathFactory, model: bytes, seed: int) -> None:
    path = tmp_path_factory.mktemp("model") / "m.tflite"
    path.write_bytes(model)
    graph = read(path)
    low, high = bounds(graph)
    for t, value in values(graph, random_inputs(graph, seed)).items():
        assert (low[t] <= value).all() and (value <= high[t]).all()


def test_visual_wake_words_loses_half_of_its_work(data: Path) -> None:
    graph = skip_reshapes(read(data / "models" / "mlperf_vww_int8.tflite"))
    less = drop_dead_channels(graph)
    assert (macs(graph), macs(less)) == (7_489_664, 3_766_476)
    weights = [t for t in less.tensors.values() if t.data is not None and t.dtype == "int8"]
    assert sum(t.bytes for t in weights) == 30_340
    check_same(graph, less, seed=1)


@pytest.mark.parametrize("name", ["mlperf_kws_int8", "mlperf_ic_int8", "mlperf_sww_int8", "mlperf_ad_int8"])
def test_networks_without_dead_channels_stay_as_they_are(data: Path, name: str) -> None:
    graph = read(data / "models" / f"{name}.tflite")
    assert drop_dead_channels(graph) is graph
