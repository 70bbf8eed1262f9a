"""Real models on every kind of node: TensorFlow Lite Micro's bytes, from `shoal run`."""

from __future__ import annotations

import shutil

import numpy as np
import pytest

from real_models import MODELS
from shoal import oracle
from shoal.network.read_tflite import read

#: board → the tools that building and emulating it takes
TOOLS = {
    "host": ["cc"],
    "netduinoplus2": ["arm-none-eabi-gcc", "qemu-system-arm"],
    "mps2_an386": ["arm-none-eabi-gcc", "qemu-system-arm"],
    "esp32c3": ["riscv64-unknown-elf-gcc"],
}

#: golden file → the array of inputs that goes with it: (file, array), None where it is the golden file's own
GOLDEN = {
    "mlperf_kws_int8__kws01": ("kws01_mfcc_int8.npz", "x"),
    "mlperf_sww_int8__sww_windows": ("sww_windows_float.npz", "x"),
    "tflm_micro_speech_int8__speech4": ("micro_speech_feat_int8.npz", "x"),
    "mltk_audio_example_int8__random": None,
    "mltk_fingerprint_int8__random": None,
    "mltk_kws_mobilenetv2_int8__random": None,
    "mltk_kws_on_off_int8__random": None,
    "mltk_rock_paper_scissors__random": None,
    "tflm_hello_int8__random": None,
}


def need(board):
    for tool in TOOLS[board]:
        if shutil.which(tool) is None:
            pytest.skip(f"needs {tool}")


def random_rows(tensor, count, rng):
    shape = (count, *tensor.shape)
    if tensor.dtype == "float32":
        return rng.uniform(-1.5, 1.5, shape).astype(np.float32)
    info = np.iinfo(tensor.dtype)
    return rng.integers(info.min, info.max + 1, shape).astype(tensor.dtype)


@pytest.mark.parametrize("board", TOOLS)
@pytest.mark.parametrize("name", MODELS)
def test_bytes_on_random_inputs(shoal, data, tmp_path, cache, name, board):
    need(board)
    if oracle.reason():
        pytest.skip(oracle.reason())
    model = data / "models" / f"{name}.tflite"
    graph = read(model)
    inputs = [graph.tensors[i] for i in graph.inputs]
    rng = np.random.default_rng(len(name))
    rows = [random_rows(t, 2, rng) for t in inputs]
    np.savez(tmp_path / "x.npz", **{t.name: r for t, r in zip(inputs, rows, strict=True)})
    command = ["run", model, "--board", board, "--input", tmp_path / "x.npz", "--output", tmp_path / "y.npz", "--json"]
    ran = shoal(*command)
    assert ran.code == 0, ran.out
    judge = oracle.open_oracle(model.read_bytes())
    wanted = [judge.run(row) for row in zip(*rows, strict=True)]
    with np.load(tmp_path / "y.npz") as outputs:
        for i, output in enumerate(outputs.values()):
            want = np.stack([w[i] for w in wanted])
            assert (output.dtype, output.shape) == (want.dtype, want.shape)
            assert np.array_equal(output, want)


@pytest.mark.parametrize("golden", GOLDEN)
def test_bytes_on_given_inputs(shoal, data, tmp_path, cache, golden):
    """All stored inputs, on the host: answers that were stored with them need no oracle."""
    need("host")
    source = GOLDEN[golden]
    with np.load(data / "golden" / f"{golden}.npz") as stored:
        want = stored["y"]
        x = stored["x"] if source is None else None
    if source is not None:
        with np.load(data / "inputs" / source[0]) as stored:
            x = stored[source[1]]
    np.save(tmp_path / "x.npy", x)
    model = data / "models" / f"{golden.partition('__')[0]}.tflite"
    ran = shoal(
        *("run", model, "--board", "host", "--input", tmp_path / "x.npy", "--output", tmp_path / "y.npy", "--json")
    )
    assert ran.code == 0, ran.out
    y = np.load(tmp_path / "y.npy")
    assert y.dtype == want.dtype and np.array_equal(y.reshape(want.shape), want)


def test_keywords_are_understood_on_an_emulated_board(shoal, data, tmp_path, cache):
    need("mps2_an386")
    with np.load(data / "inputs" / "kws01_mfcc_int8.npz") as stored:
        np.save(tmp_path / "x.npy", stored["x"])
        labels = stored["y"]
    model = data / "models" / "mlperf_kws_int8.tflite"
    ran = shoal("run", model, "--board", "mps2_an386", "--input", tmp_path / "x.npy", "--json")
    assert ran.code == 0, ran.out
    assert [a["class"] for a in ran.document["answers"]].count(None) == 0
    right = sum(a["class"] == label for a, label in zip(ran.document["answers"], labels, strict=True))
    assert (right, len(labels)) == (448, 500)
