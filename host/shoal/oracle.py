"""The judge of bytes: TensorFlow Lite Micro's own interpreter (PyPI `tflite-micro`), behind one function.

It exists on few platforms: `reason` says why there is none here. The interpreter trusts its model; only files that
`shoal.network.read_tflite` has read may reach it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import cache
from typing import Any

import numpy as np

from shoal.errors import BadInput, ToolError
from shoal.tensors import Array

#: of a vector in a flatbuffer: bytes of its length, and what TensorFlow Lite aligns a buffer's to
_VECTOR_LENGTH, _ALIGN = 4, 16


class Oracle:
    """One model in TensorFlow Lite Micro, every tensor kept after a run."""

    def __init__(self, interpreter: Any, inputs: int, outputs: int, tensors: int) -> None:
        self._interpreter = interpreter
        self._inputs = inputs
        self._outputs = outputs
        self._tensors = tensors

    def run(self, inputs: Sequence[Array]) -> list[Array]:
        """The outputs for these inputs, which have the model's shapes and dtypes, all in the model's order."""
        if len(inputs) != self._inputs:
            raise BadInput(f"the model takes {self._inputs} inputs, got {len(inputs)}", where="tflite-micro")
        try:
            for i, value in enumerate(inputs):
                self._interpreter.set_input(np.ascontiguousarray(value), i)
            self._interpreter.invoke()
        except (ValueError, RuntimeError) as error:
            raise BadInput(str(error), where="tflite-micro") from error
        return [np.array(self._interpreter.get_output(i)) for i in range(self._outputs)]

    def tensor(self, index: int) -> Array:
        """A tensor's value after the last run, by the model file's index."""
        if not 0 <= index < self._tensors:
            raise IndexError(index)
        return np.array(self._interpreter.GetTensor(index, 0)["tensor_data"])


@cache
def _load() -> tuple[Any, str | None]:
    """(runtime module, None) or (None, why there is none)."""
    try:
        from tflite_micro import runtime
    except ImportError as error:
        import platform

        here = f"{platform.system()} {platform.machine()}, Python {platform.python_version()}"
        return None, f"tflite-micro cannot be loaded on {here}: {error}"
    return runtime, None


def reason() -> str | None:
    """Why there is no oracle on this machine; None where there is one."""
    return _load()[1]


def open_oracle(model: bytes) -> Oracle:
    """The oracle for a model file's bytes. ToolError where there is none, BadInput where it cannot run the model."""
    runtime, why = _load()
    if why is not None:
        raise ToolError(why, advice="pip install tflite-micro (it has wheels for CPython on x86-64 Linux)")

    import tflite

    model = _widened(model)
    graph = tflite.Model.GetRootAs(model).Subgraphs(0)
    arena = _arena_bytes(model, graph)
    for bytes_ in (arena, 8 * arena):
        try:
            interpreter = runtime.Interpreter.from_bytes(
                model, arena_size=bytes_, intrepreter_config=runtime.InterpreterConfig.kPreserveAllTensors
            )
        except (RuntimeError, ValueError) as refused:
            error = refused
            continue
        return Oracle(interpreter, graph.InputsLength(), graph.OutputsLength(), graph.TensorsLength())
    raise BadInput(
        f"TensorFlow Lite Micro does not take this model ({error})",
        where="tflite-micro",
        advice="its own message is on standard error",
    ) from error


def _widened(model: bytes) -> bytes:
    """The file with its float16 constants as float32, since TensorFlow Lite Micro has no float16: their values are
    added at its end, and what widened them while it ran is a RESHAPE, which copies."""
    import tflite

    root = tflite.Model.GetRootAs(model)
    graph = root.Subgraphs(0)
    halves = [t for t in map(graph.Tensors, range(graph.TensorsLength())) if t.Type() == tflite.TensorType.FLOAT16]
    if not halves:
        return model
    file = bytearray(model)
    for index in {t.Buffer() for t in halves}:
        buffer = root.Buffers(index)
        if buffer.DataLength():
            values = buffer.DataAsNumpy().view("<f2").astype("<f4").tobytes()
            file += bytes(-(len(file) + _VECTOR_LENGTH) % _ALIGN)
            place = _field(buffer, 0)
            file[place : place + 4] = (len(file) - place).to_bytes(4, "little")
            file += len(values).to_bytes(_VECTOR_LENGTH, "little") + values
    for tensor in halves:
        file[_field(tensor, 1)] = tflite.TensorType.FLOAT32
    for code in map(root.OperatorCodes, range(root.OperatorCodesLength())):
        if max(code.BuiltinCode(), code.DeprecatedBuiltinCode()) == tflite.BuiltinOperator.DEQUANTIZE:
            for member in (0, 3):  # the deprecated field is a byte, the other one's low byte is its first
                if code._tab.Offset(4 + 2 * member):
                    file[_field(code, member)] = tflite.BuiltinOperator.RESHAPE
    return bytes(file)


def _field(table: Any, member: int) -> int:
    """Where a table of the file has its member of this number."""
    return int(table._tab.Pos + table._tab.Offset(4 + 2 * member))


def _arena_bytes(model: bytes, graph: Any) -> int:
    """A generous arena: the interpreter crashes where its own bookkeeping does not fit, and pages that it does not
    touch cost nothing."""
    tensors = [graph.Tensors(i) for i in range(graph.TensorsLength())]
    values: int = sum(8 * math.prod(t.Shape(k) for k in range(t.ShapeLength())) + 256 for t in tensors)
    return (1 << 20) + 4 * len(model) + 2 * values + 4096 * len(tensors)
