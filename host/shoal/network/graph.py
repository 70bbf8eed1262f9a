"""The network: an immutable graph of operators and tensors."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from shoal.operators.base import Operator
from shoal.tensors import Tensor


@dataclass(frozen=True)
class Graph:
    """What a model file means. Operators are in execution order; `sha256` is the model file's, `labels` those that the
    file carries, if any; `source_tensors` maps a tensor that a rewrite made to the model file's tensor with the same
    values (identity where nothing was rewritten)."""

    name: str
    sha256: str
    tensors: Mapping[int, Tensor]
    operators: tuple[Operator, ...]
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    labels: tuple[str, ...] = ()

    def producer(self, tensor: int) -> Operator | None:
        """The operator that writes `tensor`; None for inputs and constants."""
        return next((o for o in self.operators if tensor in o.outputs), None)

    def consumers(self, tensor: int) -> list[Operator]:
        return [o for o in self.operators if tensor in o.inputs]
