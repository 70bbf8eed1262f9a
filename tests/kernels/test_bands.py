"""Bands as calls declare them: the same bytes as the whole tensor, from rings of the declared window, with the declared
scratch, and over rows of that window where that is declared."""

from __future__ import annotations

import math
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

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
from tflite_builder import ModelBuilder

FEATURES = frozenset({"dsp", "muldiv"})


@dataclass(frozen=True)
class Convolution:
    """CONV_2D over an image of height × width × channels; with a `multiplier`, DEPTHWISE_CONV_2D."""

    image: tuple[int, int, int]
    channels: int
    filter: tuple[int, int] = (3, 3)
    stride: tuple[int, int] = (1, 1)
    dilation: int = 1
    padding: str = "SAME"
    groups: int = 1
    activation: str = "NONE"
    zero_point: int = -3
    multiplier: int = 0

    def columns(self) -> tuple[int, int, int]:
        """Those under an output pixel, from one to the next, left of the image under the first."""
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
)

FUNCTIONS = (
    "conv_2d_s8",
    "conv_2d_s8_dsp",
    "conv_2d_s8_dsp_2x4",
    "conv_2d_s8_dsp_3x2",
    "conv_2d_s8_dsp_direct",
    "conv_2d_s8_dsp_kronecker",
    "conv_2d_s8_rv_twin",
    "depthwise_conv_2d_s8",
    "depthwise_conv_2d_s8_3x3",
    "depthwise_conv_2d_s8_dsp_3x3",
    "depthwise_conv_2d_s8_dsp_taps",
    "depthwise_conv_2d_s8_dsp_tile",
)


def subjects(function: str) -> list[tuple[Convolution, Graph, Call]]:
    """The kernel on every convolution that it takes and has a band for."""
    found = []
    for convolution in CONVOLUTIONS:
        graph = convolution.graph()
        (operator,) = graph.operators
        calls = kind(operator.kind).calls(operator, graph.tensors, FEATURES)
        taken = [c for c in calls if c.kernel.function == function and c.band is not None]
        found += [(convolution, graph, call) for call in taken[:1]]
    return found


def place(call: Call, graph: Graph) -> dict[str, int]:
    """Offsets of operands, and of the arena's end."""
    parts = [("input", graph.tensors[call.inputs[0]].bytes), ("output", graph.tensors[call.outputs[0]].bytes)]
    offsets, at = {}, 0
    for name, size in [*parts, ("scratch", call.scratch_bytes), ("end", 0)]:
        offsets[name] = at
        at += -(-size // 8) * 8
    return offsets


def c_code(name: str, convolution: Convolution, graph: Graph, call: Call) -> tuple[str, str]:
    """C: the kernel on its whole tensor and its band; its line in the table of subjects."""
    band, offsets, function = call.band, place(call, graph), call.kernel.function
    assert isinstance(band, Band)
    lines = []
    for constant in call.constants:
        values = ", ".join(str(v) if v > -(1 << 31) else "INT32_MIN" for v in constant.values.tolist())
        kind_ = C_TYPES[constant.values.dtype.name]
        lines.append(f"static const {kind_} {name}_{constant.role}[] __attribute__((aligned(8))) = {{{values}}};")
    members = {"input": offsets["input"], "output": offsets["output"]}
    if call.scratch_bytes:
        members["scratch"] = offsets["scratch"]
    args = [f".{n} = {v}" for n, v in [*members.items(), *call.parameters]]
    args += [f".{c.role} = {name}_{c.role}" for c in call.constants]
    shapes = [", ".join(f".{n} = {v}" for n, v in shape) for shape in (call.shape, band.shape)]
    scratch = "scratch, " if band.scratch_bytes else ""
    lines += [
        f"static const {function}_args {name}_args = {{{', '.join(args)}}};",
        f"static const {function}_shape {name}_shape = {{{shapes[0]}}};",
        f"static const {function}_shape {name}_rows = {{{shapes[1]}}};",
        f"static void {name}_whole(uint8_t *arena) {{ {function}(arena, &{name}_args, &{name}_shape); }}",
        f"static void {name}_band(const input_rows *rows, int32_t y, span pixels, int8_t *output, void *scratch) {{",
        f"    (void)scratch; {function}_band(rows, y, pixels, output, {scratch}&{name}_args, &{name}_rows);",
        "}",
    ]
    height, width, depth = convolution.image
    window, in_place = band.windows[0], band.in_place[0]
    numbers = [height, width * depth, depth, band.height, band.width, convolution.channels]
    numbers += [window.size, window.stride, window.before, *convolution.columns()]
    ends = ["APART" if in_place is None else in_place, band.scratch_bytes, offsets["end"]]
    ends += [offsets["input"], offsets["output"]]
    row = ", ".join(map(str, [*numbers, *ends]))
    return "\n".join(lines), f'    {{"{name}", {row}, {name}_whole, {name}_band}},'


@pytest.mark.parametrize("function", FUNCTIONS)
def test_bands_equal_the_whole(function: str, tmp_path: Path) -> None:
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
    assert ran.returncode == 0, f"{ran.stdout}{ran.stderr[:6000]}\n{[c.image for c, _, _ in chosen]}"
