"""Spatial kernels from rings of rows: the same bytes as from whole tensors, and no byte read outside of the window."""

from __future__ import annotations

import subprocess
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

import pytest

from host_build import FLAGS
from shoal import resources
from shoal.operators.window import extent, same_padding

#: a kernel's function, shape and arguments
Use = tuple[str, Mapping[str, int], str]

_OPERANDS = ".input = INPUT, .output = OUTPUT, "
_RANGE = ".low = -90, .high = 90, "
_WEIGHTED = f"{_OPERANDS}.input_zero_point = -7, .offset = 5, {_RANGE}"
_PER_CHANNEL = f"{_WEIGHTED}.weights = bytes, .bias = words, .multipliers = multipliers, .shifts = shifts"
_ARGS = {
    "conv_2d_s8": _PER_CHANNEL,
    "conv_2d_s8_dsp": f"{_WEIGHTED}.scratch = SCRATCH, .weights = bytes, .requantization = pairs",
    "depthwise_conv_2d_s8": _PER_CHANNEL,
    "depthwise_conv_2d_s8_dsp_3x3": f"{_OPERANDS}{_RANGE}.offset = 5, "
    ".weights = bytes, .requantization = fours, .padding = bytes",
    "depthwise_conv_2d_s8_dsp_tile": f"{_OPERANDS}{_RANGE}.input_zero_point = -7, .padding = padding, .stream = ",
    "average_pool_2d_s8": _OPERANDS + _RANGE,
    "max_pool_2d_s8": _OPERANDS + _RANGE,
}
_SCRATCH = {"conv_2d_s8_dsp": "arena + SCRATCH, "}


class Subject(Protocol):
    """A kernel on an image."""

    @property
    def name(self) -> str: ...

    def functions(self) -> str:
        """C: the kernel on its whole tensor, and its band."""
        ...

    def entry(self) -> str:
        """C: the line in the table of subjects."""
        ...


