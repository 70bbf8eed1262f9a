"""Profiles on the command line: made on emulators, and what a split makes of them."""

from __future__ import annotations

import json
import shutil
from itertools import pairwise

import numpy as np
import pytest

from shoal import boards, oracle
from tflite_builder import ModelBuilder


def need_arm():
    for tool in ("arm-none-eabi-gcc", "qemu-system-arm"):
        if shutil.which(tool) is None:
            pytest.skip(f"needs {tool}")


@pytest.fixture
def profiled(shoal, small, tmp_path, cache):
    """The small model's profile on an emulated STM32F405."""
    need_arm()
    ran = shoal("profile", small, "--board", "netduinoplus2", "--output", tmp_path / "p.json", "--json")
    assert ran.code == 0, ran.out
    return tmp_path / "p.json", ran.document


def fabricated(model, chosen):
    """A profile of a model for these boards: 1 ms for each operator, 5 ms for each tensor in or out."""
    from shoal.network.read_tflite import read
    from shoal.network.simplify import simplify
    from shoal.plan.chunks import Chunks
    from shoal.plan.steps import Options

    graph = simplify(read(model))
    chunks = Chunks(graph)

    def member(board):
        found = boards.load(board)
        works = chunks.need(0, len(graph.operators), found, Options()).works
        time = {"nanoseconds": 1_000_000, "source": "emulated", "sources": ["emulated"]}
        wire = {"instructions": None, "nanoseconds": 5_000_000, "source": "board", "sources": ["board"]}
        sizes = {t: graph.tensors[t].bytes for t in (*graph.inputs, *(o.outputs[0] for o in graph.operators))}
        return {
            "board": board,
            "board_sha256": found.sha256,
            "node": "emulator",
            "source": "emulated",
            "clock_hz": 1000,
            "runs": 1,
            "assumption": "estimated: by the test",
            "images": [
                {
                    "first": 0,
                    "last": len(graph.operators),
                    "prefer": "speed",
                    "firmware_sha256": "0" * 64,
                    "build_id": "1",
                    "compiler": None,
                    "flags": None,
                    "instructions": 3,
                    "cycles": None,
                    "exact": None,
                    "exact_reason": "not asked",
                }
            ],
            "operators": [
                {
                    "operator": w.operator,
                    "function": w.function,
                    "literal": w.literal,
                    "instructions": 7,
                    "cycles": None,
                    "cycles_estimated": None,
                    **time,
                }
                for w in works
            ],
            "tensors": [{"tensor": t, "bytes": b, "entry": wire, "exit": wire} for t, b in sizes.items()],
            "boundaries": [],
            "link": {
                "uart": "u",
                "baud": 115200,
                "goodput": 9000.0,
                "goodput_in": 9000.0,
                "goodput_out": 9000.0,
                "round_trip_milliseconds": 1.5,
                "source": "board",
            },
            "energy": {
                "current_milliamperes": None,
                "idle_milliamperes": None,
                "window_milliseconds": None,
                "microjoules": None,
                "meter": None,
                "source": None,
                "sources": [],
            },
        }

    return {
        "schema": 1,
        "tool_version": "0",
        "date": "2020-01-01T00:00:00+00:00",
        "model": "small",
        "model_sha256": graph.sha256,
        "options": {"prefer": "speed"},
        "operators": [{"index": o.index, "kind": o.kind, "name": "n", "macs": 0} for o in graph.operators],
        "boards": [member(b) for b in chosen],
    }


@pytest.fixture
def altered(small, tmp_path):
    """A profile of the small model for `host` and `esp32c3`, whose figures a test chooses: no board is needed."""

    def write(change=lambda document: None, name="p.json"):
        document = fabricated(small, ("host", "esp32c3"))
        change(document)
        (tmp_path / name).write_text(json.dumps(document))
        return tmp_path / name

    return write


@pytest.fixture
def split(shoal, small, tmp_path):
    def run(*arguments, boards=("host", "esp32c3")):
        asked = [a for b in boards for a in ("--board", b)]
        return shoal("split", small, *asked, *arguments, "--output", tmp_path / "duo", "--json")

    return run


def test_a_profile_has_every_operator_and_every_cut(profiled, shoal, small):
    path, document = profiled
    assert json.loads(path.read_text()) == document
    assert [o["kind"] for o in document["operators"]] == ["conv_2d", "add", "softmax"]
    part = document["boards"][0]
    assert (part["source"], part["link"]["source"], part["energy"]["source"]) == ("emulated", "model", "model")
    assert [o["operator"] for o in part["operators"]] == [0, 1, 2]
    whole = part["images"][0]["instructions"]
    bench = shoal("bench", small, "--board", "netduinoplus2", "--json").document
    assert whole == bench["latency"]["instructions"]
    assert whole < sum(o["instructions"] for o in part["operators"]) < whole + 100
    assert "estimated" in part["assumption"]
    assert [b["bytes"] for b in part["boundaries"]] == [72, 108, 108, 108]
    for tensor in part["tensors"]:
        for way in ("entry", "exit"):
            # CRC, COBS and a copy: some tens of instructions a byte, beside a frame's own
            assert 30 * tensor["bytes"] < tensor[way]["instructions"] < 20_000
            assert (tensor[way]["source"], tensor[way]["sources"]) == ("model", ["emulated", "model"])


