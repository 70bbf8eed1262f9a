"""A model over several nodes, on the command line."""

from __future__ import annotations

import json
import shutil

import numpy as np
import pytest

from shoal import oracle
from shoal.link.ports import RunPorts
from shoal.link.shoal import Shoal


@pytest.fixture(scope="module")
def made(tmp_path_factory, cache):
    """Folders of shoals by what they were asked for; each is split, and so built, once."""
    return {}


@pytest.fixture
def duo(shoal, small, made, tmp_path_factory):
    """A small model over two host nodes."""
    if "duo" not in made:
        folder = tmp_path_factory.mktemp("shoals") / "duo"
        ran = shoal("split", small, "--board", "host", "--board", "host", "--output", folder, "--json")
        assert ran.code == 0, ran.out
        made["duo"] = folder
    return made["duo"]


@pytest.fixture
def rows(tmp_path):
    x = np.random.default_rng(3).integers(-128, 128, (6, 6, 6, 2)).astype(np.int8)
    np.save(tmp_path / "x.npy", x)
    return tmp_path / "x.npy"


def test_split_says_what_it_wrote(shoal, small, tmp_path):
    boards = [a for b in ("esp32c3", "netduinoplus2", "esp32c3") for a in ("--board", b)]
    document = shoal("split", small, *boards, "--output", tmp_path / "trio", "--json").document
    nodes = document["nodes"]
    assert [n["name"] for n in nodes] == ["esp32c3", "netduinoplus2", "esp32c3-2"]
    assert [(n["first"], n["last"]) for n in nodes] == [(0, 1), (1, 2), (2, 3)]
    assert [(n["bytes_in"], n["bytes_out"]) for n in nodes] == [(72, 108), (108, 108), (108, 108)]
    described = json.loads((tmp_path / "trio" / "shoal.json").read_text())
    assert [o["kind"] for o in described["operators"]] == ["conv_2d", "add", "softmax"]
    for node in nodes:
        manifest = json.loads((tmp_path / "trio" / node["name"] / "manifest.json").read_text())
        assert manifest["chunk"] is None  # all of the network fits, so that cuts can move
        assert manifest["residents"][0]["cuts"] == [0, 1, 2, 3]
        assert manifest["seat"]["number"] == node["number"]
        assert manifest["arena_bytes"] == node["arena_bytes"]


def test_a_split_is_the_same_each_time(shoal, small, tmp_path):
    for name in ("a", "b"):
        assert shoal("split", small, "--board", "host", "--board", "esp32c3", "--output", tmp_path / name).code == 0
    files = sorted(p.relative_to(tmp_path / "a") for p in (tmp_path / "a").rglob("*") if p.is_file())
    assert files == sorted(p.relative_to(tmp_path / "b") for p in (tmp_path / "b").rglob("*") if p.is_file())
    assert all((tmp_path / "a" / f).read_bytes() == (tmp_path / "b" / f).read_bytes() for f in files)


def test_two_nodes_answer_as_one(shoal, duo, rows, small, tmp_path):
    ran = shoal("run", duo, "--input", rows, "--output", tmp_path / "y.npy", "--json")
    assert ran.code == 0, ran.err
    document = ran.document
    assert [n["name"] for n in document["nodes"]] == ["host", "host-2"]
    assert document["degraded"] is False
    if oracle.reason():
        pytest.skip(oracle.reason())
    judge = oracle.open_oracle(small.read_bytes())
    want = np.stack([judge.run([x[None]])[0] for x in np.load(rows)])
    assert np.load(tmp_path / "y.npy").tobytes() == want.tobytes()


def test_bench_measures_each_node_on_what_comes_to_it(shoal, duo):
    document = shoal("bench", duo, "--node", "host", "--json").document
    first, second = document["nodes"]
    assert (first["bytes_in"], first["bytes_out"], second["bytes_in"], second["bytes_out"]) == (72, 108, 108, 108)
    assert first["chunks"][0]["last"] == second["chunks"][0]["first"]
    assert document["exact"] is (None if oracle.reason() else True)
    assert document["degraded"] is False and document["lost"] == []
    assert [link["to"] for link in document["links"]] == ["hub", "hub"]
    # a node's tensors, and each piece of them once
    assert [link["bytes"] for link in document["links"]] == [72 + 108, 108 + 108]
    throughput = document["throughput"]
    assert throughput["inputs"] >= 20 and throughput["in_flight"] == 3
    assert throughput["per_second_estimated"] >= throughput["one_at_a_time_per_second"]
    assert document["latency"]["source"] == "model"


