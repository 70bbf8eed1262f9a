"""Removes channels that no answer depends on: exact for every input.

Interval analysis over the real int8 semantics finds channels that are constant whatever the input; what feeds only them
and what only feeds zero weights is dead. A removed constant is folded into its readers' biases. Channel counts stay
multiples of four, which kernels want, by keeping as many dead channels as that takes.

Two facts make it exact. A sum of products is bounded above by taking each input's upper bound where its weight is
positive and its lower bound where it is negative, and requantization is monotone. A reader that pads its window sees
the input's zero point at the border, so a constant folds into its bias only where it is that zero point.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from shoal.network.graph import Graph
from shoal.operators import kind
from shoal.operators.base import Operator
from shoal.operators.requantization import multipliers, rescale
from shoal.operators.window import Window
from shoal.tensors import Array, Quantization, Tensor

MULTIPLE = 4

#: networks with more than this are beyond any microcontroller, and their analysis would take seconds and megabytes
_MOST_ELEMENTS = 1 << 20
_MOST_MACS = 1 << 27

_MIXING = ("conv_2d", "fully_connected")
_WEIGHTED = (*_MIXING, "depthwise_conv_2d")
#: outputs have the channels of the inputs, in order
_CHANNELWISE = ("add", "average_pool_2d", "max_pool_2d", "quantize", "depthwise_conv_2d")


@dataclass(frozen=True)
class _Facts:
    """Per tensor that the network computes, one entry a channel. `constant`: the same value everywhere, whatever the
    input; `value`: that value; `live`: some output depends on it."""

    constant: Mapping[int, Array]
    value: Mapping[int, Array]
    live: Mapping[int, Array]


def drop_dead_channels(graph: Graph) -> Graph:
    """The graph without dead channels; the same graph where there are none."""
    if not _analysable(graph):
        return graph
    facts = _analyse(graph)
    keep = _keep(graph, facts)
    if all(mask.all() for mask in keep.values()):
        return graph
    return _Slicer(graph, facts, keep).sliced()


def _analysable(graph: Graph) -> bool:
    """Of a size that is worth it, and all of its products in int8: intervals of sums in float32 are not exact."""
    if any(graph.tensors[_index(o, 0)].dtype == "float32" for o in graph.operators if o.kind in _WEIGHTED):
        return False
    macs = sum(kind(o.kind).macs(o, graph.tensors) for o in graph.operators)
    elements = sum(graph.tensors[t].elements for t in _computed(graph))
    padded = max((_padded_elements(graph, o) for o in graph.operators), default=0)
    return macs <= _MOST_MACS and elements <= _MOST_ELEMENTS and padded <= _MOST_ELEMENTS


def _padded_elements(graph: Graph, o: Operator) -> int:
    """Of a windowed operator's input with its padding around it."""
    window = o.attributes
    if not isinstance(window, Window):
        return 0
    batches, height, width, channels = graph.tensors[_index(o, 0)].shape
    height, width = height + window.pad_top + window.pad_bottom, width + window.pad_left + window.pad_right
    return batches * height * width * channels


def _channels(tensor: Tensor) -> int:
    return tensor.shape[-1] if tensor.shape else 1


def _computed(graph: Graph) -> list[int]:
    return [*graph.inputs, *(t for o in graph.operators for t in o.outputs)]


def bounds(graph: Graph) -> tuple[dict[int, Array], dict[int, Array]]:
    """The least and the most that each computed int8 tensor can hold, element by element, in its own dtype."""
    low: dict[int, Array] = {}
    high: dict[int, Array] = {}

    def limits(index: int) -> tuple[Array, Array]:
        tensor = graph.tensors[index]
        if tensor.data is not None:
            return tensor.data, tensor.data
        if index not in low:
            info = np.iinfo(tensor.dtype) if tensor.dtype != "float32" else np.finfo(np.float32)
            low[index] = np.full(tensor.shape, info.min, tensor.dtype)
            high[index] = np.full(tensor.shape, info.max, tensor.dtype)
        return low[index], high[index]

    for index in graph.inputs:
        limits(index)
    for o in graph.operators:
        known = [limits(x) for x in o.inputs if x is not None]
        found = kind(o.kind).bounds(o, graph.tensors, [k[0] for k in known], [k[1] for k in known])
        for i, t in enumerate(o.outputs):
            if found is None:
                limits(t)
            else:
                low[t], high[t] = found[0][i], found[1][i]
    return low, high


