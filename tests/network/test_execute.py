"""Whole networks by reference: the oracle's bytes, tensor by tensor."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from shoal import oracle
from shoal.errors import BadInput
from shoal.network.execute import execute, trace
from shoal.network.read_tflite import parse, read
from shoal.network.simplify import simplify
from tflite_builder import ModelBuilder

MODELS = (
    "mlperf_ad_int8",
    "mlperf_ic_int8",
    "mlperf_kws_int8",
    "mlperf_sww_int8",
    "mlperf_vww_int8",
    "mltk_audio_example_int8",
    "mltk_fingerprint_int8",
    "mltk_kws_mobilenetv2_int8",
    "mltk_kws_on_off_int8",
    "mltk_rock_paper_scissors",
    "tflm_add_int8",
    "tflm_hello_int8",
    "tflm_micro_speech_int8",
    "tflm_person_detect_int8",
)


@pytest.mark.skipif(oracle.reason() is not None, reason=oracle.reason() or "")
@pytest.mark.parametrize("model", MODELS)
def test_real_models_are_the_oracles_tensor_by_tensor(model: str, data: Path) -> None:
    path = data / "models" / f"{model}.tflite"
    graph = read(path)
    simplified = simplify(graph)
    judge = oracle.open_oracle(path.read_bytes())
    rng = np.random.default_rng(1)
    for _ in range(2):
        inputs = [
            rng.uniform(0, 1, t.shape).astype(np.float32)
            if t.dtype == "float32"
            else rng.integers(np.iinfo(t.dtype).min, np.iinfo(t.dtype).max + 1, t.shape).astype(t.dtype)
            for t in (graph.tensors[i] for i in graph.inputs)
        ]
        expected = judge.run(inputs)
        values = trace(simplified, inputs)
        for index, value in values.items():
            assert np.array_equal(*simplified.alike(index, value, judge.tensor(index))), graph.tensors[index].name
        for y, index in zip(expected, graph.outputs, strict=True):
            assert values[index].dtype == y.dtype and np.array_equal(values[index], y)


def test_wrong_inputs_are_named() -> None:
    b = ModelBuilder()
    x, y = b.tensor((1, 4), scale=0.5, name="x"), b.tensor((1, 4), scale=0.5)
    b.operator("ADD", [x, x], [y])
    graph = parse(b.build(inputs=[x], outputs=[y]), "net", "f")
    with pytest.raises(BadInput, match="2 inputs where 1 are due"):
        execute(graph, [np.zeros((1, 4), np.int8)] * 2)
    with pytest.raises(BadInput, match=r"net, input 'x': float64 of shape \[4\] where int8 of shape \[1, 4\] is due"):
        execute(graph, [np.zeros(4)])
    assert execute(graph, [np.ones((1, 4), np.int8)])[0].tolist() == [[2] * 4]