def test_test_checks_the_whole_and_each_node(shoal, duo, rows, tmp_path):
    ran = shoal("test", duo, "--count", 2, "--input", rows, "--junit", tmp_path / "j.xml", "--json")
    assert ran.code == 0, ran.err
    names = [c["name"] for c in ran.document["checks"]]
    assert names[0] == "outputs"
    assert {"host: identity", "host-2: identity", "host-2: garbled link"} <= set(names)
    assert ran.document["inputs"] == 2 + 6
    assert 'name="host-2: reset"' in (tmp_path / "j.xml").read_text()


def test_build_builds_every_node(shoal, duo):
    document = shoal("build", duo, "--json").document
    assert [n["name"] for n in document["nodes"]] == ["host", "host-2"]
    assert document["nodes"][0]["build_id"] != document["nodes"][1]["build_id"]


@pytest.fixture
def dying(monkeypatch):
    """`dying(name)`: that node ends after the first answer."""
    started, whole = {}, Shoal.run
    begin = RunPorts.__init__

    def remembered(ports, name, *arguments):
        begin(ports, name, *arguments)
        started[name] = ports

    def arranged(name):
        def run(shoal, requests):
            for answer in whole(shoal, requests):
                yield answer
                started[name].end()

        monkeypatch.setattr(RunPorts, "__init__", remembered)
        monkeypatch.setattr(Shoal, "run", run)

    return arranged


def test_when_a_node_dies_the_other_answers(shoal, duo, rows, small, tmp_path, dying):
    dying("host-2")
    ran = shoal("run", duo, "--input", rows, "--in-flight", 1, "--output", tmp_path / "y.npy", "--json")
    assert ran.code == 0
    assert ran.document["degraded"] is True
    assert [lost["name"] for lost in ran.document["lost"]] == ["host-2"]
    if not oracle.reason():
        judge = oracle.open_oracle(small.read_bytes())
        want = np.stack([judge.run([x[None]])[0] for x in np.load(rows)])
        assert np.load(tmp_path / "y.npy").tobytes() == want.tobytes()


def test_a_node_that_dies_is_named_where_no_plan_does_without_it(shoal, duo, rows, tmp_path, dying):
    copy = tmp_path / "copy"
    shutil.copytree(duo, copy)
    file = copy / "shoal.json"
    described = json.loads(file.read_text())
    del described["plans"][1:]
    file.write_text(json.dumps(described))
    dying("host-2")
    ran = shoal("run", copy, "--input", rows, "--in-flight", 1, "--json")
    assert ran.code == 3
    assert ran.document["error"]["where"].startswith("node host-2")


@pytest.mark.parametrize("topology", ["star", "chain"])
def test_the_cut_moves_over_every_boundary_without_flashing(shoal, small, rows, tmp_path, cache, topology):
    need("mps2_an386")
    folder, log = tmp_path / "duo", tmp_path / "log.jsonl"
    boards = ["--board", "mps2_an386", "--board", "mps2_an386", "--topology", topology]
    assert shoal("split", small, *boards, "--output", folder).code == 0
    asked = ["run", folder, "--input", rows, "--node", "host", "--cuts", "each", "--log", log, "--json"]
    for more in ([], ["--host-finishes"]):
        document = shoal(*asked, *more).document
        assert document["cuts"] == {"walked": 2, "refused": {}, "unchanged": True}
        log.unlink()


@pytest.mark.parametrize(
    "cuts, code, said",
    [("0", 2, "no boundaries"), ("2,1", 2, "no boundaries"), ("x", 2, "no boundaries"), ("1,2", 2, "3 chunks")],
)
def test_cuts_that_cannot_be_are_refused(shoal, duo, rows, cuts, code, said):
    ran = shoal("run", duo, "--input", rows, "--cuts", cuts, "--json")
    assert ran.code == code
    assert said in ran.document["error"]["what"]


def test_what_is_a_shoals_is_refused_for_one_board(shoal, small, rows):
    ran = shoal("run", small, "--board", "host", "--input", rows, "--cuts", "1", "--json")
    assert ran.code == 2
    assert ran.document["error"]["where"] == "--cuts"


def test_a_node_that_is_not_there_is_named(shoal, duo, rows):
    ran = shoal("run", duo, "--input", rows, "--node", "host-2=serial:/dev/none", "--json")
    assert ran.code == 3
    assert "node host-2" in ran.document["error"]["where"]


def test_flash_wants_to_know_which_board_is_which(shoal, small, tmp_path):
    boards = ["--board", "esp32c3", "--board", "esp32c3"]
    assert shoal("split", small, *boards, "--output", tmp_path / "made").code == 0
    ran = shoal("flash", tmp_path / "made", "--json")
    assert ran.code == 3
    assert "--port NAME=PORT" in ran.document["error"]["advice"]


