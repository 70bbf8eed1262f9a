"""The oracle: right answers, every tensor kept, clear errors, a reason where it is missing."""

from __future__ import annotations

import builtins

import numpy as np
import pytest

from shoal import oracle
from shoal.errors import BadInput, ToolError
from tflite_builder import ModelBuilder


def _two_inputs() -> tuple[bytes, int]:
    b = ModelBuilder()
    x0, x1 = (b.tensor((1, 4), scale=0.5, zero_point=0) for _ in range(2))
    sum_ = b.tensor((1, 4), scale=1.0, zero_point=0)
    b.operator("ADD", [x0, x1], [sum_])
    y = b.tensor((1, 4), "float32")
    b.operator("DEQUANTIZE", [sum_], [y])
    return b.build(inputs=[x0, x1], outputs=[y, sum_]), sum_


needs_oracle = pytest.mark.skipif(oracle.reason() is not None, reason=oracle.reason() or "")


@needs_oracle
def test_runs_and_keeps_every_tensor() -> None:
    model, sum_ = _two_inputs()
    judge = oracle.open_oracle(model)
    x0, x1 = np.array([[2, 4, 6, 8]], np.int8), np.array([[0, 2, -6, 2]], np.int8)
    y, s = judge.run([x0, x1])
    assert y.dtype == np.float32 and y.tolist() == [[1.0, 3.0, 0.0, 5.0]]
    assert s.dtype == np.int8 and s.tolist() == [[1, 3, 0, 5]]
    assert judge.tensor(sum_).tolist() == s.tolist()
    assert judge.tensor(0).tolist() == x0.tolist()


@needs_oracle
def test_later_runs_leave_earlier_answers_alone() -> None:
    model, _ = _two_inputs()
    judge = oracle.open_oracle(model)
    first = judge.run([np.full((1, 4), 10, np.int8)] * 2)[1]
    judge.run([np.zeros((1, 4), np.int8)] * 2)
    assert first.tolist() == [[10] * 4]


@needs_oracle
def test_refuses_inputs_that_do_not_fit() -> None:
    model, _ = _two_inputs()
    judge = oracle.open_oracle(model)
    good = np.zeros((1, 4), np.int8)
    for inputs in ([good], [good, good.astype(np.uint8)], [good, good[0]], [good, np.zeros((1, 5), np.int8)]):
        with pytest.raises(BadInput):
            judge.run(inputs)
    with pytest.raises(IndexError):
        judge.tensor(99)


@needs_oracle
def test_large_activations_get_a_large_arena() -> None:
    b = ModelBuilder()
    x, y = (b.tensor((1, 500, 500, 16), scale=0.5, zero_point=0) for _ in range(2))
    b.operator("ADD", [x, x], [y])
    judge = oracle.open_oracle(b.build(inputs=[x], outputs=[y]))
    assert judge.run([np.ones((1, 500, 500, 16), np.int8)])[0].max() == 2


@needs_oracle
def test_a_model_that_tflm_refuses_is_bad_input() -> None:
    b = ModelBuilder()
    x, y = b.tensor((1, 4), scale=0.5), b.tensor((1, 4), scale=0.5)
    b.operator("CUSTOM", [x], [y], custom_code="Nobody")
    with pytest.raises(BadInput, match="does not take this model"):
        oracle.open_oracle(b.build(inputs=[x], outputs=[y]))


def test_says_why_there_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    real_import = builtins.__import__

    def no_wheel(name: str, *args: object, **kwargs: object) -> object:
        if name == "tflite_micro":
            raise ImportError("no such wheel")
        return real_import(name, *args, **kwargs)  # type: ignore[arg-type]  # passed through

    oracle._load.cache_clear()
    monkeypatch.setattr(builtins, "__import__", no_wheel)
    try:
        assert "no such wheel" in (oracle.reason() or "")
        with pytest.raises(ToolError, match="tflite-micro cannot be loaded"):
            oracle.open_oracle(b"")
    finally:
        monkeypatch.undo()
        oracle._load.cache_clear()