def test_a_split_takes_what_was_measured(profiled, shoal, small, tmp_path):
    path, document = profiled
    asked = ["split", small, "--board", "netduinoplus2", "--board", "host", "--output", tmp_path / "duo", "--json"]
    modelled = shoal(*asked).document
    assert (modelled["source"], modelled["sources"]) == ("model", ["model"])
    made = shoal(*asked, "--profile", path).document
    assert (made["source"], made["sources"]) == ("model", ["emulated", "model"])
    node = made["nodes"][0]
    ran = document["boards"][0]["operators"][node["first"] : node["last"]]
    assert node["instructions"] == sum(o["instructions"] for o in ran)
    assert node["compute_milliseconds"] == pytest.approx(sum(o["nanoseconds"] for o in ran) / 1e6)
    assert made["nodes"][1]["sources"] == ["model"]


def layers(widths):
    """A model of fully connected layers."""
    rng = np.random.default_rng(5)
    b = ModelBuilder()
    x = before = b.tensor((1, widths[0]), scale=0.05, zero_point=3)
    for inputs, outputs in pairwise(widths):
        weights = b.tensor(data=rng.integers(-127, 128, (outputs, inputs), np.int8), scale=0.01, zero_point=0)
        bias = b.tensor(data=rng.integers(-500, 500, outputs, np.int32), scale=0.0005, zero_point=0)
        after = b.tensor((1, outputs), scale=0.1, zero_point=-4)
        b.operator("FULLY_CONNECTED", [before, weights, bias], [after])
        before = after
    return b.build(inputs=[x], outputs=[before])


def test_operators_are_found_behind_a_layer_that_is_shared(shoal, tmp_path):
    model = tmp_path / "layers.tflite"
    model.write_bytes(layers((32, 16, 16, 16)))
    document = fabricated(model, ("host",))
    for operator, milliseconds in zip(document["boards"][0]["operators"], (100, 200, 400), strict=True):
        operator["nanoseconds"] = milliseconds * 10**6
    (tmp_path / "p.json").write_text(json.dumps(document))
    boards = ["--board", "host"] * 3
    made = shoal("split", model, *boards, "--share", "0", "--profile", tmp_path / "p.json",
                 "--output", tmp_path / "trio", "--json").document  # fmt: skip
    assert 600 <= made["nodes"][2]["compute_milliseconds"] < 601
    assert made["nodes"][0]["compute_milliseconds"] < 1
    assert {"emulated", "model"} <= set(made["nodes"][2]["sources"])


def test_a_board_that_holds_only_parts_is_measured_in_parts(shoal, tmp_path, cache):
    need_arm()
    (tmp_path / "wide.tflite").write_bytes(layers((128, 256, 512, 64)))
    described = json.loads(boards.load("netduinoplus2").path.read_text(encoding="utf-8"))
    described["shoal"]["regions"][0]["bytes"] = 64 * 1024  # the second layer has 128 KiB of weights
    (tmp_path / "tight.json").write_text(json.dumps(described), encoding="utf-8")
    asked = ["profile", tmp_path / "wide.tflite", "--board", tmp_path / "tight.json", "--output", tmp_path / "p.json"]
    ran = shoal(*asked, "--json")
    assert ran.code == 0, ran.out
    part = ran.document["boards"][0]
    assert [(i["first"], i["last"]) for i in part["images"]] == [(0, 1), (2, 3)]
    assert [i["exact"] for i in part["images"]] == [None if oracle.reason() else True] * 2
    assert [o["operator"] for o in part["operators"]] == [0, 2]
    text = shoal(*asked).out
    assert text.count("does not fit") == 1
    assert "1 of 3 operators do not fit it" in text


def test_exponentials_in_float32_are_near_enough(shoal, tmp_path, cache):
    need_arm()
    b = ModelBuilder()
    x = b.tensor((1, 16), "float32")
    w = b.tensor(data=np.random.default_rng(2).normal(0, 2, (12, 16)).astype(np.float32))
    y, z = b.tensor((1, 12), "float32"), b.tensor((1, 12), "float32")
    b.operator("FULLY_CONNECTED", [x, w], [y])
    b.operator("SOFTMAX", [y], [z])
    (tmp_path / "float.tflite").write_bytes(b.build(inputs=[x], outputs=[z]))
    asked = ["profile", tmp_path / "float.tflite", "--board", "netduinoplus2", "--output", tmp_path / "p.json"]
    ran = shoal(*asked, "--json")
    assert ran.code == 0, ran.out
    assert ran.document["boards"][0]["images"][0]["exact"] is (None if oracle.reason() else True)


