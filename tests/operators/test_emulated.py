"""A sample of all element operators, in one network, on emulated cores: with the DSP extension and a float unit, with
neither, and RISC-V."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest

from one_operator import assert_same, int8s, needs_oracle
from shoal import boards
from shoal.link.connect import open_node
from shoal.network.execute import execute
from shoal.network.read_tflite import parse, read
from shoal.network.simplify import simplify
from shoal.oracle import open_oracle
from shoal.plan.planner import plan
from shoal.plan.steps import Options
from shoal.render.project import write
from shoal.tensors import Array
from tflite_builder import ModelBuilder

PADS = np.array([[0, 0], [1, 0], [1, 2], [0, 0]], np.int32)


def network() -> bytes:
    """Takes float32 and uint8 images; gives float32 classes, int8 scores and uint8 pixels."""
    b = ModelBuilder()

    def add(
        name: str, inputs: list[int], shape: tuple[int, ...], scale: float, zero_point: int, **options: object
    ) -> int:
        y = b.tensor(shape, scale=scale, zero_point=zero_point)
        b.operator(name, inputs, [y], **options)
        return y

    real, pixels = b.tensor((1, 9, 7, 8), "float32"), b.tensor((1, 9, 7, 8), "uint8", scale=0.02, zero_point=128)
    x = add("QUANTIZE", [real], (1, 9, 7, 8), 0.03, 5)
    p = add("QUANTIZE", [pixels], (1, 9, 7, 8), 0.02, 0)
    both = add("ADD", [x, p], (1, 9, 7, 8), 0.05, -128, activation="RELU")
    padded = add("PAD", [both, b.tensor(data=PADS)], (1, 10, 10, 8), 0.05, -128)
    window = {"filter_height": 3, "filter_width": 3, "stride_h": 2, "stride_w": 2, "padding": "SAME"}
    largest = add("MAX_POOL_2D", [padded], (1, 5, 5, 8), 0.05, -128, activation="RELU6", **window)
    average = add("AVERAGE_POOL_2D", [padded], (1, 5, 5, 8), 0.05, -128, **window)
    channels = b.tensor(data=int8s(3, (8,)), scale=0.01, zero_point=-7)
    scaled = add("MUL", [largest, channels], (1, 5, 5, 8), 0.02, 3)
    biased = add("ADD", [scaled, b.tensor(data=int8s(4, (8,)), scale=0.02, zero_point=9)], (1, 5, 5, 8), 0.04, 11)
    mean = add("MEAN", [average, b.tensor(data=np.array([1, 2], np.int32))], (1, 1, 1, 8), 0.04, -100, keep_dims=True)
    gate = add("LOGISTIC", [mean], (1, 1, 1, 8), 1 / 256, -128)
    gated = add("MUL", [biased, gate], (1, 5, 5, 8), 0.03, 2)
    whole = {"filter_height": 5, "filter_width": 5, "padding": "VALID"}
    pooled = add("AVERAGE_POOL_2D", [gated], (1, 1, 1, 8), 0.03, 2, **whole)
    flat = add("RESHAPE", [pooled], (1, 8), 0.03, 2, new_shape=[1, 8])
    scores = add("SOFTMAX", [flat], (1, 8), 1 / 256, -128)
    classes = b.tensor((1, 8), "float32")
    b.operator("DEQUANTIZE", [flat], [classes])
    bytes_ = b.tensor((1, 5, 5, 8), "uint8", scale=0.06, zero_point=100)
    b.operator("QUANTIZE", [gated], [bytes_])
    return b.build(inputs=[real, pixels], outputs=[classes, scores, bytes_])


def sample(seed: int) -> list[Array]:
    random = np.random.default_rng(seed)
    shape = (1, 9, 7, 8)
    return [random.normal(0, 2, shape).astype(np.float32), random.integers(0, 256, shape, np.uint8)]


@needs_oracle
def test_reference() -> None:
    model = network()
    graph = simplify(parse(model, "elements", "elements"))
    for seed in range(5):
        assert_same(open_oracle(model).run(sample(seed)), execute(graph, sample(seed)))


@pytest.mark.parametrize("prefer", ["speed", "size"])
@pytest.mark.parametrize("name", ["netduinoplus2", "mps2_an385", "esp32c3"])
def test_emulated(name: str, prefer: str, tmp_path: Path) -> None:
    board = boards.load(name)
    assert board.emulator is not None
    for program in (f"{board.toolchain}gcc", *(["qemu-system-arm"] if board.emulator.kind == "qemu" else [])):
        if shutil.which(program) is None:
            pytest.skip(f"needs {program}")
    model = tmp_path / "elements.tflite"
    model.write_bytes(network())
    graph = simplify(read(model))
    write(plan(graph, board, Options(prefer=prefer)), model.read_bytes(), tmp_path / "made")
    with open_node(tmp_path / "made", "emulator") as node:
        for seed in range(3):
            expected = execute(graph, sample(seed))
            answer = node.run([x.tobytes() for x in sample(seed)])
            found = [np.frombuffer(raw, y.dtype) for raw, y in zip(answer.outputs, expected, strict=True)]
            assert_same(expected, found)
