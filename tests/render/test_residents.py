"""Images of several plans: every chunk that their tables have comes to the network's own tensors."""

from __future__ import annotations

import json
import subprocess
from itertools import combinations
from pathlib import Path

import numpy as np
import pytest

from host_build import FLAGS
from random_networks import RandomNetwork
from requantized import requantized
from shoal import boards
from shoal.errors import Unsupported
from shoal.network.execute import trace
from shoal.network.read_tflite import read
from shoal.network.simplify import simplify
from shoal.plan.chunks import chunk
from shoal.plan.planner import instant, plan
from shoal.plan.residents import NO_ROUTE, added_bytes, image, routes
from shoal.plan.steps import Options, Seat
from shoal.plan.variants import together
from shoal.render import manifest, project

SEAT = Seat(2, routes("chain", 2, 3))


def run_cuts(folder, cuts, whole, values, variant=0):
    """For each cut the bytes of the tensors that are live at its end."""
    sources = [*(folder / "model").glob("*.c"), folder / "firmware" / "image.c", Path(__file__).with_name("cuts.c")]
    command = [
        "gcc",
        *FLAGS,
        "-DSHOAL_NODE=1",
        "-I",
        folder / "model",
        "-I",
        folder / "firmware",
        "-o",
        folder / "cuts",
        *sources,
    ]
    built = subprocess.run(command, capture_output=True, text=True, check=False)
    assert built.returncode == 0, built.stderr[:4000]
    asked = b"".join(
        np.array([f, n, variant], np.uint16).tobytes() + b"".join(values[t].tobytes() for t in whole.live(f))
        for f, n in cuts
    )
    ran = subprocess.run([folder / "cuts"], input=asked, capture_output=True, check=False, timeout=120)
    assert ran.returncode == 0, ran.stderr.decode(errors="replace")[:4000]
    got, found = ran.stdout, []
    for _, last in cuts:
        size = sum(whole.tensors[t].bytes for t in whole.live(last))
        found.append(got[:size])
        got = got[size:]
    assert not got
    return found


def small_network(tmp_path, seed):
    network = RandomNetwork(seed)
    path = tmp_path / "network.tflite"
    path.write_bytes(network.model)
    try:
        whole = simplify(read(path))
    except Unsupported:
        pytest.skip("an output that depends on no input")
    return path, whole, trace(whole, [network.random_input()])


@pytest.mark.parametrize("seed", [3, 11, 20, 31])
def test_every_chunk_is_a_range_of_the_whole_plan_at_its_addresses(tmp_path, seed):
    path, whole, values = small_network(tmp_path, seed)
    made = image([(0, instant(whole, boards.load("host"), Options()))], 0, 0, SEAT)
    project.write(made, path.read_bytes(), tmp_path / "made")
    cuts = list(combinations(range(len(whole.operators) + 1), 2))
    for (first, last), got in zip(cuts, run_cuts(tmp_path / "made", cuts, whole, values), strict=True):
        assert got == b"".join(values[t].tobytes() for t in whole.live(last)), (first, last)


def test_plans_of_chunks_share_arena_weights_and_code(data, tmp_path):
    path = data / "models" / "mlperf_ic_int8.tflite"
    whole, host = simplify(read(path)), boards.load("host")
    alone = [plan(chunk(whole, *cut), host, Options(name="ic")) for cut in ((0, 9), (3, 12))]
    made = image([(0, p) for p in alone], 5000, 3000, SEAT)
    assert made.arena_bytes == max(p.arena_bytes for p in alone) + 5008 + 3000
    every = [c for p in alone for s in p.steps for k in s.calls for c in k.constants]
    assert made.weights_bytes < sum(p.weights_bytes for p in alone)
    assert made.weights_bytes <= sum({c.values.tobytes(): c.bytes for c in every}.values())
    project.write(made, path.read_bytes(), tmp_path / "made")
    described = manifest.load(tmp_path / "made")
    assert [(r["first"], r["last"], r["step"]) for r in described["residents"]] == [(0, 9, 0), (3, 12, 9)]
    assert described["residents"][1]["cuts"] == list(range(3, 13))
    assert described["residents"][0]["retain_offset"] + 3000 == made.arena_bytes
    assert [s["index"] for s in described["steps"]] == list(range(18))
    values = trace(whole, [np.arange(3072, dtype=np.int64).astype(np.int8).reshape(1, 32, 32, 3)])
    [mine] = run_cuts(tmp_path / "made", [(9, 12)], whole, values)
    assert mine == b"".join(values[t].tobytes() for t in whole.live(12))


def test_a_boundary_inside_of_a_fused_step_is_no_cut(data, tmp_path):
    whole = simplify(read(data / "models" / "mlperf_ic_int8.tflite"))
    fused = plan(whole, boards.load("mps2_an386"), Options(ram_budget=30_000))
    [one] = image([(0, fused)], 0, 0, SEAT).residents
    inside = {b for s in fused.steps for b in range(s.operators[0] + 1, s.operators[-1] + 1)}
    assert inside
    assert manifest.cuts(one) == [b for b in range(16) if b not in inside]


def test_routes_lead_to_the_nearer_side():
    nodes = range(1, 5)
    ways = {n: routes("chain", n, 4, hosts=1) for n in nodes}
    for n in nodes:
        assert [ways[n][d] for d in nodes if d != n] == [int(d > n) for d in nodes if d != n]
        assert ways[n][0] == ways[n][5] == int(n > 2)
        assert ways[n][n] == ways[n][6] == NO_ROUTE
    assert set(routes("star", 2, 4)) == {0, NO_ROUTE}
    assert routes("chain", 1, 1)[0] == 0


def test_single_boards_have_no_tables(data, tmp_path):
    path = data / "models" / "mlperf_ic_int8.tflite"
    project.write(plan(simplify(read(path)), boards.load("host"), Options()), path.read_bytes(), tmp_path / "made")
    described = json.loads((tmp_path / "made" / "manifest.json").read_text())
    assert (described["seat"], described["residents"]) == (None, [])
    assert "model_chunk" not in (tmp_path / "made" / "firmware" / "image.c").read_text()


@pytest.mark.parametrize("board", ["host", "mps2_an386", "esp32c3"])
def test_another_quantization_of_the_same_weights_takes_its_tables_alone(tmp_path, board):
    calm = requantized(tmp_path, "calm", (0.05, 0.06, 0.07, 0.2), (-1, 3, -5, 0))
    loud = requantized(tmp_path, "loud", (0.09, 0.04, 0.11, 0.3), (7, -8, 2, 1))
    graphs = [simplify(read(path)) for path in (calm, loud)]
    made = together(graphs, boards.load(board), Options())
    first, second = added_bytes(made.residents)
    # per output channel a bias, a multiplier, a shift, and what one kernel has besides: of at most four bytes each
    channels = 16 + 16 + 24
    assert first > 24 * 1024
    assert 0 < second <= 4 * 4 * channels
    assert made.weights_bytes == first + second
    assert made.arena_bytes < sum(one.plan.arena_bytes for one in made.residents) + 256 + 24 + 32
    project.write(made, calm.read_bytes(), tmp_path / "made")
    x = np.random.default_rng(1).integers(-128, 128, (1, 8, 8, 4)).astype(np.int8)
    for variant, graph in enumerate(graphs):
        values = trace(graph, [x])
        cuts = [(0, 3), (1, 2), (2, 3)]
        for (_, last), got in zip(cuts, run_cuts(tmp_path / "made", cuts, graph, values, variant), strict=True):
            assert got == b"".join(values[t].tobytes() for t in graph.live(last))
