"""A network run in NumPy by its operators' exact references: slow, and byte for byte TensorFlow Lite Micro's."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from shoal.errors import BadInput
from shoal.network.graph import Graph
from shoal.operators import kind
from shoal.operators.base import Operator, Tensors
from shoal.tensors import Array


def execute(graph: Graph, inputs: Sequence[Array]) -> list[Array]:
    """The network's outputs for one row of inputs, of the shapes and dtypes of its tensors."""
    values = trace(graph, inputs)
    return [values[t] for t in graph.outputs]


def trace(graph: Graph, inputs: Sequence[Array]) -> dict[int, Array]:
    """Every value of one run by tensor index, constants left out. BadInput where an input is not what is due."""
    if len(inputs) != len(graph.inputs):
        raise BadInput(f"{len(inputs)} inputs where {len(graph.inputs)} are due", where=graph.name)
    values: dict[int, Array] = {}
    for index, value in zip(graph.inputs, inputs, strict=True):
        tensor, array = graph.tensors[index], np.asarray(value)
        if array.shape != tensor.shape or array.dtype != tensor.dtype:
            raise BadInput(
                f"{array.dtype} of shape {list(array.shape)} where {tensor.dtype} of shape {list(tensor.shape)} is due",
                where=f"{graph.name}, input {tensor.name!r}",
            )
        values[index] = array
    for operator in graph.operators:
        values.update(zip(operator.outputs, run(operator, graph.tensors, values), strict=True))
    return values


def run(operator: Operator, tensors: Tensors, values: dict[int, Array]) -> list[Array]:
    """The outputs of one operator, its inputs taken from `values` or, for constants, from the tensors."""
    inputs = []
    for index in operator.inputs:
        if index is not None:
            data = tensors[index].data
            inputs.append(values[index] if data is None else data)
    return kind(operator.kind).reference(operator, tensors, inputs)
