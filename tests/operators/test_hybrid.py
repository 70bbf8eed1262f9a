"""Float32 activations by int8 weights: generated C against our reference bit for bit, our reference against LiteRT's
own kernels within what rounding explains."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from test_float_32 import values

from one_operator import Example, assert_c_is_exact
from shoal.network.execute import execute
from shoal.network.read_tflite import parse
from shoal.operators import hybrid
from tflite_builder import ModelBuilder


@st.composite
def examples(draw: st.DrawFn) -> Example:
    name = draw(st.sampled_from(["CONV_2D", "DEPTHWISE_CONV_2D", "FULLY_CONNECTED"]))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    batches, size, inputs, outputs = (draw(st.integers(1, n)) for n in (2, 5, 9, 9))
    multiplier = draw(st.integers(1, 2))
    options: dict[str, object] = {"activation": draw(st.sampled_from(["NONE", "RELU"]))}
    shape: tuple[int, ...] = (batches, size, size, inputs)
    result: tuple[int, ...] = (batches, size, size, outputs)
    if name == "FULLY_CONNECTED":
        shape, result, filters, axis = (batches, inputs), (batches, outputs), (outputs, inputs), 0
        options["asymmetric_quantize_inputs"] = draw(st.booleans())
    elif name == "CONV_2D":
        filters, axis = (outputs, 3, 3, inputs), 0
        options |= {"padding": "SAME"}
    else:
        filters, axis = (1, 3, 3, inputs * multiplier), 3
        result = (batches, size, size, inputs * multiplier)
        options |= {"padding": "SAME", "depth_multiplier": multiplier}
    channels = result[-1]
    scale = rng.uniform(0.001, 0.1, channels if draw(st.booleans()) else 1)
    b = ModelBuilder()
    x, y = b.tensor(shape, "float32"), b.tensor(result, "float32")
    weights = b.tensor(data=rng.integers(-127, 128, filters).astype(np.int8), scale=scale, axis=axis)
    bias = b.tensor(data=rng.normal(0, 1, channels).astype(np.float32))
    b.operator(name, [x, weights, bias], [y], **options)
    source = values(int(rng.integers(2**32)), shape)
    return Example(b.build(inputs=[x], outputs=[y]), [draw(st.sampled_from([source, source * 0, np.abs(source)]))])


@pytest.mark.parametrize("core", [None, "cortex-m4", "cortex-m3"])
def test_c(core: str | None) -> None:
    @given(st.lists(examples(), min_size=12, max_size=12))
    @settings(max_examples=1, deadline=None, phases=[Phase.generate], suppress_health_check=list(HealthCheck))
    def test(drawn: Sequence[Example]) -> None:
        assert_c_is_exact(drawn, core=core)

    test()


@given(st.integers(0, 2**32 - 1), st.booleans())
@settings(max_examples=100, deadline=None)
def test_a_quantized_value_is_within_half_a_step(seed: int, asymmetric: bool) -> None:
    x = values(seed, (50,))
    quantized, scale, zero_point = hybrid.quantize(x, asymmetric)
    real = (quantized.astype(np.float64) - zero_point) * scale
    # a zero point is rounded, too, so that an end of the range may lie half a step outside
    assert np.abs(real - x).max() <= scale * (1.01 if asymmetric else 0.501)
    assert hybrid.quantize(np.zeros(3, np.float32), asymmetric)[0].tolist() == [0, 0, 0]


def _litert(model: bytes, x: np.ndarray) -> np.ndarray:
    tf = pytest.importorskip("tensorflow", reason="needs shoal's extra `tensorflow`")
    kernels = tf.lite.experimental.OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES
    interpreter = tf.lite.Interpreter(model_content=model, experimental_op_resolver_type=kernels)
    interpreter.allocate_tensors()
    interpreter.set_tensor(interpreter.get_input_details()[0]["index"], x)
    interpreter.invoke()
    return np.array(interpreter.get_tensor(interpreter.get_output_details()[0]["index"]))


def test_a_real_model_is_near_litert(data: Path) -> None:
    """Scores of the keyword network that TensorFlow Lite Micro refuses."""
    model = (data / "models" / "mlperf_kws_dynrange.tflite").read_bytes()
    graph = parse(model, "kws", "kws")
    with np.load(data / "inputs" / "kws01_mfcc_int8.npz") as stored:
        features = next(iter(stored.values()))[:8].reshape(-1, 49, 10, 1)
    for row in (features.astype(np.float32) - 83) * np.float32(0.5847):
        (found,) = execute(graph, [row[None]])
        np.testing.assert_allclose(found, _litert(model, row[None]), atol=1e-5)