def test_the_picture_of_a_profile(shoal, small, tmp_path, cache):
    need_arm()
    asked = ["profile", small, "--board", "netduinoplus2", "--output", tmp_path / "p.json", "--plot"]
    assert shoal(*asked, tmp_path / "p.svg").code == 0
    assert "conv_2d" in (tmp_path / "p.svg").read_text()
    assert shoal(*asked, tmp_path / "p.txt").code == 2


def test_totals_are_labelled_by_the_weakest_source(altered, split):
    path = altered()
    made = split("--profile", path).document
    # 3 operators of 1 ms, and two chunks that take in and give out one tensor of 5 ms each
    assert made["latency_milliseconds"] == pytest.approx(3 + 4 * 5)
    assert (made["source"], made["sources"]) == ("emulated", ["board", "emulated"])
    assert "by the test" in made["assumption"]
    assert "line rate" not in made["assumption"]
    described = json.loads((path.parent / "duo" / "shoal.json").read_text())
    assert [(w["bandwidth"], w["source"]) for w in described["wires"]] == [(9000, "board")] * 2
    assert described["plans"][0]["source"] == "emulated"


def test_another_kernel_than_was_measured_is_modelled(altered, split):
    def other(document):
        for operator in document["boards"][0]["operators"]:
            operator["function"] = "another"

    made = split("--profile", altered(other)).document
    assert made["nodes"][0]["sources"] == ["board", "model"]
    assert made["nodes"][1]["sources"] == ["board", "emulated"]


def test_cheaper_operators_go_where_a_profile_says(altered, split):
    def slow(which):
        def change(document):
            for operator in document["boards"][which]["operators"]:
                operator["nanoseconds"] = 10**9

        return change

    assert split("--profile", altered(slow(0))).document["nodes"][0]["last"] == 1
    assert split("--profile", altered(slow(1))).document["nodes"][0]["last"] == 2


def test_profiles_of_several_boards_may_be_several_files(altered, split):
    one = altered(lambda d: d["boards"].pop(), "one.json")
    two = altered(lambda d: d["boards"].pop(0), "two.json")
    assert split("--profile", one, "--profile", two).document["sources"] == ["board", "emulated"]
    assert split("--profile", one).document["sources"] == ["board", "emulated", "model"]
    again = split("--profile", one, "--profile", one)
    assert (again.code, "once more" in again.document["error"]["what"]) == (2, True)


@pytest.mark.parametrize(
    "change, said",
    [
        (lambda d: d.update(model_sha256="f" * 64), "another model"),
        (lambda d: d["options"].update(prefer="ram"), "--prefer ram"),
        (lambda d: d["boards"][0].update(board_sha256="f" * 64), "another board file"),
        (lambda d: [b.update(board="moon") for b in d["boards"]], "profile of moon"),
        (lambda d: d["operators"].pop(), "simplified the model otherwise"),
        (lambda d: d["boards"][0]["tensors"].pop(), "other operators or tensors"),
        (lambda d: d["boards"][0]["operators"][0].update(operator=99), "other operators or tensors"),
        (lambda d: d["boards"][0]["operators"][0].update(nanoseconds=-1), "is no profile"),
        (lambda d: d["boards"][0]["operators"][0].update(nanoseconds=float("nan")), "cannot be read"),
        (lambda d: d.clear(), "is no profile"),
    ],
)
def test_a_profile_that_does_not_belong_is_one_error(altered, split, change, said):
    path = altered(change)
    ran = split("--profile", path)
    assert ran.code == 2
    error = ran.document["error"]
    assert said in error["what"] and error["where"] == str(path) and error["advice"]


def test_a_file_that_is_no_profile_is_refused(split, tmp_path):
    for content in (b"", b"\xff\xfe", b"[" * 100_000, b'{"schema": 1}'):
        (tmp_path / "p.json").write_bytes(content)
        assert split("--profile", tmp_path / "p.json").code == 2


@pytest.mark.parametrize(
    "arguments, said",
    [
        (["--board", "host"], "nothing counts on the host"),
        (["--board", "netduinoplus2", "--board", "netduinoplus2"], "named twice"),
        (["--board", "netduinoplus2", "--node", "moon=emulator"], "no node 'moon'"),
    ],
)
def test_what_cannot_be_profiled_is_said(shoal, small, tmp_path, arguments, said):
    ran = shoal("profile", small, *arguments, "--output", tmp_path / "p.json", "--json")
    assert ran.code == 2
    assert said in ran.document["error"]["what"]
    assert not (tmp_path / "p.json").exists()
