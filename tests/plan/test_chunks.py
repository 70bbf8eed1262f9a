"""Chunks: networks of their own that come to the whole one's bytes, wherever they are cut."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from random_networks import RandomNetwork
from shoal import boards
from shoal.errors import Unsupported
from shoal.network.execute import execute, trace
from shoal.network.read_tflite import read
from shoal.network.simplify import simplify
from shoal.plan.chunks import Chunks, chunk
from shoal.plan.planner import plan
from shoal.plan.steps import Options


def simplified(tmp_path_factory, seed):
    network = RandomNetwork(seed)
    path = tmp_path_factory.mktemp("network") / "network.tflite"
    path.write_bytes(network.model)
    try:
        return network, simplify(read(path))
    except Unsupported:  # an output that depends on no input
        return network, None


@settings(max_examples=30)
@given(st.integers(0, 10_000))
def test_chunks_one_after_another_come_to_the_whole(tmp_path_factory, seed):
    network, whole = simplified(tmp_path_factory, seed)
    if whole is None:
        return
    x = network.random_input()
    values = trace(whole, [x])
    count = len(whole.operators)
    for first in range(count):
        for last in range(first + 1, count + 1):
            part = chunk(whole, first, last)
            got = execute(part, [values[t] for t in part.inputs])
            for tensor, value in zip(part.outputs, got, strict=True):
                assert value.tobytes() == values[tensor].tobytes()
    carried = {whole.inputs[0]: x}
    for first in range(count):
        part = chunk(whole, first, first + 1)
        carried |= dict(zip(part.outputs, execute(part, [carried[t] for t in part.inputs]), strict=True))
    assert [carried[t].tobytes() for t in whole.outputs] == [values[t].tobytes() for t in whole.outputs]


def test_a_network_is_its_own_chunk_and_nothing_else_is(tmp_path_factory):
    _, whole = simplified(tmp_path_factory, 3)
    count = len(whole.operators)
    assert chunk(whole, 0, count) is whole
    assert chunk(whole, 0, 1).chunk.whole is whole
    for first, last in ((0, 0), (1, 1), (0, count + 1), (-1, 1)):
        with pytest.raises(ValueError, match="no chunk"):
            chunk(whole, first, last)


def test_a_need_is_that_of_the_plan_it_stands_for(data):
    whole = simplify(read(data / "models" / "mlperf_ic_int8.tflite"))
    board, chunks = boards.load("netduinoplus2"), Chunks(whole)
    roomy = chunks.need(2, 9, board, Options())
    made = plan(chunks.get(2, 9), board, roomy.options)
    assert roomy.prediction.arena_bytes == made.arena_bytes
    assert roomy.short == 0
    tight = chunks.need(2, 9, board, Options(ram_budget=made.arena_bytes - 1))
    assert tight.options.prefer == "ram"
    assert roomy.bytes_in == sum(whole.tensors[t].bytes for t in chunks.get(2, 9).inputs)
    assert np.prod([len(chunks.get(2, 9).outputs), roomy.bytes_out]) > 0
