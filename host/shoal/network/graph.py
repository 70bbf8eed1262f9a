"""The network: an immutable graph of operators and tensors."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

import numpy as np

from shoal.operators.base import Operator
from shoal.tensors import Array, Tensor


@dataclass(frozen=True, eq=False)
class Graph:
    """What a model file means. Operators are in execution order; `sha256` is the model file's, `labels` those that the
    file carries, if any. A tensor keeps the model file's index and value through every rewrite. Where a rewrite removed
    channels of a tensor (its last dimension), `channels` has the model file's channel of each that is left, −1 for one
    that is only there to fill up. `slices`: the layers that were cut over their input channels, (operator, parts), in
    the order in which they were, each by its index at that time. `chunk`: where this lies in a larger network, None for
    a whole one."""

    name: str
    sha256: str
    tensors: Mapping[int, Tensor]
    operators: tuple[Operator, ...]
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    labels: tuple[str, ...] = ()
    channels: Mapping[int, tuple[int, ...]] = field(default_factory=dict)
    slices: tuple[tuple[int, int], ...] = ()
    chunk: Chunk | None = None

    def producer(self, tensor: int) -> Operator | None:
        """The operator that writes `tensor`; None for inputs and constants."""
        return next((o for o in self.operators if tensor in o.outputs), None)

    def consumers(self, tensor: int) -> list[Operator]:
        return [o for o in self.operators if tensor in o.inputs]

    def live(self, boundary: int) -> tuple[int, ...]:
        """The tensors that are there at a boundary and still read behind it, by ascending index; the network's outputs
        are read at its end."""
        wanted = {t for o in self.operators[boundary:] for t in o.inputs} | set(self.outputs)
        made = {*self.inputs, *(t for o in self.operators[:boundary] for t in o.outputs)}
        return tuple(sorted(made.intersection(wanted)))

    def alike(self, tensor: int, value: Array, original: Array) -> tuple[Array, Array]:
        """The parts of a tensor's value here and in the model file's network that must be equal: all of it, or the
        channels that are left."""
        if tensor not in self.channels:
            return value, original
        channels = np.array(self.channels[tensor])
        kept = channels >= 0
        return value[..., kept], original[..., channels[kept]]

    def rebuilt(self, operators: Iterable[Operator], changed: Mapping[int, Tensor] | None = None) -> Graph:
        """The graph with other operators, some tensors changed, and of all tensors only those in use."""
        operators = tuple(operators)
        used = {*self.inputs, *self.outputs}
        for o in operators:
            used.update(t for t in (*o.inputs, *o.outputs) if t is not None)
        tensors = {**self.tensors, **(changed or {})}
        return replace(self, operators=operators, tensors={i: t for i, t in sorted(tensors.items()) if i in used})


@dataclass(frozen=True, eq=False)
class Chunk:
    """Operators [first, last) of `whole`."""

    whole: Graph
    first: int
    last: int
