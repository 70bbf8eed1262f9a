"""`shoal bench`'s document: on emulators with a real build, and on a board that a stand-in plays."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from jsonschema import Draft202012Validator

from shoal import boards, cli, oracle
from shoal.bench import exact
from shoal.bench.bench import bench, energy, total
from shoal.bench.cortex_m4 import ASSUMPTION
from shoal.bench.inputs import generator
from shoal.build.builder import Built
from shoal.link.node import Answer, Identity
from shoal.network.read_tflite import read
from shoal.network.simplify import simplify
from shoal.plan.planner import plan
from shoal.plan.steps import Options
from shoal.render.manifest import load
from shoal.render.project import write
from tflite_builder import ModelBuilder

SCHEMA = json.loads((Path(cli.__file__).parent / "schemas" / "bench.schema.json").read_text(encoding="utf-8"))
KEYS = set(SCHEMA["$defs"]["result"]["required"])


def generated(folder: Path, board: str, name: str = "tiny") -> Path:
    """A folder with two fully connected layers and a softmax: 16 int8 in, 8 out."""
    random = np.random.default_rng(3)
    b = ModelBuilder()
    x = hidden_from = b.tensor((1, 16), scale=0.05, zero_point=3)
    for inputs, outputs in ((16, 12), (12, 8)):
        weights = b.tensor(
            data=random.integers(-127, 128, (outputs, inputs), np.int8), scale=0.01, zero_point=0, name="weights"
        )
        bias = b.tensor(data=random.integers(-500, 500, outputs, np.int32), scale=0.0005, zero_point=0, name="bias")
        y = b.tensor((1, outputs), scale=0.05, zero_point=-4)
        b.operator("FULLY_CONNECTED", [hidden_from, weights, bias], [y])
        hidden_from = y
    z = b.tensor((1, 8), scale=1 / 256, zero_point=-128)
    b.operator("SOFTMAX", [hidden_from], [z])
    model = folder / f"{name}.tflite"
    model.write_bytes(b.build(inputs=[x], outputs=[z]))
    directory = folder / f"{name}-{Path(board).stem}"
    write(plan(simplify(read(model)), boards.load(board), Options()), model.read_bytes(), directory)
    return directory


@pytest.fixture(scope="module", params=["netduinoplus2", "esp32c3"])
def emulated(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    board = boards.load(request.param)
    assert board.emulator is not None
    for program in (f"{board.toolchain}gcc", *(["qemu-system-arm"] if board.emulator.kind == "qemu" else [])):
        if shutil.which(program) is None:
            pytest.skip(f"needs {program}")
    directory = generated(tmp_path_factory.mktemp("bench"), board.id)
    told: list[None] = []
    result = bench(directory, "emulator", 2, True, lambda: told.append(None))
    assert len(told) == total(directory, 2, True)
    return result


def test_is_what_the_schema_says(emulated: dict[str, Any]) -> None:
    Draft202012Validator(SCHEMA).validate(emulated)
    assert set(emulated) == KEYS
    assert emulated["source"] == "emulated"
    assert emulated["exact"] is (None if oracle.reason() else True)


def test_emulated_counts_are_no_times(emulated: dict[str, Any]) -> None:
    latency = emulated["latency"]
    assert latency["instructions"] > 500
    assert latency["cycles"] is latency["milliseconds"] is None
    assert emulated["energy"]["microjoules"] is None
    if emulated["board"] == "netduinoplus2":
        assert latency["instructions"] < latency["cycles_estimated"] < 4 * latency["instructions"]
        assert latency["milliseconds_estimated"] == pytest.approx(latency["cycles_estimated"] / 168e3, abs=1e-6)
        assert (latency["assumption"], latency["assumed_cpi"]) == (ASSUMPTION, None)
    else:
        assert latency["cycles_estimated"] is None


def test_steps_add_up(emulated: dict[str, Any]) -> None:
    steps = emulated["latency"]["steps"]
    assert [s["operators"] for s in steps] == [["fully_connected"], ["fully_connected"], ["softmax"]]
    assert [s["macs"] for s in steps[:2]] == [16 * 12, 12 * 8]
    assert all(s["code_bytes"] > 0 for s in steps)
    # each step alone also enters and leaves the loop over the steps
    apart = sum(s["instructions"] for s in steps) - emulated["latency"]["instructions"]
    assert 0 <= apart < 30 * len(steps)


def test_sizes_add_up(emulated: dict[str, Any]) -> None:
    ram, flash = emulated["ram"], emulated["flash"]
    assert ram["total_bytes"] == ram["arena_bytes"] + ram["static_bytes"] + ram["stack_total_bytes"]
    assert 0 < ram["stack_bytes"] < ram["stack_total_bytes"] < 4096
    assert flash["weights_bytes"] >= 16 * 12 + 12 * 8
    assert 0 < flash["code_bytes"] < flash["total_bytes"] - flash["weights_bytes"]


class Stub:
    """A node whose answers are the reference's, or are altered."""

    def __init__(self, directory: Path, cycles: Sequence[int] = (), alter: Callable[[str, bytes], bytes] | None = None):
        self.manifest = load(directory)
        self.reference = oracle.open_oracle((directory / self.manifest["model"]["file"]).read_bytes())
        self.cycles = list(cycles)
        self.alter = alter or (lambda _, data: data)
        self.ran: list[tuple[int, int]] = []

    def __enter__(self) -> Stub:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def identify(self) -> Identity:
        return Identity(1, "", "", "", "", "", 160_000_000, "cycles", 0, 0, 0, 0, (16,), (8,))

    def load(self, inputs: Sequence[bytes]) -> None:
        self.given = [np.frombuffer(i, np.int8).reshape(1, 16) for i in inputs]

    def run(self, inputs: Sequence[bytes]) -> Answer:
        self.load(inputs)
        output = self.reference.run(self.given)[0].tobytes()
        return Answer((self.alter("output", output),), self.cycles.pop(0) if self.cycles else 0, 100, 200, 0)

    def run_steps(self, first: int, last: int) -> Answer:
        self.ran.append((first, last))
        self.reference.run(self.given)
        return Answer((), 10 * last, 100, 200, 0)

    def read_arena(self, offset: int, size: int) -> bytes:
        described = self.manifest["steps"][self.ran[-1][1] - 1]["outputs"][0]
        assert (offset, size) == (described["offset"], described["bytes"])
        return self.alter("hidden", self.reference.tensor(described["tensor"]).tobytes())


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    if oracle.reason():
        pytest.skip(str(oracle.reason()))
    return generated(tmp_path, "netduinoplus2")


