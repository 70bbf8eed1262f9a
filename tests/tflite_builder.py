"""Small .tflite models for tests, built in memory and valid for TensorFlow Lite Micro.

b = ModelBuilder()
x = b.tensor((1, 8, 8, 3), scale=0.5, zero_point=-1)
w = b.tensor(data=weights, scale=scales, zero_point=[0] * 4, axis=0)
bias = b.tensor(data=np.zeros(4, np.int32), scale=[0.5 * s for s in scales], zero_point=[0] * 4)
y = b.tensor((1, 4, 4, 4), scale=0.25, zero_point=3)
b.operator("CONV_2D", [x, w, bias], [y], padding="SAME", stride_h=2, stride_w=2, activation="RELU")
model = b.build(inputs=[x], outputs=[y])
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import flatbuffers
import numpy as np
import tflite

TENSOR_TYPES = {
    "float32": tflite.TensorType.FLOAT32,
    "float16": tflite.TensorType.FLOAT16,
    "int8": tflite.TensorType.INT8,
    "uint8": tflite.TensorType.UINT8,
    "int16": tflite.TensorType.INT16,
    "int32": tflite.TensorType.INT32,
    "int64": tflite.TensorType.INT64,
    "bool": tflite.TensorType.BOOL,
}

#: options table of an operator; an operator that is not here stores none
OPTIONS = {
    "ADD": "AddOptions",
    "AVERAGE_POOL_2D": "Pool2DOptions",
    "CONCATENATION": "ConcatenationOptions",
    "CONV_2D": "Conv2DOptions",
    "DEPTHWISE_CONV_2D": "DepthwiseConv2DOptions",
    "DEQUANTIZE": "DequantizeOptions",
    "FULLY_CONNECTED": "FullyConnectedOptions",
    "MAX_POOL_2D": "Pool2DOptions",
    "MEAN": "ReducerOptions",
    "MUL": "MulOptions",
    "PAD": "PadOptions",
    "QUANTIZE": "QuantizeOptions",
    "RESHAPE": "ReshapeOptions",
    "SOFTMAX": "SoftmaxOptions",
}

#: what an option is when a test does not say: TFLite's converter always writes these
DEFAULTS: dict[str, dict[str, Any]] = {
    "CONV_2D": {"stride_h": 1, "stride_w": 1},
    "DEPTHWISE_CONV_2D": {"stride_h": 1, "stride_w": 1, "depth_multiplier": 1},
    "AVERAGE_POOL_2D": {"stride_h": 1, "stride_w": 1},
    "MAX_POOL_2D": {"stride_h": 1, "stride_w": 1},
    "SOFTMAX": {"beta": 1.0},
}

#: option names that are not the field's own name in snake case
FIELDS = {
    "activation": "FusedActivationFunction",
    "dilation_h": "DilationHFactor",
    "dilation_w": "DilationWFactor",
}


@dataclass
class _Tensor:
    name: str
    shape: tuple[int, ...]
    dtype: str
    scale: list[float]
    zero_point: list[int]
    axis: int
    data: bytes | None
    variable: bool


@dataclass
class _Operator:
    name: str
    inputs: list[int]
    outputs: list[int]
    version: int
    custom_code: str
    options: dict[str, Any] | None


@dataclass
class ModelBuilder:
    """Collects tensors and operators, then writes the file. `codes`: "both" writes an operator's code in both fields as
    today's converter does, "deprecated" only in the one that files before 2020 have."""

    codes: str = "both"
    description: str = "shoal test model"
    _tensors: list[_Tensor] = field(default_factory=list)
    _operators: list[_Operator] = field(default_factory=list)

    def tensor(
        self,
        shape: Sequence[int] | None = None,
        dtype: str = "int8",
        *,
        scale: float | Sequence[float] | None = None,
        zero_point: int | Sequence[int] = 0,
        axis: int = 0,
        data: Any = None,
        name: str | None = None,
        variable: bool = False,
    ) -> int:
        """Adds a tensor and returns its index. With `data`, an array, shape and dtype are its own unless given; `scale`
        None means no quantization at all; one zero point serves all scales."""
        raw = None
        if data is not None:
            array = np.asarray(data)
            shape = array.shape if shape is None else shape
            dtype = str(array.dtype)
            raw = array.astype(array.dtype.newbyteorder("<")).tobytes()
        assert shape is not None, "a tensor needs a shape or data"
        scales = [] if scale is None else [float(s) for s in np.atleast_1d(np.asarray(scale, np.float64))]
        zero_points = [int(z) for z in np.atleast_1d(np.asarray(zero_point))]
        if len(zero_points) == 1:
            zero_points *= len(scales)
        index = len(self._tensors)
        self._tensors.append(
            _Tensor(
                f"tensor_{index}" if name is None else name,
                tuple(int(n) for n in shape),
                dtype,
                scales,
                zero_points,
                axis,
                raw,
                variable,
            )
        )
        return index

    def operator(
        self,
        name: str,
        inputs: Sequence[int | None],
        outputs: Sequence[int],
        *,
        version: int = 1,
        custom_code: str = "",
        store_options: bool = True,
        **options: Any,
    ) -> int:
        """Adds an operator by TFLite's name and returns its index. Options are the fields of its options table in snake
        case (`stride_h`, `padding="SAME"`, `activation="RELU6"`, `dilation_w`, `filter_height`, `keep_dims`, `beta`,
        `new_shape`, …); without `store_options` there is no table at all."""
        self._operators.append(
            _Operator(
                name,
                [-1 if i is None else i for i in inputs],
                list(outputs),
                version,
                custom_code,
                DEFAULTS.get(name, {}) | options if store_options else None,
            )
        )
        return len(self._operators) - 1

    def build(self, *, inputs: Sequence[int], outputs: Sequence[int], subgraphs: int = 1) -> bytes:
        """The file. `subgraphs` > 1 repeats the graph, for tests of what is refused."""
        b = flatbuffers.Builder(4096)
        buffers = [_buffer(b, None)] + [_buffer(b, t.data) for t in self._tensors if t.data is not None]
        numbers, next_buffer = [], 1
        for t in self._tensors:
            numbers.append(next_buffer if t.data is not None else 0)
            next_buffer += t.data is not None
        codes = list(dict.fromkeys((o.name, o.version, o.custom_code) for o in self._operators))
        graph = _subgraph(
            b,
            [_tensor(b, t, n) for t, n in zip(self._tensors, numbers, strict=True)],
            [_operator(b, o, codes.index((o.name, o.version, o.custom_code))) for o in self._operators],
            inputs,
            outputs,
        )
        code_tables = _table_vector(b, [_operator_code(b, *c, both=self.codes == "both") for c in codes])
        graphs = _table_vector(b, [graph] * subgraphs)
        buffer_tables = _table_vector(b, buffers)
        description = b.CreateString(self.description)
        tflite.ModelStart(b)
        tflite.ModelAddVersion(b, 3)
        tflite.ModelAddOperatorCodes(b, code_tables)
        tflite.ModelAddSubgraphs(b, graphs)
        tflite.ModelAddDescription(b, description)
        tflite.ModelAddBuffers(b, buffer_tables)
        b.Finish(tflite.ModelEnd(b), file_identifier=b"TFL3")
        return bytes(b.Output())


