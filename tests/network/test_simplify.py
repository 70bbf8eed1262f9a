"""Each rewrite leaves the bytes alone, and does what it is for."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from random_networks import RandomNetwork
from shoal import oracle
from shoal.errors import Unsupported
from shoal.network import simplify as rewrites
from shoal.network.execute import execute, trace
from shoal.network.graph import Graph
from shoal.network.read_tflite import parse
from shoal.network.simplify import simplify
from tflite_builder import ModelBuilder

seeds = st.integers(0, 1_000_000)


def kinds(graph: Graph) -> list[str]:
    return [o.kind for o in graph.operators]


@pytest.mark.parametrize(
    "rewrite",
    [
        rewrites.fold_constants,
        rewrites.drop_identities,
        rewrites.skip_reshapes,
        rewrites.fold_padding,
        rewrites.drop_unused,
        simplify,
    ],
)
@given(seeds)
@settings(max_examples=25, deadline=None)
def test_a_rewrite_keeps_every_value_that_it_leaves(rewrite: Callable[[Graph], Graph], seed: int) -> None:
    network = RandomNetwork(seed, operators=6)
    graph = parse(network.model, "net", "f")
    x = network.random_input()
    before, simplified = trace(graph, [x]), rewrite(graph)
    after = trace(simplified, [x])
    assert simplified.inputs == graph.inputs and simplified.outputs == graph.outputs
    assert len(simplified.operators) <= len(graph.operators)
    for index, value in after.items():
        assert value.dtype == before[index].dtype
        assert np.array_equal(*simplified.alike(index, value, before[index])), index


@given(seeds)
@settings(max_examples=25, deadline=None)
def test_simplifying_twice_changes_nothing_more(seed: int) -> None:
    once = simplify(parse(RandomNetwork(seed, operators=8).model, "net", "f"))
    assert vars(simplify(once)) == vars(once)
    assert [o.index for o in once.operators] == list(range(len(once.operators)))
    assert all(o.sources for o in once.operators)


@pytest.mark.skipif(oracle.reason() is not None, reason=oracle.reason() or "")
@given(seeds)
@example(584)  # an operator without weights that writes a constant reads its input all the same
@example(862)
@example(300853)  # a constant that is not the zero point cannot be folded over a padded border
@settings(max_examples=100, deadline=None)
def test_every_value_is_the_oracles(seed: int) -> None:
    network = RandomNetwork(seed, operators=10)
    graph = parse(network.model, "net", "f")
    judge = oracle.open_oracle(network.model)
    x = network.random_input()
    (y,) = judge.run([x])
    simplified = simplify(graph)
    values = trace(simplified, [x])
    assert np.array_equal(values[graph.outputs[0]], y)
    for index, value in values.items():
        assert np.array_equal(*simplified.alike(index, value, judge.tensor(index))), index


def padded_convolution(pad: list[list[int]], kind: str = "CONV_2D") -> Graph:
    """PAD, then a VALID 3×3 convolution over it."""
    b = ModelBuilder()
    x = b.tensor((1, 6, 6, 2), scale=0.5, zero_point=-7)
    shape = tuple(n + before + after for n, (before, after) in zip((1, 6, 6, 2), pad, strict=True))
    padded = b.tensor(shape, scale=0.5, zero_point=-7)
    b.operator("PAD", [x, b.tensor(data=np.array(pad, np.int32))], [padded])
    rng = np.random.default_rng(1)
    channels = shape[3]
    w_shape, axis = ((4, 3, 3, channels), 0) if kind == "CONV_2D" else ((1, 3, 3, channels), 3)
    outputs = w_shape[axis]
    w = b.tensor(data=rng.integers(-127, 128, w_shape).astype(np.int8), scale=[0.01] * outputs, axis=axis)
    bias = b.tensor(data=np.arange(outputs, dtype=np.int32), scale=[0.005] * outputs)
    y = b.tensor((shape[0], shape[1] - 2, shape[2] - 2, outputs), scale=0.3, zero_point=4)
    b.operator(kind, [padded, w, bias], [y], padding="VALID")
    return parse(b.build(inputs=[x], outputs=[y]), "net", "f")


NOTHING = [0, 0]


@pytest.mark.parametrize("kind", ["CONV_2D", "DEPTHWISE_CONV_2D"])
def test_padding_is_folded_into_the_window(kind: str) -> None:
    graph = padded_convolution([NOTHING, [0, 1], [2, 1], NOTHING], kind=kind)
    folded = simplify(graph)
    assert kinds(folded) == [kind.lower()]
    window = folded.operators[0].attributes
    assert (window.pad_top, window.pad_bottom, window.pad_left, window.pad_right) == (0, 1, 2, 1)
    assert folded.operators[0].sources == (0, 1)
    x = np.random.default_rng(2).integers(-128, 128, (1, 6, 6, 2)).astype(np.int8)
    assert np.array_equal(execute(folded, [x])[0], execute(graph, [x])[0])


@pytest.mark.parametrize(
    "pad",
    [
        [NOTHING, [1, 1], [1, 1], [0, 1]],  # channels
        [NOTHING, [3, 0], NOTHING, NOTHING],  # a window that would not touch the input
    ],
)
def test_padding_that_is_not_the_windows_stays(pad: list[list[int]]) -> None:
    assert kinds(simplify(padded_convolution(pad))) == ["pad", "conv_2d"]


def chain(*steps: tuple[str, dict[str, object]], outputs: tuple[int, ...] = (-1,)) -> Graph:
    """Operators in a row over (1, 8) int8, each with the tensor that it writes; `outputs` by position in the row."""
    b = ModelBuilder()
    row = [b.tensor((1, 8), scale=0.5, zero_point=1)]
    for name, tensor in steps:
        y = b.tensor(**{"shape": (1, 8), "scale": 0.5, "zero_point": 1} | tensor)
        x = [row[-1], row[-1]] if name == "ADD" else [row[-1]]
        b.operator(name, x, [y])
        row.append(y)
    return parse(b.build(inputs=[row[0]], outputs=[row[o] for o in outputs]), "net", "f")


def test_identities_in_a_row_disappear() -> None:
    same: dict[str, object] = {}
    graph = simplify(
        chain(("QUANTIZE", same), ("QUANTIZE", same), ("ADD", {"scale": 1.0}), ("QUANTIZE", {"scale": 1.0}))
    )
    assert kinds(graph) == ["add"]
    assert graph.operators[0].inputs == (0, 0) and graph.operators[0].outputs == graph.outputs == (4,)
    assert graph.operators[0].sources == (2,)


def test_an_identity_between_two_ends_stays() -> None:
    assert kinds(simplify(chain(("QUANTIZE", {})))) == ["quantize"]
    both = simplify(chain(("ADD", {}), ("QUANTIZE", {}), outputs=(1, 2)))
    assert kinds(both) == ["add", "quantize"]


def test_a_quantize_that_changes_anything_stays() -> None:
    for changed in ({"zero_point": 2}, {"scale": 0.25}, {"dtype": "uint8"}):
        assert kinds(simplify(chain(("QUANTIZE", changed), outputs=(1,)))) == ["quantize"]


def test_a_fully_connected_layer_needs_no_reshape() -> None:
    b = ModelBuilder()
    x, flat = (b.tensor(s, scale=0.5, zero_point=3) for s in ((1, 2, 2, 2), (1, 8)))
    b.operator("RESHAPE", [x, b.tensor(data=np.array([1, 8], np.int32))], [flat], new_shape=[1, 8])
    w = b.tensor(data=np.ones((3, 8), np.int8), scale=0.1)
    y = b.tensor((1, 3), scale=0.5)
    b.operator("FULLY_CONNECTED", [flat, w], [y])
    graph = simplify(parse(b.build(inputs=[x], outputs=[y]), "net", "f"))
    assert kinds(graph) == ["fully_connected"] and graph.operators[0].inputs[0] == x


def test_a_reshape_that_a_window_needs_stays() -> None:
    b = ModelBuilder()
    x, image, y = (b.tensor(s, scale=0.5) for s in ((1, 16), (1, 4, 4, 1), (1, 2, 2, 1)))
    b.operator("RESHAPE", [x, b.tensor(data=np.array([1, 4, 4, 1], np.int32))], [image], new_shape=[1, 4, 4, 1])
    b.operator("MAX_POOL_2D", [image], [y], filter_height=2, filter_width=2, stride_h=2, stride_w=2)
    assert kinds(simplify(parse(b.build(inputs=[x], outputs=[y]), "net", "f"))) == ["reshape", "max_pool_2d"]


def test_constants_are_computed_here() -> None:
    b = ModelBuilder()
    x, y = b.tensor((1, 4), scale=0.5), b.tensor((1, 4), scale=0.5)
    c = b.tensor(data=np.array([[2, 4, 6, 8]], np.int8), scale=0.25)
    d, e = b.tensor((1, 4), scale=0.5), b.tensor((1, 4), scale=0.5)
    b.operator("QUANTIZE", [c], [d])
    b.operator("ADD", [d, d], [e])
    b.operator("ADD", [x, e], [y])
    graph = simplify(parse(b.build(inputs=[x], outputs=[y]), "net", "f"))
    assert kinds(graph) == ["add"]
    constant = graph.tensors[e].data
    assert constant is not None and constant.tolist() == [[2, 4, 6, 8]] and not constant.flags.writeable


def test_an_output_without_an_input_is_refused() -> None:
    b = ModelBuilder()
    x, y = b.tensor((1, 4), scale=0.5), b.tensor((1, 4), scale=0.5)
    c, d = b.tensor(data=np.zeros((1, 4), np.int8), scale=0.25), b.tensor((1, 4), scale=0.5, name="fixed")
    b.operator("ADD", [x, x], [y])
    b.operator("QUANTIZE", [c], [d])
    with pytest.raises(Unsupported, match="output 'fixed' does not depend on any input"):
        simplify(parse(b.build(inputs=[x], outputs=[y, d]), "net", "f"))


def test_a_constant_that_no_flash_holds_is_refused() -> None:
    b = ModelBuilder()
    x, y, d = (b.tensor((1, 1 << 21), scale=0.5) for _ in range(3))
    c = b.tensor(data=np.zeros((1, 1 << 21), np.int8), scale=0.25)
    b.operator("QUANTIZE", [c], [d])
    b.operator("ADD", [x, d], [y])
    with pytest.raises(Unsupported, match="2,097,152 bytes"):
        simplify(parse(b.build(inputs=[x], outputs=[y]), "net", "f"))


def test_dead_branches_are_dropped() -> None:
    graph = chain(("ADD", {"scale": 1.0}), ("LOGISTIC", {"scale": 1 / 256, "zero_point": -128}), outputs=(1,))
    assert kinds(graph) == ["add", "logistic"] and kinds(simplify(graph)) == ["add"]