def _analyse(graph: Graph) -> _Facts:
    low, high = bounds(graph)
    constant: dict[int, Array] = {}
    value: dict[int, Array] = {}
    for t in _computed(graph):
        rows_low = low[t].reshape(-1, _channels(graph.tensors[t]))
        rows_high = high[t].reshape(rows_low.shape)
        constant[t] = (rows_low == rows_high[:1]).all(axis=0) & (rows_high == rows_low[:1]).all(axis=0)
        value[t] = rows_low[0]
    live = {t: np.zeros(_channels(graph.tensors[t]), bool) for t in _computed(graph)}
    for index in graph.outputs:
        live[index][:] = True
    for o in reversed(graph.operators):
        y = o.outputs[0]
        # a constant needs nothing where weights can give it; any other operator goes on computing it
        wanted = live[y] & ~constant[y] if y not in graph.outputs and _writes_constants(graph, o) else live[y]
        for position, x in enumerate(o.inputs):
            if x is not None and x in live and wanted.any():
                live[x] |= _reads(graph, o, position, wanted)
    return _Facts(constant, value, live)


def _reads(graph: Graph, o: Operator, position: int, wanted: Array) -> Array:
    """The channels of an input that these channels of the output depend on."""
    tensor = graph.tensors[_index(o, position)]
    every = np.ones(_channels(tensor), bool)
    if o.kind == "depthwise_conv_2d" and position == 0 and _sliceable(graph, o):
        read: Array = wanted & (_taps(graph, o) != 0).any(axis=1)
        return read if len(read) == len(every) else np.asarray([read.any()])
    if o.kind in _MIXING and position == 0 and _sliceable(graph, o):
        used = (_matrix(graph, o) != 0).any(axis=1)  # [output channel, input channel]
        return np.asarray(used[wanted].any(axis=0))
    if o.kind in _CHANNELWISE and _sliceable(graph, o):
        return wanted
    return every


def _writes_constants(graph: Graph, o: Operator) -> bool:
    """Whether the operator's constant channels become zero weights and a bias."""
    return o.kind in _WEIGHTED and _sliceable(graph, o)


def _index(o: Operator, position: int) -> int:
    index = o.inputs[position]
    assert index is not None
    return index


def _matrix(graph: Graph, o: Operator) -> Array:
    """The weights of an operator that mixes channels, as [output channel, tap, input channel]."""
    weights = graph.tensors[_index(o, 1)].data
    assert weights is not None
    return weights.reshape(weights.shape[0], -1, _channels(graph.tensors[_index(o, 0)]))


def _taps(graph: Graph, o: Operator) -> Array:
    """The weights of a depthwise convolution, as [output channel, tap]."""
    weights = graph.tensors[_index(o, 1)].data
    assert weights is not None
    return weights.reshape(-1, weights.shape[-1]).T


def _sliceable(graph: Graph, o: Operator) -> bool:
    """Whether channels of this operator's operands can be removed one by one."""
    x, y = graph.tensors[_index(o, 0)], graph.tensors[o.outputs[0]]
    if o.kind in _WEIGHTED and graph.tensors[_index(o, 1)].data is None:
        return False
    if o.kind == "conv_2d":
        weights = graph.tensors[_index(o, 1)]
        return weights.shape[-1] == _channels(x)
    if o.kind == "fully_connected":
        return len(x.shape) > 1 and x.shape[0] == 1 and graph.tensors[_index(o, 1)].shape[-1] == x.elements
    if o.kind == "depthwise_conv_2d":
        return _channels(x) in (1, _channels(y))
    if o.kind == "add":
        shapes = {graph.tensors[t].shape for t in (*o.inputs, *o.outputs) if t is not None}
        return len(shapes) == 1 and all(t is not None and graph.tensors[t].data is None for t in o.inputs)
    return o.kind in _CHANNELWISE


