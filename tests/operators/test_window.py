"""Windows: TFLite's SAME and VALID as explicit padding."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from shoal.operators.window import Window, extent, same_padding


@given(st.integers(1, 40), st.integers(1, 9), st.integers(1, 5), st.integers(1, 3))
def test_same_gives_as_many_outputs_as_strides_begin(size: int, kernel: int, stride: int, dilation: int) -> None:
    before, after = same_padding(size, kernel, stride, dilation)
    window = Window(stride, stride, dilation, dilation, before, after, before, after)
    outputs = -(-size // stride)
    assert window.output_size((size, size), (kernel, kernel)) == (outputs, outputs)
    assert 0 <= after - before <= 1


@given(st.integers(1, 40), st.integers(1, 9), st.integers(1, 5), st.integers(1, 3))
def test_valid_takes_only_windows_that_fit(size: int, kernel: int, stride: int, dilation: int) -> None:
    window = Window(stride, stride, dilation, dilation, 0, 0, 0, 0)
    height, _ = window.output_size((size, size), (kernel, kernel))
    assert height == len(range(0, size - extent(kernel, dilation) + 1, stride)) or height < 1