@pytest.mark.parametrize(
    "arguments, code, said",
    [
        (["--pin", "0=esp32c3"], 1, "pins 0=esp32c3"),
        (["--pin", "9=host"], 2, "no operator '9'"),
        (["--pin", "0=moon"], 2, "no node 'moon'"),
        (["--objective", "energy"], 2, "no currents"),
        (["--ram-budget", "9", "--ram-budget", "9", "--ram-budget", "9"], 2, "3 values for 2 boards"),
        (["--board", "host", "--board", "host"], 1, "4 boards, and the network has 3 operators"),
    ],
)
def test_what_cannot_be_split_is_said(shoal, small, tmp_path, arguments, code, said):
    output = tmp_path / "made"
    ran = shoal("split", small, "--board", "host", "--board", "esp32c3", *arguments, "--output", output, "--json")
    assert ran.code == code
    assert said in ran.document["error"]["what"]
    assert not output.exists()


@pytest.mark.parametrize("what", ["ram", "flash"])
def test_the_nearest_budget_that_is_named_works_and_one_less_does_not(shoal, small, tmp_path, what):
    asked = ["split", small, "--board", "host", "--board", "host", "--output", tmp_path / "made", "--json"]
    error = shoal(*asked, f"--{what}-budget", "50").document["error"]
    assert "short" in error["what"]
    words = error["advice"].replace(",", " ").replace(";", " ").split()
    needed = max(int(words[i + 1]) for i, word in enumerate(words) if word == f"--{what}-budget")
    assert shoal(*asked, f"--{what}-budget", needed).code == 0
    assert shoal(*asked, f"--{what}-budget", needed - 1).code == 1


def test_fewest_boards_may_be_one(shoal, small, tmp_path):
    boards = ["--board", "host", "--board", "esp32c3", "--objective", "boards"]
    document = shoal("split", small, *boards, "--output", tmp_path / "made", "--json").document
    assert [(n["first"], n["last"]) for n in document["nodes"]] == [(0, 3)]


@pytest.mark.parametrize("asked", [["--board", "host"], ["--prefer", "size"], ["--node", "moon=host"]])
def test_a_shoal_is_taken_as_it_is(shoal, duo, rows, asked):
    assert shoal("run", duo, "--input", rows, *asked, "--json").code == 2


def test_what_was_changed_by_hand_is_refused(shoal, duo, rows, tmp_path):
    copy = tmp_path / "copy"
    shutil.copytree(duo, copy)
    file = copy / "shoal.json"
    described = json.loads(file.read_text())
    described["plans"][0]["assignments"].reverse()
    file.write_text(json.dumps(described))
    assert "nothing gives" in shoal("run", copy, "--input", rows, "--json").document["error"]["what"]
    described["topology"] = "ring"
    file.write_text(json.dumps(described))
    assert "topology" in shoal("run", copy, "--input", rows, "--json").document["error"]["what"]


TOOLS = {
    "netduinoplus2": ("arm-none-eabi-gcc", "qemu-system-arm"),
    "mps2_an386": ("arm-none-eabi-gcc", "qemu-system-arm"),
    "esp32c3": ("riscv64-unknown-elf-gcc",),
}


def need(*boards):
    for tool in (t for b in boards for t in TOOLS[b]):
        if shutil.which(tool) is None:
            pytest.skip(f"needs {tool}")


def test_a_board_and_the_host_work_together(shoal, small, rows, tmp_path, cache):
    need("netduinoplus2")
    folder = tmp_path / "mixed"
    assert shoal("split", small, "--board", "netduinoplus2", "--board", "host", "--output", folder).code == 0
    document = shoal("bench", folder, "--json").document
    assert [n["node"] for n in document["nodes"]] == ["emulator", "host"]
    assert document["nodes"][0]["latency"]["instructions"] > 0
    assert document["exact"] is (None if oracle.reason() else True)
    twin = shoal("run", folder, "--input", rows, "--node", "netduinoplus2=host", "--json").document
    assert [n["node"] for n in twin["nodes"]] == ["host", "host"]


def test_three_kinds_of_boards_run_a_residual_network_cut_inside_a_block(shoal, data, tmp_path, cache):
    boards = ("netduinoplus2", "mps2_an386", "esp32c3")
    need(*boards)
    folder = tmp_path / "trio"
    pins = [a for pin in ("1=netduinoplus2", "2=mps2_an386", "9=esp32c3") for a in ("--pin", pin)]
    asked = [a for b in boards for a in ("--board", b)]
    made = shoal("split", data / "models" / "mlperf_ic_int8.tflite", *asked, *pins, "--output", folder, "--json")
    first, second, third = made.document["nodes"]
    assert (first["last"], second["first"], third["last"]) == (2, 2, 15)
    # the block's own input goes around its second convolution, and so crosses the cut as well
    assert second["bytes_in"] == 2 * 32 * 32 * 16
    document = shoal("bench", folder, "--json").document
    assert all(n["latency"]["instructions"] > 100_000 for n in document["nodes"])
    assert document["exact"] is (None if oracle.reason() else True), document["exact_reason"]