def _table_vector(b: flatbuffers.Builder, offsets: list[int]) -> int:
    b.StartVector(4, len(offsets), 4)
    for offset in reversed(offsets):
        b.PrependUOffsetTRelative(offset)
    return int(b.EndVector())


def _numbers(b: flatbuffers.Builder, values: Sequence[Any], dtype: str) -> int:
    return int(b.CreateNumpyVector(np.asarray(values, dtype)))


def _buffer(b: flatbuffers.Builder, data: bytes | None) -> int:
    """A Buffer; its bytes lie at a multiple of 16, as the schema asks and TFLM's kernels take for granted."""
    vector = None
    if data is not None:
        b.StartVector(1, len(data), 16)
        b.head = b.head - len(data)
        b.Bytes[b.head : b.head + len(data)] = data
        vector = b.EndVector()
    tflite.BufferStart(b)
    if vector is not None:
        tflite.BufferAddData(b, vector)
    return int(tflite.BufferEnd(b))


def _quantization(b: flatbuffers.Builder, t: _Tensor) -> int:
    scale = _numbers(b, t.scale, "<f4")
    zero_point = _numbers(b, t.zero_point, "<i8")
    tflite.QuantizationParametersStart(b)
    tflite.QuantizationParametersAddScale(b, scale)
    tflite.QuantizationParametersAddZeroPoint(b, zero_point)
    tflite.QuantizationParametersAddQuantizedDimension(b, t.axis)
    return int(tflite.QuantizationParametersEnd(b))


