"""The whole road, on every kind of node: generate, build, run, bench, test, compare."""

from __future__ import annotations

import json
import shutil

import numpy as np
import pytest

from shoal import boards, oracle

#: board → the tools that building and emulating it takes
TOOLS = {
    "host": ["cc"],
    "netduinoplus2": ["arm-none-eabi-gcc", "qemu-system-arm"],
    "mps2_an386": ["arm-none-eabi-gcc", "qemu-system-arm"],
    "esp32c3": ["riscv64-unknown-elf-gcc"],
}


@pytest.fixture(scope="module")
def cache(tmp_path_factory):
    """One cache for all: what a command builds, the next one finds."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SHOAL_CACHE_DIR", str(tmp_path_factory.mktemp("cache")))
        yield


@pytest.fixture
def needs():
    def check(*names):
        for tool in (t for name in names for t in TOOLS[name]):
            if shutil.which(tool) is None:
                pytest.skip(f"needs {tool}")

    return check


def reference(model, rows):
    """TensorFlow Lite Micro's outputs, stacked; skips where it is not to be had."""
    if oracle.reason():
        pytest.skip(oracle.reason())
    judge = oracle.open_oracle(model.read_bytes())
    return np.stack([judge.run([row])[0] for row in rows])


@pytest.mark.parametrize("board", TOOLS)
def test_from_model_to_answers(shoal, small, tmp_path, needs, cache, board):
    needs(board)
    folder = tmp_path / "made"
    assert shoal("generate", small, "--board", board, "--output", folder, "--json").document["board"] == board
    built = shoal("build", folder, "--json")
    assert built.code == 0, built.err
    sizes = built.document

    rng = np.random.default_rng(5)
    x = rng.integers(-128, 128, (4, 1, 6, 6, 2)).astype(np.int8)
    np.save(tmp_path / "x.npy", x.reshape(4, -1).astype(np.int64))
    ran = shoal("run", folder, "--input", tmp_path / "x.npy", "--output", tmp_path / "y.npy", "--json")
    assert ran.code == 0, ran.err
    y = np.load(tmp_path / "y.npy")
    assert y.dtype == np.int8 and y.shape == (4, 1, 6, 6, 3)
    assert np.array_equal(y, reference(small, x))
    assert ran.document["build_id"] == sizes["build_id"]

    measured = shoal("bench", folder, "--steps", "--json")
    assert measured.code == 0, measured.err
    document = measured.document
    assert document["exact"] is True
    assert document["source"] == ("host" if board == "host" else "emulated")
    assert document["firmware_sha256"] == ran.document["firmware_sha256"]
    if board != "host":
        assert document["latency"]["instructions"] > 10_000 and document["latency"]["milliseconds"] is None
        assert document["ram"]["arena_bytes"] == sizes["ram"]["arena_bytes"]
        assert document["flash"]["total_bytes"] == sizes["flash"]["total_bytes"]

    tested = shoal("test", folder, "--steps", "--count", "4", "--junit", tmp_path / "j.xml", "--json")
    assert tested.code == 0, tested.out
    assert tested.document["exact"] is True and tested.document["steps"]["first_difference"] is None
    assert (tmp_path / "j.xml").read_bytes().startswith(b"<?xml")


def test_host_runs_another_boards_plan(shoal, small, tmp_path, needs, cache):
    needs("host")
    x = np.arange(72, dtype=np.int8).reshape(6, 6, 2)
    np.save(tmp_path / "x.npy", x)
    command = ["run", small, "--board", "nucleo_f446re", "--node", "host", "--input", tmp_path / "x.npy"]
    ran = shoal(*command, "--output", tmp_path / "y.npy", "--json")
    assert ran.code == 0, ran.err
    assert ran.document["source"] == "host" and ran.document["board"] == "nucleo_f446re"
    assert np.array_equal(np.load(tmp_path / "y.npy"), reference(small, x[None, None]))


def test_floats_go_in_and_real_numbers_come_out(shoal, small, tmp_path, needs, cache):
    needs("host")
    x = np.linspace(-70.0, 70.0, 72).reshape(1, 72)
    np.save(tmp_path / "x.npy", x)
    command = ["run", small, "--board", "host", "--input", tmp_path / "x.npy", "--output", tmp_path / "y.npz"]
    assert shoal(*command, "--dequantize").code == 0
    (y,) = np.load(tmp_path / "y.npz").values()
    assert y.dtype == np.float32 and 0.99 < y.sum(axis=-1).max() <= 1.01
    quantized = np.clip(np.floor(np.abs(x) / 0.5 + 0.5) * np.sign(x) - 3, -128, 127).astype(np.int8)
    want = reference(small, quantized.reshape(1, 1, 6, 6, 2)).astype(np.float32)
    assert np.array_equal(y, (want + 128) / 256)


@pytest.mark.parametrize(
    "value, code", [(np.full((1, 72), 128), 2), (np.full((1, 71), 1), 2), (np.full((1, 72), np.nan), 2)]
)
def test_inputs_that_do_not_fit_are_exit_2(shoal, small, tmp_path, needs, cache, value, code):
    needs("host")
    np.save(tmp_path / "x.npy", value)
    ran = shoal("run", small, "--board", "host", "--input", tmp_path / "x.npy", "--json")
    assert ran.code == code and "x.npy" in ran.document["error"]["where"]