def _tied(graph: Graph, o: Operator) -> list[int]:
    """The computed operands whose channels must stay side by side."""
    if o.kind == "depthwise_conv_2d" and _channels(graph.tensors[_index(o, 0)]) == 1:
        return []
    operands = o.inputs[:1] if o.kind in _WEIGHTED else o.inputs
    return [*(t for t in operands if t is not None and graph.tensors[t].data is None), *o.outputs]


def _keep(graph: Graph, facts: _Facts) -> dict[int, Array]:
    """Which channels stay, per computed tensor."""
    group = {t: t for t in _computed(graph)}

    def root(t: int) -> int:
        while group[t] != t:
            t = group[t]
        return t

    whole = {*graph.inputs, *graph.outputs}
    for o in graph.operators:
        if not _sliceable(graph, o):
            whole.update(t for t in (*o.inputs, *o.outputs) if t in group)
        elif o.kind in _CHANNELWISE:
            first, *others = _tied(graph, o) or [o.outputs[0]]
            for t in others:
                group[root(t)] = root(first)
    keep: dict[int, Array] = {}
    for t in group:
        needed = np.ones_like(facts.live[t]) if t in whole else facts.live[t] & ~facts.constant[t]
        keep[root(t)] = keep.get(root(t), np.zeros_like(needed)) | needed
    for o in graph.operators:
        if o.kind == "conv_2d" and _sliceable(graph, o) and _pads(o):
            x = _index(o, 0)
            tensor = graph.tensors[x]
            keep[root(x)] |= facts.live[x] & facts.constant[x] & (facts.value[x] != tensor.zero_point)
    for top, mask in keep.items():
        members = [t for t in group if root(t) == top]
        _round_up(mask, np.logical_and.reduce([facts.constant[t] for t in members]))
    return {t: keep[root(t)] for t in group}


def _pads(o: Operator) -> bool:
    window: Window = o.attributes
    return any((window.pad_top, window.pad_bottom, window.pad_left, window.pad_right))