def _tensor(b: flatbuffers.Builder, t: _Tensor, buffer: int) -> int:
    name = b.CreateString(t.name)
    shape = _numbers(b, t.shape, "<i4")
    quantization = _quantization(b, t) if t.scale else None
    tflite.TensorStart(b)
    tflite.TensorAddShape(b, shape)
    tflite.TensorAddType(b, TENSOR_TYPES[t.dtype])
    tflite.TensorAddBuffer(b, buffer)
    tflite.TensorAddName(b, name)
    tflite.TensorAddIsVariable(b, t.variable)
    if quantization is not None:
        tflite.TensorAddQuantization(b, quantization)
    return int(tflite.TensorEnd(b))


def _options(b: flatbuffers.Builder, o: _Operator) -> tuple[int, int] | None:
    """(type, offset) of the options table; None where the operator has none."""
    table = OPTIONS.get(o.name)
    if table is None or o.options is None:
        return None
    fields = {FIELDS.get(k) or "".join(w.capitalize() for w in k.split("_")): v for k, v in o.options.items()}
    for name, value in fields.items():
        if name == "Padding" and isinstance(value, str):
            fields[name] = getattr(tflite.Padding, value)
        elif name == "FusedActivationFunction" and isinstance(value, str):
            fields[name] = getattr(tflite.ActivationFunctionType, value)
        elif isinstance(value, (list, tuple)):
            fields[name] = _numbers(b, value, "<i4")
    getattr(tflite, f"{table}Start")(b)
    for name, value in fields.items():
        getattr(tflite, f"{table}Add{name}")(b, value)
    return getattr(tflite.BuiltinOptions, table), int(getattr(tflite, f"{table}End")(b))


def _operator(b: flatbuffers.Builder, o: _Operator, code: int) -> int:
    options = _options(b, o)
    inputs, outputs = _numbers(b, o.inputs, "<i4"), _numbers(b, o.outputs, "<i4")
    tflite.OperatorStart(b)
    tflite.OperatorAddOpcodeIndex(b, code)
    tflite.OperatorAddInputs(b, inputs)
    tflite.OperatorAddOutputs(b, outputs)
    if options is not None:
        tflite.OperatorAddBuiltinOptionsType(b, options[0])
        tflite.OperatorAddBuiltinOptions(b, options[1])
    return int(tflite.OperatorEnd(b))


def _operator_code(b: flatbuffers.Builder, name: str, version: int, custom_code: str, *, both: bool) -> int:
    code = getattr(tflite.BuiltinOperator, name)
    custom = b.CreateString(custom_code) if custom_code else None
    tflite.OperatorCodeStart(b)
    tflite.OperatorCodeAddDeprecatedBuiltinCode(b, min(code, 127))
    tflite.OperatorCodeAddVersion(b, version)
    if both:
        tflite.OperatorCodeAddBuiltinCode(b, code)
    if custom is not None:
        tflite.OperatorCodeAddCustomCode(b, custom)
    return int(tflite.OperatorCodeEnd(b))


def _subgraph(
    b: flatbuffers.Builder,
    tensors: list[int],
    operators: list[int],
    inputs: Sequence[int],
    outputs: Sequence[int],
) -> int:
    name = b.CreateString("main")
    tensor_tables, operator_tables = _table_vector(b, tensors), _table_vector(b, operators)
    input_numbers, output_numbers = _numbers(b, inputs, "<i4"), _numbers(b, outputs, "<i4")
    tflite.SubGraphStart(b)
    tflite.SubGraphAddTensors(b, tensor_tables)
    tflite.SubGraphAddInputs(b, input_numbers)
    tflite.SubGraphAddOutputs(b, output_numbers)
    tflite.SubGraphAddOperators(b, operator_tables)
    tflite.SubGraphAddName(b, name)
    return int(tflite.SubGraphEnd(b))
