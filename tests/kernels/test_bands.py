"""Bands as calls declare them: the reference's bytes, as the kernel makes them of whole tensors and row by row from
rings of the declared window, with the declared scratch and state, and over rows of that window where that is declared.
"""

from __future__ import annotations

import math
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import pytest

from host_build import FLAGS
from shoal import resources
from shoal.network.graph import Graph
from shoal.network.read_tflite import parse
from shoal.operators import kind
from shoal.operators.base import Band, Call
from shoal.operators.window import extent, same_padding
from shoal.render.text import C_TYPES
from shoal.tensors import Array
from tflite_builder import ModelBuilder

FEATURES = frozenset({"dsp", "muldiv"})

Image = tuple[int, int, int]


class Source(Protocol):
    """A model of one operator over images of height × width × channels. `multiple`: pixels come in so many."""

    @property
    def image(self) -> Image: ...

    @property
    def multiple(self) -> int: ...

    def columns(self) -> tuple[int, int, int]:
        """Those under an output pixel, from one to the next, left of the image under the first."""
        ...

    def graph(self) -> Graph: ...


@dataclass(frozen=True)
class Convolution:
    """CONV_2D; with a `multiplier`, DEPTHWISE_CONV_2D."""

    image: Image
    channels: int
    filter: tuple[int, int] = (3, 3)
    stride: tuple[int, int] = (1, 1)
    dilation: int = 1
    padding: str = "SAME"
    groups: int = 1
    activation: str = "NONE"
    zero_point: int = -3
    multiplier: int = 0
    multiple: int = 1

    def columns(self) -> tuple[int, int, int]:
        reach = extent(self.filter[1], self.dilation)
        same = self.padding == "SAME"
        left, _ = same_padding(self.image[1], self.filter[1], self.stride[1], self.dilation) if same else (0, 0)
        return reach, self.stride[1], left

    def graph(self) -> Graph:
        """Weights and bias that spread the results over most of int8."""
        random = np.random.default_rng(1)
        depth = 1 if self.multiplier else self.image[2] // self.groups
        products = math.prod(self.filter) * depth
        shape = (1, *self.filter, self.channels) if self.multiplier else (self.channels, *self.filter, depth)
        filters = random.integers(-127, 128, shape)
        reach = [extent(n, self.dilation) - 1 if self.padding == "VALID" else 0 for n in self.filter]
        size = [-(-(n - r) // s) for n, r, s in zip(self.image[:2], reach, self.stride, strict=True)]
        b = ModelBuilder()
        x = b.tensor((1, *self.image), scale=0.05, zero_point=7)
        scales = 0.1 * 40 / (5000 * math.sqrt(products) * 0.05) * random.uniform(0.5, 2, self.channels)
        w = b.tensor(data=filters.astype(np.int8), scale=scales, axis=3 if self.multiplier else 0)
        bias = random.integers(-4000, 4000, self.channels).astype(np.int32)
        c = b.tensor(data=bias, scale=np.float32(0.05) * scales.astype(np.float32))
        y = b.tensor((1, *size, self.channels), scale=0.1, zero_point=self.zero_point)
        options: dict[str, Any] = {"depth_multiplier": self.multiplier} if self.multiplier else {}
        b.operator(
            *("DEPTHWISE_CONV_2D" if self.multiplier else "CONV_2D", [x, w, c], [y]),
            **options,
            padding=self.padding,
            activation=self.activation,
            stride_h=self.stride[0],
            stride_w=self.stride[1],
            dilation_h=self.dilation,
            dilation_w=self.dilation,
        )
        return parse(b.build(inputs=[x], outputs=[y]), "model", "model")


CONVOLUTIONS = (
    Convolution((9, 8, 4), 8),
    Convolution((9, 8, 16), 4, activation="RELU", zero_point=-128),
    Convolution((8, 9, 3), 8, (3, 3), (2, 2), activation="RELU", zero_point=-128),
    Convolution((7, 9, 2), 6, (5, 2), padding="VALID", activation="RELU6"),
    Convolution((9, 7, 6), 4, (2, 4), (3, 2)),
    Convolution((11, 9, 4), 4, dilation=2),
    Convolution((5, 6, 8), 4, (1, 1)),
    Convolution((5, 6, 4), 12, (1, 1), activation="RELU", zero_point=-128),
    *(Convolution((h, w, 8), c, (1, 1), zero_point=-128) for h, w, c in ((5, 6, 4), (4, 1, 8), (3, 9, 20))),
    Convolution((5, 7, 32), 7, (1, 1), (2, 2)),
    Convolution((8, 6, 8), 8, groups=2),
    Convolution((13, 4, 4), 4, (3, 2), dilation=5),
    Convolution((14, 17, 1), 6, (5, 4), (2, 2), zero_point=-128),
    Convolution((9, 10, 1), 5, (3, 3), (1, 2), zero_point=-128),
    Convolution((12, 26, 1), 3, (10, 2), (1, 2), padding="VALID", zero_point=-128),
    Convolution((9, 8, 5), 5, multiplier=1, zero_point=-128),
    Convolution((9, 8, 3), 6, stride=(2, 2), multiplier=2, activation="RELU6"),
    Convolution((10, 9, 4), 4, stride=(1, 2), padding="VALID", multiplier=1, zero_point=-128),
    Convolution((7, 8, 8), 8, multiplier=1),
    Convolution((9, 10, 4), 4, stride=(2, 2), multiplier=1, activation="RELU6"),
    Convolution((9, 8, 8), 8, dilation=2, multiplier=1),
    Convolution((6, 13, 4), 4, (1, 5), padding="VALID", multiplier=1),
    Convolution((12, 1, 8), 8, (5, 1), padding="VALID", multiplier=1, zero_point=-128),
    Convolution((8, 6, 4), 4, (4, 3), (3, 1), multiplier=1, activation="RELU"),
    Convolution((6, 1, 8), 8, (6, 1), padding="VALID", multiplier=1, zero_point=-128),
    Convolution((5, 7, 6), 6, (5, 3), (1, 2), padding="VALID", multiplier=1, activation="RELU6"),
    Convolution((4, 3, 2), 10, (4, 3), padding="VALID", multiplier=5),
)


@dataclass(frozen=True)
class Pool:
    """AVERAGE_POOL_2D or MAX_POOL_2D."""

    name: str
    image: Image
    filter: tuple[int, int]
    stride: tuple[int, int] = (1, 1)
    padding: str = "SAME"
    activation: str = "NONE"
    multiple: int = 1

    def columns(self) -> tuple[int, int, int]:
        left, _ = same_padding(self.image[1], self.filter[1], self.stride[1], 1) if self.padding == "SAME" else (0, 0)
        return self.filter[1], self.stride[1], left

    def graph(self) -> Graph:
        reach = [n - 1 if self.padding == "VALID" else 0 for n in self.filter]
        size = [-(-(n - r) // s) for n, r, s in zip(self.image[:2], reach, self.stride, strict=True)]
        b = ModelBuilder()
        x = b.tensor((1, *self.image), scale=0.05, zero_point=7)
        y = b.tensor((1, *size, self.image[2]), scale=0.05, zero_point=7)
        b.operator(
            *(self.name, [x], [y]),
            padding=self.padding,
            activation=self.activation,
            filter_height=self.filter[0],
            filter_width=self.filter[1],
            stride_h=self.stride[0],
            stride_w=self.stride[1],
        )
        return parse(b.build(inputs=[x], outputs=[y]), "model", "model")


@dataclass(frozen=True)
class Rows:
    """An operator that makes rows of output of the same rows of `inputs` images alike, and of `constant`s."""

    name: str
    image: Image
    inputs: int = 1
    constant: Array | None = None
    reduced: tuple[int, ...] = ()
    types: tuple[str, str] = ("int8", "int8")
    scales: tuple[float, float] = (0.05, 0.1)
    zero_points: tuple[int, int] = (7, -3)
    multiple: int = 1
    options: Mapping[str, Any] = field(default_factory=dict)

    def columns(self) -> tuple[int, int, int]:
        return 1, 1, 0

    def graph(self) -> Graph:
        b = ModelBuilder()
        shape = (1, *self.image)
        quantization = [
            {} if dtype == "float32" else {"scale": scale, "zero_point": zero_point}
            for dtype, scale, zero_point in zip(self.types, self.scales, self.zero_points, strict=True)
        ]
        images = [b.tensor(shape, self.types[0], **quantization[0]) for _ in range(self.inputs)]
        operands = list(images)
        if self.constant is not None:
            known = {"scale": 0.04, "zero_point": 5} if self.constant.dtype == np.int8 else {}
            operands.append(b.tensor(data=self.constant, **known))
        made = tuple(1 if axis in self.reduced else n for axis, n in enumerate(shape))
        y = b.tensor(made, self.types[1], **quantization[1])
        b.operator(self.name, operands, [y], **self.options)
        return parse(b.build(inputs=images, outputs=[y]), "model", "model")


@dataclass(frozen=True)
class Layer:
    """FULLY_CONNECTED of a whole image: its rows, or pieces of it where it has only one, as inputs; or pieces of its
    outputs."""

    image: Image
    outputs: int
    activation: str = "NONE"
    zero_point: int = -3
    weights_zero_point: int = 0
    multiple: int = 16

    def columns(self) -> tuple[int, int, int]:
        return 1, 1, 0

    def graph(self) -> Graph:
        random = np.random.default_rng(1)
        products = math.prod(self.image)
        filters = random.integers(-127, 128, (self.outputs, products)).astype(np.int8)
        b = ModelBuilder()
        x = b.tensor((1, *self.image), scale=0.05, zero_point=7)
        scale = 0.1 * 40 / (5000 * math.sqrt(products) * 0.05)
        w = b.tensor(data=filters, scale=scale, zero_point=self.weights_zero_point)
        bias = random.integers(-4000, 4000, self.outputs).astype(np.int32)
        c = b.tensor(data=bias, scale=np.float32(0.05) * np.float32(scale))
        y = b.tensor((1, self.outputs), scale=0.1, zero_point=self.zero_point)
        b.operator("FULLY_CONNECTED", [x, w, c], [y], activation=self.activation)
        return parse(b.build(inputs=[x], outputs=[y]), "model", "model")


@dataclass(frozen=True)
class Reshaped:
    """RESHAPE of an image to what has no rows, or back."""

    image: Image
    back: bool = False

    @property
    def multiple(self) -> int:
        return self.image[1] * self.image[2]

    def columns(self) -> tuple[int, int, int]:
        return 1, 1, 0

    def graph(self) -> Graph:
        b = ModelBuilder()
        shapes = [(1, *self.image), (1, math.prod(self.image))]
        x, y = (b.tensor(shape, scale=0.05) for shape in (reversed(shapes) if self.back else shapes))
        b.operator("RESHAPE", [x], [y])
        return parse(b.build(inputs=[x], outputs=[y]), "model", "model")


LAYERS = (
    Layer((5, 4, 6), 10),
    Layer((4, 2, 4), 12, activation="RELU", zero_point=-128),
    Layer((6, 1, 8), 3, activation="RELU6"),
    Layer((1, 1, 64), 8),
    Layer((1, 9, 5), 7, weights_zero_point=5),
    Layer((7, 3, 3), 9, weights_zero_point=-128),
    Layer((1, 1, 24), 32),
    Layer((1, 2, 8), 48, activation="RELU", zero_point=-128),
    Layer((1, 1, 9), 64, weights_zero_point=3),
    Layer((1, 1, 40), 640),
    Reshaped((7, 4, 3)),
    Reshaped((5, 1, 8)),
    Reshaped((9, 8, 1), back=True),
)


def constant(*values: int) -> Array:
    return np.array(values, np.int32)


_ROW = (7, 6, 8)
_CHANNELS = np.arange(-100, 100, 25, dtype=np.int8)
OTHERS: tuple[Source, ...] = (
    Pool("AVERAGE_POOL_2D", (9, 8, 6), (3, 3)),
    Pool("AVERAGE_POOL_2D", (10, 9, 4), (2, 3), (2, 2), activation="RELU6"),
    Pool("AVERAGE_POOL_2D", (6, 9, 6), (6, 3), (6, 3), padding="VALID"),
    Pool("AVERAGE_POOL_2D", (6, 5, 8), (6, 5), padding="VALID", activation="RELU"),
    Pool("AVERAGE_POOL_2D", (30, 9, 8), (30, 9), padding="VALID"),
    Pool("MAX_POOL_2D", (9, 8, 3), (2, 2)),
    Pool("MAX_POOL_2D", (10, 9, 4), (3, 3), (2, 2), padding="VALID", activation="RELU6"),
    Pool("MAX_POOL_2D", (7, 9, 8), (3, 1), (1, 2)),
    Rows("MEAN", (6, 5, 8), constant=constant(1, 2), reduced=(1, 2), options={"keep_dims": True}),
    Rows("MEAN", (30, 9, 8), constant=constant(1, 2), reduced=(1, 2), options={"keep_dims": True}),
    Rows("MEAN", (7, 4, 3), constant=constant(1), reduced=(1,), options={"keep_dims": True}),
    Rows("ADD", _ROW, inputs=2),
    Rows("ADD", (5, 7, 3), inputs=2, options={"activation": "RELU"}),
    Rows("ADD", (5, 7, 3), inputs=2, zero_points=(7, -128), options={"activation": "RELU"}),
    Rows("ADD", _ROW, constant=_CHANNELS),
    Rows("ADD", (5, 1, 8), constant=_CHANNELS, options={"activation": "RELU6"}),
    Rows("ADD", (5, 1, 8), constant=_CHANNELS[:1].reshape(1, 1, 1, 1).repeat(8, 3)),
    Rows("MUL", _ROW, inputs=2),
    Rows("MUL", (5, 7, 3), inputs=2, options={"activation": "RELU"}),
    Rows("MUL", (1, 7, 3), inputs=2),
    Rows("MUL", _ROW, constant=_CHANNELS),
    Rows("MUL", (5, 1, 8), constant=_CHANNELS, options={"activation": "RELU6"}),
    Rows("MUL", (3, 2, 8), constant=_CHANNELS.reshape(1, 1, 1, 8)),
    Rows("LOGISTIC", _ROW, scales=(0.05, 1 / 256), zero_points=(7, -128)),
    Rows("LOGISTIC", (3, 5, 3), scales=(0.1, 1 / 256), zero_points=(7, -128)),
    Rows("SOFTMAX", _ROW, scales=(0.05, 1 / 256), zero_points=(7, -128), options={"beta": 1.0}),
    Rows("SOFTMAX", (4, 1, 5), scales=(0.02, 1 / 256), zero_points=(7, -128), options={"beta": 1.0}),
    Rows("SOFTMAX", (1, 9, 5), scales=(0.02, 1 / 256), zero_points=(7, -128), options={"beta": 1.0}),
    *(
        Rows("SOFTMAX", image, scales=(0.02, 1 / 256), zero_points=(7, -128), options={"beta": 1.0})
        for image in ((3, 5, 2), (5, 1, 2), (1, 9, 2))
    ),
    *(Rows("QUANTIZE", image) for image in (_ROW, (3, 5, 3), (1, 9, 1))),
    *(Rows("QUANTIZE", image, types=("float32", "int8")) for image in (_ROW, (3, 5, 3), (1, 9, 1))),
    *(
        Rows("QUANTIZE", image, types=("uint8", "int8"), scales=(0.1, 0.1), zero_points=(128, 0), multiple=4)
        for image in (_ROW, (3, 4, 3), (1, 9, 4))
    ),
    *(Rows("DEQUANTIZE", image, types=("int8", "float32")) for image in (_ROW, (3, 5, 3), (1, 9, 1))),
)

FUNCTIONS = (
    "add_s8",
    "add_s8_constant",
    "add_s8_plain",
    "add_s8_plain_constant",
    "average_pool_2d_s8",
    "average_pool_2d_s8_accumulate",
    "conv_2d_s8",
    "conv_2d_s8_dsp",
    "conv_2d_s8_dsp_2x4",
    "conv_2d_s8_dsp_3x2",
    "conv_2d_s8_dsp_direct",
    "conv_2d_s8_dsp_eight",
    "conv_2d_s8_dsp_kronecker",
    "conv_2d_s8_rv_twin",
    "copy",
    "depthwise_conv_2d_s8",
    "depthwise_conv_2d_s8_3x3",
    "depthwise_conv_2d_s8_accumulate",
    "depthwise_conv_2d_s8_dsp_3x3",
    "depthwise_conv_2d_s8_dsp_taps",
    "depthwise_conv_2d_s8_dsp_tile",
    "dequantize_f32",
    "dequantize_f32_table",
    "flip_8",
    "fully_connected_s8",
    "fully_connected_s8_accumulate",
    "fully_connected_s8_dsp",
    "fully_connected_s8_dsp_accumulate",
    "fully_connected_s8_eight",
    "lookup_8",
    "max_pool_2d_s8",
    "mean_s8_accumulate",
    "mul_s8",
    "mul_s8_constant",
    "quantize_f32_s8",
    "quantize_f32_s8_search",
    "requantize_8",
    "softmax_s8",
    "softmax_s8_pair",
)


def subjects(function: str) -> list[tuple[Source, Graph, Call]]:
    """The kernel on every operator that it takes and has a band for."""
    found: list[tuple[Source, Graph, Call]] = []
    for source in (*CONVOLUTIONS, *LAYERS, *OTHERS):
        graph = source.graph()
        (operator,) = graph.operators
        calls = kind(operator.kind).calls(operator, graph.tensors, FEATURES)
        taken = [c for c in calls if c.kernel.function == function and c.band is not None]
        found += [(source, graph, call) for call in taken[:1]]
    return found


def place(call: Call, graph: Graph) -> dict[str, int]:
    """Offsets of operands, and of the arena's end."""
    names = ["input"] if len(call.inputs) == 1 else [f"input_{k}" for k in range(len(call.inputs))]
    parts = [(name, graph.tensors[index].bytes) for name, index in zip(names, call.inputs, strict=True)]
    parts += [("output", graph.tensors[call.outputs[0]].bytes)]
    offsets, at = {}, 0
    for name, size in [*parts, ("scratch", call.scratch_bytes), ("state", call.state_bytes), ("end", 0)]:
        offsets[name] = at
        at += -(-size // 8) * 8
    return offsets


def run(graph: Graph, call: Call) -> tuple[Array, Array]:
    """Bytes of random images, one for each input of the call, and of what the operator's reference makes of them."""
    random = np.random.default_rng(2)
    (operator,) = graph.operators
    values = {}
    for index in call.inputs:
        tensor = graph.tensors[index]
        if tensor.dtype == "float32":
            values[index] = random.normal(0, 5, tensor.shape).astype(np.float32)
        else:
            values[index] = random.integers(0, 256, tensor.shape).astype(np.uint8).view(tensor.dtype)
    inputs = [values[i] if i in values else graph.tensors[i].data for i in operator.inputs if i is not None]
    (output,) = kind(operator.kind).reference(operator, graph.tensors, inputs)
    images = np.concatenate([values[i].reshape(-1).view(np.uint8) for i in call.inputs])
    return images, np.ascontiguousarray(output).reshape(-1).view(np.uint8)


def c_code(name: str, source: Source, graph: Graph, call: Call) -> tuple[str, str]:
    """C: the kernel on its whole tensor and its band; its line in the table of subjects."""
    band, offsets, function = call.band, place(call, graph), call.kernel.function
    assert isinstance(band, Band)
    images, expected = run(graph, call)
    arrays = [(c.role, c.values) for c in call.constants] + [("images", images), ("expected", expected)]
    lines = []
    for role, array in arrays:
        values = ", ".join(str(v) if v != -(1 << 31) else "INT32_MIN" for v in array.tolist())
        kind_ = C_TYPES[array.dtype.name]
        lines.append(f"static const {kind_} {name}_{role}[] __attribute__((aligned(8))) = {{{values}}};")
    operands = [n for n in offsets if n.startswith("input")]
    buffers = [n for n, size in (("scratch", call.scratch_bytes), ("state", call.state_bytes)) if size]
    args = [f".{n} = {offsets[n]}" for n in (*operands, "output", *buffers)]
    args += [f".{n} = {v}" for n, v in call.parameters]
    args += [f".{c.role} = {name}_{c.role}" for c in call.constants]
    shapes = [", ".join(f".{n} = {v}" for n, v in shape) for shape in (call.shape, band.shape)]
    rows = [f"rows + {k}" for k in range(len(operands))]
    passed = [n for n, size in (("scratch", band.scratch_bytes), ("state", band.state_bytes)) if size]
    given = ", ".join([*rows, "y", "pixels", "output", *passed, f"&{name}_args", f"&{name}_rows"])
    lines += [
        f"static const {function}_args {name}_args = {{{', '.join(args)}}};",
        f"static const {function}_shape {name}_shape = {{{shapes[0]}}};",
        f"static const {function}_shape {name}_rows = {{{shapes[1]}}};",
        f"static void {name}_whole(uint8_t *arena) {{ {function}(arena, &{name}_args, &{name}_shape); }}",
        f"static void {name}_band(const input_rows *rows, int32_t y, span pixels, int8_t *output, void *scratch,",
        f"    void *state) {{ (void)scratch; (void)state; {function}_band({given}); }}",
    ]
    height = band.height if band.accumulates else source.image[0]
    input_row, output_row = (
        graph.tensors[index].bytes // rows
        for index, rows in ((call.inputs[0], height), (call.outputs[0], 1 if band.accumulates else band.height))
    )
    columns = band.width if isinstance(source, Rows) else source.image[1]
    window = band.windows[0]
    in_place = ["APART" if d is None else str(d - d % call.align) for d in band.in_place]
    numbers = [len(operands), height, input_row, input_row // columns]
    numbers += [1 if band.accumulates else band.height, band.width, output_row // band.width]
    numbers += [window.size, window.stride, window.before, *source.columns(), source.multiple, int(band.accumulates)]
    over_state = "APART" if band.over_state is None else str(band.over_state)
    sizes = f"{{{', '.join(in_place)}}}, {over_state}, {band.scratch_bytes}, {band.state_bytes}, {offsets['end']}"
    places = f"{{{', '.join(str(offsets[n]) for n in operands)}}}, {offsets['output']}, {name}_images, {name}_expected"
    row = f"{', '.join(map(str, numbers))}, {sizes}, {places}"
    return "\n".join(lines), f'    {{"{name}", {row}, {name}_whole, {name}_band}},'


@pytest.mark.parametrize("function", FUNCTIONS)
def test_bands_equal_the_reference(function: str, tmp_path: Path) -> None:
    chosen = subjects(function)
    assert len(chosen) >= 3
    codes = [c_code(f"s{i}", *subject) for i, subject in enumerate(chosen)]
    lines = [f'#include "{chosen[0][2].kernel.stem}.h"', *(code for code, _ in codes)]
    lines += ["static const subject subjects[] = {", *(entry for _, entry in codes), "};", ""]
    (tmp_path / "subjects.h").write_text("\n".join(lines))
    source = Path(__file__).parent / "bands.c"
    includes = ["-I", str(resources.firmware() / "kernels"), "-I", str(tmp_path)]
    command = ["gcc", *FLAGS, *includes, "-o", str(tmp_path / "program"), str(source)]
    built = subprocess.run(command, capture_output=True, text=True, check=False)
    assert built.returncode == 0, built.stderr[:6000]
    ran = subprocess.run([tmp_path / "program"], capture_output=True, text=True, check=False, timeout=60)
    assert ran.returncode == 0, f"{ran.stdout}{ran.stderr[:6000]}\n{[source.image for source, _, _ in chosen]}"
