"""Layers cut into parts that several nodes can compute: exact rewrites, made where somebody asks for them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from functools import reduce
from itertools import pairwise

from shoal.errors import Unsupported
from shoal.network.graph import Graph
from shoal.network.limits import TENSORS
from shoal.operators import add_sums, fully_connected_sums, requantize_sums
from shoal.operators.base import Operator
from shoal.operators.checks import where
from shoal.operators.pieces import DSP_INPUTS
from shoal.operators.requantization import scales
from shoal.tensors import Tensor


def input_channels(graph: Graph, operator: int, parts: int) -> Graph:
    """The simplified network with FULLY_CONNECTED `operator` (its index) as `parts` operators FULLY_CONNECTED_SUMS, of
    about as many of its input channels each and all reading the same tensor, then ADD_SUMS of one after the other, then
    REQUANTIZE_SUMS. They stand in this order where the operator stood; operators behind them are numbered anew.

    The sums are int32 tensors that cross between chunks as any other does; addition wraps, so that they may be added in
    any order. Tensors that the model file does not have are numbered from `limits.TENSORS` on. Unsupported for other
    operators and for more parts than there are channels."""
    whole = graph.operators[operator]
    dtype = graph.tensors[whole.outputs[0]].dtype
    if whole.kind != "fully_connected" or dtype != "int8":
        raise Unsupported(
            f"input channels of {whole.kind} in {dtype} cannot be computed apart",
            where=where(whole),
            advice="choose a fully_connected in int8",
        )
    source, weights, output = (graph.tensors[t] for t in (*whole.inputs[:2], *whole.outputs) if t is not None)
    channels = weights.shape[1]
    if not 1 <= parts <= channels:
        raise Unsupported(
            f"{parts} parts of {channels} input channels", where=where(whole), advice="choose at least 1, at most these"
        )
    cutter = _Cutter(graph, whole, weights, output)
    edges = _edges(channels, parts)
    total, *others = [cutter.sums(first, last) for first, last in pairwise(edges)]
    for other in others:
        total = cutter.added(total, other)
    scale = scales(source, weights)
    attributes = requantize_sums.Attributes(scale, whole.attributes.activation)
    bias = whole.inputs[2] if len(whole.inputs) > 2 else None
    cutter.operator(requantize_sums.NAME, (total.index, bias), output.index, attributes)
    made = (*graph.operators[:operator], *cutter.operators, *graph.operators[operator + 1 :])
    cut = graph.rebuilt(_numbered(made), {t.index: t for t in cutter.tensors})
    known = graph.channels.get(output.index)
    left = {} if known is None else {t.index: known for t in cutter.tensors if t.data is None}
    return replace(cut, slices=(*graph.slices, (operator, parts)), channels={**graph.channels, **left})


def again(graph: Graph, slices: Iterable[tuple[int, int]]) -> Graph:
    """A simplified network cut as another one was, by that one's `slices`."""
    return reduce(lambda cut, one: input_channels(cut, *one), slices, graph)


def _edges(channels: int, parts: int) -> list[int]:
    """Where parts start and end: at multiples of what kernels take at once, where each part has some of these."""
    unit = DSP_INPUTS if parts * DSP_INPUTS <= channels else 1
    return [*(channels // unit * n // parts * unit for n in range(parts)), channels]


def _numbered(operators: Iterable[Operator]) -> Iterable[Operator]:
    return (replace(o, index=i) for i, o in enumerate(operators))


class _Cutter:
    """Collects what takes the place of an operator."""

    def __init__(self, graph: Graph, whole: Operator, weights: Tensor, output: Tensor) -> None:
        self.whole, self.weights, self.output = whole, weights, output
        self.operators: list[Operator] = []
        self.tensors: list[Tensor] = []
        self._next = max(TENSORS, 1 + max(graph.tensors))

    def operator(self, kind: str, inputs: tuple[int | None, ...], output: int, attributes: object) -> None:
        given = inputs if inputs[-1] is not None else inputs[:-1]
        self.operators.append(Operator(0, kind, given, (output,), attributes, self.whole.sources))

    def sums(self, first: int, last: int) -> Tensor:
        """Of input channels `first` up to `last`, that one not included."""
        assert self.weights.data is not None
        name = f"{self.output.name}/channels {first} to {last - 1}"
        part = replace(
            self._like(self.weights, f"{name}/weights"),
            shape=(self.weights.shape[0], last - first),
            data=self.weights.data[:, first:last],
        )
        self.tensors.append(part)
        made = self._made(name)
        attributes = fully_connected_sums.Attributes(first, self.weights.shape[1])
        self.operator(fully_connected_sums.NAME, (self.whole.inputs[0], part.index), made.index, attributes)
        return made

    def added(self, total: Tensor, other: Tensor) -> Tensor:
        made = self._made(f"{total.name} and {other.name.rpartition('/')[2]}")
        self.operator(add_sums.NAME, (total.index, other.index), made.index, None)
        return made

    def _made(self, name: str) -> Tensor:
        """Sums of the output's channels."""
        made = replace(self._like(self.output, name), dtype="int32", quantization=None)
        self.tensors.append(made)
        return made

    def _like(self, tensor: Tensor, name: str) -> Tensor:
        self._next += 1
        return replace(tensor, index=self._next - 1, name=name)
