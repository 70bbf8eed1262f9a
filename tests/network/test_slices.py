"""Layers cut into parts come to the bytes of the whole, in whatever order the parts are added."""

from __future__ import annotations

from functools import reduce
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from random_networks import RandomNetwork
from shoal.errors import Unsupported
from shoal.network.execute import execute, run, trace
from shoal.network.graph import Graph
from shoal.network.limits import TENSORS
from shoal.network.read_tflite import parse, read
from shoal.network.simplify import simplify
from shoal.network.slices import input_channels
from shoal.operators import kind
from shoal.tensors import Array


def layers(graph: Graph) -> list[int]:
    return [o.index for o in graph.operators if o.kind == "fully_connected"]


def inputs(graph: Graph, seed: int) -> list[Array]:
    rng = np.random.default_rng(seed)
    return [rng.integers(-128, 128, graph.tensors[t].shape).astype(np.int8) for t in graph.inputs]


@given(st.integers(0, 1_000_000), st.integers(1, 5))
@settings(max_examples=40)
def test_a_cut_network_keeps_every_value(seed: int, parts: int) -> None:
    network = RandomNetwork(seed)
    try:
        cut = whole = simplify(parse(network.model, "net", "f"))
    except Unsupported:  # an output that depends on no input
        return
    x = network.random_input()
    for layer in reversed(layers(whole)):
        channels = whole.tensors[whole.operators[layer].inputs[1]].shape[1]
        cut = input_channels(cut, layer, min(parts, channels))
    assert not layers(cut)
    assert [o.index for o in cut.operators] == list(range(len(cut.operators)))
    for operator in cut.operators:
        kind(operator.kind).check(operator, cut.tensors)
    got, want = trace(cut, [x]), trace(whole, [x])
    assert {t for t in got if t < TENSORS} == set(want)
    for tensor, value in want.items():
        assert got[tensor].tobytes() == value.tobytes()


@pytest.mark.parametrize("parts", [1, 2, 3, 16])
def test_layers_of_a_real_network_in_parts(data: Path, parts: int) -> None:
    whole = simplify(read(data / "models/mlperf_ad_int8.tflite"))
    cut = whole
    for layer in reversed(layers(whole)):
        cut = input_channels(cut, layer, min(parts, 8))
    x = inputs(whole, parts)
    assert [y.tobytes() for y in execute(cut, x)] == [y.tobytes() for y in execute(whole, x)]


def test_parts_may_be_added_in_any_order_and_one_left_out_counts_as_zeros(data: Path) -> None:
    whole = simplify(read(data / "models/mlperf_ad_int8.tflite"))
    cut = input_channels(whole, 0, 4)
    first, last = (next(o for o in cut.operators if o.kind == k) for k in ("fully_connected", "requantize_sums"))
    assert first.inputs[0] == last.outputs[0]
    [x] = inputs(whole, 7)
    values = trace(cut, [x])
    sums = [values[o.outputs[0]] for o in cut.operators if o.kind == "fully_connected_sums"]
    assert len(sums) == 4 and all(s.dtype == np.int32 for s in sums)

    def finished(parts: list[Array]) -> Array:
        total = reduce(lambda a, b: a + b, parts)
        return run(last, cut.tensors, {last.inputs[0]: total})[0]

    assert finished(sums[::-1]).tobytes() == values[last.outputs[0]].tobytes()
    source = whole.tensors[whole.inputs[0]]
    lacking = x.copy()
    lacking[:, 160:320] = source.zero_point
    assert finished([sums[3], sums[0], sums[2]]).tobytes() == trace(whole, [lacking])[last.outputs[0]].tobytes()


def test_what_cannot_be_cut_is_refused(data: Path) -> None:
    ad = simplify(read(data / "models/mlperf_ad_int8.tflite"))
    ic = simplify(read(data / "models/mlperf_ic_int8.tflite"))
    with pytest.raises(Unsupported, match="cannot be computed apart"):
        input_channels(ic, 0, 2)
    for parts in (0, 641):
        with pytest.raises(Unsupported, match=f"{parts} parts of 640"):
            input_channels(ad, 0, parts)
