"""What a node's tensors are compared with: TensorFlow Lite Micro's and, where a network was cut inside of a layer, what
NumPy makes of the tensors that the model file does not have. Of a network with hybrid operators, which TensorFlow Lite
Micro does not run, all that NumPy makes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from shoal.operators import hybrid
from shoal.tensors import Array


class Reference:
    """Of one model file; `slices` are those of a manifest. ToolError where there is no oracle, BadInput where it cannot
    run the model."""

    def __init__(self, model: Path, slices: Sequence[Mapping[str, Any]] = ()) -> None:
        from shoal.network.read_tflite import read
        from shoal.network.simplify import simplify
        from shoal.network.slices import again
        from shoal.oracle import open_oracle

        network = read(model)
        #: whether NumPy's is all that there is to compare with
        self.own = any(hybrid.among(o, network.tensors) for o in network.operators)
        self._oracle = None if self.own else open_oracle(model.read_bytes())
        self._network = network
        self._cut = again(simplify(network), [(s["operator"], s["parts"]) for s in slices]) if slices else None
        self._values: dict[int, Array] = {}

    def run(self, inputs: Sequence[Array]) -> list[Array]:
        """The outputs for these inputs, in the model's order."""
        from shoal.network.execute import trace

        if self._oracle is None:
            self._values = trace(self._network, inputs)
        if self._cut is not None:
            self._values |= trace(self._cut, inputs)
        return self._oracle.run(inputs) if self._oracle else [self._values[t] for t in self._network.outputs]

    def tensor(self, index: int) -> Array:
        """A tensor's value after the last run, by its index in the network that was cut."""
        from shoal.network.limits import TENSORS

        return self._values[index] if index >= TENSORS or self._oracle is None else self._oracle.tensor(index)
