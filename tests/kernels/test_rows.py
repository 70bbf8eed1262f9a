"""Spatial kernels from rings of rows: the same bytes as from whole tensors, and no byte read outside of the window."""

from __future__ import annotations

import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest

from host_build import FLAGS
from shoal import resources
from shoal.operators.window import extent, same_padding

_WEIGHTED = ".input = INPUT, .output = OUTPUT, .input_zero_point = -7, .offset = 5, .low = -90, .high = 90, "
_PER_CHANNEL = _WEIGHTED + ".weights = bytes, .bias = words, .multipliers = multipliers, .shifts = shifts"
_ARGS = {
    "conv_2d_s8": _PER_CHANNEL,
    "conv_2d_s8_dsp": _WEIGHTED + ".scratch = SCRATCH, .weights = bytes, .requantization = pairs",
    "depthwise_conv_2d_s8": _PER_CHANNEL,
    "depthwise_conv_2d_s8_dsp_3x3": ".input = INPUT, .output = OUTPUT, .offset = 5, .low = -90, .high = 90, "
    ".weights = bytes, .requantization = fours, .padding = bytes",
    "average_pool_2d_s8": ".input = INPUT, .output = OUTPUT, .low = -90, .high = 90",
    "max_pool_2d_s8": ".input = INPUT, .output = OUTPUT, .low = -90, .high = 90",
}
_SCRATCH = {"conv_2d_s8_dsp": "arena + SCRATCH, "}


@dataclass(frozen=True)
class Subject:
    """A kernel on an image of height × width × channels; `options` are the members of its shape that only it has,
    `output_c` the channels of its output, 0 for as many as the input's."""

    name: str
    kernel: str
    input: tuple[int, int, int]
    filter: tuple[int, int] = (3, 3)
    stride: int = 1
    dilation: int = 1
    padding: str = "SAME"
    output_c: int = 0
    options: tuple[tuple[str, int], ...] = ()

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
        members |= dict(self.options)
        pool, nine = "pool" in self.kernel, self.kernel.endswith("3x3")
        members["channels" if pool or nine else "input_c"] = channels
        if not nine:
            members |= {"filter_h": self.filter[0], "filter_w": self.filter[1]}
        if not pool:
            members |= {"dilation_h": self.dilation, "dilation_w": self.dilation}
        if self.kernel.startswith("conv"):
            members["output_c"] = self.output_c
        return members

    def functions(self) -> str:
        """C: the kernel on its whole tensor, and its band."""
        members = ", ".join(f".{name} = {value}" for name, value in self.shape().items())
        rest = f"&{self.name}_args, &{self.name}_shape"
        return f"""
static const {self.kernel}_shape {self.name}_shape = {{{members}}};
static const {self.kernel}_args {self.name}_args = {{{_ARGS[self.kernel]}}};
static void {self.name}_whole(void) {{
    {self.kernel}(arena, {rest});
}}
static void {self.name}_band(const input_rows *rows, int32_t y, span pixels, int8_t *output) {{
    {self.kernel}_band(rows, y, pixels, output, {_SCRATCH.get(self.kernel, "")}{rest});
}}
"""

    def entry(self) -> str:
        """C: the line in the table of subjects."""
        output, pads = self.sizes()
        numbers = [*self.input, *output, self.output_c or self.input[2], *self.filter]
        numbers += [self.stride, self.dilation, *pads]
        return f'    {{"{self.name}", {", ".join(map(str, numbers))}, {self.name}_whole, {self.name}_band}},'


_CLAMPED = (("clamped", 1),)
SUBJECTS = (
    Subject("conv", "conv_2d_s8", (9, 8, 3), output_c=6, options=(("groups", 1),)),
    Subject("conv_stride_2", "conv_2d_s8", (10, 9, 4), stride=2, output_c=8, options=(("groups", 2), *_CLAMPED)),
    Subject("conv_dilated", "conv_2d_s8", (9, 11, 2), dilation=2, output_c=5, options=(("groups", 1),)),
    Subject("conv_valid", "conv_2d_s8", (9, 9, 4), (5, 2), 2, padding="VALID", output_c=4, options=(("groups", 1),)),
    Subject("conv_all_padding", "conv_2d_s8", (14, 4, 3), (3, 2), dilation=5, output_c=4, options=(("groups", 1),)),
    Subject("pairs", "conv_2d_s8_dsp", (9, 8, 4), output_c=6, options=(("groups", 1),)),
    Subject("pairs_of_bytes", "conv_2d_s8_dsp", (9, 8, 3), (2, 4), output_c=3, options=(("groups", 1),)),
    Subject("pairs_stride_2", "conv_2d_s8_dsp", (10, 9, 4), stride=2, output_c=8, options=(("groups", 1), *_CLAMPED)),
    Subject("pairs_dilated", "conv_2d_s8_dsp", (9, 11, 6), dilation=2, output_c=6, options=(("groups", 2),)),
    Subject("depthwise", "depthwise_conv_2d_s8", (9, 8, 6), options=(("multiplier", 1), *_CLAMPED)),
    Subject("depthwise_stride_2", "depthwise_conv_2d_s8", (9, 8, 3), (5, 3), 2, 1, "SAME", 6, (("multiplier", 2),)),
    Subject(
        "depthwise_all_padding", "depthwise_conv_2d_s8", (14, 4, 4), (3, 2), dilation=5, options=(("multiplier", 1),)
    ),
    Subject("taps", "depthwise_conv_2d_s8_dsp_3x3", (9, 7, 8)),
    Subject("taps_stride_2", "depthwise_conv_2d_s8_dsp_3x3", (10, 9, 4), stride=2, options=_CLAMPED),
    Subject("taps_dilated", "depthwise_conv_2d_s8_dsp_3x3", (9, 9, 4), dilation=2),
    Subject("average", "average_pool_2d_s8", (9, 8, 6)),
    Subject("average_stride_2", "average_pool_2d_s8", (10, 9, 4), (2, 3), 2, options=(("is_clamped", 1),)),
    Subject("max", "max_pool_2d_s8", (9, 8, 3), (2, 2)),
    Subject("max_stride_2", "max_pool_2d_s8", (10, 9, 4), (3, 3), 2, padding="VALID", options=(("is_clamped", 1),)),
)


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("rows")
    lines = [f'#include "{kernel}.h"' for kernel in _ARGS]
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
