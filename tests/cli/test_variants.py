"""Two quantizations of the same weights in one board's firmware: each inference's plan packet says which one runs."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from requantized import requantized
from shoal.link.connect import open_ports
from shoal.link.messages import HOST_NODE, Output, Part
from shoal.link.plans import crossing
from shoal.link.relay import Relay
from shoal.link.shoal import Member, Plan, Request, Shoal
from shoal.link.wiring import Seat, joined
from shoal.network.execute import execute
from shoal.network.read_tflite import read
from shoal.network.simplify import simplify


@pytest.mark.parametrize("board", ["host", "netduinoplus2"])
def test_the_packet_says_which_quantization_runs(board: str, tmp_path: Path, shoal: Callable[..., Any]) -> None:
    if board != "host" and not (shutil.which("arm-none-eabi-gcc") and shutil.which("qemu-system-arm")):
        pytest.skip("needs the cross compiler and QEMU")
    calm = requantized(tmp_path, "calm", (0.05, 0.06, 0.07, 0.2), (-1, 3, -5, 0))
    loud = requantized(tmp_path, "loud", (0.09, 0.04, 0.11, 0.3), (7, -8, 2, 1))
    made = shoal("generate", calm, "--variant", loud, "--board", board, "--output", tmp_path / "both", "--json")
    assert made.code == 0, made.err
    first, second = (v["added_weights_bytes"] for v in made.document["variants"])
    assert first > 24 * 1024 > 1024 > second

    networks = [simplify(read(path)) for path in (calm, loud)]
    graph = networks[0]
    outputs = tuple(Output(t, HOST_NODE) for t in graph.outputs)
    plans = [Plan(str(v), (Part(1, 0, len(graph.operators), graph.inputs, outputs, v),)) for v in range(2)]
    rng = np.random.default_rng(3)
    given = [rng.integers(-128, 128, (1, 8, 8, 4)).astype(np.int8) for _ in range(6)]
    with ExitStack() as stack:
        ports = open_ports(tmp_path / "both", "host" if board == "host" else "emulator", "both")
        stack.callback(ports.close)
        relay = stack.enter_context(Relay(lambda event: None))
        wired = joined("star", [Seat("both", 1, ["first", "second"])], {"both": ports}, relay)
        node = stack.enter_context(
            Shoal(
                [Member("both", 1, ports.expected)],
                wired.topology,
                wired.streams,
                crossing(graph),
                graph.outputs,
                len(graph.operators),
                plans,
            )
        )
        for plan in plans:
            node.check(plan)
        requests = [Request({graph.inputs[0]: x.tobytes()}, plans[i % 2]) for i, x in enumerate(given)]
        answers = [a.tensors[graph.outputs[0]] for a in node.run(requests)]
    wanted = [execute(networks[i % 2], [x])[0].tobytes() for i, x in enumerate(given)]
    assert answers == wanted
    assert wanted[0] != execute(networks[1], [given[0]])[0].tobytes()
