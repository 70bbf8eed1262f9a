"""Reading: what a good file means, and one clear error for each kind of bad one."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from random_networks import RandomNetwork
from shoal.errors import BadInput, Unsupported
from shoal.network.read_tflite import parse, read
from tflite_builder import ModelBuilder


def convolution(b: ModelBuilder, **options: object) -> tuple[int, int]:
    """A small CONV_2D; (input, output)."""
    x = b.tensor((1, 4, 4, 2), scale=0.5, zero_point=-1, name="image")
    w = b.tensor(data=np.ones((3, 1, 1, 2), np.int8), scale=[0.1, 0.2, 0.3], axis=0, name="weights")
    bias = b.tensor(data=np.array([1, 2, 3], np.int32), scale=[0.05, 0.1, 0.15], name="bias")
    y = b.tensor((1, 4, 4, 3), scale=0.25, zero_point=3, name="features")
    b.operator("CONV_2D", [x, w, bias], [y], **options)
    return x, y


def relu_add(b: ModelBuilder, **tensor: object) -> bytes:
    """x + x, with what a test wants x to be."""
    x = b.tensor(**{"shape": (1, 4), "scale": 0.5, "zero_point": 0} | tensor)
    y = b.tensor((1, 4), scale=1.0)
    b.operator("ADD", [x, x], [y])
    return b.build(inputs=[x], outputs=[y])


def test_a_file_means_what_was_built() -> None:
    b = ModelBuilder()
    x, y = convolution(b, padding="VALID", activation="RELU6")
    data = b.build(inputs=[x], outputs=[y])
    graph = parse(data, "net", "net.tflite")
    assert (graph.name, graph.inputs, graph.outputs, graph.labels) == ("net", (x,), (y,), ())
    (operator,) = graph.operators
    assert (operator.index, operator.kind, operator.sources) == (0, "conv_2d", (0,))
    assert operator.inputs == (0, 1, 2) and operator.outputs == (y,)
    image, weights, bias = (graph.tensors[t] for t in (0, 1, 2))
    assert (image.name, image.shape, image.dtype, image.data) == ("image", (1, 4, 4, 2), "int8", None)
    assert (image.scale, image.zero_point) == (0.5, -1)
    assert weights.quantization is not None and weights.quantization.axis == 0
    assert weights.quantization.scale == tuple(np.float32([0.1, 0.2, 0.3]).tolist())
    assert bias.data is not None and bias.data.tolist() == [1, 2, 3] and not bias.data.flags.writeable


def test_files_that_have_only_the_old_operator_code() -> None:
    b = ModelBuilder(codes="deprecated")
    x, y = convolution(b)
    assert parse(b.build(inputs=[x], outputs=[y]), "net", "f").operators[0].kind == "conv_2d"


@given(st.integers(0, 10_000))
@settings(max_examples=40, deadline=None)
def test_every_network_that_the_builder_makes_reads_back(seed: int) -> None:
    network = RandomNetwork(seed)
    graph = parse(network.model, "net", "f")
    b = network.b
    assert [o.kind.upper() for o in graph.operators] == [o.name for o in b._operators]
    assert [list(o.inputs) for o in graph.operators] == [o.inputs for o in b._operators]
    assert [list(o.outputs) for o in graph.operators] == [o.outputs for o in b._operators]
    for index, tensor in graph.tensors.items():
        built = b._tensors[index]
        assert (tensor.shape, tensor.dtype, tensor.name) == (built.shape, built.dtype, built.name)
        assert (tensor.data is None) == (built.data is None)
        if built.data is not None:
            assert tensor.data is not None and tensor.data.tobytes() == built.data
        if built.scale:
            assert tensor.quantization is not None
            assert tensor.quantization.scale == tuple(np.float32(built.scale).tolist())
            assert list(tensor.quantization.zero_point) == built.zero_point


def test_names_are_unique_printable_and_never_empty() -> None:
    b = ModelBuilder()
    x, y, z = (b.tensor((1, 4), scale=0.5, name=n) for n in ("a\n\x1b[31m", "", "a\n\x1b[31m"))
    b.operator("ADD", [x, x], [y])
    b.operator("ADD", [y, y], [z])
    graph = parse(b.build(inputs=[x], outputs=[z]), "net", "f")
    names = [t.name for t in graph.tensors.values()]
    assert names == ["a??[31m", "tensor_1", "a??[31m_2"]


def test_labels_of_the_archive_behind_the_model() -> None:
    b = ModelBuilder()
    x, y = convolution(b)
    model = b.build(inputs=[x], outputs=[y])
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as z:
        z.writestr("notes.txt", "one\ntwo\nthree")
        z.writestr("labels.txt", "cat\r\ndog\nbird\n")
    assert parse(model + archive.getvalue(), "net", "f").labels == ("cat", "dog", "bird")
    assert parse(model + archive.getvalue()[:-30], "net", "f").labels == ()
    assert parse(model + b"PK\x05\x06" + bytes(18), "net", "f").labels == ()


def test_lists_every_unsupported_operator_before_anything_else() -> None:
    b = ModelBuilder()
    x = b.tensor((1, 4), "float16", name="x")  # not supported either, but said later
    s, c, r = (b.tensor((1, 4), scale=0.5, name=n) for n in ("slice", "custom", "sum"))
    b.operator("STRIDED_SLICE", [x], [s])
    b.operator("ADD", [s, s], [r])
    b.operator("CUSTOM", [r], [c], custom_code="Mystery")
    with pytest.raises(Unsupported) as caught:
        parse(b.build(inputs=[x], outputs=[c], subgraphs=2), "net", "net.tflite")
    text = str(caught.value)
    assert text.startswith("net.tflite: 2 operators are not supported: operator 0 STRIDED_SLICE (tensor 'slice'); ")
    assert "operator 2 CUSTOM 'Mystery' (tensor 'custom')" in text and "operator 1" not in text
    assert "CONV_2D, DEPTHWISE_CONV_2D" in caught.value.advice and "custom" in caught.value.advice


def two_subgraphs(b: ModelBuilder) -> bytes:
    x, y = convolution(b)
    return b.build(inputs=[x], outputs=[y], subgraphs=2)


def float_model(b: ModelBuilder) -> bytes:
    x, y = b.tensor((1, 4), "float32"), b.tensor((1, 3), "float32")
    w = b.tensor(data=np.ones((3, 4), np.float32))
    b.operator("FULLY_CONNECTED", [x, w], [y])
    return b.build(inputs=[x], outputs=[y])


def int16_activations(b: ModelBuilder) -> bytes:
    x, y = (b.tensor((1, 4), "int16", scale=0.1) for _ in range(2))
    b.operator("ADD", [x, x], [y])
    return b.build(inputs=[x], outputs=[y])


def test_reads_float32() -> None:
    graph = parse(float_model(ModelBuilder()), "net", "net.tflite")
    assert {t.dtype for t in graph.tensors.values()} == {"float32"}


def test_keeps_weights_in_float16() -> None:
    b = ModelBuilder()
    x, y, wide = b.tensor((1, 4), "float32"), b.tensor((1, 3), "float32"), b.tensor((3, 4), "float32")
    half = b.tensor(data=np.ones((3, 4), np.float16))
    b.operator("DEQUANTIZE", [half], [wide])
    b.operator("FULLY_CONNECTED", [x, wide], [y])
    graph = parse(b.build(inputs=[x], outputs=[y]), "net", "net.tflite")
    assert [(o.kind, o.inputs) for o in graph.operators] == [("fully_connected", (x, half))]


def test_leaves_out_what_works_out_a_shape() -> None:
    b = ModelBuilder()
    x, y = b.tensor((1, 2, 3), "int8", scale=1.0), b.tensor((1, 6), "int8", scale=1.0)
    sizes, one, six, shape = (
        b.tensor((3,), "int32"),
        b.tensor((), "int32"),
        b.tensor(data=np.int32(6)),
        b.tensor((2,), "int32"),
    )
    ends = [b.tensor(data=np.array([n], np.int32)) for n in (0, 1, 1)]
    b.operator("SHAPE", [x], [sizes])
    b.operator("STRIDED_SLICE", [sizes, *ends], [one])
    b.operator("PACK", [one, six], [shape])
    b.operator("RESHAPE", [x, shape], [y])
    graph = parse(b.build(inputs=[x], outputs=[y]), "net", "net.tflite")
    assert [(o.kind, o.inputs) for o in graph.operators] == [("reshape", (x,))]


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (two_subgraphs, "2 subgraphs: export the model without control flow"),
        (int16_activations, "operator 0 add: computes in int16: quantize it"),
        (
            lambda b: relu_add(b, dtype="float16", scale=None),
            "operator 0 add: computes in float16: convert it with float16 weights alone",
        ),
        (lambda b: relu_add(b, variable=True), "keeps state between runs"),
    ],
)
def test_refuses_what_it_does_not_run(make: Callable[[ModelBuilder], bytes], words: str) -> None:
    with pytest.raises(Unsupported) as caught:
        parse(make(ModelBuilder()), "net", "net.tflite")
    assert str(caught.value).startswith("net.tflite") and words in str(caught.value)
    assert caught.value.advice


def wired(inputs: list[int | None], outputs: list[int], ends: tuple[list[int], list[int]]) -> bytes:
    """ADD over four tensors, 0 to 2 activations and 3 a constant, with these numbers for operands."""
    b = ModelBuilder()
    for _ in range(3):
        b.tensor((1, 4), scale=0.5)
    b.tensor(data=np.zeros((1, 4), np.int8), scale=0.5)
    b.operator("ADD", inputs, outputs)
    return b.build(inputs=ends[0], outputs=ends[1])


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (wired([0, 9], [1], ([0], [1])), "operator 0 add: input 1 is tensor 9 of 4"),
        (wired([0, None], [1], ([0], [1])), "input 1 is tensor -1 of 4"),
        (wired([0, -5], [1], ([0], [1])), "input 1 is tensor -5 of 4"),
        (wired([0], [1], ([0], [1])), "1 inputs where 2 are due"),
        (wired([0, 0, 0], [1], ([0], [1])), "3 inputs where 2 are due"),
        (wired([0, 0], [1, 2], ([0], [1])), "2 outputs where 1 is due"),
        (wired([0, 0], [], ([0], [1])), "0 outputs where 1 is due"),
        (wired([0, 0], [-1], ([0], [1])), "its output is tensor -1 of 4"),
        (wired([0, 0], [0], ([0], [0])), "writes tensor 0 'tensor_0', which has a value already"),
        (wired([0, 0], [3], ([0], [3])), "writes tensor 3 'tensor_3', which has a value already"),
        (wired([0, 2], [1], ([0], [1])), "reads tensor 2 'tensor_2' before anything writes it"),
        (wired([0, 0], [1], ([0], [2])), "no operator writes output 'tensor_2'"),
        (wired([0, 0], [1], ([0], [0])), "no operator writes output 'tensor_0'"),
        (wired([0, 0], [1], ([3], [1])), "input 'tensor_3' is a constant"),
        (wired([0, 0], [1], ([7], [1])), "inputs [7] of 4 tensors"),
        (wired([0, 0], [1], ([], [1])), "0 inputs"),
        (wired([0, 0], [1], ([0], [])), "0 outputs"),
        (wired([0, 0], [1], ([0], [1, 1])), "listed twice among the outputs"),
        (relu_add(ModelBuilder(), scale=float("nan")), "a scale that is not above zero"),
        (relu_add(ModelBuilder(), scale=float("inf")), "a scale that is not above zero"),
        (relu_add(ModelBuilder(), scale=0.0), "a scale that is not above zero"),
        (relu_add(ModelBuilder(), scale=-1.0), "a scale that is not above zero"),
        (relu_add(ModelBuilder(), scale=1e30), "a scale that is not above zero and below"),
        (relu_add(ModelBuilder(), scale=1e-30), "a scale of 1"),
        (relu_add(ModelBuilder(), zero_point=128), "a zero point outside of int8"),
        (relu_add(ModelBuilder(), scale=[0.1, 0.2], zero_point=[0]), "2 scales along dimension 0 of shape [1, 4]"),
        (relu_add(ModelBuilder(), scale=[0.1] * 4, axis=-1), "4 scales along dimension -1 of shape [1, 4]"),
        (relu_add(ModelBuilder(), scale=[0.1] * 4, zero_point=[0, 0]), "4 scales but 2 zero points"),
        (relu_add(ModelBuilder(), shape=(0, 4)), "shape [0, 4] has a dimension below 1"),
        (relu_add(ModelBuilder(), shape=(1, -4)), "shape [1, -4] has a dimension below 1"),
        (relu_add(ModelBuilder(), shape=(1,) * 9), "9 dimensions: more than 8"),
        (relu_add(ModelBuilder(), shape=(1 << 30, 1 << 30)), "is more than 8 MiB"),
        (relu_add(ModelBuilder(), shape=(2, 4), data=np.zeros(7, np.int8)), "7 bytes of values where shape [2, 4]"),
    ],
)
def test_refuses_what_contradicts_itself(data: bytes, words: str) -> None:
    with pytest.raises(BadInput) as caught:
        parse(data, "net", "net.tflite")
    assert str(caught.value).startswith("net.tflite") and words in str(caught.value)


def test_an_operators_own_complaint_names_file_and_operator() -> None:
    b = ModelBuilder()
    x, y = b.tensor((1, 4), scale=0.5), b.tensor((1, 9), scale=0.5)
    b.operator("SOFTMAX", [x], [y])
    with pytest.raises(BadInput, match=r"net.tflite, operator 0 softmax"):
        parse(b.build(inputs=[x], outputs=[y]), "net", "net.tflite")


def test_refuses_files_that_are_none(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="no such file"):
        read(tmp_path / "missing.tflite")
    with pytest.raises(BadInput, match="no such file"):
        read(tmp_path)
    empty = tmp_path / "empty.tflite"
    empty.touch()
    with pytest.raises(BadInput, match="not a TensorFlow Lite model"):
        read(empty)
    large = tmp_path / "large.tflite"
    with large.open("wb") as file:
        file.truncate((64 << 20) + 1)
    with pytest.raises(BadInput, match="more than 64 MiB"):
        read(large)


def test_refuses_more_operators_than_any_network_has() -> None:
    b = ModelBuilder()
    row = [b.tensor((1, 4), scale=0.5) for _ in range(1002)]
    for x, y in pairwise(row):
        b.operator("LOGISTIC", [x], [y])
    with pytest.raises(Unsupported, match="1,001 operators"):
        parse(b.build(inputs=[row[0]], outputs=[row[-1]]), "net", "f")


def test_refuses_endless_work() -> None:
    """Windows of two billion rows, which padding makes fit anything."""
    for options in ({"dilation_h": 1 << 30}, {"filter_height": (1 << 31) - 1, "filter_width": 2}):
        b = ModelBuilder()
        x, y = (b.tensor((1, 4, 4, 2), scale=0.5, zero_point=3) for _ in range(2))
        if "dilation_h" in options:
            w = b.tensor(data=np.ones((2, 3, 1, 2), np.int8), scale=0.1)
            b.operator("CONV_2D", [x, w], [y], padding="SAME", **options)
        else:
            b.operator("MAX_POOL_2D", [x], [y], padding="SAME", **options)
        with pytest.raises(Unsupported, match=r"f, operator 0 (conv|max_pool)_2d"):
            parse(b.build(inputs=[x], outputs=[y]), "net", "f")


def test_takes_its_name_from_the_file(tmp_path: Path) -> None:
    b = ModelBuilder()
    x, y = convolution(b)
    path = tmp_path / "tiny-net.tflite"
    path.write_bytes(b.build(inputs=[x], outputs=[y]))
    graph = read(path)
    assert graph.name == "tiny-net" and len(graph.sha256) == 64


RUN = {
    "mlperf_ad_float",
    "mlperf_ad_int8",
    "mlperf_ic_float",
    "mlperf_ic_int8",
    "mlperf_kws_dynrange",
    "mlperf_kws_int8",
    "mlperf_sww_int8",
    "mlperf_vww_float",
    "mlperf_vww_int8",
    "mltk_audio_example_int8",
    "mltk_fingerprint_int8",
    "mltk_kws_mobilenetv2_int8",
    "mltk_kws_on_off_int8",
    "mltk_rock_paper_scissors",
    "tflm_add_int8",
    "tflm_hello_float",
    "tflm_hello_int8",
    "tflm_micro_speech_int8",
    "tflm_person_detect_int8",
}


def test_reads_or_refuses_every_real_model(data: Path) -> None:
    for path in sorted((data / "models").glob("*.tflite")):
        if path.stem.removesuffix("__logits") in RUN:
            assert read(path).operators
        else:
            with pytest.raises(Unsupported) as caught:
                read(path)
            assert caught.value.advice, path
