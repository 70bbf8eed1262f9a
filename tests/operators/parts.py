"""Fully connected layers cut over their input channels: what the tests of the operators they are cut into draw from."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from hypothesis import strategies as st
from products import ACTIVATIONS, model, numbers, weights

from emulated_build import MACHINES, run_emulated
from host_build import Case, run_models
from shoal.boards.board import Board
from shoal.network.execute import execute
from shoal.network.graph import Graph
from shoal.network.read_tflite import parse
from shoal.network.simplify import simplify
from shoal.network.slices import input_channels
from shoal.plan.chunks import chunk
from shoal.plan.planner import plan
from shoal.plan.steps import Options, Plan
from shoal.tensors import Array


@dataclass(frozen=True)
class Layer:
    """A model of one layer, and in how many parts it is computed."""

    model: bytes
    parts: int
    seed: int

    @property
    def whole(self) -> Graph:
        return simplify(parse(self.model, "model", "model"))

    @property
    def cut(self) -> Graph:
        return input_channels(self.whole, 0, self.parts)


@st.composite
def layers(draw: st.DrawFn) -> Layer:
    leading = draw(st.lists(st.integers(1, 3), min_size=1, max_size=2))
    products = draw(st.sampled_from([8, 16, 64, 640]) | st.integers(1, 70))
    outputs = draw(st.sampled_from([4, 8]) | st.integers(1, 11))
    n = replace(draw(numbers), per_channel=draw(st.booleans()))
    data = model(
        "FULLY_CONNECTED",
        (*leading, products),
        weights(np.random.default_rng(n.seed), (outputs, products), draw(st.sampled_from([-127, -128]))),
        (math.prod(leading), outputs),
        0,
        n,
        weights_zero_point=0 if n.per_channel else draw(st.sampled_from([0, 0, 5, -128])),
        activation=draw(st.sampled_from(ACTIVATIONS)),
    )
    return Layer(data, draw(st.integers(1, min(4, products))), n.seed)


def values(graph: Graph, seed: int) -> list[Array]:
    """Random inputs with more of the extremes than chance gives."""
    rng = np.random.default_rng(seed)
    found = []
    for tensor in (graph.tensors[t] for t in graph.inputs):
        limits = np.iinfo(tensor.dtype)
        drawn = rng.integers(limits.min, limits.max, tensor.shape, endpoint=True)
        extremes = rng.choice([limits.min, limits.min + 1, 0, limits.max - 1, limits.max], tensor.shape)
        found.append(np.where(rng.random(tensor.shape) < 0.2, extremes, drawn).astype(tensor.dtype))
    return found


def assert_chunks_are_exact(
    layers: Sequence[Layer], kind: str, features: frozenset[str] = frozenset(), core: str | None = None
) -> None:
    """Each operator of `kind` in each layer, as a network of its own: generated C against the reference."""
    features = features if core is None else MACHINES[core].features
    cases, expected = [], []
    for layer in layers:
        cut = layer.cut
        for k, operator in enumerate(cut.operators):
            if operator.kind == kind:
                part = chunk(cut, k, k + 1)
                given = values(part, layer.seed + k)
                cases.append(Case(layer.model, [given], "speed", features, _planner(layer.parts, k)))
                expected.append(execute(part, given))
    if not cases:
        return
    results = run_models(cases) if core is None else run_emulated(cases, core)
    for wanted, (found,) in zip(expected, results, strict=True):
        for value, array in zip(wanted, found, strict=True):
            assert (array.dtype, array.shape) == (value.dtype, value.shape)
            np.testing.assert_array_equal(array, value)


def _planner(parts: int, k: int) -> Callable[[Graph, Board, Options], Plan]:
    def planner(graph: Graph, board: Board, options: Options) -> Plan:
        return plan(chunk(input_channels(graph, 0, parts), k, k + 1), board, options)

    return planner
