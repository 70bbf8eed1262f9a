"""What a node's tensors are compared with: TensorFlow Lite Micro's and, where a network was cut inside of a layer, what
NumPy makes of the tensors that the model file does not have."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from shoal.tensors import Array


class Reference:
    """Of one model file; `slices` are those of a manifest. ToolError where there is no oracle, BadInput where it cannot
    run the model."""

    def __init__(self, model: Path, slices: Sequence[Mapping[str, Any]] = ()) -> None:
        from shoal.network.read_tflite import read
        from shoal.network.simplify import simplify
        from shoal.network.slices import again
        from shoal.oracle import open_oracle

        self._oracle = open_oracle(model.read_bytes())
        self._cut = again(simplify(read(model)), [(s["operator"], s["parts"]) for s in slices]) if slices else None
        self._values: dict[int, Array] = {}

    def run(self, inputs: Sequence[Array]) -> list[Array]:
        """The outputs for these inputs, in the model's order."""
        from shoal.network.execute import trace

        outputs = self._oracle.run(inputs)
        if self._cut is not None:
            self._values = trace(self._cut, inputs)
        return outputs

    def tensor(self, index: int) -> Array:
        """A tensor's value after the last run, by its index in the network that was cut."""
        from shoal.network.limits import TENSORS

        return self._values[index] if index >= TENSORS else self._oracle.tensor(index)