def test_without_output_a_summary_is_printed(shoal, small, tmp_path, needs, cache):
    needs("host")
    np.save(tmp_path / "x.npy", np.zeros((30, 72), np.int8))
    ran = shoal("run", small, "--board", "host", "--input", tmp_path / "x.npy")
    assert ran.code == 0 and "30 rows on host" in ran.out and "--output" in ran.out


@pytest.mark.parametrize(
    "arguments, code",
    [
        (["--board", "nucleo_f446re"], 3),
        (["--board", "nucleo_f446re", "--node", "emulator"], 3),
        (["--board", "netduinoplus2", "--node", "serial:/dev/no_such_port"], 3),
        (["--board", "netduinoplus2", "--node", "teletype"], 2),
        ([], 2),
    ],
)
def test_nodes_that_are_not_there(shoal, small, tmp_path, needs, cache, arguments, code):
    needs("netduinoplus2")
    np.save(tmp_path / "x.npy", np.zeros(72, np.int8))
    ran = shoal("run", small, "--input", tmp_path / "x.npy", *arguments, "--json")
    assert ran.code == code and ran.document["error"]["advice"], ran.out


def test_a_folder_that_was_made_with_other_options_is_an_error(shoal, small, tmp_path):
    folder = tmp_path / "made"
    assert shoal("generate", small, "--board", "host", "--output", folder).code == 0
    for wrong in (["--prefer", "size"], ["--board", "esp32c3"], ["--ram-budget", "9000"], ["--name", "other"]):
        ran = shoal("bench", folder, *wrong, "--json")
        assert ran.code == 2, wrong
        assert "another folder" in ran.document["error"]["advice"]
    assert shoal("test", tmp_path, "--json").code == 2


def test_a_wrong_figure_in_the_code_is_found_by_step(shoal, small, tmp_path, needs, cache):
    needs("host")
    if oracle.reason():
        pytest.skip(oracle.reason())
    folder = tmp_path / "made"
    assert shoal("generate", small, "--board", "host", "--output", folder).code == 0
    code = folder / "model" / "small.c"
    right = code.read_text()
    code.write_text(right.replace(".offset = 5,", ".offset = 6,", 1))
    assert code.read_text() != right
    ran = shoal("test", folder, "--steps", "--json")
    assert ran.code == 1 and ran.document["exact"] is False
    found = ran.document["steps"]["first_difference"]
    assert (found["step"], found["kind"], found["got"] - found["want"]) == (0, "conv_2d", 1)
    assert "step 0 conv_2d" in ran.document["error"]["what"]


def test_results_are_compared_and_regressions_stop(shoal, small, tmp_path, needs, cache):
    needs("netduinoplus2")
    before = shoal("bench", small, "--board", "netduinoplus2", "--steps", "--json").document
    worse = json.loads(json.dumps(before))
    worse["latency"]["instructions"] = int(before["latency"]["instructions"] * 1.06)
    worse["flags"] = [*before["flags"], "-fno-builtin"]
    for name, document in (("before", before), ("after", worse)):
        (tmp_path / f"{name}.json").write_text(json.dumps(document))
    results = [tmp_path / "before.json", tmp_path / "after.json"]
    ran = shoal("compare", *results, "--fail-above", "5", "--html", tmp_path / "page.html", "--json")
    assert ran.code == 1 and "instructions" in ran.document["error"]["what"]
    assert ran.document["results"][1]["differs"] == ["flags"]
    assert "Cost per step" in (tmp_path / "page.html").read_text()
    assert shoal("compare", *results, "--fail-above", "7").code == 0
    text = shoal("compare", *results)
    assert text.code == 0 and "+6.0 %" in text.out and "flags" in text.out


def test_results_of_other_models_and_no_results_are_refused(shoal, small, tmp_path, needs, cache):
    needs("netduinoplus2")
    before = shoal("bench", small, "--board", "netduinoplus2", "--json").document
    (tmp_path / "a.json").write_text(json.dumps(before))
    (tmp_path / "b.json").write_text(json.dumps({**before, "model_sha256": "00" * 32}))
    (tmp_path / "c.json").write_text(json.dumps({"error": {"what": "x", "where": "", "advice": ""}}))
    (tmp_path / "d.json").write_text("[1, 2")
    for other in "bcd":
        ran = shoal("compare", tmp_path / "a.json", tmp_path / f"{other}.json", "--json")
        assert ran.code == 2 and f"{other}" in ran.document["error"]["where"]


def test_boards_are_compared(shoal, small, tmp_path, needs, cache):
    needs("netduinoplus2", "esp32c3")
    names = ["netduinoplus2", "esp32c3", "nucleo_f446re"]
    command = ["compare", small, *(a for name in names for a in ("--board", name))]
    ran = shoal(*command, "--html", tmp_path / "page.html", "--json")
    assert ran.code == 0, ran.out
    results = ran.document["results"]
    assert [r["label"] for r in results] == names
    assert [r["source"] for r in results] == ["emulated", "emulated", "model"]
    assert results[2]["why_not_measured"] == "the board has no emulator"
    assert all(r["limits"]["ram_bytes"] == boards.load(r["board"]).region("ram").bytes for r in results)
