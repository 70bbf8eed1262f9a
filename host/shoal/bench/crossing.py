"""Whether tensors that cross cuts are the reference's."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from shoal.bench.exact import in_front_of_saturation, is_near, nearness
from shoal.bench.reference import Reference
from shoal.link.node import Node
from shoal.network.graph import Graph
from shoal.tensors import Array

#: whether something is exact, and why not, or why nobody knows
Verdict = tuple[bool | None, str | None]


class Judge:
    """Knows every tensor of a network for one input, where there is an oracle; `why`: there is none. `slices`: those of
    a manifest."""

    def __init__(self, model: Path, slices: Sequence[Mapping[str, Any]], graph: Graph, inputs: Sequence[Array]) -> None:
        from shoal import oracle

        self._graph = graph
        self.why = oracle.reason()
        if self.why is None:
            self._known = Reference(model, slices)
            self._known.run(inputs)

    def take(self, inputs: Sequence[Array]) -> None:
        """Knows the tensors for another input from now on."""
        if self.why is None:
            self._known.run(inputs)

    def known(self, index: int) -> Array:
        """The reference's tensor, all channels."""
        return self._known.tensor(index)

    def given(self, tensors: Mapping[int, bytes], wanted: Iterable[int], why_missing: str) -> Verdict:
        """Whether the tensors `wanted` are the reference's, in the channels that are left; how near one in float32 is
        that exponentials made, as `exact.judge`."""
        if self.why is not None:
            return None, self.why
        wanted, near = list(wanted), None
        for index in wanted:
            if index not in tensors or self._equal(index, tensors[index]):
                continue
            name = self._graph.tensors[index].name
            if not self._exponential(index) or not is_near(tensors[index], self.known(index)):
                return False, f"tensor {name} differs"
            near = nearness(name)
        return (True, near) if all(t in tensors for t in wanted) else (None, why_missing)

    def _exponential(self, index: int) -> bool:
        maker = next((o for o in self._graph.operators if index in o.outputs), None)
        return maker is not None and maker.kind in ("softmax", "logistic")

    def judge(self, node: Node, own: Mapping[str, Any], inputs: Sequence[Array], outputs: Sequence[bytes]) -> Verdict:
        """Of a node that was given `inputs`, by its manifest: whether its outputs are the reference's and, where it
        ends in a softmax or logistic, the tensor in front of it."""
        tensors = {t["tensor"]: data for t, data in zip(own["outputs"], outputs, strict=True)}
        same, near = self.given(tensors, tensors, "")
        if not same:
            return same, near
        front, why = self.hidden(node, own, inputs)
        return front, why or near

    def hidden(self, node: Node, own: Mapping[str, Any], inputs: Sequence[Array]) -> Verdict:
        """Whether the tensor in front of a final softmax or logistic is the reference's; true where there is none."""
        found = in_front_of_saturation(own)
        if self.why is not None:
            return None, self.why
        if found is not None:
            step, before = found
            node.load([i.tobytes() for i in inputs])
            node.run_steps(0, step + 1)
            if not self._equal(before["tensor"], node.read_arena(before["offset"], before["bytes"])):
                return False, f"tensor {before['name']} in front of the final operator differs"
        return True, None

    def _equal(self, index: int, data: bytes) -> bool:
        tensor = self._graph.tensors[index]
        got, want = np.frombuffer(data, tensor.dtype).reshape(tensor.shape), self._known.tensor(index)
        left = self._graph.channels.get(index)
        if left is not None:
            channels = np.array(left)
            got, want = got[..., channels >= 0], want[..., channels[channels >= 0]]
        return got.tobytes() == want.tobytes()
