"""A .tflite file becomes a Graph, believed only as far as it was checked.

Order of the checks: bounds of the file, then operators that shoal lacks (all at once, by name), then tensors, then each
operator by its own file. Every error names the file and, where there is one, the operator or the tensor."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, NoReturn

import numpy as np
import tflite

from shoal.errors import BadInput, ShoalError, Unsupported
from shoal.network import limits
from shoal.network.graph import Graph
from shoal.network.halves import fold
from shoal.network.labels import printable, read_labels
from shoal.network.unsupported import QUANTIZE, refuse_operators, refuse_unquantized
from shoal.network.verify import verify
from shoal.operators import NAMES, kind
from shoal.operators.base import Operator
from shoal.tensors import ITEM_BYTES, Array, Quantization, Tensor

_AGAIN = "export or download it again"
_DTYPES = {
    tflite.TensorType.FLOAT16: "float16",
    tflite.TensorType.FLOAT32: "float32",
    tflite.TensorType.INT8: "int8",
    tflite.TensorType.UINT8: "uint8",
    tflite.TensorType.INT16: "int16",
    tflite.TensorType.INT32: "int32",
    tflite.TensorType.INT64: "int64",
}
_DTYPE_NAMES = {v: k.lower() for k, v in vars(tflite.TensorType).items() if not k.startswith("_")}
_OPERATOR_NAMES = {v: k for k, v in vars(tflite.BuiltinOperator).items() if not k.startswith("_")}

#: operators on shapes, where they are known
_SHAPES = frozenset({"SHAPE", "STRIDED_SLICE", "PACK"})

#: options table of an operator that has one
_OPTIONS: Mapping[str, Any] = {
    "add": tflite.AddOptions,
    "average_pool_2d": tflite.Pool2DOptions,
    "conv_2d": tflite.Conv2DOptions,
    "depthwise_conv_2d": tflite.DepthwiseConv2DOptions,
    "dequantize": tflite.DequantizeOptions,
    "fully_connected": tflite.FullyConnectedOptions,
    "max_pool_2d": tflite.Pool2DOptions,
    "mean": tflite.ReducerOptions,
    "mul": tflite.MulOptions,
    "pad": tflite.PadOptions,
    "quantize": tflite.QuantizeOptions,
    "reshape": tflite.ReshapeOptions,
    "softmax": tflite.SoftmaxOptions,
}

#: fewest and most inputs; those beyond the fewest may be left out
_INPUTS = {
    "add": (2, 2),
    "average_pool_2d": (1, 1),
    "conv_2d": (2, 3),
    "depthwise_conv_2d": (2, 3),
    "dequantize": (1, 1),
    "fully_connected": (2, 3),
    "logistic": (1, 1),
    "max_pool_2d": (1, 1),
    "mean": (2, 2),
    "mul": (2, 2),
    "pad": (2, 2),
    "quantize": (1, 1),
    "reshape": (1, 2),
    "softmax": (1, 1),
}


def read(path: Path) -> Graph:
    """Reads and checks a model file. BadInput where it is damaged or contradicts itself, Unsupported where it is valid
    but nothing that shoal runs."""
    return parse(_load(path), path.stem, str(path))


def parse(data: bytes, name: str, where: str) -> Graph:
    """The same for a file's bytes; `where` names it in errors."""
    verify(data, where)
    return _Reader(data, where).graph(name)


def _load(path: Path) -> bytes:
    try:
        if not path.is_file():
            raise BadInput("no such file", where=str(path), advice="give the path of a .tflite file")
        if path.stat().st_size > limits.FILE_BYTES:
            raise BadInput(
                f"more than {limits.FILE_BYTES // limits.MIB} MiB: no microcontroller holds that",
                where=str(path),
                advice="take a smaller model",
            )
        return path.read_bytes()
    except OSError as error:
        raise BadInput(f"cannot be read ({error.strerror})", where=str(path)) from error