@dataclass(frozen=True)
class Spatial:
    """A kernel of windows on an image of height × width × channels; `options` are the members of its shape that only it
    has, `output_c` the channels of its output, 0 for as many as the input's; `stream` completes its arguments."""

    name: str
    kernel: str
    input: tuple[int, int, int]
    filter: tuple[int, int] = (3, 3)
    stride: int = 1
    dilation: int = 1
    padding: str = "SAME"
    output_c: int = 0
    options: Mapping[str, int] = field(default_factory=dict)
    stream: str = ""

    def sizes(self) -> tuple[list[int], list[int]]:
        """Output height and width; padding above and left."""
        sides = list(zip(self.input, self.filter, strict=False))
        if self.padding == "SAME":
            pads = [same_padding(n, f, self.stride, self.dilation)[0] for n, f in sides]
            return [-(-n // self.stride) for n, _ in sides], pads
        return [(n - extent(f, self.dilation)) // self.stride + 1 for n, f in sides], [0, 0]

    def shape(self) -> dict[str, int]:
        """The members of the kernel's shape."""
        output, pads = self.sizes()
        height, width, channels = self.input
        members = {"batches": 1, "input_h": height, "input_w": width, "output_h": output[0], "output_w": output[1]}
        members |= {"stride_h": self.stride, "stride_w": self.stride, "pad_top": pads[0], "pad_left": pads[1]}
        members |= self.options
        pool, nine, tile = "pool" in self.kernel, self.kernel.endswith("3x3"), self.kernel.endswith("tile")
        members["channels" if pool or nine or tile else "input_c"] = channels
        if tile:
            members |= {"rows": self.filter[0], "taps": self.filter[1], "dilation_h": self.dilation}
            return members
        if not nine:
            members |= {"filter_h": self.filter[0], "filter_w": self.filter[1]}
        if not pool:
            members |= {"dilation_h": self.dilation, "dilation_w": self.dilation}
        if self.kernel.startswith("conv"):
            members["output_c"] = self.output_c
        if self.kernel == "conv_2d_s8":
            members["output_pitch"] = self.output_c
        return members

    def functions(self) -> str:
        use = (self.kernel, self.shape(), _ARGS[self.kernel] + self.stream)
        return _functions(self.name, use, use, _SCRATCH.get(self.kernel, ""))

    def entry(self) -> str:
        output, pads = self.sizes()
        numbers = [*self.input, *output, self.output_c or self.input[2], *self.filter]
        return _entry(self.name, [*numbers, self.stride, self.dilation, *pads, 1, 1, 0])


@dataclass(frozen=True)
class Elements:
    """A kernel that computes each of its output's elements from the same elements of its inputs, `elements` in a row
    and `input_bytes` each; `args` beside its operands; `shape` of a row, `whole` of all rows where that differs;
    `step`: they come in so many."""

    name: str
    kernel: str
    args: str
    shape: Mapping[str, int]
    whole: Mapping[str, int] | None = None
    inputs: int = 1
    input_bytes: int = 1
    output_bytes: int = 1
    step: int = 1
    rows: int = 10
    elements: int = 24

    def functions(self) -> str:
        operands = _OPERANDS if self.inputs == 1 else ".input_0 = INPUT, .input_1 = INPUT_1, .output = OUTPUT, "
        args = operands + self.args
        whole = (self.kernel, self.whole or self.shape, args)
        return _functions(self.name, (self.kernel, self.shape, args), whole, inputs=self.inputs)

    def entry(self) -> str:
        image = [self.rows, self.elements]
        numbers = [*image, self.input_bytes, *image, self.output_bytes, 1, 1, 1, 1, 0, 0]
        return _entry(self.name, [*numbers, self.inputs, self.step, 0])


@dataclass(frozen=True)
class Accumulated:
    """A kernel that takes an image of height × width × channels row by row, to `output_w` pixels. The whole is computed
    by `judge`, which takes the same arguments, or by the kernel itself."""

    name: str
    kernel: str
    input: tuple[int, int, int]
    args: str
    shape: Mapping[str, int]
    judge: str = ""
    judged: Mapping[str, int] = field(default_factory=dict)
    output_w: int = 1

    def functions(self) -> str:
        args = _OPERANDS + self.args
        band = (self.kernel, self.shape, f"{args}.state = STATE")
        whole = (self.judge, self.judged, args) if self.judge else band
        return _functions(self.name, band, whole, "arena + STATE, ")

    def entry(self) -> str:
        numbers = [*self.input, 1, self.output_w, self.input[2], 1, self.input[1], 1, 1, 0, 0]
        return _entry(self.name, [*numbers, 1, 1, 1])


def _functions(name: str, band: Use, whole: Use, buffers: str = "", inputs: int = 1) -> str:
    """C: a kernel on its whole tensor, and the band of one."""
    rows = ", ".join(f"rows + {k}" for k in range(inputs))
    lines = []
    for part, (kernel, shape, args) in (("whole", whole), ("band", band)):
        members = ", ".join(f".{member} = {value}" for member, value in shape.items())
        lines.append(f"static const {kernel}_shape {name}_{part}_shape = {{{members}}};")
        lines.append(f"static const {kernel}_args {name}_{part}_args = {{{args}}};")
    return (
        "\n".join(lines)
        + f"""
static void {name}_whole(void) {{
    {whole[0]}(arena, &{name}_whole_args, &{name}_whole_shape);
}}
static void {name}_band(const input_rows *rows, int32_t y, span pixels, int8_t *output) {{
    {band[0]}_band({rows}, y, pixels, output, {buffers}&{name}_band_args, &{name}_band_shape);
}}
"""
    )


def _entry(name: str, numbers: list[int]) -> str:
    return f'    {{"{name}", {", ".join(map(str, numbers))}, {name}_whole, {name}_band}},'


def _broadcast(extent: int = 1, a: int = 0, b: int = 0) -> dict[str, int]:
    """BROADCAST_SHAPE's members for the loop around a run, with the operands' steps."""
    loops = {f"extent_{i}": 1 for i in range(3)} | {"extent_3": extent, "a_3": a, "b_3": b}
    return loops | {"a_step": 1, "b_step": 1}


#: what Accumulated takes after its name
_Sums = tuple[str, tuple[int, int, int], str, Mapping[str, int], str, Mapping[str, int]]


def _average(image: tuple[int, int, int], columns: int, halves: int) -> _Sums:
    """Of all rows, so many columns at a time."""
    height, width, channels = image
    shape = {"input_h": height, "input_w": width, "channels": channels, "output_w": width // columns}
    shape |= {"filter_w": columns, "stride_w": columns, "halves": halves}
    judged = Spatial("", "average_pool_2d_s8", image, (height, columns), columns, padding="VALID").shape()
    return "average_pool_2d_s8_accumulate", image, _RANGE, shape, "average_pool_2d_s8", judged


def _mean(rows: int, pixels: int, channels: int, halves: int) -> _Sums:
    count = rows * pixels
    args = f".bias = {-128 * count}, .multiplier = 1500000000, .shift = -2, .zero_point = -5, "
    shape = {"rows": rows, "pixels": pixels, "channels": channels, "halves": halves}
    judged = {"outer": 1, "reduced_0": 1, "middle": 1, "reduced_1": count, "inner": channels}
    return "mean_s8_accumulate", (rows, pixels, channels), args, shape, "mean_s8", judged


_CLAMPED = {"clamped": 1}
_COUNT = {"count": 240}
#: six channels of a constant, along the 24 elements of a row and along all
_SIX, _ALL_SIX = _broadcast(4, 6), _broadcast(40, 6)
_ADD = ".multiplier = 1500000000, .rounding = 1 << 19, .low = -90, .high = 90, .table = summands, "
_ADD_SHAPE = {"shift": 20, "is_signed": 1}
_ADD_PLAIN = (
    ".zero_point_a = 3, .zero_point_b = -5, .multiplier_b = 1200000000, .rounding_b = 5, .down_b = -2, .shift_b = 3, "
    ".multiplier = 1500000000, .rounding = 1 << 19, .down = -2, .shift = 20, .zero_point = 7, .low = -90, .high = 90, "
)
_MUL = ".zero_point_a = 3, .zero_point_b = -5, .multiplier = 1500000000, .rounding = 1 << 7, .low = -90, .high = 90, "
_MUL_SHAPE = {"left_shift": 2, "shift": 8, "is_signed": 1, "is_clamped": 1}
_CONSTANT = ".count = 6, .operand = bytes"
_REQUANTIZE = ".input_zero_point = 3, .output_zero_point = -5, .multiplier = 1500000000, .shift = 0"
_SOFTMAX = {"depth": 10, "table_length": 60}
SUBJECTS: tuple[Subject, ...] = (
    Spatial("conv", "conv_2d_s8", (9, 8, 3), output_c=6, options={"groups": 1}),
    Spatial("conv_stride_2", "conv_2d_s8", (10, 9, 4), stride=2, output_c=8, options={"groups": 2} | _CLAMPED),
    Spatial("conv_dilated", "conv_2d_s8", (9, 11, 2), dilation=2, output_c=5, options={"groups": 1}),
    Spatial("conv_valid", "conv_2d_s8", (9, 9, 4), (5, 2), 2, padding="VALID", output_c=4, options={"groups": 1}),
    Spatial("conv_all_padding", "conv_2d_s8", (14, 4, 3), (3, 2), dilation=5, output_c=4, options={"groups": 1}),
    Spatial("pairs", "conv_2d_s8_dsp", (9, 8, 4), output_c=6, options={"groups": 1}),
    Spatial("pairs_of_bytes", "conv_2d_s8_dsp", (9, 8, 3), (2, 4), output_c=3, options={"groups": 1}),
    Spatial("pairs_stride_2", "conv_2d_s8_dsp", (10, 9, 4), stride=2, output_c=8, options={"groups": 1} | _CLAMPED),
    Spatial("pairs_dilated", "conv_2d_s8_dsp", (9, 11, 6), dilation=2, output_c=6, options={"groups": 2}),
    Spatial("depthwise", "depthwise_conv_2d_s8", (9, 8, 6), options={"multiplier": 1} | _CLAMPED),
    Spatial("depthwise_stride_2", "depthwise_conv_2d_s8", (9, 8, 3), (5, 3), 2, 1, "SAME", 6, {"multiplier": 2}),
    Spatial("depthwise_all_padding", "depthwise_conv_2d_s8", (14, 4, 4), (3, 2), dilation=5, options={"multiplier": 1}),
    Spatial("taps", "depthwise_conv_2d_s8_dsp_3x3", (9, 7, 8)),
    Spatial("taps_stride_2", "depthwise_conv_2d_s8_dsp_3x3", (10, 9, 4), stride=2, options=_CLAMPED),
    Spatial("taps_dilated", "depthwise_conv_2d_s8_dsp_3x3", (9, 9, 4), dilation=2),
    Spatial("average", "average_pool_2d_s8", (9, 8, 6)),
    Spatial("average_stride_2", "average_pool_2d_s8", (10, 9, 4), (2, 3), 2, options={"is_clamped": 1}),
    Spatial("max", "max_pool_2d_s8", (9, 8, 3), (2, 2)),
    Spatial("max_stride_2", "max_pool_2d_s8", (10, 9, 4), (3, 3), 2, padding="VALID", options={"is_clamped": 1}),
    Spatial("tiles", "depthwise_conv_2d_s8_dsp_tile", (9, 8, 8), stream="nines"),
    Spatial("tiles_and_one", "depthwise_conv_2d_s8_dsp_tile", (9, 7, 8), options=_CLAMPED, stream="nines"),
    Spatial("tiles_stride_2", "depthwise_conv_2d_s8_dsp_tile", (10, 12, 4), stride=2, stream="nines"),
    Spatial("tiles_valid", "depthwise_conv_2d_s8_dsp_tile", (9, 8, 4), padding="VALID", stream="nines"),
    Spatial("tiles_scaled", "depthwise_conv_2d_s8_dsp_tile", (9, 9, 4), options={"scaled": 1}, stream="scaled_nines"),
    Spatial("tiles_of_a_line", "depthwise_conv_2d_s8_dsp_tile", (6, 12, 4), (1, 5), padding="VALID", stream="fives"),
    Elements("add", "add_s8", f"{_ADD}.count = 240", _broadcast() | _ADD_SHAPE, inputs=2),
    Elements("add_channels", "add_s8_constant", _ADD + _CONSTANT, _SIX | _ADD_SHAPE, _ALL_SIX | _ADD_SHAPE),
    Elements("add_plain", "add_s8_plain", f"{_ADD_PLAIN}.count = 240", _broadcast(), inputs=2),
    Elements("add_plain_channels", "add_s8_plain_constant", _ADD_PLAIN + _CONSTANT, _SIX, _ALL_SIX),
    Elements("mul", "mul_s8", f"{_MUL}.count = 240", _broadcast() | _MUL_SHAPE, inputs=2),
    Elements("mul_channels", "mul_s8_constant", _MUL + _CONSTANT, _SIX | _MUL_SHAPE, _ALL_SIX | _MUL_SHAPE),
    Elements("table", "lookup_8", ".table = (const uint8_t *)bytes", _COUNT),
    Elements("flip", "flip_8", "", _COUNT, step=4),
    Elements("requantize", "requantize_8", _REQUANTIZE, _COUNT | {"input_offset": 128}),
    Elements("quantize", "quantize_f32_s8", ".scale = 0.25F, .zero_point = 3", _COUNT, input_bytes=4),
    Elements("quantize_by_search", "quantize_f32_s8_search", ".thresholds = multipliers", _COUNT, input_bytes=4),
    Elements("dequantize", "dequantize_f32", ".scale = 0.3F, .zero_point = 3", _COUNT, output_bytes=4),
    Elements("dequantize_by_table", "dequantize_f32_table", ".table = floats", _COUNT, output_bytes=4),
    Elements(
        "softmax",
        "softmax_s8",
        ".table = multipliers",
        {"pixels": 6} | _SOFTMAX,
        {"pixels": 60} | _SOFTMAX,
        input_bytes=10,
        output_bytes=10,
        elements=6,
    ),
    Accumulated("average_of_all", *_average((6, 5, 24), 5, halves=1)),
    Accumulated("average_of_all_itself", *_average((6, 5, 24), 5, halves=1)[:4]),
    Accumulated("average_of_columns", *_average((6, 9, 6), 3, halves=0), output_w=3),
    Accumulated("average_of_many", *_average((30, 9, 24), 9, halves=0)),
    Accumulated("mean_of_all", *_mean(6, 5, 24, halves=1)),
    Accumulated("mean_of_all_itself", *_mean(6, 5, 24, halves=1)[:4]),
    Accumulated("mean_of_rows", *_mean(7, 1, 24, halves=1)),
    Accumulated("mean_of_many", *_mean(30, 9, 23, halves=0)),
)


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("rows")
    headers = sorted(path.name for path in (resources.firmware() / "kernels").glob("*.h"))
    lines = [f'#include "{header}"' for header in headers]
    lines += [subject.functions() for subject in SUBJECTS]
    lines += ["static const subject subjects[] = {", *(subject.entry() for subject in SUBJECTS), "};", ""]
    (folder / "subjects.h").write_text("\n".join(lines))
    source = Path(__file__).parent / "rows.c"
    includes = ["-I", str(resources.firmware() / "kernels"), "-I", str(folder)]
    built = subprocess.run(
        ["gcc", *FLAGS, *includes, "-o", "program", str(source)],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )
    assert built.returncode == 0, built.stderr[:6000]
    return folder / "program"


@pytest.mark.parametrize("name", [subject.name for subject in SUBJECTS])
def test_bands_from_a_ring_equal_the_whole(program: Path, name: str) -> None:
    ran = subprocess.run([program, name], capture_output=True, text=True, check=False, timeout=60)
    assert ran.returncode == 0, ran.stdout + ran.stderr[:6000]
