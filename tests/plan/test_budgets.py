"""Real models in every memory that they can live in: the fastest plan, the smallest, and three between, in C."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from emulated_build import MACHINES, run_emulated
from host_build import Case, run_models
from real_models import MODELS
from shoal import boards, oracle
from shoal.boards.board import Board
from shoal.network.execute import execute
from shoal.network.graph import Graph
from shoal.network.read_tflite import parse
from shoal.network.simplify import simplify
from shoal.plan.planner import lay_out, plan
from shoal.plan.steps import Options, Plan
from shoal.tensors import Array

#: those that need less when their input comes in rows
FED = [
    "mlperf_kws_int8",
    "mlperf_sww_int8",
    "mlperf_vww_int8",
    "mltk_audio_example_int8",
    "mltk_fingerprint_int8",
    "mltk_rock_paper_scissors",
    "tflm_micro_speech_int8",
    "tflm_person_detect_int8",
]

#: sanitizers would take minutes, and see nothing of what happens inside of an arena
FLAGS = ("-std=c99", "-O1", "-Wall", "-Wextra", "-Wconversion", "-Werror")

#: where real inputs lie: model → (file, array)
INPUTS = {
    "mlperf_kws_int8": ("kws01_mfcc_int8.npz", "x"),
    "tflm_micro_speech_int8": ("micro_speech_feat_int8.npz", "x"),
}


def budgets(least: Plan, most: Plan) -> list[int]:
    """Of arenas in bytes: three between the smallest plan and the fastest, the latter included."""
    room = max(0, most.arena_bytes - least.arena_bytes)
    return [least.arena_bytes + room * share // 4 for share in (1, 2, 3, 4)]


def plans(graph: Graph, board: Board, options: Options) -> list[Plan]:
    """The smallest plan first, the fastest last, each one in its budget. Plans that are the same come once."""
    least, most = lay_out(graph, board, replace(options, ram_budget=1)), lay_out(graph, board, options)
    found = [least]
    for budget in budgets(least, most):
        made = plan(graph, board, replace(options, ram_budget=budget))
        assert made.arena_bytes <= budget
        if all(made.steps != other.steps for other in found):
            found.append(made)
    return found


def samples(graph: Graph, name: str, data: Path) -> list[list[Array]]:
    """A random input, and a real one where there is any."""
    rng = np.random.default_rng(len(name))
    tensors = [graph.tensors[t] for t in graph.inputs]
    found = [[rng.integers(-128, 128, t.shape).astype(t.dtype) for t in tensors]]
    if name in INPUTS:
        file, array = INPUTS[name]
        with np.load(data / "inputs" / file) as stored:
            found.append([stored[array][0].reshape(tensors[0].shape)])
    return found


def wanted(model: bytes, graph: Graph, inputs: Sequence[list[Array]]) -> list[list[Array]]:
    """TensorFlow Lite Micro's outputs; the reference's where that is not installed."""
    if oracle.reason():
        return [execute(graph, sample) for sample in inputs]
    judge = oracle.open_oracle(model)
    return [list(judge.run(sample)) for sample in inputs]


def cases(name: str, data: Path, feed: str, features: frozenset[str]) -> tuple[list[Case], list[list[Array]]]:
    """One case for each plan; what its samples must give."""
    model = (data / "models" / f"{name}.tflite").read_bytes()
    graph = simplify(parse(model, name, name))
    host = boards.load("host")
    board = replace(host, core=replace(host.core, features=host.core.features | features))
    inputs = samples(graph, name, data)

    def case(made: Plan) -> Case:
        def planner(_graph: Graph, _board: Board, options: Options) -> Plan:
            return replace(made, name=options.name or made.name, options=options)

        return Case(model, inputs, features=features, planner=planner)

    return [case(made) for made in plans(graph, board, Options(feed=feed))], wanted(model, graph, inputs)


def check(results: Sequence[Sequence[Sequence[Array]]], expected: Sequence[Sequence[Array]]) -> None:
    for result in results:
        for outputs, want in zip(result, expected, strict=True):
            for output, right in zip(outputs, want, strict=True):
                np.testing.assert_array_equal(output.reshape(-1), right.reshape(-1))


@pytest.mark.parametrize(("name", "feed"), [*((m, "whole") for m in MODELS), *((m, "rows") for m in FED)])
def test_real_models_are_exact_in_every_memory(name: str, feed: str, data: Path, cache: None) -> None:
    made, expected = cases(name, data, feed, frozenset())
    check(run_models(made, FLAGS), expected)


@pytest.mark.parametrize(("name", "feed"), [("mlperf_kws_int8", "whole"), ("mlperf_vww_int8", "rows")])
def test_real_models_are_exact_in_every_memory_of_a_core(name: str, feed: str, data: Path, cache: None) -> None:
    core = "cortex-m4"
    made, expected = cases(name, data, feed, MACHINES[core].features)
    check(run_emulated(made, core), expected)


@pytest.mark.parametrize("core", [None, "cortex-m4", "cortex-m3", "rv32imc"])
def test_flat_tensors_that_come_and_go_in_pieces(core: str | None, data: Path) -> None:
    """An autoencoder between 640 values and 640: the sums of its first layer, and a piece of 16 bytes."""
    name = "mlperf_ad_int8"
    model = (data / "models" / f"{name}.tflite").read_bytes()
    graph = simplify(parse(model, name, name))
    features = MACHINES[core].features if core else frozenset()

    def planner(_graph: Graph, board: Board, options: Options) -> Plan:
        made = plan(graph, board, replace(options, feed="rows", drain="rows", ram_budget=560))
        assert {(s.count, s.bytes) for s in made.streams.values()} == {(40, 16)}
        return made

    inputs = samples(graph, name, data)
    case = Case(model, inputs, features=features, planner=planner)
    check(run_models([case]) if core is None else run_emulated([case], core), wanted(model, graph, inputs))