def board_result(folder: Path, stub: Stub, monkeypatch: pytest.MonkeyPatch, **arguments: Any) -> dict[str, Any]:
    elf = folder / "firmware.elf"
    built = Built(elf, elf, "0" * 40, "0" * 64, "gcc 1", [], 1000, 500, 9000, 64, 300)
    monkeypatch.setattr("shoal.build.builder.build", lambda *_: built)
    monkeypatch.setattr("shoal.link.connect.open_node", lambda *_, **__: stub)
    result = bench(folder, "serial:/dev/ttyX", **arguments)
    Draft202012Validator(SCHEMA).validate(result)
    return result


def test_a_board_measures_time(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    stub = Stub(folder, cycles=[1_700_000, 1_600_000, 1_601_000])
    result = board_result(folder, stub, monkeypatch, runs=3)
    latency = result["latency"]
    assert (result["source"], result["clock_hz"]) == ("board", 160_000_000)
    assert (latency["cycles"], latency["milliseconds"]) == (1_601_000, pytest.approx(10.00625))
    assert latency["instructions"] is latency["cycles_estimated"] is latency["milliseconds_estimated"] is None
    assert result["ram"]["total_bytes"] == 64 + 300 + 200
    # 40 mA at 3.3 V, by the board's file
    assert result["energy"] == {
        "current_milliamperes": 40,
        "idle_milliamperes": None,
        "window_milliseconds": None,
        "microjoules": pytest.approx(40 * 3.3 * 10.00625, abs=0.001),
        "meter": None,
        "source": "model",
        "sources": ["board", "model"],
    }


def test_exact_looks_in_front_of_the_softmax(folder: Path) -> None:
    manifest = load(folder)
    inputs = generator(manifest["inputs"])

    def verdict(wrong: str | None) -> tuple[bool | None, str | None]:
        stub = Stub(folder, alter=lambda what, data: bytes([data[0] ^ 1]) + data[1:] if what == wrong else data)
        outputs = stub.run([i.tobytes() for i in inputs]).outputs
        found = exact.judge(stub, folder, manifest, inputs, outputs)
        assert stub.ran == ([] if wrong == "output" else [(0, 2)])
        return found

    assert verdict(None) == (True, None)
    assert verdict("output")[0] is False
    hidden = verdict("hidden")
    assert hidden[0] is False and "in front of" in str(hidden[1])


def test_exact_is_unknown_without_a_reference(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shoal.oracle.reason", lambda: "no wheel here")
    assert exact.judge(Stub(folder), folder, load(folder), [], []) == (None, "no wheel here")


def test_energy_needs_a_measured_time() -> None:
    assert energy(boards.load("netduinoplus2"), None)["microjoules"] is None
    assert energy(boards.load("host"), 1.0)["microjoules"] is None