class _Reader:
    """One verified file."""

    def __init__(self, data: bytes, where: str) -> None:
        self.data = data
        self.where = where
        self.model: Any = tflite.Model.GetRootAs(data)

    def graph(self, name: str) -> Graph:
        if self.model.Version() != 3:
            self.bad(f"schema version {self.model.Version()}, expected 3")
        if self.model.SubgraphsLength() < 1:
            self.bad("no subgraph")
        subgraph = self.model.Subgraphs(0)
        for what, count, most in (
            ("tensors", subgraph.TensorsLength(), limits.TENSORS),
            ("operators", subgraph.OperatorsLength(), limits.OPERATORS),
        ):
            if count < 1:
                self.bad(f"no {what}")
            if count > most:
                raise Unsupported(f"{count:,} {what}", where=self.where, advice=f"take a model of at most {most:,}")
        names = self.operator_names(subgraph)
        shapes = self.shape_arithmetic(subgraph, names)
        self.refuse_unsupported(subgraph, names, shapes)
        if self.model.SubgraphsLength() > 1:
            raise Unsupported(
                f"{self.model.SubgraphsLength()} subgraphs",
                where=self.where,
                advice="export the model without control flow and without state: one subgraph",
            )
        tensors = self.tensors(subgraph)
        operators = [
            self.connected(subgraph.Operators(i), i, n, tensors) for i, n in enumerate(names) if i not in shapes
        ]
        worked_out = {subgraph.Operators(i).Outputs(0) for i in shapes}
        operators = [
            replace(o, inputs=tuple(t for t in o.inputs if t not in worked_out)) if o.kind == "reshape" else o
            for o in operators
        ]
        inputs = self.ends(subgraph, "Inputs", tensors)
        outputs = self.ends(subgraph, "Outputs", tensors)
        self.check_order(operators, inputs, outputs, tensors)
        try:
            operators, tensors = fold(operators, tensors, outputs)
        except ShoalError as error:
            raise type(error)(error.what, where=f"{self.where}, {error.where}", advice=error.advice) from error
        refuse_unquantized(operators, tensors, self.where)
        operators = [self.understood(subgraph.Operators(o.index), o, tensors) for o in operators]
        used = {*inputs, *outputs, *(t for o in operators for t in (*o.inputs, *o.outputs) if t is not None)}
        return Graph(
            name=name,
            sha256=hashlib.sha256(self.data).hexdigest(),
            tensors={i: t for i, t in enumerate(tensors) if i in used},
            operators=tuple(operators),
            inputs=inputs,
            outputs=outputs,
            labels=read_labels(self.data, tensors[outputs[0]].shape[-1] if tensors[outputs[0]].shape else 0),
        )

    def bad(self, what: str, at: str = "") -> NoReturn:
        raise BadInput(what, where=f"{self.where}, {at}" if at else self.where, advice=_AGAIN)

    def operator_names(self, subgraph: Any) -> list[str]:
        """TFLite's names of the operators, in order."""
        codes = [self.model.OperatorCodes(i) for i in range(self.model.OperatorCodesLength())]
        names = []
        for i in range(subgraph.OperatorsLength()):
            index = subgraph.Operators(i).OpcodeIndex()
            if index >= len(codes):
                self.bad(f"operator code {index} of {len(codes)}", f"operator {i}")
            # files written before 2020 fill only the deprecated field, later ones both
            code = max(codes[index].BuiltinCode(), codes[index].DeprecatedBuiltinCode())
            if code not in _OPERATOR_NAMES:
                self.bad(f"operator code {code} is unknown", f"operator {i}")
            names.append(_OPERATOR_NAMES[code])
        return names

    def shape_arithmetic(self, subgraph: Any, names: list[str]) -> set[int]:
        """The operators that only work out the shape of a RESHAPE, which its output tensor says, too: what a converter
        writes for a batch of any size."""
        found: set[int] = set()
        wanted = {subgraph.Outputs(k) for k in range(subgraph.OutputsLength())}  # and what anything else reads
        for i in reversed(range(len(names))):
            operator = subgraph.Operators(i)
            outputs = {operator.Outputs(k) for k in range(operator.OutputsLength())}
            inputs = [operator.Inputs(k) for k in range(operator.InputsLength())]
            if names[i] in _SHAPES and not outputs & wanted:
                found.add(i)
            else:
                wanted.update(inputs[:1] if names[i] == "RESHAPE" else inputs)
        return found

    def refuse_unsupported(self, subgraph: Any, names: list[str], shapes: set[int]) -> None:
        """Names every operator that shoal lacks, with its output tensor."""
        lacking = [i for i, n in enumerate(names) if n.lower() not in NAMES and i not in shapes]
        if lacking:
            listed = [self.describe(subgraph, i, names[i]) for i in lacking]
            refuse_operators(listed, {names[i] for i in lacking}, self.where)

    def describe(self, subgraph: Any, index: int, name: str) -> str:
        operator = subgraph.Operators(index)
        if name == "CUSTOM":
            custom = self.model.OperatorCodes(operator.OpcodeIndex()).CustomCode()
            name = f"CUSTOM {_text(custom)!r}"
        output = operator.Outputs(0) if operator.OutputsLength() else -1
        if not 0 <= output < subgraph.TensorsLength():
            return f"operator {index} {name}"
        return f"operator {index} {name} (tensor {_text(subgraph.Tensors(output).Name()) or output!r})"

    def tensors(self, subgraph: Any) -> list[Tensor]:
        seen: set[str] = set()
        tensors = []
        for i in range(subgraph.TensorsLength()):
            raw = subgraph.Tensors(i)
            name = _text(raw.Name())
            if not name or name in seen:
                name = f"{name}_{i}" if name else f"tensor_{i}"
            seen.add(name)
            tensors.append(self.tensor(raw, i, name))
        return tensors

    def tensor(self, raw: Any, index: int, name: str) -> Tensor:
        at = f"tensor {index} {name!r}"
        where = f"{self.where}, {at}"
        dtype = _DTYPES.get(raw.Type())
        if dtype is None:
            known = _DTYPE_NAMES.get(raw.Type())
            if known is None:
                self.bad(f"type {raw.Type()} is unknown", at)
            raise Unsupported(f"{known} is not supported", where=where, advice=QUANTIZE)
        if raw.Sparsity() is not None:
            raise Unsupported("sparse weights are not supported", where=where, advice="export it with dense weights")
        if raw.IsVariable():
            raise Unsupported(
                "keeps state between runs", where=where, advice="export the model without variables (not streaming)"
            )
        if raw.VariantTensorsLength():
            raise Unsupported("variant tensors are not supported", where=where, advice="export it without them")
        shape = tuple(raw.Shape(k) for k in range(min(raw.ShapeLength(), limits.DIMENSIONS + 1)))
        if len(shape) > limits.DIMENSIONS:
            self.bad(f"{raw.ShapeLength()} dimensions: more than {limits.DIMENSIONS}", at)
        if any(n < 1 for n in shape):
            self.bad(f"shape {list(shape)} has a dimension below 1", at)
        data = self.constant(raw.Buffer(), shape, dtype, at)
        if data is None and math.prod(shape) * ITEM_BYTES[dtype] > limits.TENSOR_BYTES:
            raise Unsupported(
                f"shape {list(shape)} of {dtype} is more than {limits.TENSOR_BYTES // limits.MIB} MiB",
                where=where,
                advice="take a model with smaller inputs: no microcontroller holds that",
            )
        quantization = self.quantization(raw.Quantization(), shape, dtype, at)
        if quantization is not None and data is None and min(quantization.scale) < limits.LEAST_SCALE:
            self.bad(f"a scale of {min(quantization.scale)}: nothing is that small", at)
        return Tensor(index, name, shape, dtype, quantization, data)

    def constant(self, index: int, shape: tuple[int, ...], dtype: str, at: str) -> Array | None:
        """The tensor's values, a view of the file; None where its buffer is empty."""
        if index >= self.model.BuffersLength():
            self.bad(f"buffer {index} of {self.model.BuffersLength()}", at)
        buffer = self.model.Buffers(index)
        if buffer.Offset() > 1:
            raise Unsupported(
                "its values lie outside of the model",
                where=f"{self.where}, {at}",
                advice="export it with its buffers inside (less than 2 GB)",
            )
        length = buffer.DataLength()
        if length == 0:
            return None
        due = math.prod(shape) * ITEM_BYTES[dtype]
        if length != due:
            self.bad(f"{length} bytes of values where shape {list(shape)} of {dtype} has {due}", at)
        values: Array = buffer.DataAsNumpy().view(np.dtype(dtype).newbyteorder("<")).reshape(shape)
        return values

    def quantization(self, raw: Any, shape: tuple[int, ...], dtype: str, at: str) -> Quantization | None:
        if raw is None or raw.ScaleLength() == 0 or dtype in ("float16", "float32"):
            return None
        if raw.DetailsType():
            raise Unsupported(
                "custom quantization is not supported", where=f"{self.where}, {at}", advice="quantize it to int8"
            )
        axis, count = raw.QuantizedDimension(), raw.ScaleLength()
        if dtype == "int32" and shape == (count,):
            axis = 0  # a bias has but one; old converters copied the axis of its weights
        if count != raw.ZeroPointLength():
            self.bad(f"{count} scales but {raw.ZeroPointLength()} zero points", at)
        if count > 1 and not (0 <= axis < len(shape) and shape[axis] == count):
            self.bad(f"{count} scales along dimension {axis} of shape {list(shape)}", at)
        scale, zero_point = raw.ScaleAsNumpy(), raw.ZeroPointAsNumpy()
        if not ((scale > 0) & (scale < limits.MOST_SCALE)).all():
            self.bad(f"a scale that is not above zero and below {limits.MOST_SCALE:g}", at)
        range_ = np.iinfo(dtype)
        if zero_point.min() < range_.min or zero_point.max() > range_.max:
            self.bad(f"a zero point outside of {dtype}", at)
        return Quantization(tuple(scale.tolist()), tuple(zero_point.tolist()), axis if count > 1 else 0)

    def connected(self, raw: Any, index: int, name: str, tensors: list[Tensor]) -> Operator:
        """The operator with its operands, which exist and are as many as TFLite allows."""
        stem = name.lower()
        at = f"operator {index} {stem}"
        least, most = _INPUTS[stem]
        if not least <= raw.InputsLength() <= most:
            due = f"{least}" if least == most else f"{least} to {most}"
            self.bad(f"{raw.InputsLength()} inputs where {due} are due", at)
        if raw.OutputsLength() != 1:
            self.bad(f"{raw.OutputsLength()} outputs where 1 is due", at)
        if raw.BuiltinOptions2Type() or raw.LargeCustomOptionsOffset() > 1 or raw.IntermediatesLength():
            self.bad("options that this operator does not have", at)
        inputs: list[int | None] = []
        for position in range(raw.InputsLength()):
            tensor = raw.Inputs(position)
            if tensor == -1 and position >= least:
                inputs.append(None)
            elif 0 <= tensor < len(tensors):
                inputs.append(tensor)
            else:
                self.bad(f"input {position} is tensor {tensor} of {len(tensors)}", at)
        if not 0 <= raw.Outputs(0) < len(tensors):
            self.bad(f"its output is tensor {raw.Outputs(0)} of {len(tensors)}", at)
        return Operator(index, stem, tuple(inputs), (raw.Outputs(0),), None, (index,))

    def ends(self, subgraph: Any, which: str, tensors: list[Tensor]) -> tuple[int, ...]:
        """The network's own inputs or outputs: at least one, none twice."""
        what = which.lower()
        count = getattr(subgraph, f"{which}Length")()
        if not 1 <= count <= len(tensors):
            self.bad(f"{count} {what}")
        ends = tuple(getattr(subgraph, which)(i) for i in range(count))
        if any(not 0 <= t < len(tensors) for t in ends):
            self.bad(f"{what} {list(ends)[:8]} of {len(tensors)} tensors")
        if len(set(ends)) != count:
            raise Unsupported(f"one tensor is listed twice among the {what}", where=self.where, advice=_AGAIN)
        return ends

    def check_order(
        self, operators: list[Operator], inputs: tuple[int, ...], outputs: tuple[int, ...], tensors: list[Tensor]
    ) -> None:
        """Every value is written once, and before it is read."""
        for tensor in inputs:
            if tensors[tensor].data is not None:
                self.bad(f"input {tensors[tensor].name!r} is a constant")
        written = set(inputs)
        for o in operators:
            at = f"operator {o.index} {o.kind}"
            for tensor in (t for t in o.inputs if t is not None):
                if tensors[tensor].data is None and tensor not in written:
                    self.bad(f"reads tensor {tensor} {tensors[tensor].name!r} before anything writes it", at)
            for tensor in o.outputs:
                if tensor in written or tensors[tensor].data is not None:
                    self.bad(f"writes tensor {tensor} {tensors[tensor].name!r}, which has a value already", at)
                written.add(tensor)
        for tensor in outputs:
            if tensor not in written or tensor in inputs:
                self.bad(f"no operator writes output {tensors[tensor].name!r}")

    def understood(self, raw: Any, operator: Operator, tensors: list[Tensor]) -> Operator:
        """The operator with its attributes, checked by its own file."""
        by_index = dict(enumerate(tensors))
        file = kind(operator.kind)
        options = self.options(raw, operator)
        try:
            attributes = file.read(options, operator, by_index)
            complete = Operator(
                operator.index, operator.kind, operator.inputs, operator.outputs, attributes, operator.sources
            )
            file.check(complete, by_index)
            limits.check_work(complete, by_index)
        except ShoalError as error:
            place = error.where or f"operator {operator.index} {operator.kind}"
            raise type(error)(error.what, where=f"{self.where}, {place}", advice=error.advice) from error
        return complete

    def options(self, raw: Any, operator: Operator) -> Any:
        """The accessor of the operator's options; None where the file stores none."""
        stored, table = raw.BuiltinOptionsType(), raw.BuiltinOptions()
        expected = _OPTIONS.get(operator.kind)
        if stored == 0 or table is None:
            return None
        if expected is None or stored != getattr(tflite.BuiltinOptions, expected.__name__):
            self.bad(f"options of another operator (type {stored})", f"operator {operator.index} {operator.kind}")
        options = expected()
        options.Init(table.Bytes, table.Pos)
        return options


def _text(raw: bytes | None) -> str:
    return printable((raw or b"")[: limits.NAME].decode("utf-8", "replace"))