def _round_up(mask: Array, constant: Array) -> None:
    """Keeps dead channels until there is a multiple of four (at least one), constant ones first."""
    spare = sorted(np.flatnonzero(~mask), key=lambda c: (not constant[c], c))
    count = int(mask.sum())
    wanted = max(-(-count // MULTIPLE) * MULTIPLE, min(MULTIPLE, len(mask)))
    mask[spare[: wanted - count]] = True


class _Slicer:
    """Builds the graph that is left. `exact[t]`: the kept channels of t that still hold the model's values."""

    def __init__(self, graph: Graph, facts: _Facts, keep: dict[int, Array]) -> None:
        self.graph = graph
        self.facts = facts
        self.keep = keep
        self.tensors = dict(graph.tensors)
        self.exact = {t: keep[t].copy() for t in graph.inputs}

    def sliced(self) -> Graph:
        operators = [self._operator(o) for o in self.graph.operators]
        channels = dict(self.graph.channels)
        for t, mask in self.keep.items():
            if mask.all() and self.exact[t].all():
                continue
            tensor = self.graph.tensors[t]
            self.tensors[t] = replace(tensor, shape=(*tensor.shape[:-1], int(mask.sum())))
            before = self.graph.channels.get(t, range(len(mask)))
            channels[t] = tuple(before[c] if self.exact[t][c] else -1 for c in np.flatnonzero(mask))
        return replace(self.graph.rebuilt(operators, self.tensors), channels=channels)

    def _operator(self, o: Operator) -> Operator:
        y = o.outputs[0]
        if _writes_constants(self.graph, o):
            return self._weighted(o)
        operands = [self.exact[t] for t in o.inputs if t in self.exact]
        exact = self.keep[y].copy()
        for operand in operands:
            exact &= operand if o.kind in _CHANNELWISE and _sliceable(self.graph, o) else operand.all()
        self.exact[y] = exact
        return o

    def _weighted(self, o: Operator) -> Operator:
        """Slices weights and bias. Constant outputs get zero weights and the bias that gives them; those that depend on
        what was removed are dead, hold anything, and get zero weights as well."""
        graph, facts = self.graph, self.facts
        x, y = _index(o, 0), o.outputs[0]
        folded = ~self.keep[x] & facts.constant[x]
        if o.kind != "fully_connected" and _pads(o):
            folded &= facts.value[x] == graph.tensors[x].zero_point
        gone = ~self.exact[x] & ~folded
        constant = facts.constant[y] & (y not in graph.outputs)
        bias = _bias(graph, o)
        if o.kind in _MIXING:
            matrix = _matrix(graph, o).astype(np.int64)
            offsets = facts.value[x][folded].astype(np.int64) - graph.tensors[x].zero_point
            bias = bias + (matrix[:, :, folded].sum(axis=1) * offsets).sum(axis=1)
            lost = (matrix[:, :, gone] != 0).any(axis=(1, 2)) & ~constant
        else:
            lost = (_taps(graph, o) != 0).any(axis=1) & gone & ~constant
        kept = np.flatnonzero(constant & self.keep[y])
        bias[kept] = _biases_of_constants(graph, o, facts.value[y][kept], kept)
        bias[lost] = 0
        self.exact[y] = self.keep[y] & ~lost
        weights = self._weights(o, silent=constant | lost)
        return replace(o, inputs=(x, weights, self._bias_tensor(o, bias[self.keep[y]])))

    def _weights(self, o: Operator, silent: Array) -> int:
        """A new tensor of the weights that are left; `silent` output channels have none."""
        x, y = _index(o, 0), o.outputs[0]
        tensor = self.graph.tensors[_index(o, 1)]
        assert tensor.data is not None
        last = o.kind == "depthwise_conv_2d"
        data = tensor.data.copy() if last else np.moveaxis(tensor.data, 0, -1).copy()
        data[..., silent] = 0
        data = data[..., self.keep[y]]
        if not last:
            data = np.moveaxis(data, -1, 0)
            taps = data.reshape(len(data), -1, len(self.keep[x]))[:, :, self.keep[x]]
            data = taps.reshape(*data.shape[:-1], -1)
        return self._added(tensor, data, self.keep[y])

    def _bias_tensor(self, o: Operator, bias: Array) -> int:
        index = o.inputs[2] if len(o.inputs) > 2 else None
        weights = self.graph.tensors[_index(o, 1)]
        tensor = (
            self.graph.tensors[index]
            if index is not None
            else Tensor(-1, f"{weights.name}/bias", (len(bias),), "int32", None)
        )
        return self._added(tensor, bias.astype(np.int32), self.keep[o.outputs[0]])

    def _added(self, tensor: Tensor, data: Array, keep: Array) -> int:
        quantization = tensor.quantization
        if quantization is not None and quantization.per_channel:
            quantization = Quantization(
                tuple(s for s, k in zip(quantization.scale, keep, strict=True) if k),
                tuple(z for z, k in zip(quantization.zero_point, keep, strict=True) if k)
                if len(quantization.zero_point) == len(keep)
                else quantization.zero_point,
                quantization.axis,
            )
        index = max(self.tensors) + 1
        data = np.ascontiguousarray(data)
        data.flags.writeable = False
        self.tensors[index] = replace(tensor, index=index, shape=data.shape, data=data, quantization=quantization)
        return index


def _bias(graph: Graph, o: Operator) -> Array:
    index = o.inputs[2] if len(o.inputs) > 2 else None
    if index is None:
        return np.zeros(_channels(graph.tensors[o.outputs[0]]), np.int64)
    data = graph.tensors[index].data
    assert data is not None
    return data.astype(np.int64).reshape(-1)


def _biases_of_constants(graph: Graph, o: Operator, values: Array, channels: Array) -> Array:
    """The least bias with which each of these channels holds its value without weights: requantization is monotone."""
    x, weights, y = (graph.tensors[t] for t in (_index(o, 0), _index(o, 1), o.outputs[0]))
    multiplier, shift = (part[channels] for part in multipliers(x, weights, y, _channels(y)))
    limit = np.int64(1 << 31) >> np.maximum(shift, 0)
    low, high = -limit, limit - 1
    while (low < high).any():
        middle = (low + high) // 2
        less = rescale(middle, multiplier, shift, o.attributes.activation, y) < values
        low, high = np.where(less, middle + 1, low), np.where(less, high, middle)
    assert (rescale(low, multiplier, shift, o.attributes.activation, y) == values).all()
    return low
